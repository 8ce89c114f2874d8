/* What TCP knows of the path of a connection.
 * What differs by system is in a file of its own. */
#ifndef NET_TCP_PATH_H
#define NET_TCP_PATH_H

#include "net/stream.h"

/* False: @fd is not TCP, or the system does not tell. */
bool tcp_path(int fd, struct stream_path *out) MUST_USE;

#endif
