/* A stream over two descriptors, one to read and one to write. */
#include "net/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct stdio_side {
	struct stdio *stdio; /* borrowed: it embeds us */
	int fd;
	int flags;          /* as they were */
	struct loop_io *io; /* NULL for a file, which is always ready */
	unsigned means;     /* LOOP_READ or LOOP_WRITE */
};

struct stdio {
	struct stream stream; /* first */
	struct loop *loop;    /* borrowed */
	struct stdio_side in, out;
	unsigned wants;
	struct loop_deferred ready; /* for files */
};

static struct stdio *stdio_of(struct stream *s)
{
	return mem_container(s, struct stdio, stream);
}

static void stdio_on_ready(void *arg, unsigned ready)
{
	struct stdio_side *side = arg;
	struct stdio *io = side->stdio;

	(void)ready; /* each descriptor has one direction, whatever the event was */
	io->stream.on_ready(io->stream.arg, side->means);
}

/* Files are always ready: calls the owner in every turn. */
static void stdio_on_deferred(void *arg)
{
	struct stdio *io = arg;
	unsigned ready = 0;

	if (io->in.io == NULL)
		ready |= io->wants & LOOP_READ;
	if (io->out.io == NULL)
		ready |= io->wants & LOOP_WRITE;
	if (ready == 0)
		return;
	loop_defer(io->loop, &io->ready); /* before: the owner may close us */
	io->stream.on_ready(io->stream.arg, ready);
}

static void stdio_want(struct stream *s, unsigned wants)
{
	struct stdio *io = stdio_of(s);

	io->wants = wants;
	if (io->in.io != NULL)
		loop_io_want(io->in.io, wants & LOOP_READ);
	if (io->out.io != NULL)
		loop_io_want(io->out.io, (wants & LOOP_WRITE));
	if (((wants & LOOP_READ) && io->in.io == NULL) ||
		((wants & LOOP_WRITE) && io->out.io == NULL))
		loop_defer(io->loop, &io->ready);
}

static enum err stdio_read(struct stream *s, void *to, size_t room, size_t *got)
{
	ssize_t n = read(stdio_of(s)->in.fd, to, room);

	if (n > 0) {
		*got = (size_t)n;
		return ERR_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_AGAIN;
	/* Reading from a terminal after a hang-up gives EIO. */
	return n == 0 || errno == EIO ? ERR_EOF : ERR_SYS;
}

static enum err stdio_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	ssize_t n = writev(stdio_of(s)->out.fd, iov, count);

	if (n >= 0) {
		*put = (size_t)n;
		return ERR_OK;
	}
	return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_SYS;
}

static void stdio_side_close(struct stdio_side *side)
{
	loop_io_close(side->io);
	side->io = NULL;
	if (side->fd >= 0)
		fcntl(side->fd, F_SETFL, side->flags);
	side->fd = -1;
}

/*
 * The reader of our output gets EOF. The number stays in use, so that the next opened
 * descriptor does not become standard output.
 */
static enum err stdio_finish(struct stream *s)
{
	struct stdio *io = stdio_of(s);
	int fd = io->out.fd, null;

	if (fd < 0)
		return ERR_OK;
	stdio_side_close(&io->out);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, fd) < 0)
		close(fd);
	if (null >= 0)
		close(null);
	return ERR_OK;
}

static void stdio_close(struct stream *s, bool is_abort)
{
	struct stdio *io = stdio_of(s);

	(void)is_abort; /* a pipe has no reset */
	loop_undefer(&io->ready);
	/* In reverse order: on a terminal both are one file description. */
	stdio_side_close(&io->out);
	stdio_side_close(&io->in);
	free(io);
}

static const struct stream_ops stdio_ops = {
	.name = "stdio",
	.read = stdio_read,
	.write = stdio_write,
	.finish = stdio_finish,
	.want = stdio_want,
	.close = stdio_close,
};

static bool stdio_is_file(int fd)
{
	/* epoll does not accept files and /dev/null. */
	return lseek(fd, 0, SEEK_CUR) >= 0;
}

static enum err stdio_side_open(struct stdio *io, struct stdio_side *side, int fd,
	unsigned means)
{
	side->stdio = io;
	side->means = means;
	side->flags = fcntl(fd, F_GETFL);
	if (side->flags < 0)
		return ERR_SYS;
	side->fd = fd;
	if (fcntl(fd, F_SETFL, side->flags | O_NONBLOCK) != 0)
		return ERR_SYS;
	if (stdio_is_file(fd))
		return ERR_OK;
	return loop_io_open(io->loop, fd, stdio_on_ready, side, &side->io);
}

enum err stdio_open(struct loop *loop, int in_fd, int out_fd, struct stream **out,
	struct why *why)
{
	struct stdio *io = mem_new(io);
	enum err rc;

	if (io == NULL)
		return err_set(why, ERR_NOMEM, "no memory for standard input");
	io->loop = loop;
	io->stream.ops = &stdio_ops;
	io->stream.fd = -1;
	io->in.fd = io->out.fd = -1;
	loop_deferred_init(&io->ready, stdio_on_deferred, io);
	rc = stdio_side_open(io, &io->in, in_fd, LOOP_READ);
	if (rc == ERR_OK)
		rc = stdio_side_open(io, &io->out, out_fd, LOOP_WRITE);
	if (rc != ERR_OK) {
		stdio_close(&io->stream, true);
		return err_set(why, rc, "standard input or output cannot be used");
	}
	*out = &io->stream;
	return ERR_OK;
}
