/*
 * The administrators' API on a Unix socket in the state directory, for root and for the
 * user that the relay runs as: the operations under /admin/, without a wallet, and those
 * of the panel under /api/. The commands of "adit relay" use it. On the control worker.
 */
#ifndef RELAY_ADMIN_SOCKET_H
#define RELAY_ADMIN_SOCKET_H

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

#endif
