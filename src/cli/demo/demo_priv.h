/* The page that the demo publishes, and the taps on its connections. */
#ifndef CLI_DEMO_DEMO_PRIV_H
#define CLI_DEMO_DEMO_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "loop/worker.h"

#define DEMO_LOCAL "127.0.0.1"
#define DEMO_MARKER_BYTES 12

/* The page: a web server with one small page, which counts its requests. */
struct demo_page {
	struct http_server *server;
	unsigned requests;
	struct buf text; /* as it was last sent */
	/* A word in it, random but for its first letter, which is in it once. */
	char marker[1 + 2 * DEMO_MARKER_BYTES + 1];
};

/* Serves on a free port of DEMO_LOCAL. */
enum err demo_page_open(struct demo_page *page, struct worker *worker, uint16_t *port,
	struct why *why) MUST_USE;
void demo_page_close(struct demo_page *page);

/* A tap forwards connections unchanged, and searches their bytes for a word. */
struct demo_tap {
	/* Set before it is opened. All is borrowed. */
	struct worker *worker;
	const char *host; /* where to */
	uint16_t host_port;
	const char *word; /* as demo_page.marker; "": none */

	struct listener *listener;
	uint16_t port; /* where it listens, on loopback */
	struct list wires;
	uint64_t bytes; /* forwarded so far */
	unsigned found; /* occurrences of the word in them */
};

enum err demo_tap_open(struct demo_tap *tap, struct why *why) MUST_USE;

/* Cuts what it carries. One that was not opened is fine. */
void demo_tap_close(struct demo_tap *tap);

#endif
