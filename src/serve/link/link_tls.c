/*
 * Certificate, key and client CAs of a link server, on the control worker. New files take
 * the place of old ones without a restart, and what does not belong together changes
 * nothing.
 */
#include <string.h>

#include "base/str.h"
#include "serve/link/link_priv.h"

#define TLS_SETTLE_MS 500 /* two files are written one after the other */

static enum err link_read_tls(struct link_server *s, struct tls_context **out,
	struct why *why)
{
	struct tls_server_options o = {
		.cert_file = s->o->tls_cert,
		.key_file = s->o->tls_key,
		.ca_path = s->o->tls_ca,
	};

	return tls_context_new_server(&o, out, why);
}

static void link_take_tls(struct link_server *s, struct tls_context *tls)
{
	tls_context_free(s->tls);
	s->tls = tls;
	for (unsigned i = 0; i < s->count; i++) {
		if (s->workers[i].worker.mailbox != NULL &&
			!link_worker_set_tls(&s->workers[i], tls))
			log_error(&s->log,
				"TLS: out of memory: worker %u keeps the previous certificate",
				i);
	}
}

/* The same trouble is told once, however often the files change meanwhile. */
static void link_on_tls_files(void *arg)
{
	struct link_server *s = arg;
	struct tls_context *tls;
	struct why why = { 0 };
	enum err rc = link_read_tls(s, &tls, &why);

	if (rc == ERR_OK) {
		s->tls_trouble[0] = '\0';
		log_info(&s->log, "TLS: reloaded %s", s->o->tls_cert);
		link_take_tls(s, tls);
	} else if (strcmp(s->tls_trouble, err_text(rc, &why)) != 0) {
		str_copy(s->tls_trouble, sizeof(s->tls_trouble), err_text(rc, &why));
		log_warn(&s->log, "TLS: keeping the previous certificate: %s",
			s->tls_trouble);
	}
}

void link_tls_reload(struct link_server *s)
{
	if (s->tls == NULL)
		return;
	file_watch_note(s->tls_watch);
	s->tls_trouble[0] = '\0'; /* a person asks: tell it again */
	link_on_tls_files(s);
}

enum err link_tls_open(struct link_server *s, struct why *why)
{
	struct file_watch_options o = {
		.loop = s->control->loop,
		.paths = { s->o->tls_cert, s->o->tls_key, s->o->tls_ca },
		.settle_ms = TLS_SETTLE_MS,
		.on_change = link_on_tls_files,
		.arg = s,
	};

	if (s->o->tls_cert == NULL)
		return ERR_OK;
	/* Before they are read: what is written meanwhile is a change. */
	if (file_watch_open(&o, &s->tls_watch) != ERR_OK)
		return err_set(why, ERR_NOMEM, "no memory for a certificate");
	return link_read_tls(s, &s->tls, why);
}

void link_tls_close(struct link_server *s)
{
	file_watch_close(s->tls_watch);
	tls_context_free(s->tls);
}
