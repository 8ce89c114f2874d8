/*
 * For tests: timers whose time is the test's, like that of base/clock.h. A test that
 * includes this has them in the place of loop/timer.c, all over the program: the linker
 * takes what it finds first. Nothing is due then but by time_pass(), however slow the
 * machine is.
 */
#ifndef LOOP_TIMER_TEST_H
#define LOOP_TIMER_TEST_H

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"

struct loop_timer {
	struct list in_all;
	loop_timer_fn *fn;
	void *arg;
	bool is_set;
	uint64_t due_ms;
};

static struct list time_all;

/* Call it before the loop is made. */
static inline void time_begin(uint64_t now_ms)
{
	list_init(&time_all);
	clock_freeze(now_ms);
}

enum err loop_timer_open(struct loop *loop, loop_timer_fn *fn, void *arg,
	struct loop_timer **out)
{
	struct loop_timer *timer = mem_new(timer);

	(void)loop;
	if (timer == NULL)
		return ERR_NOMEM;
	timer->fn = fn;
	timer->arg = arg;
	list_add(&time_all, &timer->in_all);
	*out = timer;
	return ERR_OK;
}

void loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
	timer->is_set = true;
	timer->due_ms = clock_now_ms() + ms;
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer != NULL)
		timer->is_set = false;
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->is_set;
}

void loop_timer_close(struct loop_timer *timer)
{
	if (timer == NULL)
		return;
	list_remove(&timer->in_all);
	free(timer);
}

/* The timer that is due first, up to @until_ms; or NULL. */
static inline struct loop_timer *time_next(uint64_t until_ms)
{
	struct list *it, *tmp;
	struct loop_timer *first = NULL;

	list_each(it, tmp, &time_all) {
		struct loop_timer *t = list_object(it, struct loop_timer, in_all);

		if (t->is_set && t->due_ms <= until_ms &&
			(first == NULL || t->due_ms < first->due_ms))
			first = t;
	}
	return first;
}

/* One turn, and what is due now: timers of 0 ms. */
static inline void time_turn(struct loop *loop)
{
	struct loop_timer *t = time_next(clock_now_ms());

	if (t != NULL) {
		t->is_set = false;
		t->fn(t->arg);
	}
	loop_turn(loop);
}

/* Until @*what is @count at least; no time passes. False: it took too long. */
static inline bool time_wait(struct loop *loop, const unsigned *what, unsigned count)
{
	for (unsigned i = 0; i < 50000 && *what < count; i++) {
		time_turn(loop);
		usleep(100);
	}
	return *what >= count;
}

/* Whatever can happen without time passing has happened, most likely. */
static inline void time_settle(struct loop *loop)
{
	for (int i = 0; i < 50; i++)
		time_turn(loop);
}

static inline void time_pass(struct loop *loop, uint64_t ms)
{
	uint64_t end = clock_now_ms() + ms;
	struct loop_timer *t;

	time_settle(loop);
	while ((t = time_next(end)) != NULL) {
		if (t->due_ms > clock_now_ms())
			clock_advance(t->due_ms - clock_now_ms());
		time_settle(loop);
	}
	if (end > clock_now_ms())
		clock_advance(end - clock_now_ms());
}

/* The machine sleeps, or the process is stopped:
 * nothing happens, and then all that is late. */
static inline void time_sleep(struct loop *loop, uint64_t ms)
{
	clock_advance(ms);
	time_settle(loop);
}

#endif
