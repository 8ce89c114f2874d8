/* The loop: its turns and the deferred calls at the end of each. */
#include "loop/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "loop/loop_priv.h"

static void loop_on_keeper(uv_prepare_t *keeper)
{
	(void)keeper;
}

enum err loop_new(struct loop **out)
{
	struct loop *loop = mem_new(loop);

	if (loop == NULL)
		return ERR_NOMEM;

	/* A peer that has gone is an error of its own stream, not the end of the
	 * process. */
	signal(SIGPIPE, SIG_IGN);
	list_init(&loop->deferred);
	list_init(&loop->changed);
	list_init(&loop->always);
	list_init(&loop->mailboxes);
	if (uv_loop_init(&loop->uv) != 0) {
		free(loop);
		return ERR_SYS;
	}
	uv_prepare_init(&loop->uv, &loop->keeper);
	uv_prepare_start(&loop->keeper, loop_on_keeper);
	loop->uv_has_news = true;
	if (io_setup(loop) != ERR_OK) {
		loop_free(loop);
		return ERR_SYS;
	}
	*out = loop;
	return ERR_OK;
}

void loop_deferred_init(struct loop_deferred *d, void (*fn)(void *arg), void *arg)
{
	list_init(&d->in_loop);
	d->fn = fn;
	d->arg = arg;
}

void loop_defer(struct loop *loop, struct loop_deferred *d)
{
	if (list_is_empty(&d->in_loop))
		list_add(&loop->deferred, &d->in_loop);
}

void loop_undefer(struct loop_deferred *d)
{
	list_remove(&d->in_loop);
}

/* What is deferred meanwhile has to wait for the next turn, which will not wait for
 * it. */
static void loop_run_deferred(struct loop *loop)
{
	struct list now;
	struct loop_deferred *d;

	list_init(&now);
	list_move_all(&now, &loop->deferred);
	while ((d = list_first(&now, struct loop_deferred, in_loop)) != NULL) {
		list_remove(&d->in_loop);
		d->fn(d->arg);
	}
}

static void loop_check_closing(uv_handle_t *handle, void *arg)
{
	(void)arg;
	assert(uv_is_closing(handle)); /* else an owner forgot a handle */
	(void)handle;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	mailbox_free_all(loop);
	while (!list_is_empty(&loop->deferred))
		loop_run_deferred(loop);
	io_teardown(loop);
	uv_close((uv_handle_t *)&loop->keeper, NULL);
	uv_walk(&loop->uv, loop_check_closing, NULL);

	/* Close callbacks free what was closed. */
	while (uv_loop_close(&loop->uv) == UV_EBUSY)
		uv_run(&loop->uv, UV_RUN_ONCE);
	free(loop);
}

static bool loop_may_wait(const struct loop *loop)
{
	return !loop->is_stopped && list_is_empty(&loop->deferred) &&
		list_is_empty(&loop->always);
}

static void loop_take_turn(struct loop *loop, bool may_wait)
{
	io_apply(loop);
	io_wait(loop, may_wait && loop_may_wait(loop));
	loop_run_deferred(loop);
	if (log_is_behind())
		log_catch_up();
}

void loop_run(struct loop *loop)
{
	while (!loop->is_stopped)
		loop_take_turn(loop, true);
	loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
}

void loop_turn(struct loop *loop)
{
	loop_take_turn(loop, false);
}
