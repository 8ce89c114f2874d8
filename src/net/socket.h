/*
 * A socket is a stream over a connected descriptor (TCP or a Unix socket).
 *
 * The descriptor is made non-blocking; TCP gets NODELAY and keepalive (15 s, as Go's).
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "net/stream.h"

/* Takes @fd: if it fails, the fd is still the caller's. */
enum err socket_open_take(struct loop *loop, int fd, struct stream **out) MUST_USE;

/*
 * NODELAY and keepalive, if it is TCP. On a listening socket: for all it accepts, which
 * then costs them nothing.
 */
void socket_tune(int fd);

/*
 * For the one connection that carries a tunnel, once it is a stream: a small queue of
 * unsent bytes in the kernel (TCP_NOTSENT_LOWAT), so that small frames overtake bulk
 * data, and an end to a peer that acknowledges nothing for @dead_ms (TCP_USER_TIMEOUT),
 * or answers no probe of the kernel's for about as long. Does nothing to other sockets.
 */
void socket_tune_carrier(int fd, unsigned dead_ms);

/*
 * For a connection that is idle for long: the kernel probes it often enough to reset it
 * 8 s after the peer, or the path to it, has died. Does nothing to other sockets.
 */
void socket_tune_waiting(int fd);

/*
 * Resets a connection whose peer acknowledges nothing, or has no room, for @dead_ms
 * (TCP_USER_TIMEOUT); 0: the kernel's default. Does nothing to other sockets.
 */
void socket_set_dead_ms(int fd, unsigned dead_ms);

/* True: the peer has ended its side or the connection; there may be unread bytes. */
bool socket_is_finished(int fd);

#endif
