/* A socket is a stream over a connected descriptor. */
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/system_priv.h"

#define SOCKET_KEEPALIVE_S 15
#define SOCKET_CARRIER_UNSENT_BYTES (128 * 1024)

struct socket {
	struct stream stream;
	struct loop_io *io; /* NULL between two loops */
};

static struct socket *socket_of(struct stream *s)
{
	return mem_container(s, struct socket, stream);
}

static enum err socket_err(int errnum)
{
	switch (errnum) {
	case EAGAIN:
	case EINTR:
		return ERR_AGAIN;
	case ECONNRESET:
	case EPIPE:
	case ENOTCONN:
		return ERR_RESET;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ENOMEM:
	case ENOBUFS:
		return ERR_NOMEM;
	default:
		return ERR_SYS;
	}
}

static enum err socket_read(struct stream *s, void *to, size_t room, size_t *got)
{
	ssize_t n = recv(s->fd, to, room, 0);

	if (n < 0)
		return socket_err(errno);
	if (n == 0)
		return ERR_EOF;
	*got = (size_t)n;
	return ERR_OK;
}

static enum err socket_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct msghdr msg = {
		.msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (__typeof__(msg.msg_iovlen))count,
	};
	ssize_t n;

	if (count == 1)
		n = send(s->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
	else
		n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return socket_err(errno);
	*put = (size_t)n;
	return ERR_OK;
}

static enum err socket_finish(struct stream *s)
{
	if (shutdown(s->fd, SHUT_WR) != 0)
		return socket_err(errno);
	return ERR_OK;
}

static void socket_want(struct stream *s, unsigned wants)
{
	loop_io_want(socket_of(s)->io, wants);
}

static void socket_close(struct stream *s, bool is_abort)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	/* TCP then sends a reset instead of what is queued; others do not mind. */
	if (is_abort)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	loop_io_close(socket_of(s)->io);
	close(s->fd);
	free(socket_of(s));
}

/* A connection whose two ways have ended in order is hung up, too, and stays so. */
static bool socket_is_broken(int fd)
{
	int errnum = 0;
	socklen_t n = sizeof(errnum);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &n) == 0 && errnum != 0;
}

static void socket_on_io(void *arg, unsigned ready)
{
	struct socket *sock = arg;

	/* Read and write find out by themselves. */
	if ((ready & (LOOP_READ | LOOP_WRITE)) != 0)
		ready &= ~(unsigned)LOOP_HANGUP;
	else if (!socket_is_broken(sock->stream.fd))
		ready = 0;
	if (ready != 0)
		sock->stream.on_ready(sock->stream.arg, ready);
	else
		loop_io_want(sock->io, 0);
}

static enum err socket_leave(struct stream *s)
{
	loop_io_close(socket_of(s)->io);
	socket_of(s)->io = NULL;
	return ERR_OK;
}

static enum err socket_enter(struct stream *s, struct loop *loop)
{
	struct socket *sock = socket_of(s);

	return loop_io_open(loop, s->fd, socket_on_io, sock, &sock->io);
}

static bool socket_path(const struct stream *s, struct stream_path *out)
{
	return system_tcp_path(s->fd, out);
}

static const struct stream_ops socket_ops = {
	.name = "socket",
	.read = socket_read,
	.write = socket_write,
	.finish = socket_finish,
	.want = socket_want,
	.close = socket_close,
	.leave = socket_leave,
	.enter = socket_enter,
	.path = socket_path,
};

struct socket_option {
	int level, name, value;
};

static void socket_set(int fd, const struct socket_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof(options[i].value));
}

void socket_tune(int fd)
{
	static const struct socket_option on[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, SOCKET_KEEPALIVE_S },
	};
	/* Set last: shows that all is set. */
	const struct socket_option idle = { IPPROTO_TCP, system_keepidle,
		SOCKET_KEEPALIVE_S };
	int now = 0;
	socklen_t n = sizeof(now);

	/* Accepted sockets have it from their listener; Unix sockets do not have it. */
	if (getsockopt(fd, idle.level, idle.name, &now, &n) != 0 || now == idle.value)
		return;
	socket_set(fd, on, mem_count(on));
	socket_set(fd, &idle, 1);
}

static bool socket_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return false;
	return (flags & O_NONBLOCK) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

enum err socket_open_take(struct loop *loop, int fd, struct stream **out)
{
	struct socket *sock;
	enum err rc;

	if (!socket_set_nonblocking(fd))
		return ERR_SYS;
	sock = mem_new(sock);
	if (sock == NULL)
		return ERR_NOMEM;
	rc = loop_io_open(loop, fd, socket_on_io, sock, &sock->io);
	if (rc != ERR_OK) {
		free(sock);
		return rc;
	}
	socket_tune(fd);
	sock->stream.ops = &socket_ops;
	sock->stream.fd = fd;
	*out = &sock->stream;
	return ERR_OK;
}

void socket_tune_carrier(int fd, unsigned dead_ms)
{
	const struct socket_option options[] = {
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, SOCKET_CARRIER_UNSENT_BYTES },
		/* Probes begin early enough to find a dead peer in time. */
		{ IPPROTO_TCP, system_keepidle, (int)(dead_ms + 1999) / 2000 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, (int)(dead_ms + 3999) / 4000 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
	};

	socket_set_dead_ms(fd, dead_ms);
	socket_set(fd, options, mem_count(options));
}

/* Four probes: on a bad path some of them, or of the replies, get lost. */
void socket_tune_waiting(int fd)
{
	const struct socket_option options[] = {
		{ IPPROTO_TCP, system_keepidle, 4 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 1 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};

	socket_set(fd, options, mem_count(options));
}
