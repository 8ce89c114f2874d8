/* What admin_socket.c asks of the system: admin_socket_linux.c or _posix.c. */
#ifndef RELAY_ADMIN_SOCKET_PRIV_H
#define RELAY_ADMIN_SOCKET_PRIV_H

#include <stdbool.h>
#include <sys/types.h>

/* Of the process at the other end of a Unix socket. */
bool admin_socket_peer(int fd, uid_t *out);

#endif
