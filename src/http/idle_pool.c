/* Idle connections to an upstream. */
#include "http/idle_pool.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "http/incoming.h"

struct idle_stream {
	struct idle_pool *pool; /* borrowed: has us */
	struct list in_pool;
	struct stream *stream; /* NULL: taken */
	bool is_used;
	uint64_t put_ms;
	struct loop_timer *timer;
};

struct idle_pool {
	struct loop *loop;   /* borrowed: outlives us */
	struct list streams; /* the newest is first */
	unsigned n, max, kept;
	uint32_t idle_ms;
	void (*on_end)(void *arg); /* may be NULL */
	void *arg;                 /* borrowed: the owner's */
};

enum err idle_pool_new(struct loop *loop, unsigned max, uint32_t idle_ms,
	struct idle_pool **out)
{
	struct idle_pool *pool = mem_new(pool);

	if (pool == NULL)
		return ERR_NOMEM;
	pool->loop = loop;
	pool->max = max;
	pool->idle_ms = idle_ms;
	list_init(&pool->streams);
	*out = pool;
	return ERR_OK;
}

static void idle_stream_free(struct idle_stream *idle)
{
	list_remove(&idle->in_pool);
	idle->pool->n--;
	loop_timer_close(idle->timer);
	stream_close(idle->stream);
	free(idle);
}

static void idle_stream_end(struct idle_stream *idle)
{
	struct idle_pool *pool = idle->pool;

	idle_stream_free(idle);
	if (pool->on_end != NULL)
		pool->on_end(pool->arg);
}

void idle_pool_clear(struct idle_pool *pool)
{
	struct list *it, *tmp;

	list_each(it, tmp, &pool->streams)
		idle_stream_free(list_object(it, struct idle_stream, in_pool));
}

void idle_pool_end(struct idle_pool *pool)
{
	pool->max = 0;
	idle_pool_clear(pool);
}

void idle_pool_free(struct idle_pool *pool)
{
	if (pool != NULL)
		idle_pool_clear(pool);
	free(pool);
}

unsigned idle_pool_count(const struct idle_pool *pool)
{
	return pool->n;
}

void idle_pool_keep(struct idle_pool *pool, unsigned n)
{
	pool->kept = n;
}

void idle_pool_watch(struct idle_pool *pool, void (*fn)(void *arg), void *arg)
{
	pool->on_end = fn;
	pool->arg = arg;
}

static void idle_stream_on_late(void *arg)
{
	struct idle_stream *idle = arg;

	if (idle->pool->n > idle->pool->kept)
		idle_stream_end(idle);
	else
		loop_timer_set(idle->timer, idle->pool->idle_ms);
}

static void idle_stream_on_ready(void *arg, unsigned ready)
{
	struct idle_stream *idle = arg;

	(void)ready;
	if (!incoming_is_silent(idle->stream))
		idle_stream_end(idle);
}

struct stream *idle_pool_take(struct idle_pool *pool, bool *is_used)
{
	struct idle_stream *idle;

	while ((idle = list_first(&pool->streams, struct idle_stream, in_pool)) != NULL) {
		struct stream *stream = idle->stream;

		if (!incoming_is_silent(stream)) {
			idle_stream_end(idle);
			continue;
		}
		stream_want(stream, 0);
		if (is_used != NULL)
			*is_used = idle->is_used;
		idle->stream = NULL;
		idle_stream_free(idle);
		return stream;
	}
	return NULL;
}

struct stream *idle_pool_take_recent(struct idle_pool *pool, uint32_t ms)
{
	const struct idle_stream *newest = list_first(&pool->streams, struct idle_stream,
		in_pool);

	if (newest == NULL || clock_now_ms() - newest->put_ms >= ms)
		return NULL;
	return idle_pool_take(pool, NULL);
}

bool idle_pool_put(struct idle_pool *pool, struct stream *stream, bool is_used)
{
	struct idle_stream *idle = mem_new(idle);

	if (idle == NULL ||
		loop_timer_open(pool->loop, idle_stream_on_late, idle, &idle->timer) !=
			ERR_OK) {
		free(idle);
		return false;
	}
	idle->pool = pool;
	idle->stream = stream;
	idle->is_used = is_used;
	idle->put_ms = clock_now_ms();
	list_add_front(&pool->streams, &idle->in_pool);
	pool->n++;
	loop_timer_set(idle->timer, pool->idle_ms);
	stream_set_owner(stream, idle_stream_on_ready, idle);
	stream_want(stream, LOOP_READ);
	if (pool->n > pool->max)
		idle_stream_free(
			list_object(pool->streams.prev, struct idle_stream, in_pool));
	return true;
}
