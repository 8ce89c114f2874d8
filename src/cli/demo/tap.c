/* A tap: two sockets for each connection, and bytes that pass between them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/demo/demo_priv.h"
#include "net/dialer.h"

#define TAP_DIAL_MS 5000
#define TAP_BYTES 16384 /* carried at a time */

/* A connection. Way i is from fd i to the other one. */
struct tap_wire {
	struct list in_tap;
	struct demo_tap *tap; /* borrowed */
	struct dial *dial;
	int fd[2]; /* -1: not yet */
	struct loop_io *io[2];
	struct tap_way {
		size_t matched; /* bytes of the word that passed last */
		bool is_full;   /* the other end takes nothing now */
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
static void tap_search(struct demo_tap *tap, struct tap_way *way, struct span s)
{
	tap->bytes += s.n;
	for (size_t i = 0; i < s.n && tap->word[0] != '\0'; i++) {
		if (s.p[i] != (uint8_t)tap->word[way->matched])
			way->matched = 0;
		way->matched += s.p[i] == (uint8_t)tap->word[way->matched];
		if (tap->word[way->matched] == '\0') {
			tap->found++;
			way->matched = 0;
		}
	}
}

/* Carries what is there; what is not taken stays in the socket that it came from. */
static bool wire_carry(struct tap_wire *w, int i)
{
	struct tap_way *way = &w->ways[i];
	uint8_t bytes[TAP_BYTES];
	ssize_t n = 0, sent = 0;

	way->is_full = false;
	while (!way->has_ended && n >= 0 && sent >= 0) {
		n = recv(w->fd[i], bytes, sizeof(bytes), MSG_PEEK);
		if (n > 0)
			sent = send(w->fd[!i], bytes, (size_t)n, MSG_NOSIGNAL);
		if (n > 0 && sent > 0) {
			(void)recv(w->fd[i], bytes, (size_t)sent, 0);
			tap_search(w->tap, way, span_of(bytes, (size_t)sent));
		} else if (n == 0) {
			way->has_ended = true;
			(void)shutdown(w->fd[!i], SHUT_WR);
		}
	}
	way->is_full = sent < 0;
	return (n >= 0 && sent >= 0) || errno == EAGAIN || errno == EWOULDBLOCK;
}

static void wire_on_ready(void *arg, unsigned ready)
{
	struct tap_wire *w = arg;
	const struct tap_way *ways = w->ways;

	(void)ready;
	if (!wire_carry(w, 0) || !wire_carry(w, 1) ||
		(ways[0].has_ended && ways[1].has_ended)) {
		wire_free(w);
		return;
	}
	for (int i = 0; i < 2; i++)
		loop_io_want(w->io[i],
			(ways[i].has_ended || ways[i].is_full ? 0U : LOOP_READ) |
				(ways[!i].is_full ? LOOP_WRITE : 0U));
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
	*tap = (struct demo_tap){ .loop = loop, .word = "" };
	list_init(&tap->wires);
	return demo_listen(loop, tap_on_accept, tap, &tap->listener, &tap->port, why);
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
