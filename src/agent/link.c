/*
 * The client end of links: keeps one session with a server, for ever.
 *
 * All failures are retried alike: at once the first time, then after a random pause below
 * a low bound, so that a visitor is served within seconds of the path being back. Each
 * attempt resolves the names again.
 */
#include "agent/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link_priv.h"
#include "agent/retry.h"
#include "base/clock.h"
#include "base/str.h"
#include "text/duration.h"
#include "text/hex.h"
#include "tunnel/chisel/entry.h"
#include "tunnel/chisel/exit.h"

#define LINK_FLAPS 4       /* sessions in a row that may end sooner and be logged */
#define LINK_PROBE_MS 2000 /* how long a probed session has to answer, at least */
#define LINK_GONE_MS 500   /* the same, if its local address was removed */
#define LINK_ACKS_MS 500   /* an acknowledgement this recent shows that the path works */
#define LINK_RUN_BYTES 16

struct link {
	struct link_client c; /* first */
	struct agent_session session;
	struct log tun;
	char server[URL_TEXT_MAX], authority[URL_TEXT_MAX];
	/* owned: those of the options, and ports that were chosen */
	struct remote *remotes;
	struct entry **entries; /* one for each remote; NULL for reverse ones */
	struct exits exits;
	struct retry retry;
	struct loop_timer
		*timer;  /* AGENT_WAITING: the next attempt; _OPEN: it has lasted */
	bool has_hidden; /* the line "Connected" of this session: it may end soon */
	bool is_dropped; /* by its owner: freed with its connection */
	struct managed_list managed;
	bool has_list;             /* the relay has sent one */
	struct buf parts;          /* of a list that has not come to its end */
	uint64_t told_ms;          /* when it came, in this connection; 0: it has not */
	char local[ADDR_TEXT_MAX]; /* this end's address, of the session that is open */
	void (*on_released)(void *owner);
};

static struct link *link_of(const struct agent_session *s)
{
	return mem_container(s, struct link, session);
}

static void link_attach(struct link *l, struct chisel_session *session)
{
	for (unsigned i = 0; i < l->c.remotes_n; i++) {
		if (l->entries[i] != NULL)
			entry_attach(l->entries[i], session);
	}
}

/* Ends for good. The connection is closed in order. */
static void link_end(struct link *l, enum err rc)
{
	if (l->session.state == AGENT_CLOSED)
		return;
	agent_session_end(&l->session, rc);
	loop_timer_stop(l->timer);
	link_attach(l, NULL);
	link_client_disconnect(&l->c);
}

/* ---- waiting ---- */

/* Waits for the next attempt. @level is that of the line about it. */
static void link_wait(struct link *l, enum retry_kind kind, enum log_level level)
{
	uint32_t pause;
	char text[DURATION_TEXT_MAX];

	agent_session_enter(&l->session, AGENT_WAITING);
	if (!retry_fail(&l->retry, kind, &pause)) {
		log_info(l->c.log, "Give up");
		link_end(l, ERR_LIMIT);
		return;
	}
	if (pause > 0)
		log_at(level, l->c.log, "Retrying in %s...",
			duration_print((uint64_t)pause * 1000, text));
	loop_timer_set(l->timer, pause);
	agent_session_plan(&l->session, pause);
}

/* An attempt or a session has failed: logs it, and waits for the next attempt. */
static void link_fail(struct link_client *c, const struct link_trouble *t)
{
	struct link *l = (struct link *)c;
	enum retry_log_verdict verdict = retry_log_wants(&l->retry.log, t->text);
	enum log_level level = verdict != RETRY_LOG_NOTHING ? LOG_INFO : LOG_DEBUG;
	enum log_level more = verdict == RETRY_LOG_FULL ? LOG_INFO : LOG_DEBUG;
	char limit[16] = "unlimited";

	str_copy(l->session.error.text, sizeof(l->session.error.text), t->text);
	if (l->retry.o.limit >= 0)
		snprintf(limit, sizeof(limit), "%d", l->retry.o.limit);
	if (t->is_login)
		log_at(more, l->c.log, "Authentication failed");
	if (l->retry.attempts == 0)
		log_at(level, l->c.log, "Connection error: %s", t->text);
	else
		log_at(level, l->c.log, "Connection error: %s (Attempt: %u/%s)", t->text,
			l->retry.attempts, limit);
	link_wait(l, t->is_denied ? RETRY_DENIED : RETRY_TRANSIENT, more);
}

static void link_report_connected(struct link *l)
{
	if (l->c.key[0] != '\0')
		log_info(l->c.log, "Fingerprint %s", l->c.key);
	log_info(l->c.log, "Connected (Latency %s)",
		duration_print(chisel_session_rtt_us(l->c.session),
			(char[DURATION_TEXT_MAX]){ 0 }));
	l->has_hidden = false;
}

