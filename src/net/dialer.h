/*
 * A dial connects to host:port over TCP: resolves, then tries all addresses, the next one
 * beginning 250 ms after the last or when it fails (RFC 8305 5). The first to connect
 * wins.
 */
#ifndef NET_DIALER_H
#define NET_DIALER_H

#include "net/dial_memory.h"
#include "net/resolver.h"

struct dial;

struct dial_options {
	struct loop *loop; /* borrowed: outlives the dial */
	const char *host;  /* copied; brackets around IPv6 are fine */
	uint16_t port;
	uint32_t timeout_ms;        /* for resolving and connecting together; 0 is 30 s */
	struct dial_memory *memory; /* of host:port; a reference is taken; may be NULL */
	/*
	 * On ERR_OK @fd is connected, non-blocking and the receiver's. Else it is -1,
	 * @why has the words and @errnum the last errno (0 if none: a name that did not
	 * resolve).
	 */
	void (*fn)(void *arg, enum err rc, int fd, int errnum, const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the dial is gone then. */
enum err dial_open(const struct dial_options *options, struct dial **out) MUST_USE;

/* fn is not called any more. NULL is fine. */
void dial_close(struct dial *d);

/* What the user should look at after a dial to "it" has failed with @errnum; or "". */
const char *dial_advice(int errnum);

#endif
