/* Checks that a link's remotes would work. */
#include "agent/link_check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/link_priv.h"
#include "base/str.h"
#include "net/dialer.h"
#include "net/listener.h"

#define CHECK_CONNECT_MS 10000
#define CHECK_DIAL_MS 10000
#define CHECK_LINGER_MS 1000 /* a stock server opens the channel and dials then */

struct link_check {
	struct link_client c; /* first: what attempts need */
	struct link_check_options o;
	struct link_client_options client; /* its timeout is ours */
	struct remote remote;              /* the one that is looked at */
	unsigned at;                       /* how many were looked at, with that one */
	bool is_connected;                 /* at least once */
	bool is_judged;                    /* the remote: its line is printed */
	bool has_failed;
	struct dial *dial;       /* borrowed: of a target here */
	struct channel *channel; /* borrowed: of a target there, until it has called */
	struct stream *stream;   /* that it became */
	struct loop_timer *timer;
	struct loop_deferred next;
};

/* ---- the verdict ---- */

/* Prints the line of the remote, ends its session, and goes on with the next. */
static void check_judge(struct link_check *k, bool is_good, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void check_judge(struct link_check *k, bool is_good, const char *fmt, ...)
{
	char text[LINK_TROUBLE_MAX], name[REMOTE_TEXT_MAX];
	va_list args;

	if (k->is_judged)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(k->o.out, "%s: %s: %s\n", remote_print(&k->remote, name),
		is_good ? "ok" : "failed", text);
	k->is_judged = true;
	k->has_failed = k->has_failed || !is_good;
	loop_timer_stop(k->timer);
	dial_close(k->dial);
	k->dial = NULL;
	channel_dial_close(k->channel);
	k->channel = NULL;
	stream_abort(k->stream);
	k->stream = NULL;
	if (k->c.session != NULL)
		chisel_session_close(k->c.session, ERR_CLOSED, "checked");
	else
		loop_defer(k->o.worker->loop, &k->next);
}

static void check_on_next(void *arg)
{
	struct link_check *k = arg;

	if (k->at == k->client.remote_count) {
		k->o.on_done(k->o.arg, !k->has_failed);
		return;
	}
	k->remote = k->client.remotes[k->at++];
	k->is_judged = false;
	link_client_connect(&k->c);
}

/* The server cannot be reached: the other remotes would fail the same way. */
static void check_give_up(struct link_client *c, const struct link_trouble *t)
{
	struct link_check *k = (struct link_check *)c;
	char url[URL_TEXT_MAX];

	fprintf(k->o.out, "%s: failed: %s\n", url_print(&k->c.url, url), t->text);
	k->o.on_done(k->o.arg, false);
}

/* ---- targets ---- */

static const char *check_port_words(const struct link_check *k, char to[64])
{
	const struct remote *r = &k->remote;

	if (strcmp(r->local_port, "0") == 0)
		str_copy(to, 64, "the server can choose a port");
	else
		snprintf(to, 64, "the server can listen on port %s", r->local_port);
	return to;
}

static void check_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct link_check *k = arg;
	char words[64];

	k->dial = NULL;
	if (fd >= 0)
		close(fd);
	if (rc == ERR_OK)
		check_judge(k, true, "%s, the target answers here",
			check_port_words(k, words));
	else
		check_judge(k, false, "%s, but the target is not reachable here: %s%s",
			check_port_words(k, words), err_text(rc, why),
			dial_advice(errnum));
}

/* The server listens, or would: the target is here. */
static void check_target_here(struct link_check *k)
{
	const struct remote *r = &k->remote;
	struct dial_options o = {
		.loop = k->o.worker->loop,
		.host = r->remote_host,
		.port = remote_port_number(r->remote_port),
		.timeout_ms = CHECK_DIAL_MS,
		.fn = check_on_dialled,
		.arg = k,
	};
	char words[64];

	check_port_words(k, words);
	if (r->is_socks)
		check_judge(k, true, "%s", words);
	else if (r->is_udp)
		check_judge(k, true, "%s; a UDP target cannot be checked", words);
	else if (dial_open(&o, &k->dial) != ERR_OK)
		check_judge(k, false, "out of memory");
}

static void check_on_channel_ready(void *arg, unsigned ready)
{
	struct link_check *k = arg;
	char byte[64];
	size_t got;
	enum err rc = stream_read(k->stream, byte, sizeof(byte), &got);

	(void)ready;
	if (rc == ERR_OK)
		check_judge(k, true, "the target answers at the server");
	else if (rc != ERR_AGAIN)
		check_judge(k, false,
			"the server closed the connection at once: it may not reach the"
			" target");
}

static void check_on_timer(void *arg)
{
	check_judge(arg, true, "the server accepts connections to the target");
}

