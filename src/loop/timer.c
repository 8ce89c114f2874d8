/* Timers: libuv's, with its stale notion of now made good. */
#include "loop/loop_priv.h"

struct loop_timer {
	uv_timer_t uv;
	loop_timer_fn *fn;
	void *arg; /* borrowed: the owner's */
};

static void timer_on_uv(uv_timer_t *uv)
{
	struct loop_timer *timer = mem_container(uv, struct loop_timer, uv);

	timer->fn(timer->arg);
}

enum err loop_timer_open(struct loop *loop, loop_timer_fn *fn, void *arg,
	struct loop_timer **out)
{
	struct loop_timer *timer = mem_new(timer);

	if (timer == NULL)
		return ERR_NOMEM;
	timer->fn = fn;
	timer->arg = arg;
	uv_timer_init(&loop->uv, &timer->uv);
	*out = timer;
	return ERR_OK;
}

/*
 * libuv counts from the start of its turn, which may be long ago. Its clock is not moved
 * here: a timer that sets itself again would then never let the turn end; nor would one
 * of 0 ms.
 */
void loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
	uint64_t now = uv_hrtime() / 1000000, uv_thinks = uv_now(timer->uv.loop);
	uint64_t lag = now > uv_thinks ? now - uv_thinks : 0;

	if (ms == 0)
		ms = 1;
	uv_timer_start(&timer->uv, timer_on_uv, ms + lag, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer != NULL)
		uv_timer_stop(&timer->uv);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void timer_on_closed(uv_handle_t *handle)
{
	free(mem_container((uv_timer_t *)handle, struct loop_timer, uv));
}

void loop_timer_close(struct loop_timer *timer)
{
	if (timer != NULL)
		uv_close((uv_handle_t *)&timer->uv, timer_on_closed);
}