static void link_try(struct link *l)
{
	agent_session_enter(&l->session, AGENT_CONNECTING);
	retry_begin(&l->retry);
	link_client_connect(&l->c);
}

static void link_on_timer(void *arg)
{
	struct link *l = arg;

	if (l->session.state != AGENT_OPEN) {
		link_try(l);
		return;
	}
	/* The session has lasted: a later failure is logged in full. */
	retry_settle(&l->retry);
	if (l->has_hidden)
		link_report_connected(l);
}

/* ---- the connection ---- */

/* The ports that the server chose are asked for again by the next session. */
static void link_note_ports(struct link *l, struct span details)
{
	uint16_t ports[CONFIG_REMOTES_MAX] = { 0 };
	char name[REMOTE_TEXT_MAX];

	if (details.n > 0 && chisel_ports_parse(details, ports, l->c.remotes_n) != ERR_OK)
		log_warn(l->c.log,
			"ignoring the server's list of chosen ports: it is not valid");
	for (unsigned i = 0; i < l->c.remotes_n; i++) {
		struct remote *r = &l->remotes[i];

		if (!r->is_reverse || strcmp(r->local_port, "0") != 0)
			continue;
		remote_print(&l->c.o->remotes[i], name);
		if (ports[i] != 0)
			log_info(&l->tun, "proxy#%s: the server listens on port %u", name,
				ports[i]);
		else
			log_warn(&l->tun,
				"proxy#%s: the server does not report the port it chose: only "
				"adit servers do; name a port in the remote",
				name);
		r->last_port = ports[i];
	}
}

static void link_on_answer(void *owner, struct span refusal, struct span details)
{
	struct link *l = owner;
	char text[240];

	if (refusal.n > 0) {
		l->c.is_refused = true;
		chisel_session_close(l->c.session, ERR_DENIED,
			str_quote(text, sizeof(text), refusal));
		return;
	}
	agent_session_enter(&l->session, AGENT_OPEN);
	addr_print(&l->c.local, l->local);
	/* Sessions that end at once would fill the log if they repeat. */
	l->has_hidden = l->retry.failures > LINK_FLAPS;
	if (!l->has_hidden)
		link_report_connected(l);
	retry_succeed(&l->retry);
	loop_timer_set(l->timer, RETRY_STABLE_MS);
	link_note_ports(l, details);
	link_attach(l, l->c.session);
}

/* A server may only reach the targets of our reverse remotes. */
static bool link_allows(const struct link *l, const struct remote_target *target)
{
	for (unsigned i = 0; i < l->c.remotes_n; i++) {
		if (l->c.o->remotes[i].is_reverse &&
			remote_covers(&l->c.o->remotes[i], target))
			return true;
	}
	return managed_list_covers(&l->managed, target);
}

static bool tunnel_eq(const struct managed_tunnel *a, const struct managed_tunnel *b)
{
	return a->is_paused == b->is_paused && strcmp(a->host, b->host) == 0 &&
		strcmp(a->target, b->target) == 0;
}

/* Logs what @list has and the current one has not. Both have nearly the same order. */
static void link_log_news(const struct link *l, const struct managed_list *list)
{
	unsigned n = l->managed.tunnels.n, at = 0, tried;

	for (unsigned i = 0; i < list->tunnels.n; i++) {
		const struct managed_tunnel *t = managed_list_at(list, i);

		for (tried = 0; tried < n; tried++, at = (at + 1) % n)
			if (tunnel_eq(managed_list_at(&l->managed, at), t))
				break;
		if (tried == n)
			log_info(&l->tun, "https://%s goes to %s%s", t->host, t->target,
				t->is_paused ? " (paused)" : "");
	}
	if (list->tunnels.n == 0 && (n > 0 || !l->has_list))
		log_info(&l->tun, "no tunnels yet: add one at the relay");
}

static enum err link_read_list(const struct link *l, struct managed_list *list,
	struct why *why)
{
	if (l->parts.failed == ERR_NOMEM)
		return err_set(why, ERR_NOMEM, "out of memory");
	if (l->parts.failed != ERR_OK)
		return err_set(why, ERR_LIMIT, "it is longer than %d bytes",
			MANAGED_LIST_MAX);
	return managed_list_parse(buf_span(&l->parts), list, why);
}

