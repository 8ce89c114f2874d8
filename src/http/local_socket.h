/*
 * A Unix socket in a directory of state, for requests of root and of this process's user.
 * The directory is locked by its owner: a socket that is there already was left by a
 * process that has ended, and is replaced.
 */
#ifndef HTTP_LOCAL_SOCKET_H
#define HTTP_LOCAL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/log.h"
#include "http/server.h"

struct local_socket;

/* All borrowed: they outlive the socket, but for the texts. */
struct local_socket_options {
	struct loop *loop;
	const char *directory, *file;
	struct http_server *server; /* gets the connections */
	const struct log *log;      /* connections of other users */
};

/* ERR_EXISTS: a file that is no socket is in its place.  ERR_SYS, ERR_NOMEM. */
enum err local_socket_open(const struct local_socket_options *o,
	struct local_socket **out, struct why *why) MUST_USE;

/* Removes the socket; connections stay the server's. NULL is fine. */
void local_socket_close(struct local_socket *s);

/*
 * The path at which @file in @directory is bound and connected to. One that is too long
 * for an address goes through a descriptor of the directory: the caller closes *@fd after
 * use, unless it is -1.  ERR_NOENT: there is no such directory.  ERR_DENIED, ERR_SYS.
 */
enum err local_socket_path(const char *directory, const char *file,
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)], int *fd,
	struct why *why) MUST_USE;

/* The user of the process at the other end of a Unix socket. */
bool local_socket_peer(int fd, uid_t *out);

#endif
