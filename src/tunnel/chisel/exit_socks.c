/*
 * A SOCKS5 exit: the dialogue runs inside the channel, between the user's program and us;
 * then the target is dialled and joined. chisel-protocol 6.5.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "net/bridge.h"
#include "net/dialer.h"
#include "net/socket.h"
#include "tunnel/chisel/exit_priv.h"
#include "wire/socks5.h"

#define SOCKS_DIALOGUE_MS 10000
#define SOCKS_BYTES_MAX 1024

enum socks_state {
	SOCKS_TALKING, /* until the request is complete */
	SOCKS_DIALLING,
	SOCKS_ANSWERING, /* the reply goes out, then the bridge begins */
	SOCKS_LEAVING,   /* a refusal goes out, then the end */
	SOCKS_BRIDGED,
};

struct socks_exit {
	struct exit_path path; /* first */
	enum socks_state state;
	struct stream *user; /* the channel, until it is bridged */
	struct socks5_server dialogue;
	struct buf in, out;
	struct dial *dial;            /* borrowed: until it has called */
	struct stream *target;        /* until it is bridged */
	struct bridge *bridge;        /* borrowed: while it runs */
	struct loop_timer *timer;     /* of the dialogue */
	char access[REMOTE_TEXT_MAX]; /* the destination, once it is known */
};

/* Frees all but the struct. */
static void socks_exit_close(struct exit_path *path)
{
	struct socks_exit *e = (struct socks_exit *)path;

	bridge_close(e->bridge);
	dial_close(e->dial);
	stream_close(e->user);
	stream_close(e->target);
	loop_timer_close(e->timer);
	buf_fini(&e->in);
	buf_fini(&e->out);
}

static void socks_exit_end(void *arg)
{
	struct socks_exit *e = arg;

	socks_exit_close(&e->path);
	exit_path_free(&e->path);
}

/* The user has a while for the dialogue and for its end;
 * a dial has a timeout of its own. */
static void socks_exit_enter(struct socks_exit *e, enum socks_state state)
{
	e->state = state;
	if (state == SOCKS_DIALLING || state == SOCKS_BRIDGED)
		loop_timer_stop(e->timer);
	else
		loop_timer_set(e->timer, SOCKS_DIALOGUE_MS);
}

static void socks_exit_on_closed(void *arg, const struct bridge_end *end)
{
	struct socks_exit *e = arg;

	(void)end;
	e->bridge = NULL;
	socks_exit_end(e);
}

static void socks_exit_bridge(struct socks_exit *e)
{
	struct worker *w = e->path.exits->worker;
	struct bridge_options o = {
		.loop = w->loop,
		.pool = &w->blocks,
		.a = e->user,
		.b = e->target,
		.a_first = buf_span(&e->in),
		.on_closed = socks_exit_on_closed,
		.arg = e,
	};

	if (bridge_open(&o, &e->bridge) != ERR_OK) {
		socks_exit_end(e);
		return;
	}
	socks_exit_enter(e, SOCKS_BRIDGED);
	e->user = e->target = NULL;
	buf_reset(&e->in);
}

/* Writes the out buffer, then continues with the state. */
static void socks_exit_flush(struct socks_exit *e)
{
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && e->out.n > 0) {
		rc = stream_put(e->user, buf_span(&e->out).p, e->out.n, &put);
		if (rc == ERR_OK)
			buf_consume(&e->out, put);
	}
	if (rc == ERR_AGAIN)
		stream_want(e->user, LOOP_READ | LOOP_WRITE);
	else if (rc != ERR_OK || e->state == SOCKS_LEAVING)
		socks_exit_end(e);
	else if (e->state == SOCKS_ANSWERING)
		socks_exit_bridge(e);
	else
		stream_want(e->user, e->state == SOCKS_TALKING ? LOOP_READ : 0);
}

static void socks_exit_reply(struct socks_exit *e, enum socks5_reply code, int fd)
{
	struct span ip = { 0 };
	struct addr local;
	uint16_t port = 0;

	if (code == SOCKS5_OK && addr_of_local(fd, &local)) {
		port = addr_port(&local);
		if (local.sa.sa_family == AF_INET)
			ip = span_of(&local.in.sin_addr, 4);
		else
			ip = span_of(&local.in6.sin6_addr, 16);
	}
	socks_exit_enter(e, code == SOCKS5_OK ? SOCKS_ANSWERING : SOCKS_LEAVING);
	if (socks5_server_reply(&e->out, code, ip, port) != ERR_OK)
		socks_exit_end(e);
	else
		socks_exit_flush(e);
}

