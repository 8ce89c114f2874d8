/*
 * The administrators' API on a Unix socket in the state directory, for root and for the
 * user that the relay runs as: the same operations under /admin/ as a wallet's session
 * gives, without a wallet. "adit relay lease" and "adit relay status" use it. On the
 * control worker.
 */
#ifndef RELAY_ADMIN_SOCKET_H
#define RELAY_ADMIN_SOCKET_H

#include <sys/un.h>

#include "base/err.h"

#define ADMIN_SOCKET_FILE "admin.sock"

struct admin_socket;
struct relay;

/*
 * Listens in the relay's state directory, which is locked, so that a socket which is
 * there is of a relay that has ended; it is replaced.
 * ERR_EXISTS: something else is in its place.  ERR_SYS, ERR_NOMEM.
 */
enum err admin_socket_open(struct relay *r, struct admin_socket **out,
	struct why *why) MUST_USE;

/* Closes connections, and removes the socket. NULL is fine. */
void admin_socket_close(struct admin_socket *s);

/*
 * The path by which the socket in @directory is bound and reached. One that is too long
 * for an address goes by way of a descriptor of the directory: *@fd is closed when that
 * is done, if it is not -1.  ERR_NOENT: there is no such directory.  ERR_DENIED, ERR_SYS.
 */
enum err admin_socket_path(const char *directory,
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)], int *fd,
	struct why *why) MUST_USE;

#endif
