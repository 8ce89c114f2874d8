/*
 * A listener accepts TCP connections. When descriptors run out it pauses for a second
 * instead of spinning, and then continues.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "loop/loop.h"
#include "net/addr.h"

struct listener;

/* @fd is non-blocking and owned by the callback, in which the listener may be closed. */
typedef void listener_accept_fn(void *arg, int fd, const struct addr *peer);

/*
 * Binds and listens. @host is a literal or a name that resolves at once ("localhost").
 * Empty, "0.0.0.0" and "[::]" are all addresses of both families; the first two are those
 * of IPv4 where there is no IPv6.
 * ERR_EXISTS: the port is in use.  ERR_DENIED: not allowed.  @why says more.
 */
enum err listener_open(struct loop *loop, const char *host, uint16_t port,
	listener_accept_fn *fn, void *arg, struct listener **out,
	struct why *why) MUST_USE;

/*
 * The same for a socket that is bound and listens already; taken if this succeeds.
 * ERR_NOMEM, ERR_SYS.
 */
enum err listener_adopt_take(struct loop *loop, int fd, listener_accept_fn *fn, void *arg,
	struct listener **out, struct why *why) MUST_USE;

/* The address, with the port that the system chose if it was 0. */
void listener_addr(const struct listener *l, struct addr *out);

/* Its port. NULL: 0. */
uint16_t listener_port(const struct listener *l);

/* Stops and restarts accepting: the kernel queues meanwhile. */
void listener_pause(struct listener *l, bool is_paused);

/* NULL is fine. The port is free when this returns. */
void listener_close(struct listener *l);

/* Binds and listens by the same rules, and accepts nothing; the fd is the caller's. */
enum err listener_bind_tcp(const char *host, uint16_t port, int *out,
	struct why *why) MUST_USE;

/* Binds a UDP socket by the same rules; the fd is the caller's. */
enum err listener_bind_udp(const char *host, uint16_t port, int *out,
	struct why *why) MUST_USE;

#endif
