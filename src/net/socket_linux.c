/* What Linux has for sockets, and POSIX has not. */
#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/socket_priv.h"

const int socket_keepidle = TCP_KEEPIDLE;

void socket_set_patience(int fd, unsigned dead_ms)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

bool socket_is_finished(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1;
}
