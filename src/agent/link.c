/*
 * The client end of links: keeps one session with a server, for ever.
 *
 * Waiting, connecting, open, and around again. Whatever goes wrong is retried alike: at once
 * the first time, then after a random pause below a low bound, so that a visitor is served
 * within seconds of the path being back. Names are asked for anew at each attempt.
 */
#include "agent/link.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/link_client.h"
#include "base/clock.h"
#include "base/str.h"
#include "loop/notify.h"
#include "text/duration.h"

#define LINK_FLAPS 4       /* sessions in a row that may end sooner and be logged */
#define LINK_PROBE_MS 2000 /* how long a doubted session has to answer, at least */
#define LINK_GONE_MS 500   /* the same, if its address is not there any more */
#define LINK_ACKS_MS 500   /* an acknowledgement so young shows that the path is there */
#define LINK_JSON_MAX (1u << 20)

static void link_try(struct link_client *c);

static void link_stop(struct link_client *c, int exit_code)
{
	c->state = LINK_ENDED;
	c->exit_code = exit_code;
	loop_stop(c->worker.loop);
}

/* ---- waiting ---- */

/* Waits for the next attempt. Lines that say nothing new are for those who want details. */
static void link_wait(struct link_client *c, enum retry_kind kind, enum log_level level)
{
	uint32_t pause;
	char text[DURATION_TEXT_MAX];

	c->state = LINK_WAITING;
	notify_status(c->notify, "not connected to %s:%u", c->url.host, c->url.port);
	if (!retry_fail(&c->retry, kind, &pause)) {
		log_info(&c->log, "Give up");
		link_stop(c, 1);
		return;
	}
	if (pause > 0)
		log_at(level, &c->log, "Retrying in %s...",
			duration_print((uint64_t)pause * 1000, text));
	loop_timer_set(c->timer, pause);
}

/* An attempt or a session has failed: logs it, and waits for the next. */
static void link_fail(struct link_client *c, const struct link_trouble *t)
{
	enum retry_log_verdict verdict = retry_log_wants(&c->retry.log, t->text);
	enum log_level level = verdict != RETRY_LOG_NOTHING ? LOG_INFO : LOG_DEBUG;
	enum log_level more = verdict == RETRY_LOG_FULL ? LOG_INFO : LOG_DEBUG;
	char limit[16] = "unlimited";

	if (c->o->max_retry_count >= 0)
		snprintf(limit, sizeof(limit), "%d", c->o->max_retry_count);
	if (t->is_login)
		log_at(more, &c->log, "Authentication failed");
	if (c->retry.attempts == 0)
		log_at(level, &c->log, "Connection error: %s", t->text);
	else
		log_at(level, &c->log, "Connection error: %s (Attempt: %u/%s)", t->text,
			c->retry.attempts, limit);
	link_wait(c, t->is_denied ? RETRY_DENIED : RETRY_TRANSIENT, more);
}

static void link_say_connected(struct link_client *c)
{
	if (c->key[0] != '\0')
		log_info(&c->log, "Fingerprint %s", c->key);
	log_info(&c->log, "Connected (Latency %s)",
		duration_print(chisel_session_rtt_us(c->session),
			(char[DURATION_TEXT_MAX]){ 0 }));
	c->has_hidden = false;
}

/* The session has lasted: all is well, and what goes wrong later is news. */
static void link_on_stable(struct link_client *c)
{
	retry_settle(&c->retry);
	if (c->has_hidden)
		link_say_connected(c);
}

static void link_on_timer(void *arg)
{
	struct link_client *c = arg;

	if (c->state == LINK_OPEN)
		link_on_stable(c);
	else
		link_try(c);
}

/* ---- the session ---- */

static bool link_is_host_key_good(void *owner, struct span blob, struct why *why)
{
	return link_client_takes_key(owner, blob, why);
}

