/*
 * Readiness of descriptors, by epoll: they wait in one of our own, and libuv's descriptor
 * is one of them, which is how libuv is meant to be embedded. uv_poll costs five system
 * calls for a connection and two for each change of wants; this costs one each, and none
 * for changes that are taken back within a turn. libuv keeps timers, signals, file events
 * and its threads.
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop_priv.h"

#define IO_EVENTS_PER_TURN 256

struct io_poller {
	int fd;
	struct list dead; /* closed ios, which events of this turn may still name */
};

enum err io_setup(struct loop *loop)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	loop->poller = mem_new(loop->poller);
	if (loop->poller == NULL)
		return ERR_NOMEM;
	list_init(&loop->poller->dead);
	loop->poller->fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->poller->fd < 0 ||
		epoll_ctl(loop->poller->fd, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv),
			&ev) != 0)
		return ERR_SYS;
	return ERR_OK;
}

static void io_bury(struct io_poller *poller)
{
	struct loop_io *io;

	while ((io = list_first(&poller->dead, struct loop_io, in_loop)) != NULL) {
		list_remove(&io->in_loop);
		free(io);
	}
}

void io_teardown(struct loop *loop)
{
	if (loop->poller == NULL)
		return;
	io_bury(loop->poller);
	if (loop->poller->fd >= 0)
		close(loop->poller->fd);
	free(loop->poller);
	loop->poller = NULL;
}

struct loop_io *io_new(void)
{
	struct loop_io *io = mem_new(io);

	return io;
}

bool io_poll(struct loop_io *io, unsigned wants)
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
	io->known = wants & 0xff;
	return epoll_ctl(io->loop->poller->fd, op, io->fd, &ev) == 0;
}

void io_drop(struct loop_io *io)
{
	if (io->state == IO_POLLED && io->known != 0)
		(void)io_poll(io, 0);
	io->state = IO_CLOSED;
	list_add(&io->loop->poller->dead, &io->in_loop);
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

/* How long libuv can do without us; its notion of now is made right first. */
static int io_uv_timeout(struct loop *loop)
{
	if (loop->uv_has_news)
		return 0;
	uv_update_time(&loop->uv);
	return uv_backend_timeout(&loop->uv);
}

/* The log may have lines that its reader did not take; it has no timer of its own. */
static int io_timeout(struct loop *loop)
{
	int ms = io_uv_timeout(loop);

	if (log_is_behind() && (ms < 0 || ms > LOG_CATCH_UP_MS))
		return LOG_CATCH_UP_MS;
	return ms;
}

void io_wait(struct loop *loop, bool may_wait)
{
	struct epoll_event events[IO_EVENTS_PER_TURN];
	bool uv_is_ready = false;
	int n;

	io_bury(loop->poller);
	n = epoll_wait(loop->poller->fd, events, IO_EVENTS_PER_TURN,
		may_wait ? io_timeout(loop) : 0);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			uv_is_ready = true;
		else
			io_call(events[i].data.ptr, io_ready(events[i].events));
	}
	io_call_always(loop);
	if (uv_is_ready || io_uv_timeout(loop) == 0) {
		loop->uv_has_news = false;
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	}
}
