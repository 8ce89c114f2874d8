/* What macOS has for sockets, and POSIX has not. */
#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/system_priv.h"

const int system_keepidle = TCP_KEEPALIVE;

/* In seconds there. */
void socket_set_dead_ms(int fd, unsigned dead_ms)
{
	unsigned dead_s = (dead_ms + 999) / 1000;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_RXT_CONNDROPTIME, &dead_s, sizeof(dead_s));
}

/* POLLHUP comes with the end of what the peer sends. */
bool socket_is_finished(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

bool system_tcp_path(int fd, struct stream_path *out)
{
	(void)fd;
	(void)out;
	return false;
}

int system_open_network_news(void)
{
	return -1;
}

/* There is no splice: bytes are copied. */
int system_splice_pipe(int ends[2], int bytes)
{
	(void)ends;
	(void)bytes;
	return -1;
}

ssize_t system_splice(int from, int to, size_t n)
{
	(void)from;
	(void)to;
	(void)n;
	return -1;
}
