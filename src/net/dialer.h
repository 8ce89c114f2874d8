/*
 * A dial connects to host:port over TCP: resolves, then tries all addresses, the next one
 * beginning 250 ms after the last or when it fails (RFC 8305 5). The first to connect
 * wins.
 */
#ifndef NET_DIALER_H
#define NET_DIALER_H

#include "net/resolver.h"

struct dial;

/*
 * Where a host and port was last connected to. For a few seconds that address is tried
 * first, and the name is looked up only if the connection fails or takes its time. Of one
 * host, port and loop; shared by all with a reference.
 */
struct dial_memory;

#define DIAL_MEMORY_MS 5000 /* then the name is looked up in any case */

/* NULL: no memory. */
struct dial_memory *dial_memory_new(void);
struct dial_memory *dial_memory_ref(struct dial_memory *m); /* NULL stays NULL */
void dial_memory_unref(struct dial_memory *m);              /* NULL is fine */

/* False: nothing is known. */
bool dial_memory_get(const struct dial_memory *m, struct addr *out);

/* After a failure: another server may have the address now. NULL is fine. */
void dial_memory_forget(struct dial_memory *m);

/*
 * On ERR_OK @fd is connected, non-blocking and the receiver's. Else it is -1, @why has
 * the words and @errnum the last errno (0 if none: a name that did not resolve).
 */
typedef void dial_fn(void *arg, enum err rc, int fd, int errnum, const struct why *why);

struct dial_options {
	struct loop *loop; /* borrowed: outlives the dial */
	const char *host;  /* copied; brackets around IPv6 are fine */
	uint16_t port;
	uint32_t timeout_ms;        /* for resolving and connecting together; 0 is 30 s */
	struct dial_memory *memory; /* of host:port; a reference is taken; may be NULL */
	dial_fn *fn;
	void *arg;
};

/* fn is called once, never from inside this call; the dial is gone then. */
enum err dial_open(const struct dial_options *options, struct dial **out) MUST_USE;

/* fn is not called any more. NULL is fine. */
void dial_close(struct dial *d);

/* What the user should look at after a dial to "it" has failed with @errnum; or "". */
const char *dial_advice(int errnum);

#endif
