/* The resolver turns a host name into addresses, on a thread of the system's resolver. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "loop/loop.h"
#include "net/addr.h"

#define RESOLVER_ADDRS_MAX 16

struct resolve;

/* @count is 0 when @rc is an error; @why has the words. @addrs is good for the call. */
typedef void resolve_fn(void *arg, enum err rc, const struct addr *addrs, unsigned count,
	const struct why *why);

/* True for localhost and names below it:
 * loopback, whatever name servers say (RFC 6761 6.3). */
bool resolver_is_localhost(const char *host);

/*
 * Asks for @host (a literal needs no asking) with @port put into each answer, in the
 * order of RFC 6724 with the families interleaved (RFC 8305 4). @fn is called once, never
 * from inside this call. Every call asks anew.
 */
enum err resolve_open(struct loop *loop, const char *host, uint16_t port, resolve_fn *fn,
	void *arg, struct resolve **out) MUST_USE;

/* @fn is not called any more. NULL is fine. Not needed after @fn was called. */
void resolve_close(struct resolve *r);

#endif
