/*
 * A fetch is what a visitor does: it asks a web server for "/", a few times over one
 * connection as a browser would, and takes the time.
 */
#ifndef CLI_DEMO_FETCH_H
#define CLI_DEMO_FETCH_H

#include "base/buf.h"
#include "loop/loop.h"
#include "net/tls.h"

#define DEMO_BODY_MAX 65536 /* of a body that is longer, this much is kept */

struct demo_fetch;

/* One answer. */
struct demo_answer {
	unsigned status;
	char reason[40];   /* printable; may be empty */
	char type[64];     /* of the body; printable; empty if it was not told */
	uint64_t bytes;    /* of the body */
	struct buf body;   /* its first DEMO_BODY_MAX */
	uint64_t first_us; /* from the question, or from connecting, to the first byte */
	bool is_reused;    /* the connection was there already */
};

struct demo_fetch_options {
	struct loop *loop; /* borrowed */
	const char *host;  /* where it is reached */
	uint16_t port;
	const char *name; /* what it is called: in the question, and in its certificate */
	uint16_t name_port;      /* and the port that goes with it; 0 is @port */
	struct tls_context *tls; /* borrowed: outlives the fetch; NULL: plain HTTP */
	unsigned count;          /* of questions */
	uint32_t timeout_ms;     /* for all of it */
	/* Good for the call. The fetch may not be closed in it. */
	void (*on_answer)(void *arg, const struct demo_answer *answer);
	/* That was all; @why has the words if not ERR_OK.
	 * demo_fetch_close() is still due. */
	void (*on_end)(void *arg, enum err rc, const struct why *why);
	void *arg;
};

/* No callback comes from inside this. @host and @name are borrowed for as long. */
enum err demo_fetch_open(const struct demo_fetch_options *o,
	struct demo_fetch **out) MUST_USE;

/* No callback comes any more. NULL is fine. */
void demo_fetch_close(struct demo_fetch *f);

#endif