/* A list that is not valid changes nothing. */
static void link_on_list(struct link *l, struct span last)
{
	struct managed_list list = { .tunnels = { 0 } };
	struct why why = { "" };
	enum err rc;

	(void)!buf_put_span(&l->parts, last); /* it sticks */
	rc = link_read_list(l, &list, &why);
	buf_reset(&l->parts);
	if (rc != ERR_OK) {
		log_warn(l->c.log, "ignoring the server's list of tunnels: %s",
			err_text(rc, &why));
		managed_list_fini(&list);
		return;
	}
	link_log_news(l, &list);
	managed_list_fini(&l->managed);
	l->managed = list;
	l->told_ms = clock_now_ms();
	l->has_list = true;
}

static void link_on_notice(void *owner, struct span name, struct span data)
{
	struct link *l = owner;

	if (!l->c.o->is_managed)
		return;
	if (span_is(name, MANAGED_PART))
		(void)!buf_put_span(&l->parts, data); /* it sticks */
	else if (span_is(name, MANAGED_NOTICE))
		link_on_list(l, data);
	else if (span_is(name, MANAGED_REPLACED))
		chisel_session_close(l->c.session, ERR_EXISTS,
			"another connection with this agent's key has replaced this one:"
			" enrol each machine as an agent of its own");
}

const struct managed_list *link_managed_list(const struct agent_session *s)
{
	return &link_of(s)->managed;
}

static void link_on_open(void *owner, struct channel *ch, struct span text)
{
	struct link *l = owner;
	struct remote_target target;
	char quoted[120];

	if (remote_target_parse(text, &target) != ERR_OK || !link_allows(l, &target)) {
		log_debug(&l->tun, "Denied outbound connection to \"%s\"",
			str_quote(quoted, sizeof(quoted), text));
		channel_refuse(ch, SSH_PROHIBITED, "Denied outbound connection");
		return;
	}
	exits_add(&l->exits, ch, &target);
}

static void link_free(struct link *l)
{
	void (*on_released)(void *owner) = l->on_released;
	void *owner = l->session.owner;

	link_client_fini(&l->c);
	managed_list_fini(&l->managed);
	buf_fini(&l->parts);
	free(l->entries);
	free(l->remotes);
	free(l);
	if (on_released != NULL)
		on_released(owner);
}

static void link_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct link *l = owner;
	bool was_open = l->session.state == AGENT_OPEN;
	struct link_trouble t;

	l->c.session = NULL;
	buf_reset(&l->parts);
	l->told_ms = 0;
	l->local[0] = '\0';
	if (l->is_dropped) {
		link_free(l);
		return;
	}
	if (l->session.state == AGENT_CLOSED)
		return;
	link_attach(l, NULL);
	loop_timer_stop(l->timer);
	if (was_open)
		log_at(l->has_hidden ? LOG_DEBUG : LOG_INFO, l->c.log, "Disconnected");
	if (was_open && rc == ERR_CLOSED) {
		link_wait(l, RETRY_TRANSIENT, l->has_hidden ? LOG_DEBUG : LOG_INFO);
		return;
	}
	link_trouble_of_session(&t, &l->c, rc, why);
	link_fail(&l->c, &t);
}

static const struct chisel_session_hooks link_hooks = {
	.is_host_key_good = link_client_is_host_key_good,
	.on_up = link_client_on_up,
	.on_answer = link_on_answer,
	.on_open = link_on_open,
	.on_notice = link_on_notice,
	.on_closed = link_on_closed,
};

/* ---- what comes from outside ---- */

/* The answer may wait in a queue: recent acknowledgements show that the path works. */
static void link_on_probed(void *arg, bool is_alive)
{
	struct link *l = arg;
	struct stream_path path;

	if (is_alive || l->c.session == NULL)
		return;
	if (chisel_session_path(l->c.session, &path) && path.quiet_ms < LINK_ACKS_MS)
		return;
	chisel_session_close(l->c.session, ERR_TIMEOUT, "the peer does not answer");
}

static uint32_t link_probe_ms(const struct link *l)
{
	struct stream_path path;
	uint32_t ms = LINK_PROBE_MS;

	if (l->c.local.n > 0 && !addr_is_here(&l->c.local))
		return LINK_GONE_MS;
	if (chisel_session_path(l->c.session, &path) &&
		2 * path.rtt_ms + 4 * path.rtt_variance_ms > ms)
		ms = 2 * path.rtt_ms + 4 * path.rtt_variance_ms;
	return ms < LINK_DEAD_MS ? ms : LINK_DEAD_MS;
}

