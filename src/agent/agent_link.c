/* A link of an agent's config. */
#include "agent/agent_link.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/retry.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "crypto/hostkey.h"
#include "store/file.h"
#include "tunnel/chisel/check.h"

#define AUTH_MAX 1024

struct agent_link {
	struct agent_link_options o;
	struct link_config c; /* owned */
	struct log log;
	char *label;         /* of a managed link: the agent's; owned, as the key */
	struct hostkey *key; /* likewise: it logs in with it */
	char *ca;            /* owned: the file of the relay's own CA; NULL: none */
	struct agent_session *session; /* NULL: it cannot run now */
	struct loop_timer *timer;      /* the next attempt to run */
	struct retry retry;
	struct why error; /* why it cannot run */
	enum agent_state state;
	uint64_t since_ms, next_ms;
	bool is_held;      /* a session uses the credentials: it is not released yet */
	bool is_reopening; /* runs again when its session is released */
	bool is_closed;    /* by its owner: freed then */
};

/* ---- state ---- */

static enum agent_state state_of(const struct agent_link *l)
{
	struct agent_session_status s;

	if (l->session == NULL)
		return l->is_reopening ? AGENT_STATE_STARTING : AGENT_STATE_ERROR;
	s = agent_session_status(l->session);
	if (s.state == AGENT_OPEN)
		return AGENT_STATE_RUNNING;
	return s.error[0] != '\0' ? AGENT_STATE_ERROR : AGENT_STATE_STARTING;
}

static void link_update(struct agent_link *l)
{
	enum agent_state state = state_of(l);

	if (state == l->state)
		return;
	l->state = state;
	l->since_ms = clock_now_ms();
}

static void link_fail(struct agent_link *l, enum err rc, const struct why *why)
{
	uint32_t pause;

	err_set(&l->error, rc, "%s", err_text(rc, why));
	retry_log_warn(&l->retry.log, &l->log, l->error.text);
	(void)!retry_fail(&l->retry, RETRY_TRANSIENT, &pause); /* there is no limit */
	loop_timer_set(l->timer, pause);
	l->next_ms = clock_now_ms() + pause;
	link_update(l);
}

static void on_change(void *owner, struct agent_session *session)
{
	(void)session;
	link_update(owner);
}

/* A link with any number of retries ends only without memory. */
static void on_closed(void *owner, struct agent_session *session, enum err rc)
{
	struct agent_link *l = owner;
	struct why why = { "" };

	err_set(&why, rc, "the link has ended: %s", err_name(rc));
	l->session = NULL;
	agent_session_close(session);
	link_fail(l, rc, &why);
}

static void on_released(void *owner)
{
	struct agent_link *l = owner;

	l->is_held = false;
	if (!l->is_closed && l->is_reopening)
		loop_timer_set(l->timer, 0);
	if (!l->is_closed)
		return;
	link_config_fini(&l->c);
	hostkey_free(l->key);
	free(l->label);
	free(l->ca);
	free(l);
}

static const struct agent_session_hooks hooks = {
	.on_change = on_change,
	.on_closed = on_closed,
};

/* ---- running ---- */

/* The first line of the file. */
static enum err read_auth(struct agent_link *l, struct why *why)
{
	struct why words = { "" };
	struct span line, rest;
	struct buf text;
	char *auth = NULL;
	enum err rc;

	if (l->c.auth_file == NULL)
		return ERR_OK;
	buf_init(&text, AUTH_MAX);
	rc = file_read(l->c.auth_file, &text, why);
	rest = buf_span(&text);
	if (rc == ERR_OK && !span_split(&rest, '\n', &line))
		line = buf_span(&text);
	if (rc == ERR_OK) {
		auth = span_dup(span_trim(line));
		rc = auth == NULL ? err_set(why, ERR_NOMEM, "out of memory") :
				    check_auth(&auth, &words);
		if (rc == ERR_USAGE)
			err_set(why, rc, "auth_file %.80s: %s", l->c.auth_file,
				words.text);
	}
	if (rc == ERR_OK && file_is_open_to_others(l->c.auth_file))
		log_warn(&l->log, "every user of this machine can read %s",
			l->c.auth_file);
	if (rc == ERR_OK) {
		mem_free_secret_str((char *)l->c.options.auth);
		l->c.options.auth = auth;
	} else {
		mem_free_secret_str(auth);
	}
	buf_wipe(&text);
	return rc;
}

/* Owned. NULL: no memory. */
static char *credential_path(const struct agent_link *l, const char *name)
{
	return l->c.credentials != NULL ? str_printf("%s/%s", l->c.credentials, name) :
					  str_printf("%s/" AGENT_LINK_DIRECTORY "/%s/%s",
						  l->o.state_dir, l->c.id, name);
}

/* A relay has certificates of its own CA until it gets public ones. */
static enum err find_ca(struct agent_link *l)
{
	free(l->ca);
	l->ca = credential_path(l, AGENT_LINK_CA);
	if (l->ca == NULL)
		return ERR_NOMEM;
	l->c.options.tls_more_ca = NULL;
	if (access(l->ca, F_OK) == 0 && l->c.options.tls_ca == NULL)
		l->c.options.tls_more_ca = l->ca;
	return ERR_OK;
}

static enum err read_credential(const struct agent_link *l, const char *name,
	struct buf *out, struct why *why)
{
	struct why words = { "" };
	char *path = credential_path(l, name);
	enum err rc = path != NULL ? file_read(path, out, &words) : ERR_NOMEM;