static void check_on_channel(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct link_check *k = arg;
	const struct remote *r = &k->remote;

	k->channel = NULL;
	k->stream = stream;
	if (rc == ERR_CLOSED)
		return; /* check_on_closed() has the reason */
	if (rc != ERR_OK)
		check_judge(k, false, "the server refuses it: %s", err_text(rc, why));
	else if (r->is_socks)
		check_judge(k, true, "the server accepts SOCKS5");
	else if (r->is_udp)
		check_judge(k, true,
			"the server accepts it; a UDP target cannot be checked");
	else if (k->c.is_adit)
		check_judge(k, true, "the target answers at the server");
	if (k->is_judged)
		return;
	stream_set_owner(stream, check_on_channel_ready, k);
	stream_want(stream, LOOP_READ);
	loop_timer_set(k->timer, CHECK_LINGER_MS);
}

/* We would listen: the target is at the server. */
static void check_target_there(struct link_check *k)
{
	const struct remote *r = &k->remote;
	uint16_t port = remote_port_number(r->local_port);
	char target[REMOTE_TEXT_MAX];
	struct why why = { "" };
	enum err rc = ERR_OK;
	int fd = -1;

	if (!r->is_stdio)
		rc = r->is_udp ? listener_bind_udp(r->local_host, port, &fd, &why) :
				 listener_bind_tcp(r->local_host, port, &fd, &why);
	if (fd >= 0)
		close(fd);
	if (rc != ERR_OK)
		check_judge(k, false, "%s", err_text(rc, &why));
	else if (chisel_session_dial(k->c.session, remote_print_target(r, target),
			 check_on_channel, k, &k->channel) != ERR_OK)
		check_judge(k, false, "no channel can be opened");
}

/* ---- the session ---- */

static void check_on_answer(void *owner, struct span refusal, struct span details)
{
	struct link_check *k = owner;
	struct link_trouble t;
	char text[240];

	(void)details;
	k->is_connected = true;
	str_quote(text, sizeof(text), refusal);
	if (refusal.n > 0 && strstr(text, CONFIG_PORT_IS_YOURS) != NULL) {
		check_judge(k, true,
			"the port is open already, for a running client of yours");
	} else if (refusal.n > 0) {
		link_trouble_of_refusal(&t, text);
		check_judge(k, false, "%s", t.text);
	} else if (k->remote.is_reverse) {
		check_target_here(k);
	} else {
		check_target_there(k);
	}
}

static void check_on_open(void *owner, struct channel *ch, struct span target)
{
	(void)owner;
	(void)target;
	channel_refuse(ch, SSH_PROHIBITED, "this is a check");
}

static void check_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct link_check *k = owner;
	struct link_trouble t;

	k->c.session = NULL;
	if (k->is_judged) {
		loop_defer(k->o.worker->loop, &k->next);
		return;
	}
	link_trouble_of_session(&t, &k->c, rc, why);
	if (k->is_connected)
		check_judge(k, false, "%s", t.text);
	else
		check_give_up(&k->c, &t);
}

static const struct chisel_session_hooks check_hooks = {
	.is_host_key_good = link_client_is_host_key_good,
	.on_up = link_client_on_up,
	.on_answer = check_on_answer,
	.on_open = check_on_open,
	.on_closed = check_on_closed,
};

/* ---- the whole ---- */

enum err link_check_open(const struct link_check_options *o, struct link_check **out,
	struct why *why)
{
	struct link_check *k = mem_new(k);
	enum err rc = ERR_NOMEM;

	if (k == NULL)
		return err_set(why, rc, "out of memory");
	k->o = *o;
	k->client = *o->client;
	if (k->client.connect_timeout_ms == 0)
		k->client.connect_timeout_ms = CHECK_CONNECT_MS;
	loop_deferred_init(&k->next, check_on_next, k);
	rc = link_client_init(&k->c, &k->client, o->worker, o->log, why);
	k->c.hooks = &check_hooks;
	k->c.on_failed = check_give_up;
	k->c.remotes = &k->remote;
	k->c.remotes_n = 1;
	if (rc == ERR_OK)
		rc = loop_timer_open(o->worker->loop, check_on_timer, k, &k->timer);
	if (rc != ERR_OK) {
		link_check_close(k);
		return rc;
	}
	loop_defer(o->worker->loop, &k->next);
	*out = k;
	return ERR_OK;
}

void link_check_close(struct link_check *k)
{
	if (k == NULL)
		return;
	k->is_judged = true;
	dial_close(k->dial);
	link_client_disconnect(&k->c);
	loop_turn(k->o.worker->loop); /* the session goes */
	loop_undefer(&k->next);
	stream_abort(k->stream);
	loop_timer_close(k->timer);
	link_client_fini(&k->c);
	free(k);
}
