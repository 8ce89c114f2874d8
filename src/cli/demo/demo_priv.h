/* The page that the demo publishes, and the taps on its connections. */
#ifndef CLI_DEMO_DEMO_PRIV_H
#define CLI_DEMO_DEMO_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "loop/worker.h"
#include "net/listener.h"

#define DEMO_LOCAL "127.0.0.1"
#define DEMO_MARKER_BYTES 12

/* Listens on a free loopback port. */
enum err demo_listen(struct loop *loop, listener_accept_fn *fn, void *arg,
	struct listener **out, uint16_t *port, struct why *why) MUST_USE;

/* The page: a web server with one small page, which counts its requests. */
struct demo_page {
	struct loop *loop; /* borrowed */
	struct http_server *server;
	struct listener *listener;
	uint16_t port;
	unsigned requests;
	struct buf text; /* as it was last sent */
	/* A word in it, random but for its first letter, which is in it once. */
	char marker[1 + 2 * DEMO_MARKER_BYTES + 1];
};

enum err demo_page_open(struct demo_page *page, struct worker *worker,
	struct why *why) MUST_USE;
void demo_page_close(struct demo_page *page);

/* A tap forwards connections unchanged, and searches their bytes for a word. */
struct demo_tap {
	struct loop *loop; /* borrowed */
	struct listener *listener;
	uint16_t port; /* where it listens, on loopback */
	struct list wires;
	const char *host; /* borrowed: where to; NULL: connections are closed */
	uint16_t host_port;
	const char *word; /* borrowed; as demo_page.marker; "": none */
	uint64_t bytes;   /* forwarded so far */
	unsigned found;   /* occurrences of the word in them */
};

enum err demo_tap_open(struct demo_tap *tap, struct loop *loop, struct why *why) MUST_USE;

/* Cuts what it carries. One that was not opened is fine. */
void demo_tap_close(struct demo_tap *tap);

#endif