static void link_on_up(void *owner)
{
	struct link_client *c = owner;
	struct chisel_config config = {
		.remotes = c->remotes,
		.count = c->o->remote_count,
	};
	struct buf json;
	enum err rc;

	str_copy(config.version, sizeof(config.version), ADIT_VERSION);
	str_copy(config.client, sizeof(config.client), c->identity);
	str_copy(config.run, sizeof(config.run), c->run);
	log_debug(&c->log, "Sending config");
	buf_init(&json, LINK_JSON_MAX);
	rc = chisel_config_print(&config, &json);
	if (rc == ERR_OK)
		rc = chisel_session_configure(c->session, buf_span(&json));
	if (rc != ERR_OK)
		chisel_session_close(c->session, rc, "the config cannot be sent");
	c->greeted_ms = clock_now_ms();
	buf_fini(&json);
}

static void link_attach(struct link_client *c, struct chisel_session *session)
{
	for (unsigned i = 0; i < c->o->remote_count; i++) {
		if (c->entries[i] != NULL)
			entry_attach(c->entries[i], session);
	}
}

/* The ports that the server chose are asked for again by the next session. */
static void link_note_ports(struct link_client *c, struct span details)
{
	uint16_t ports[CONFIG_REMOTES_MAX] = { 0 };
	char name[REMOTE_TEXT_MAX];

	if (details.n > 0 &&
		chisel_ports_parse(details, ports, c->o->remote_count) != ERR_OK)
		log_warn(&c->log, "the server's answer about its ports makes no sense");
	for (unsigned i = 0; i < c->o->remote_count; i++) {
		struct remote *r = &c->remotes[i];

		if (!r->is_reverse || strcmp(r->local_port, "0") != 0)
			continue;
		remote_print(&c->o->remotes[i], name);
		if (ports[i] != 0)
			log_info(&c->tun, "proxy#%s: the server listens on port %u", name,
				ports[i]);
		else
			log_warn(&c->tun,
				"proxy#%s: the server does not tell which port it chose: it "
				"is no adit server; name a port",
				name);
		r->last_port = ports[i];
	}
}

static void link_on_answer(void *owner, struct span refusal, struct span details)
{
	struct link_client *c = owner;
	char text[240];

	if (refusal.n > 0) {
		c->is_refused = true;
		chisel_session_close(c->session, ERR_DENIED,
			str_quote(text, sizeof(text), refusal));
		return;
	}
	c->state = LINK_OPEN;
	/* Sessions that end at once, again and again, would fill the log. */
	c->has_hidden = c->retry.failures > LINK_FLAPS;
	if (!c->has_hidden)
		link_say_connected(c);
	retry_succeed(&c->retry);
	loop_timer_set(c->timer, RETRY_STABLE_MS);
	notify_status(c->notify, "connected to %s:%u", c->url.host, c->url.port);
	link_note_ports(c, details);
	link_attach(c, c->session);
}

/* A server may only have what one of our reverse remotes says. */
static bool link_allows(const struct link_client *c, const struct remote_target *target)
{
	for (unsigned i = 0; i < c->o->remote_count; i++) {
		if (c->o->remotes[i].is_reverse &&
			remote_covers(&c->o->remotes[i], target))
			return true;
	}
	return false;
}

static void link_on_open(void *owner, struct channel *ch, struct span text)
{
	struct link_client *c = owner;
	struct remote_target target;
	char quoted[120];

	if (remote_target_parse(text, &target) != ERR_OK || !link_allows(c, &target)) {
		log_debug(&c->tun, "Denied outbound connection to \"%s\"",
			str_quote(quoted, sizeof(quoted), text));
		channel_refuse(ch, SSH_PROHIBITED, "Denied outbound connection");
		return;
	}
	exits_add(&c->exits, ch, &target);
}

static void link_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct link_client *c = owner;
	bool was_open = c->state == LINK_OPEN;
	struct link_trouble t;

	c->session = NULL;
	link_attach(c, NULL);
	loop_timer_stop(c->timer);
	if (c->state == LINK_ENDED)
		return;
	if (was_open)
		log_at(c->has_hidden ? LOG_DEBUG : LOG_INFO, &c->log, "Disconnected");
	if (was_open && rc == ERR_CLOSED) {
		link_wait(c, RETRY_TRANSIENT, c->has_hidden ? LOG_DEBUG : LOG_INFO);
		return;
	}
	link_client_explain(c, rc, why, &t);
	link_fail(c, &t);
}

