/* Unix sockets of Linux: a way around the bound of their paths, and the peer's user. */
#include "http/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

enum err local_socket_path(const char *directory, const char *file,
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)], int *fd, struct why *why)
{
	const size_t size = sizeof(((struct sockaddr_un *)0)->sun_path);
	enum err rc;

	*fd = -1;
	if (snprintf(path, size, "%s/%s", directory, file) < (int)size)
		return ERR_OK;
	*fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0) {
		rc = errno == ENOENT ? ERR_NOENT : errno == EACCES ? ERR_DENIED : ERR_SYS;
		(void)err_sys(why, errno, "%.150s", directory);
		return rc;
	}
	snprintf(path, size, "/proc/self/fd/%d/%s", *fd, file);
	return ERR_OK;
}

bool local_socket_peer(int fd, uid_t *out)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
		return false;
	*out = peer.uid;
	return true;
}
