/*
 * The resolver turns a host name into addresses. Names with one label, names below
 * "local" and names that neither /etc/hosts nor a name server knows are looked up by the
 * C library, from all sources of nsswitch.conf, on a thread; 32 such lookups at most run
 * at a time in the process, and others wait. resolv.conf(5)'s timeout and attempts hold.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "loop/loop.h"
#include "net/addr.h"

#define RESOLVER_ADDRS_MAX 16

struct resolve;

/* @count is 0 if @rc is an error; @why says more. @addrs is good for the call. */
typedef void resolve_fn(void *arg, enum err rc, const struct addr *addrs, unsigned count,
	const struct why *why);

/* True for localhost and names below it: they are loopback without a lookup (RFC 6761
 * 6.3). */
bool resolver_is_localhost(const char *host);

/*
 * Looks up @host, which may be a literal. The addresses have @port, are in the order of
 * RFC 6724, and the families are interleaved (RFC 8305 4). @fn is called once, never from
 * inside this call. Results are not cached.
 *
 * @fn gets ERR_NOENT: no such host.  ERR_TIMEOUT: no name server answered.  ERR_NOMEM,
 * ERR_SYS.
 */
enum err resolve_open(struct loop *loop, const char *host, uint16_t port, resolve_fn *fn,
	void *arg, struct resolve **out) MUST_USE;

/* The same, but only the name server @server is asked, and not the system. NULL: as
 * above. */
enum err resolve_open_at(struct loop *loop, const struct addr *server, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct resolve **out) MUST_USE;

/* Cancels: @fn is not called any more, and the end of the process does not wait for the
 * lookup. NULL is fine. @r is freed before @fn is called. */
void resolve_close(struct resolve *r);

#endif
