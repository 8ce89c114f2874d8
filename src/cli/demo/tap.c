/* A tap: for each connection two sockets, and two ways for bytes between them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/demo/demo_priv.h"
#include "net/dialer.h"
#include "net/listener.h"

#define TAP_DIAL_MS 5000

/* A connection. Way i is from fd i to the other one. */
struct tap_wire {
	struct list in_tap;
	struct demo_tap *tap; /* borrowed */
	struct dial *dial;
	int fd[2]; /* -1: not yet */
	struct loop_io *io[2];
	struct tap_way {
		uint8_t bytes[16384];
		size_t n, sent;
		size_t matched; /* bytes of the word that were read last */
		bool has_ended;
	} ways[2];
};

static void wire_free(struct tap_wire *w)
{
	list_remove(&w->in_tap);
	dial_close(w->dial);
	for (int i = 0; i < 2; i++) {
		loop_io_close(w->io[i]);
		if (w->fd[i] >= 0)
			close(w->fd[i]);
	}
	free(w);
}

/* A byte that breaks a match can only begin a new one with the word's first letter. */
static void tap_look(struct demo_tap *tap, struct tap_way *way)
{
	tap->bytes += way->n;
	for (size_t i = 0; i < way->n && tap->word[0] != '\0'; i++) {
		if (way->bytes[i] != (uint8_t)tap->word[way->matched])
			way->matched = 0;
		way->matched += way->bytes[i] == (uint8_t)tap->word[way->matched];
		if (tap->word[way->matched] == '\0') {
			tap->found++;
			way->matched = 0;
		}
	}
}

/* Until it has to wait. False: the connection is broken. */
static bool wire_pump(struct tap_wire *w, int i)
{
	struct tap_way *way = &w->ways[i];
	ssize_t n = 0;

	while (n >= 0 && (way->sent < way->n || !way->has_ended)) {
		if (way->sent < way->n) {
			n = send(w->fd[!i], way->bytes + way->sent, way->n - way->sent,
				MSG_NOSIGNAL);
			way->sent += n > 0 ? (size_t)n : 0;
			continue;
		}
		n = recv(w->fd[i], way->bytes, sizeof(way->bytes), 0);
		way->sent = 0;
		way->n = n > 0 ? (size_t)n : 0;
		tap_look(w->tap, way);
		if (n == 0) {
			way->has_ended = true;
			(void)shutdown(w->fd[!i], SHUT_WR);
		}
	}
	return n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK;
}

static unsigned wire_wants(const struct tap_wire *w, int i)
{
	const struct tap_way *in = &w->ways[i], *out = &w->ways[!i];

	return (in->sent == in->n && !in->has_ended ? LOOP_READ : 0U) |
		(out->sent < out->n ? LOOP_WRITE : 0U);
}

static void wire_on_ready(void *arg, unsigned ready)
{
	struct tap_wire *w = arg;

	(void)ready;
	if (!wire_pump(w, 0) || !wire_pump(w, 1) ||
		(w->ways[0].has_ended && w->ways[1].has_ended)) {
		wire_free(w);
		return;
	}
	for (int i = 0; i < 2; i++)
		loop_io_want(w->io[i], wire_wants(w, i));
}

static void wire_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct tap_wire *w = arg;

	(void)errnum;
	(void)why;
	w->dial = NULL;
	w->fd[1] = fd;
	for (int i = 0; i < 2 && rc == ERR_OK; i++)
		rc = loop_io_open(w->tap->loop, w->fd[i], wire_on_ready, w, &w->io[i]);
	if (rc == ERR_OK)
		wire_on_ready(w, 0);
	else
		wire_free(w);
}

static void tap_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct demo_tap *tap = arg;
	struct tap_wire *w = tap->host != NULL ? mem_new(w) : NULL;
	struct dial_options o = {
		.loop = tap->loop,
		.host = tap->host,
		.port = tap->host_port,
		.timeout_ms = TAP_DIAL_MS,
		.fn = wire_on_dialled,
		.arg = w,
	};

	(void)peer;
	if (w == NULL) {
		close(fd);
		return;
	}
	w->tap = tap;
	w->fd[0] = fd;
	w->fd[1] = -1;
	list_add(&tap->wires, &w->in_tap);
	if (dial_open(&o, &w->dial) != ERR_OK)
		wire_free(w);
}

enum err demo_tap_open(struct demo_tap *tap, struct loop *loop, struct why *why)
{
	struct addr at;
	enum err rc;

	*tap = (struct demo_tap){ .loop = loop, .word = "" };
	list_init(&tap->wires);
	rc = listener_open(loop, DEMO_LOCAL, 0, tap_on_accept, tap, &tap->listener, why);
	if (rc != ERR_OK)
		return rc;
	listener_addr(tap->listener, &at);
	tap->port = addr_port(&at);
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