static const struct chisel_session_hooks link_hooks = {
	.is_host_key_good = link_is_host_key_good,
	.on_up = link_on_up,
	.on_answer = link_on_answer,
	.on_open = link_on_open,
	.on_closed = link_on_closed,
};

/* ---- one attempt ---- */

static void link_on_connected(void *arg, enum err rc, const struct connect_result *result,
	const struct why *why)
{
	struct link_client *c = arg;
	struct chisel_session_options o = {
		.role = SSH_CLIENT,
		.worker = &c->worker,
		.tuning = &c->o->tuning,
		.user = c->user,
		.password = c->password,
		.hooks = &link_hooks,
		.owner = c,
	};
	struct link_trouble t;

	c->connect = NULL;
	if (rc == ERR_OK) {
		o.stream = result->stream;
		o.first = result->first;
		o.peer_half_closes = result->is_adit;
		rc = chisel_session_open(&o, &c->session);
		if (rc != ERR_OK)
			stream_abort(result->stream);
	}
	if (rc != ERR_OK) {
		link_trouble_of_connect(&t, c->o, &c->url, rc, &result->failure, why);
		link_fail(c, &t);
		return;
	}
	log_debug(&c->log, "Handshaking...");
	c->local = result->local;
	c->state = LINK_GREETING;
	c->greeted_ms = 0;
	c->key[0] = '\0';
	c->is_key_bad = c->is_refused = false;
}

static void link_try(struct link_client *c)
{
	struct connect_options o = link_client_connect_options(c);
	struct link_trouble t;
	struct why why = { 0 };
	enum err rc;

	c->state = LINK_CONNECTING;
	retry_begin(&c->retry);
	o.fn = link_on_connected;
	rc = connect_open(&o, &c->connect, &why);
	if (rc == ERR_OK)
		return;
	link_trouble_of_session(&t, err_text(rc, &why));
	link_fail(c, &t);
}

/* ---- what comes from outside ---- */

/* The answer may wait in a queue: acknowledgements show that the path is there. */
static void link_on_probed(void *arg, bool is_alive)
{
	struct link_client *c = arg;
	struct stream_path path;

	if (is_alive || c->session == NULL)
		return;
	if (chisel_session_path(c->session, &path) && path.quiet_ms < LINK_ACKS_MS)
		return;
	chisel_session_close(c->session, ERR_TIMEOUT, "the peer does not answer");
}

static uint32_t link_probe_ms(const struct link_client *c)
{
	struct stream_path path;
	uint32_t ms = LINK_PROBE_MS;

	if (c->local.n > 0 && !addr_is_here(&c->local))
		return LINK_GONE_MS;
	if (chisel_session_path(c->session, &path) &&
		2 * path.rtt_ms + 4 * path.rtt_variance_ms > ms)
		ms = 2 * path.rtt_ms + 4 * path.rtt_variance_ms;
	return ms < LINK_DEAD_MS ? ms : LINK_DEAD_MS;
}

/*
 * Something has happened that may have cut the path, or brought it back: an attempt begins
 * now, and a session has to show that it is alive.
 */
static void link_urge(struct link_client *c, const char *reason)
{
	if (c->state == LINK_ENDED)
		return;
	log_debug(&c->log, "looking again: %s", reason);
	retry_reset(&c->retry);
	if (c->session != NULL) {
		(void)!chisel_session_probe(c->session, link_probe_ms(c), link_on_probed,
			c); /* a probe may be under way */
		return;
	}
	/* Else a network that changes all the time would never let one succeed. */
	if (c->state == LINK_CONNECTING && retry_fresh_ms(&c->retry) > 0)
		return;
	connect_close(c->connect);
	c->connect = NULL;
	loop_timer_stop(c->timer);
	link_try(c);
}

/* A person asks for a new session, whatever the old one is worth. */
static void link_reconnect(struct link_client *c)
{
	if (c->session == NULL) {
		link_urge(c, "SIGHUP");
		return;
	}
	retry_reset(&c->retry);
	chisel_session_close(c->session, ERR_CLOSED, "SIGHUP");
}

static void link_on_network(void *arg, const char *reason)
{
	link_urge(arg, reason);
}

