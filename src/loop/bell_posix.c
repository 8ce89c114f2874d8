/* A bell, as a pipe. One that is full has rung already. */
#include "loop/bell.h"

#include <fcntl.h>
#include <unistd.h>

#include "loop/fd.h"

enum err bell_init(struct bell *b)
{
	int ends[2];

	if (fd_pipe(ends) != 0)
		return ERR_SYS;
	b->fd = ends[0];
	b->ring_fd = ends[1];
	if (fcntl(b->fd, F_SETFL, O_NONBLOCK) == 0 &&
		fcntl(b->ring_fd, F_SETFL, O_NONBLOCK) == 0)
		return ERR_OK;
	bell_fini(b);
	return ERR_SYS;
}

void bell_fini(struct bell *b)
{
	close(b->fd);
	close(b->ring_fd);
}

void bell_ring(const struct bell *b)
{
	(void)!write(b->ring_fd, "", 1);
}

void bell_quiet(const struct bell *b)
{
	char rings[64];

	while (read(b->fd, rings, sizeof(rings)) == sizeof(rings))
		;
}