	if (rc != ERR_OK)
		err_set(why, rc,
			"the link's credentials: %s; enrol this agent with adit"
			" agent setup",
			err_text(rc, &words));
	if (rc == ERR_OK && strcmp(name, AGENT_LINK_KEY) == 0 &&
		file_is_open_to_others(path))
		log_warn(&l->log, "every user of this machine can read %s", path);
	free(path);
	return rc;
}

/* The agent's key, and its label, which is in the certificate. */
static enum err read_credentials(struct agent_link *l, struct why *why)
{
	struct authority_identity of;
	struct why words = { "" };
	struct buf key, cert;
	enum err rc;

	if (!l->c.is_managed)
		return ERR_OK;
	buf_init(&key, AUTHORITY_FILE_MAX);
	buf_init(&cert, AUTHORITY_FILE_MAX);
	hostkey_free(l->key);
	l->key = NULL;
	rc = read_credential(l, AGENT_LINK_KEY, &key, why);
	if (rc == ERR_OK)
		rc = read_credential(l, AGENT_LINK_CERT, &cert, why);
	if (rc != ERR_OK)
		goto out;
	rc = hostkey_parse(buf_span(&key), &l->key, &words);
	if (rc == ERR_OK)
		rc = authority_read(buf_span(&cert), &of, &words);
	if (rc == ERR_OK && !str_has_prefix(of.name, AGENT_LINK_NAME))
		rc = err_set(&words, ERR_SYNTAX, "\"%s\" is not an agent", of.name);
	if (rc != ERR_OK)
		rc = err_set(why, rc,
			"the link's credentials: %s; enrol this agent again with adit agent"
			" setup",
			err_text(rc, &words));
	else if (!str_replace(&l->label, of.name + strlen(AGENT_LINK_NAME)) ||
		find_ca(l) != ERR_OK)
		rc = err_set(why, ERR_NOMEM, "out of memory");
	l->c.options.key = l->key;
	l->c.options.key_user = l->label;
out:
	buf_wipe(&key);
	buf_fini(&cert);
	return rc;
}

static void link_run(void *arg)
{
	struct agent_link *l = arg;
	struct link_options o = {
		.worker = l->o.worker,
		.client = &l->c.options,
		.log = &l->log,
		.hooks = &hooks,
		.on_released = on_released,
		.owner = l,
	};
	struct why why = { "" };
	enum err rc;

	if (l->is_held) { /* the credentials are in use */
		l->is_reopening = true;
		return;
	}
	l->is_reopening = false;
	if (l->c.fault.text[0] != '\0') {
		l->error = l->c.fault;
		log_error(&l->log, "%s", l->error.text);
		link_update(l);
		return;
	}
	l->next_ms = 0;
	retry_begin(&l->retry);
	rc = read_auth(l, &why);
	if (rc == ERR_OK)
		rc = read_credentials(l, &why);
	if (rc == ERR_OK)
		rc = link_open(&o, &l->session, &why);
	if (rc != ERR_OK) {
		link_fail(l, rc, &why);
		return;
	}
	l->is_held = true;
	retry_succeed(&l->retry);
	l->error.text[0] = '\0';
	link_update(l);
}

void agent_link_retry_now(struct agent_link *l, const char *reason)
{
	if (l->session != NULL)
		agent_session_retry_now(l->session, reason, false);
	else if (l->next_ms != 0)
		loop_timer_set(l->timer, 0);
}

void agent_link_reopen(struct agent_link *l, const char *reason)
{
	struct agent_session *session = l->session;

	if (!l->c.is_managed || l->c.fault.text[0] != '\0')
		return;
	log_info(&l->log, "reconnecting: %s", reason);
	l->is_reopening = true;
	l->session = NULL;
	l->next_ms = 0;
	link_update(l);
	if (session != NULL)
		agent_session_close(session);
	else if (!l->is_held)
		loop_timer_set(l->timer, 0);
}

/* ---- life ---- */

void agent_link_close(struct agent_link *l)
{
	if (l == NULL)
		return;
	loop_timer_close(l->timer);
	l->is_closed = true;
	if (l->session != NULL)
		agent_session_close(l->session); /* which may take a moment */
	else
		on_released(l);
}

enum err agent_link_open(const struct agent_link_options *o, struct link_config *config,
	struct agent_link **out)
{
	struct agent_link *l = mem_new(l);
	enum err rc = l == NULL ?
		ERR_NOMEM :
		loop_timer_open(o->worker->loop, link_run, l, &l->timer);

	if (rc != ERR_OK) {
		free(l);
		return rc;
	}
	l->o = *o;
	l->c = *config;
	*config = (struct link_config){ .id = NULL };
	l->state = AGENT_STATE_STARTING;
	l->since_ms = clock_now_ms();
	log_init(&l->log, o->log, "%s", l->c.id);
	retry_init(&l->retry, &(struct retry_options){ .limit = -1 });
	link_run(l);
	*out = l;
	return ERR_OK;
}

/* ---- what others see ---- */

const struct link_config *agent_link_config(const struct agent_link *l)
{
	return &l->c;
}

struct agent_link_status agent_link_status(const struct agent_link *l)
{
	struct agent_link_status s = {
		.state = l->state,
		.health = l->state == AGENT_STATE_RUNNING ? AGENT_HEALTH_OK :
							    AGENT_HEALTH_DOWN,
		.since_ms = l->since_ms,
		.next_ms = l->next_ms,
		.error = l->error.text,
		.session = { .peer = "",
			.peer_version = "",
			.host = "",
			.url = "",
			.tcp = "",
			.error = "",
			.local = "" },
	};

	if (l->session == NULL)
		return s;
	s.session = agent_session_status(l->session);
	if (l->c.is_managed)
		s.tunnels = link_managed_list(l->session);
	s.error = s.session.error;
	s.next_ms = s.session.next_ms;
	return s;
}
