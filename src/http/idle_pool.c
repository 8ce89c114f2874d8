/* Idle connections to an upstream. */
#include "http/idle_pool.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "http/incoming.h"

struct idle_stream {
	struct idle_pool *pool; /* borrowed: has us */
	struct list in_pool;
	struct stream *stream;
	struct loop_timer *timer;
};

struct idle_pool {
	struct loop *loop;   /* borrowed: outlives us */
	struct list streams; /* the newest is first */
	unsigned n, max;
	uint32_t idle_ms;
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

void idle_pool_free(struct idle_pool *pool)
{
	struct list *it, *tmp;

	if (pool == NULL)
		return;
	list_each(it, tmp, &pool->streams)
		idle_stream_free(list_object(it, struct idle_stream, in_pool));
	free(pool);
}

static void idle_stream_on_late(void *arg)
{
	idle_stream_free(arg);
}

static void idle_stream_on_ready(void *arg, unsigned ready)
{
	struct idle_stream *idle = arg;

	(void)ready;
	if (!incoming_is_silent(idle->stream))
		idle_stream_free(idle);
}

struct stream *idle_pool_take(struct idle_pool *pool)
{
	struct stream *stream;
	struct idle_stream *idle;

	while ((idle = list_first(&pool->streams, struct idle_stream, in_pool)) != NULL) {
		stream = NULL;
		if (incoming_is_silent(idle->stream)) {
			stream = idle->stream;
			stream_want(stream, 0);
			idle->stream = NULL;
		}
		idle_stream_free(idle);
		if (stream != NULL)
			return stream;
	}
	return NULL;
}

/* Without memory for it, it is not kept. */
void idle_pool_put(struct idle_pool *pool, struct stream *stream)
{
	struct idle_stream *idle = mem_new(idle);

	if (idle == NULL ||
		loop_timer_open(pool->loop, idle_stream_on_late, idle, &idle->timer) !=
			ERR_OK) {
		free(idle);
		stream_close(stream);
		return;
	}
	idle->pool = pool;
	idle->stream = stream;
	list_add_front(&pool->streams, &idle->in_pool);
	pool->n++;
	loop_timer_set(idle->timer, pool->idle_ms);
	stream_set_owner(stream, idle_stream_on_ready, idle);
	stream_want(stream, LOOP_READ);
	if (pool->n > pool->max)
		idle_stream_free(
			list_object(pool->streams.prev, struct idle_stream, in_pool));
}
