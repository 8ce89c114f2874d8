/* Readiness of descriptors: what is wanted of each, until a twin waits for it. */
#include "loop/loop_priv.h"

#define IO_WANTS ((unsigned)(LOOP_READ | LOOP_WRITE | LOOP_HANGUP))

enum err loop_io_open(struct loop *loop, int fd, loop_io_fn *fn, void *arg,
	struct loop_io **out)
{
	struct loop_io *io = io_new();

	if (io == NULL)
		return ERR_NOMEM;
	io->loop = loop;
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	list_init(&io->in_loop);
	*out = io;
	return ERR_OK;
}

void loop_io_want(struct loop_io *io, unsigned wants)
{
	if (io->wants == wants)
		return;
	io->wants = wants & IO_WANTS;
	list_remove(&io->in_loop);
	if (io->state == IO_ALWAYS && (io->wants & (LOOP_READ | LOOP_WRITE)) != 0)
		list_add(&io->loop->always, &io->in_loop);
	else if (io->state == IO_POLLED && io->wants != io->known)
		list_add(&io->loop->changed, &io->in_loop);
}

void loop_io_close(struct loop_io *io)
{
	if (io == NULL)
		return;
	list_remove(&io->in_loop);
	io_drop(io);
}

void io_apply(struct loop *loop)
{
	struct loop_io *io;

	while ((io = list_first(&loop->changed, struct loop_io, in_loop)) != NULL) {
		list_remove(&io->in_loop);
		if (io_poll(io, io->wants))
			continue;
		io->state = IO_ALWAYS;
		if ((io->wants & (LOOP_READ | LOOP_WRITE)) != 0)
			list_add(&loop->always, &io->in_loop);
	}
}

void io_call_always(struct loop *loop)
{
	struct list now;
	struct loop_io *io;

	list_init(&now);
	list_move_all(&now, &loop->always);
	while ((io = list_first(&now, struct loop_io, in_loop)) != NULL) {
		list_remove(&io->in_loop);
		list_add(&loop->always, &io->in_loop);
		io_call(io, LOOP_READ | LOOP_WRITE);
	}
}
