/* An entry is the side of a remote where users arrive. */
#include "tunnel/chisel/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tunnel/chisel/entry_priv.h"

enum err entry_open(const struct entry_options *o, struct entry **out, struct why *why)
{
	const struct entry_kind *kind = o->remote->is_stdio ? &entry_stdio :
		o->remote->is_udp                           ? &entry_udp :
							      &entry_tcp;
	struct entry *e = calloc(1, kind->bytes);
	char name[REMOTE_TEXT_MAX], port[20] = "";
	enum err rc;

	if (e == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a listener");
	e->kind = kind;
	e->o = *o;
	e->remote = *o->remote;
	remote_print_target(&e->remote, e->target);
	log_init(&e->log, o->log, "proxy#%s", remote_print(&e->remote, name));
	rc = kind->open(e, why);
	if (rc != ERR_OK) {
		entry_close(e);
		return rc;
	}
	if (strcmp(e->remote.local_port, "0") == 0)
		snprintf(port, sizeof(port), " on port %u", e->port);
	if (o->is_anonymous)
		log_limited(LOG_INFO, &e->log, "Listening%s", port);
	else
		log_info(&e->log, "Listening%s", port);
	*out = e;
	return ERR_OK;
}

void entry_note(struct entry *e, unsigned long long visitor, enum err rc,
	const struct why *why)
{
	const char *text = err_text(rc, why);
	uint64_t trouble = rc != ERR_OK ? str_digest(text) : 0;

	if (rc != ERR_OK)
		log_limited(trouble != e->trouble ? LOG_INFO : LOG_DEBUG, &e->log,
			"conn#%llu: Stream error: ssh: %s", visitor, text);
	else if (e->trouble != 0)
		log_limited(LOG_INFO, &e->log, "conn#%llu: the target is reachable again",
			visitor);
	e->trouble = trouble;
}

uint16_t entry_port(const struct entry *e)
{
	return e->port;
}

void entry_attach(struct entry *e, struct chisel_session *session)
{
	e->session = session;
	e->kind->on_session(e);
}

void entry_close(struct entry *e)
{
	if (e == NULL)
		return;
	e->kind->close(e);
	free(e);
}
