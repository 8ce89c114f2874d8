/* What differs by system: system_linux.c or system_darwin.c. */
#ifndef NET_SYSTEM_PRIV_H
#define NET_SYSTEM_PRIV_H

#include "net/stream.h"

/* The name that TCP_KEEPIDLE has here. */
extern const int system_keepidle;

/* What TCP knows of the path of a connection. False: @fd is not TCP, or it is unknown. */
bool system_tcp_path(int fd, struct stream_path *out) MUST_USE;

/* A non-blocking descriptor that is readable when addresses or routes change, or -1. */
int system_open_network_news(void);

/* A non-blocking pipe for system_splice(), of @bytes if possible. 0, or -1. */
int system_splice_pipe(int ends[2], int bytes);

/* As splice(2). */
ssize_t system_splice(int from, int to, size_t n);

#endif
