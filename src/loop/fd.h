/*
 * Descriptors that a program which we run does not inherit. Of all calls: -1 and errno if
 * there is none. fd_linux.c or fd_posix.c; the latter leaves a moment for another
 * thread's fork.
 */
#ifndef LOOP_FD_H
#define LOOP_FD_H

#include <sys/socket.h>

/* Non-blocking. */
int fd_socket(int domain, int type);

/* Non-blocking; @peer and @n as accept(2) has them. */
int fd_accept(int fd, struct sockaddr *peer, socklen_t *n);

/* Only ends[0], to read from, is non-blocking. 0, or -1. */
int fd_pipe(int ends[2]);

#endif
