/* Descriptors, in one system call each. */
#include "loop/fd.h"

#include <fcntl.h>
#include <unistd.h>

int fd_socket(int domain, int type)
{
	return socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int fd_accept(int fd, struct sockaddr *peer, socklen_t *n)
{
	return accept4(fd, peer, n, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int fd_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}
