/* Writing to a shared descriptor without waiting for its reader. */
#include "base/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * O_NONBLOCK belongs to the file description, which the shell and other programs share.
 * So a pipe or a terminal is opened a second time. That fails if the file belongs to
 * another user. Then poll(2) is used, which is right for pipes and nearly always for
 * terminals.
 */
static int outlet_open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void outlet_open(struct outlet *o, int fd)
{
	struct stat st;
	int own;

	o->fd = fd;
	o->kind = OUTLET_POLLED;
	o->kept_n = 0;
	if (fstat(fd, &st) != 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		o->kind = OUTLET_SOCKET;
	} else if (S_ISREG(st.st_mode)) {
		o->kind = OUTLET_PLAIN;
	} else if ((own = outlet_open_again(fd)) >= 0) {
		o->fd = own;
		o->kind = OUTLET_OWN;
	}
}

void outlet_close(struct outlet *o)
{
	if (o->kind == OUTLET_OWN)
		close(o->fd);
	o->fd = -1;
	o->kind = OUTLET_POLLED;
	o->kept_n = 0;
}

/* Returns the result of write(2). */
static ssize_t outlet_push(const struct outlet *o, const char *text, size_t n)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };

	if (o->kind == OUTLET_SOCKET)
		return send(o->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (o->kind == OUTLET_POLLED && poll(&p, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	return write(o->fd, text, n);
}

/* Returns how many bytes of @text were written. */
static size_t outlet_push_all(const struct outlet *o, const char *text, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = outlet_push(o, text + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	return done;
}

bool outlet_flush(struct outlet *o)
{
	size_t done = outlet_push_all(o, o->kept, o->kept_n);

	memmove(o->kept, o->kept + done, o->kept_n - done);
	o->kept_n -= done;
	return o->kept_n == 0;
}

bool outlet_write(struct outlet *o, const char *text, size_t n)
{
	size_t done = 0;

	if (n > sizeof(o->kept))
		return false;
	if (outlet_flush(o))
		done = outlet_push_all(o, text, n);
	if (n - done > sizeof(o->kept) - o->kept_n)
		return false; /* nothing of it was written: earlier text is kept */
	memcpy(o->kept + o->kept_n, text + done, n - done);
	o->kept_n += n - done;
	return true;
}
