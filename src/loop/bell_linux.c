/* A bell, as an eventfd: one descriptor, and no more than one ring in it. */
#include "loop/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum err bell_init(struct bell *b)
{
	b->fd = b->ring_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return b->fd < 0 ? ERR_SYS : ERR_OK;
}

void bell_fini(struct bell *b)
{
	close(b->fd);
}

void bell_ring(const struct bell *b)
{
	(void)eventfd_write(b->ring_fd, 1);
}

void bell_quiet(const struct bell *b)
{
	eventfd_t rings;

	(void)eventfd_read(b->fd, &rings);
}