static void link_print_figures(const struct link_client *c)
{
	uint64_t sent = 0, received = 0;
	size_t channels = 0;

	if (c->session != NULL) {
		chisel_session_bytes(c->session, &sent, &received);
		channels = chisel_session_channels(c->session);
	}
	log_info(&c->log, "%s, channels: %zu, sent: %llu B, received: %llu B",
		c->state == LINK_OPEN ? "connected" : "not connected", channels,
		(unsigned long long)sent, (unsigned long long)received);
}

static void link_on_signal(void *arg, int signo)
{
	struct link_client *c = arg;

	switch (signo) {
	case SIGHUP:
		notify_reloading(c->notify);
		link_reconnect(c);
		notify_ready(c->notify);
		break;
	case SIGUSR2:
		link_print_figures(c);
		break;
	default:
		log_info(&c->log, "Cancelled");
		link_stop(c, 0);
		break;
	}
}

static void link_on_stdio_done(void *arg)
{
	struct link_client *c = arg;

	if (c->o->remote_count == 1)
		link_stop(c, 0);
}

/* ---- the whole ---- */

static enum err link_open_entries(struct link_client *c, struct why *why)
{
	for (unsigned i = 0; i < c->o->remote_count; i++) {
		struct entry_options o = {
			.worker = &c->worker,
			.remote = &c->o->remotes[i],
			.log = &c->tun,
			.tuning = &c->o->tuning,
			.on_done = link_on_stdio_done,
			.arg = c,
		};
		enum err rc = ERR_OK;

		if (!o.remote->is_reverse)
			rc = entry_open(&o, &c->entries[i], why);
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

static enum err link_open(struct link_client *c, struct why *why)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR2, 0 };
	struct loop *loop = c->worker.loop;
	enum err rc;

	exits_init(&c->exits, &c->worker, &c->tun, &c->o->tuning);
	c->exits.tells_targets = true;
	rc = loop_signals_open(loop, signals, link_on_signal, c, &c->signals);
	if (rc == ERR_OK)
		rc = loop_timer_open(loop, link_on_timer, c, &c->timer);
	if (rc == ERR_OK)
		rc = netwatch_open(loop, link_on_network, c, &c->netwatch);
	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	c->notify = notify_open(loop, &c->log);
	return link_open_entries(c, why);
}

static void link_close(struct link_client *c)
{
	c->state = LINK_ENDED;
	notify_stopping(c->notify);
	if (c->session != NULL)
		chisel_session_close(c->session, ERR_CLOSED, "going away");
	connect_close(c->connect);
	loop_timer_close(c->timer); /* or the next turn might begin an attempt */
	if (c->worker.loop != NULL)
		loop_turn(c->worker.loop); /* the goodbye goes out, the session goes */
	for (unsigned i = 0; c->entries != NULL && i < c->o->remote_count; i++)
		entry_close(c->entries[i]);
	if (c->exits.worker != NULL)
		exits_fini(&c->exits);
	netwatch_close(c->netwatch);
	notify_close(c->notify);
	loop_signals_close(c->signals);
	if (c->worker.loop != NULL)
		loop_turn(c->worker.loop); /* what was deferred */
	loop_leave(c->worker.loop, c->exit_code);
	worker_fini(&c->worker);
	link_client_fini(c);
}

int link_client_run(const struct link_client_options *options)
{
	struct link_client c = { .o = options, .exit_code = 1 };
	struct why why = { 0 };
	char text[URL_TEXT_MAX];
	enum err rc;

	log_init(&c.log, NULL, "client");
	log_init(&c.tun, &c.log, "tun");
	rc = link_client_init(&c, &why);
	if (rc == ERR_OK)
		rc = worker_init(&c.worker, 0);
	if (rc == ERR_OK)
		rc = link_open(&c, &why);
	if (rc == ERR_OK) {
		log_info(&c.log, "Connecting to %s%s%s", url_print(&c.url, text),
			options->proxy != NULL ? " via " : "",
			options->proxy != NULL ? c.proxy_text : "");
		notify_ready(c.notify);
		link_try(&c);
		loop_run(c.worker.loop);
	} else {
		log_error(&c.log, "%s", err_text(rc, &why));
	}
	link_close(&c);
	return c.exit_code;
}