static void link_retry_now(struct agent_session *s, const char *reason, bool is_forced)
{
	struct link *l = link_of(s);

	if (s->state == AGENT_CLOSED)
		return;
	retry_reset(&l->retry);
	if (l->c.session != NULL && is_forced) {
		chisel_session_close(l->c.session, ERR_CLOSED, reason);
		return;
	}
	log_debug(l->c.log, "checking the connection: %s", reason);
	if (l->c.session != NULL) {
		(void)!chisel_session_probe(l->c.session, link_probe_ms(l),
			link_on_probed, l); /* a probe may be under way */
		return;
	}
	/* Otherwise no attempt succeeds on a network that changes all the time. */
	if (s->state == AGENT_CONNECTING && retry_fresh_ms(&l->retry) > 0)
		return;
	link_client_disconnect(&l->c);
	loop_timer_stop(l->timer);
	link_try(l);
}

static void link_leave(struct agent_session *s)
{
	link_end(link_of(s), ERR_CLOSED);
}

static void link_status(const struct agent_session *s, struct agent_session_status *out)
{
	const struct link *l = link_of(s);

	out->peer = l->server;
	out->host = l->authority;
	out->peer_version = l->c.is_adit ? "adit" : "";
	out->attempts = l->retry.attempts;
	out->local = l->local;
	out->told_ms = l->told_ms;
	if (l->c.session == NULL)
		return;
	out->rtt_us = chisel_session_rtt_us(l->c.session);
	out->visitors = chisel_session_channels(l->c.session);
	chisel_session_bytes(l->c.session, &out->sent_bytes, &out->received_bytes);
}

/* ---- the whole ---- */

static void link_close(struct agent_session *s)
{
	struct link *l = link_of(s);

	if (l->timer != NULL)
		link_end(l, ERR_CLOSED);
	agent_session_fini(s);
	loop_timer_close(l->timer);
	for (unsigned i = 0; i < l->c.remotes_n; i++)
		entry_close(l->entries[i]);
	exits_fini(&l->exits);
	l->is_dropped = true;
	if (l->c.session == NULL)
		link_free(l);
}

static const struct agent_session_ops link_ops = {
	.retry_now = link_retry_now,
	.leave = link_leave,
	.close = link_close,
	.status = link_status,
};

static void link_on_stdio_done(void *arg)
{
	struct link *l = arg;

	if (l->c.remotes_n == 1)
		link_end(l, ERR_EOF);
}

static enum err link_open_entries(struct link *l, struct why *why)
{
	const struct link_client_options *client = l->c.o;
	enum err rc = ERR_OK;

	l->entries = calloc(client->remote_count + 1, sizeof(struct entry *));
	l->remotes = calloc(client->remote_count + 1, sizeof(struct remote));
	if (l->entries == NULL || l->remotes == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	l->c.remotes = l->remotes;
	l->c.remotes_n = client->remote_count;
	for (unsigned i = 0; i < l->c.remotes_n && rc == ERR_OK; i++) {
		struct entry_options o = {
			.worker = l->c.worker,
			.remote = &client->remotes[i],
			.log = &l->tun,
			.tuning = &l->c.tuning,
			.on_done = link_on_stdio_done,
			.arg = l,
		};

		l->remotes[i] = client->remotes[i];
		if (!o.remote->is_reverse)
			rc = entry_open(&o, &l->entries[i], why);
	}
	return rc;
}

enum err link_open(const struct link_options *o, struct agent_session **out,
	struct why *why)
{
	struct link *l = mem_new(l);
	enum err rc;

	if (l == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	agent_session_init(&l->session, o->worker->loop, &link_ops, o->hooks, o->owner);
	log_init(&l->tun, o->log, "tun");
	buf_init(&l->parts, MANAGED_LIST_MAX);
	exits_init(&l->exits, o->worker, &l->tun, &l->c.tuning);
	l->exits.tells_targets = true;
	retry_init(&l->retry,
		&(struct retry_options){
			.limit = o->client->max_retry_count,
			.min_ms = o->client->min_retry_ms,
			.max_ms = o->client->max_retry_ms,
		});
	rc = link_client_init(&l->c, o->client, o->worker, o->log, why);
	l->c.hooks = &link_hooks;
	l->c.on_failed = link_fail;
	hex_random(LINK_RUN_BYTES, l->c.run);
	if (rc == ERR_OK)
		rc = link_open_entries(l, why);
	if (rc == ERR_OK && loop_timer_open(o->worker->loop, link_on_timer, l, &l->timer))
		rc = err_set(why, ERR_NOMEM, "out of memory");
	if (rc != ERR_OK) {
		link_close(&l->session);
		return rc;
	}
	url_print(&l->c.url, l->server);
	snprintf(l->authority, sizeof(l->authority), "%s:%u", l->c.url.host,
		l->c.url.port);
	log_info(o->log, "Connecting to %s%s%s", l->server, l->c.has_proxy ? " via " : "",
		l->c.proxy_text);
	loop_timer_set(l->timer, 0);
	l->on_released = o->on_released;
	*out = &l->session;
	return ERR_OK;
}
