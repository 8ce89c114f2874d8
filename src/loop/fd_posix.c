/* Descriptors, with what every system has. */
#include "loop/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Returns @fd, or closes it. */
static int fd_prepare(int fd)
{
	int errnum;

	if (fd < 0 ||
		(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
			fcntl(fd, F_SETFL, O_NONBLOCK) == 0))
		return fd;
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

int fd_socket(int domain, int type)
{
	return fd_prepare(socket(domain, type, 0));
}

int fd_accept(int fd, struct sockaddr *peer, socklen_t *n)
{
	return fd_prepare(accept(fd, peer, n));
}

int fd_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		return -1;
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return fd_prepare(ends[0]) < 0 ? -1 : 0;
}
