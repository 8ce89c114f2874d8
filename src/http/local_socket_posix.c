/* Unix sockets of other systems. */
#include "http/local_socket.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum err local_socket_path(const char *directory, const char *file,
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)], int *fd, struct why *why)
{
	const size_t size = sizeof(((struct sockaddr_un *)0)->sun_path);

	*fd = -1;
	if (snprintf(path, size, "%s/%s", directory, file) < (int)size)
		return ERR_OK;
	return err_sys(why, ENAMETOOLONG, "%.150s", directory);
}

bool local_socket_peer(int fd, uid_t *out)
{
	gid_t gid;

	return getpeereid(fd, out, &gid) == 0;
}
