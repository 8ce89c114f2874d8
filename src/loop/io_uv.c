/* Readiness of descriptors, by libuv's own polling: for systems that have no epoll. */
#include "base/log.h"
#include "loop/loop_priv.h"

struct io_poller {
	uv_timer_t late; /* ends a wait when the log has something left to write */
};

struct uv_io {
	struct loop_io io;
	uv_poll_t poll;
	bool is_open; /* @poll is libuv's */
};

static struct uv_io *uv_io_of(struct loop_io *io)
{
	return mem_container(io, struct uv_io, io);
}

enum err io_setup(struct loop *loop)
{
	loop->poller = mem_new(loop->poller);
	if (loop->poller == NULL)
		return ERR_NOMEM;
	uv_timer_init(&loop->uv, &loop->poller->late);
	return ERR_OK;
}

static void io_on_torn_down(uv_handle_t *late)
{
	free(mem_container((uv_timer_t *)late, struct io_poller, late));
}

void io_teardown(struct loop *loop)
{
	if (loop->poller != NULL)
		uv_close((uv_handle_t *)&loop->poller->late, io_on_torn_down);
	loop->poller = NULL;
}

struct loop_io *io_new(void)
{
	struct uv_io *u = mem_new(u);

	return u != NULL ? &u->io : NULL;
}

static void io_on_poll(uv_poll_t *poll, int status, int events)
{
	struct loop_io *io = &mem_container(poll, struct uv_io, poll)->io;
	unsigned ready = 0;

	/* libuv polls no more then; we do, as long as the owner wants it. */
	if (status < 0) {
		ready = LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
		io->known = 0;
		list_remove(&io->in_loop);
		list_add(&io->loop->changed, &io->in_loop);
	}
	if ((events & UV_READABLE) != 0)
		ready |= LOOP_READ;
	if ((events & UV_WRITABLE) != 0)
		ready |= LOOP_WRITE;
	if ((events & UV_PRIORITIZED) != 0)
		ready |= LOOP_HANGUP;
	io_call(io, ready);
}

bool io_poll(struct loop_io *io, unsigned wants)
{
	struct uv_io *u = uv_io_of(io);
	int events = 0;

	if (!u->is_open && uv_poll_init(&io->loop->uv, &u->poll, io->fd) != 0)
		return false;
	u->is_open = true;
	io->known = wants & 0xff;
	if ((wants & LOOP_READ) != 0)
		events |= UV_READABLE;
	if ((wants & LOOP_WRITE) != 0)
		events |= UV_WRITABLE;
	/* A hang-up shows as what was asked for; so it asks for what never comes. */
	if (wants == LOOP_HANGUP)
		events = UV_PRIORITIZED;
	if (events == 0)
		return uv_poll_stop(&u->poll) == 0;
	return uv_poll_start(&u->poll, events, io_on_poll) == 0;
}

static void io_on_dropped(uv_handle_t *poll)
{
	free(mem_container((uv_poll_t *)poll, struct uv_io, poll));
}

void io_drop(struct loop_io *io)
{
	struct uv_io *u = uv_io_of(io);

	if (u->is_open)
		uv_close((uv_handle_t *)&u->poll, io_on_dropped);
	else
		free(u);
}

static void io_on_late(uv_timer_t *late)
{
	(void)late;
}

void io_wait(struct loop *loop, bool may_wait)
{
	if (may_wait && log_is_behind())
		uv_timer_start(&loop->poller->late, io_on_late, LOG_CATCH_UP_MS, 0);
	uv_run(&loop->uv, may_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
	io_call_always(loop);
}
