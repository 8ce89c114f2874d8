/* A TCP exit: dials first and accepts the channel when that worked. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/bridge.h"
#include "net/dialer.h"
#include "net/socket.h"
#include "tunnel/chisel/exit_priv.h"

struct tcp_exit {
	struct exit_path path; /* first */
	struct channel *ch;    /* until it is answered */
	struct dial *dial;     /* borrowed: until it has called */
	struct bridge *bridge; /* borrowed: while it runs */
};

static void tcp_exit_on_closed(void *arg, const struct bridge_end *end)
{
	struct tcp_exit *e = arg;

	log_debug(e->path.exits->log, "conn#%llu: sent %lluB received %lluB",
		e->path.number, (unsigned long long)end->b_to_a_bytes,
		(unsigned long long)end->a_to_b_bytes);
	exit_path_free(&e->path);
}

/* Joins the connected @fd with the channel; false if that failed and all is closed. */
static bool tcp_exit_bridge(struct tcp_exit *e, int fd)
{
	struct worker *w = e->path.exits->worker;
	struct bridge_options o = {
		.loop = w->loop,
		.pool = &w->blocks,
		.on_closed = tcp_exit_on_closed,
		.arg = e,
	};
	struct channel *ch = e->ch;

	e->ch = NULL;
	if (socket_open_take(w->loop, fd, &o.a) != ERR_OK) {
		close(fd);
		channel_refuse(ch, SSH_RESOURCE_SHORTAGE, "out of memory");
		return false;
	}
	if (channel_accept(ch, &o.b) != ERR_OK) {
		stream_abort(o.a);
		return false;
	}
	if (bridge_open(&o, &e->bridge) != ERR_OK) {
		stream_abort(o.a);
		stream_abort(o.b);
		return false;
	}
	return true;
}

static void tcp_exit_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct tcp_exit *e = arg;
	char text[300];

	e->dial = NULL;
	exit_path_note(&e->path, rc != ERR_OK ? err_text(rc, why) : NULL,
		dial_advice(errnum));
	if (rc != ERR_OK) {
		snprintf(text, sizeof(text), "connect failed (%s)", err_text(rc, why));
		channel_refuse(e->ch, SSH_CONNECT_FAILED, text);
		exit_path_free(&e->path);
	} else if (!tcp_exit_bridge(e, fd)) {
		exit_path_free(&e->path);
	}
}

static void tcp_exit_start(struct exit_path *path, struct channel *ch)
{
	struct tcp_exit *e = (struct tcp_exit *)path;
	struct dial_options o = {
		.loop = path->exits->worker->loop,
		.host = path->target.host,
		.port = remote_port_number(path->target.port),
		.timeout_ms = path->exits->tuning->dial_timeout_ms,
		.fn = tcp_exit_on_dialled,
		.arg = e,
	};

	e->ch = ch;
	if (dial_open(&o, &e->dial) == ERR_OK)
		return;
	channel_refuse(ch, SSH_RESOURCE_SHORTAGE, "out of memory");
	exit_path_free(path);
}

static void tcp_exit_close(struct exit_path *path)
{
	struct tcp_exit *e = (struct tcp_exit *)path;

	dial_close(e->dial);
	if (e->ch != NULL)
		channel_refuse(e->ch, SSH_CONNECT_FAILED, "going away");
	bridge_close(e->bridge);
}

const struct exit_kind exit_tcp = {
	.bytes = sizeof(struct tcp_exit),
	.start = tcp_exit_start,
	.close = tcp_exit_close,
};
