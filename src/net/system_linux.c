/* What Linux has for sockets, and POSIX has not. */
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h> /* glibc's has fewer fields */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/system_priv.h"

const int system_keepidle = TCP_KEEPIDLE;

void socket_set_dead_ms(int fd, unsigned dead_ms)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

bool socket_is_finished(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1;
}

bool system_tcp_path(int fd, struct stream_path *out)
{
	struct tcp_info info = { .tcpi_rtt = 0 };
	socklen_t n = sizeof(info);

	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0 ||
		n < offsetof(struct tcp_info, tcpi_segs_out))
		return false;
	*out = (struct stream_path){
		.is_waiting = info.tcpi_unacked > 0,
		.quiet_ms = info.tcpi_last_ack_recv,
		.acked_bytes = info.tcpi_bytes_acked,
		.rtt_ms = info.tcpi_rtt / 1000,
		.rtt_variance_ms = info.tcpi_rttvar / 1000,
	};
	return true;
}

int system_open_network_news(void)
{
	struct sockaddr_nl at = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int system_splice_pipe(int ends[2], int bytes)
{
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
		return -1;
	(void)fcntl(ends[0], F_SETPIPE_SZ, bytes); /* a small one will do, too */
	return 0;
}

/* Never SPLICE_F_MORE: it corks, and may hold back the end of a response. */
ssize_t system_splice(int from, int to, size_t n)
{
	return splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
