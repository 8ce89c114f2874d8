/* A tap: for each connection a bridge, whose bytes are searched. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/demo/demo_priv.h"
#include "net/bridge.h"
#include "net/connector.h"
#include "net/listener.h"
#include "net/socket.h"

#define TAP_CONNECT_MS 5000

struct tap_wire {
	struct list in_tap;
	struct demo_tap *tap;    /* borrowed */
	struct stream *accepted; /* until it is bridged */
	struct connector *connector;
	struct bridge *bridge;
	size_t matched[2]; /* bytes of the word that passed last, by direction */
};

static void wire_free(struct tap_wire *w)
{
	list_remove(&w->in_tap);
	stream_close(w->accepted);
	connector_close(w->connector);
	bridge_close(w->bridge);
	free(w);
}

/* A byte that breaks a match can only begin a new one with the word's first letter. */
static void wire_on_bytes(void *arg, bool is_from_a, struct span s)
{
	struct tap_wire *w = arg;
	struct demo_tap *tap = w->tap;
	size_t *matched = &w->matched[is_from_a];

	tap->bytes += s.n;
	for (size_t i = 0; i < s.n && tap->word[0] != '\0'; i++) {
		if (s.p[i] != (uint8_t)tap->word[*matched])
			*matched = 0;
		*matched += s.p[i] == (uint8_t)tap->word[*matched];
		if (tap->word[*matched] == '\0') {
			tap->found++;
			*matched = 0;
		}
	}
}

static void wire_on_closed(void *arg, const struct bridge_end *end)
{
	struct tap_wire *w = arg;

	(void)end;
	w->bridge = NULL;
	wire_free(w);
}

static void wire_on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct tap_wire *w = arg;
	struct bridge_options o = {
		.loop = w->tap->worker->loop,
		.pool = &w->tap->worker->blocks,
		.a = w->accepted,
		.b = stream,
		.on_bytes = wire_on_bytes,
		.on_closed = wire_on_closed,
		.arg = w,
	};

	(void)why;
	w->connector = NULL;
	if (rc == ERR_OK && bridge_open(&o, &w->bridge) == ERR_OK) {
		w->accepted = NULL;
		return;
	}
	stream_close(stream);
	wire_free(w);
}

static void tap_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct demo_tap *tap = arg;
	struct tap_wire *w = mem_new(w);
	struct connector_options o = {
		.loop = tap->worker->loop,
		.host = tap->host,
		.port = tap->host_port,
		.timeout_ms = TAP_CONNECT_MS,
		.fn = wire_on_connected,
		.arg = w,
	};

	(void)peer;
	if (w == NULL || socket_open_take(o.loop, fd, &w->accepted) != ERR_OK) {
		close(fd);
		free(w);
		return;
	}
	w->tap = tap;
	list_add(&tap->wires, &w->in_tap);
	if (connector_open(&o, &w->connector) != ERR_OK)
		wire_free(w);
}

enum err demo_tap_open(struct demo_tap *tap, struct why *why)
{
	enum err rc = listener_open(tap->worker->loop, DEMO_LOCAL, 0, tap_on_accept, tap,
		&tap->listener, why);

	if (rc != ERR_OK)
		return rc;
	list_init(&tap->wires);
	tap->port = listener_port(tap->listener);
	return ERR_OK;
}

void demo_tap_close(struct demo_tap *tap)
{
	struct list *it, *next;

	if (tap->listener == NULL)
		return;
	list_each(it, next, &tap->wires)
		wire_free(list_object(it, struct tap_wire, in_tap));
	listener_close(tap->listener);
}
