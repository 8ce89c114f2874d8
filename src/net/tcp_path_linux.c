/* What TCP knows of the path of a connection: Linux. */
#include "net/tcp_path.h"

#include <linux/tcp.h> /* glibc's has fewer fields */
#include <netinet/in.h>
#include <sys/socket.h>

bool tcp_path(int fd, struct stream_path *out)
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
