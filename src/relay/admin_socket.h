/*
 * The administrators' API on a Unix socket in the state directory, for root and for the
 * user that the relay runs as: the operations under /admin/, without a wallet. "adit
 * relay lease" and "adit relay status" use it. On the control worker.
 */
#ifndef RELAY_ADMIN_SOCKET_H
#define RELAY_ADMIN_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"

#define ADMIN_SOCKET_FILE "admin.sock"

struct admin_socket;
struct relay;

/*
 * Listens in the relay's state directory. The directory is locked: a socket that is there
 * already was left by a relay that has ended, and is replaced.
 * ERR_EXISTS: a file that is no socket is in its place.  ERR_SYS, ERR_NOMEM.
 */
enum err admin_socket_open(struct relay *r, struct admin_socket **out,
	struct why *why) MUST_USE;

/* Closes connections, and removes the socket. NULL is fine. */
void admin_socket_close(struct admin_socket *s);

/*
 * The path at which the socket in @directory is bound and connected to. One that is too
 * long for an address goes through a descriptor of the directory: the caller closes *@fd
 * after use, unless it is -1.  ERR_NOENT: there is no such directory.  ERR_DENIED,
 * ERR_SYS.
 */
enum err admin_socket_path(const char *directory,
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)], int *fd,
	struct why *why) MUST_USE;

/* The user of the process at the other end of a Unix socket. */
bool admin_socket_peer(int fd, uid_t *out);

#endif