static void socks_exit_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct socks_exit *e = arg;

	e->dial = NULL;
	if (rc != ERR_OK) {
		log_debug(e->path.exits->log, "conn#%llu: %s", e->path.number,
			err_text(rc, why));
		socks_exit_reply(e, socks5_reply_for_errno(errnum), -1);
	} else if (socket_open_take(e->path.exits->worker->loop, fd, &e->target) !=
		ERR_OK) {
		close(fd);
		socks_exit_end(e);
	} else {
		socks_exit_reply(e, SOCKS5_OK, fd);
	}
}

static bool socks_exit_may_reach(struct socks_exit *e, const struct socks5_target *target)
{
	struct exits *x = e->path.exits;
	bool is_ip6 = strchr(target->host, ':') != NULL;
	char quoted[REMOTE_TEXT_MAX];

	snprintf(e->access, sizeof(e->access), is_ip6 ? "[%s]:%u" : "%s:%u", target->host,
		target->port);
	e->path.access = e->access;
	if (x->may_reach == NULL || x->may_reach(x->owner, e->access))
		return true;
	log_limited(LOG_INFO, x->log,
		"conn#%llu: Denied SOCKS connection to \"%s\" (ACL)", e->path.number,
		str_quote(quoted, sizeof(quoted), span_str(e->access)));
	return false;
}

static void socks_exit_dial(struct socks_exit *e, const struct socks5_target *target)
{
	struct exits *x = e->path.exits;
	struct dial_options o = {
		.loop = x->worker->loop,
		.host = target->host,
		.port = target->port,
		.timeout_ms = x->tuning->dial_timeout_ms,
		.fn = socks_exit_on_dialled,
		.arg = e,
	};

	socks_exit_enter(e, SOCKS_DIALLING);
	if (dial_open(&o, &e->dial) != ERR_OK)
		socks_exit_end(e);
	else
		socks_exit_flush(e);
}

/* One step of the dialogue with what has arrived. */
static void socks_exit_talk(struct socks_exit *e)
{
	struct socks5_target target;
	struct span in = buf_span(&e->in);
	enum err rc = socks5_server_next(&e->dialogue, &in, &e->out, &target);

	buf_consume(&e->in, e->in.n - in.n);
	if (rc == ERR_OK) {
		if (socks_exit_may_reach(e, &target))
			socks_exit_dial(e, &target);
		else
			socks_exit_reply(e, SOCKS5_NOT_ALLOWED, -1);
		return;
	}
	if (rc != ERR_AGAIN)
		socks_exit_enter(e, SOCKS_LEAVING);
	socks_exit_flush(e);
}

static void socks_exit_on_ready(void *arg, unsigned ready)
{
	struct socks_exit *e = arg;
	uint8_t bytes[SOCKS_BYTES_MAX];
	size_t got;
	enum err rc = ERR_AGAIN;

	if (e->state == SOCKS_TALKING && (ready & LOOP_READ)) {
		rc = stream_read(e->user, bytes, sizeof(bytes) - e->in.n, &got);
		if (rc == ERR_OK)
			rc = buf_put(&e->in, bytes, got);
		if (rc == ERR_OK) {
			socks_exit_talk(e);
			return;
		}
	}
	if (rc != ERR_AGAIN)
		socks_exit_end(e);
	else if (ready & LOOP_WRITE)
		socks_exit_flush(e);
}

static void socks_exit_start(struct exit_path *path, struct channel *ch)
{
	struct socks_exit *e = (struct socks_exit *)path;

	buf_init(&e->in, SOCKS_BYTES_MAX);
	buf_init(&e->out, SOCKS_BYTES_MAX);
	socks5_server_init(&e->dialogue);
	if (channel_accept(ch, &e->user) != ERR_OK ||
		loop_timer_open(path->exits->worker->loop, socks_exit_end, e,
			&e->timer) != ERR_OK) {
		socks_exit_end(e);
		return;
	}
	socks_exit_enter(e, SOCKS_TALKING);
	stream_set_owner(e->user, socks_exit_on_ready, e);
	stream_want(e->user, LOOP_READ);
}

const struct exit_kind exit_socks = {
	.bytes = sizeof(struct socks_exit),
	.start = socks_exit_start,
	.close = socks_exit_close,
};
