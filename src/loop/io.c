/* Readiness of descriptors, by epoll. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop/loop_priv.h"

#define IO_EVENTS_PER_TURN 256
#define IO_WANTS ((unsigned)(LOOP_READ | LOOP_WRITE | LOOP_HANGUP))

enum io_state {
	IO_POLLED, /* by the kernel, from the next turn on */
	IO_ALWAYS, /* a file, or the kernel has no room for one more: we just try */
	IO_CLOSED,
};

struct loop_io {
	struct loop *loop; /* borrowed: outlives its handles */
	loop_io_fn *fn;
	void *arg; /* borrowed: the owner's */
	int fd;    /* borrowed: outlives us */
	enum io_state state : 8;
	unsigned wants : 8;
	unsigned known : 8;  /* what the kernel was told */
	struct list in_loop; /* changed, always, dead or none */
};

enum err io_setup(struct loop *loop)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return ERR_SYS;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), &ev) != 0)
		return ERR_SYS;
	return ERR_OK;
}

static void io_bury(struct loop *loop)
{
	struct loop_io *io;

	while ((io = list_first(&loop->dead, struct loop_io, in_loop)) != NULL) {
		list_remove(&io->in_loop);
		free(io);
	}
}

void io_teardown(struct loop *loop)
{
	io_bury(loop);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
}

enum err loop_io_open(struct loop *loop, int fd, loop_io_fn *fn, void *arg,
	struct loop_io **out)
{
	struct loop_io *io = mem_new(io);

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

static int io_tell_kernel(struct loop_io *io, unsigned wants)
{
	struct epoll_event ev = { .events = 0, .data.ptr = io };
	int op = EPOLL_CTL_MOD;

	/* With no events the kernel still reports errors and hang-ups, again and
	 * again. */
	if (wants == 0)
		op = EPOLL_CTL_DEL;
	else if (io->known == 0)
		op = EPOLL_CTL_ADD;
	if ((wants & LOOP_READ) != 0)
		ev.events |= EPOLLIN;
	if ((wants & LOOP_WRITE) != 0)
		ev.events |= EPOLLOUT;
	io->known = wants & IO_WANTS;
	return epoll_ctl(io->loop->epoll_fd, op, io->fd, &ev);
}

void loop_io_close(struct loop_io *io)
{
	if (io == NULL)
		return;
	list_remove(&io->in_loop);
	if (io->state == IO_POLLED && io->known != 0)
		(void)io_tell_kernel(io, 0);
	io->state = IO_CLOSED;
	list_add(&io->loop->dead, &io->in_loop);
}

void io_apply(struct loop *loop)
{
	struct loop_io *io;

	while ((io = list_first(&loop->changed, struct loop_io, in_loop)) != NULL) {
		list_remove(&io->in_loop);
		if (io_tell_kernel(io, io->wants) == 0)
			continue;
		io->state = IO_ALWAYS;
		if ((io->wants & (LOOP_READ | LOOP_WRITE)) != 0)
			list_add(&loop->always, &io->in_loop);
	}
}

static void io_call(struct loop_io *io, unsigned ready)
{
	ready &= io->wants;
	if (io->state != IO_CLOSED && ready != 0)
		io->fn(io->arg, ready);
}

static unsigned io_ready(uint32_t events)
{
	unsigned ready = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		return LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
	if ((events & EPOLLIN) != 0)
		ready |= LOOP_READ;
	if ((events & EPOLLOUT) != 0)
		ready |= LOOP_WRITE;
	return ready;
}

static void io_call_always(struct loop *loop)
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

bool io_wait(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[IO_EVENTS_PER_TURN];
	bool uv_is_ready = false;
	int n;

	io_bury(loop);
	n = epoll_wait(loop->epoll_fd, events, IO_EVENTS_PER_TURN, timeout_ms);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			uv_is_ready = true;
		else
			io_call(events[i].data.ptr, io_ready(events[i].events));
	}
	io_call_always(loop);
	return uv_is_ready;
}
