/* Idle connections to an upstream. */
#include "http/keep.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"

struct kept {
	struct http_keep *keep; /* borrowed: has us */
	struct list in_keep;
	struct stream *stream;
	struct loop_timer *timer;
};

struct http_keep {
	struct loop *loop; /* borrowed: outlives us */
	struct list kept;  /* the newest is first */
	unsigned n, max;
	uint32_t idle_ms;
};

enum err http_keep_new(struct loop *loop, unsigned max, uint32_t idle_ms,
	struct http_keep **out)
{
	struct http_keep *keep = mem_new(keep);

	if (keep == NULL)
		return ERR_NOMEM;
	keep->loop = loop;
	keep->max = max;
	keep->idle_ms = idle_ms;
	list_init(&keep->kept);
	*out = keep;
	return ERR_OK;
}

static void kept_free(struct kept *k)
{
	list_remove(&k->in_keep);
	k->keep->n--;
	loop_timer_close(k->timer);
	stream_close(k->stream);
	free(k);
}

void http_keep_free(struct http_keep *keep)
{
	struct list *it, *tmp;

	if (keep == NULL)
		return;
	list_each(it, tmp, &keep->kept)
		kept_free(list_object(it, struct kept, in_keep));
	free(keep);
}

static void kept_on_late(void *arg)
{
	kept_free(arg);
}

/* A connection that has ended, or on which something came unasked, is of no use. */
static bool stream_is_silent(struct stream *stream)
{
	uint8_t byte;
	size_t got;

	return stream_read(stream, &byte, 1, &got) == ERR_AGAIN;
}

static void kept_on_ready(void *arg, unsigned ready)
{
	struct kept *k = arg;

	(void)ready;
	if (!stream_is_silent(k->stream))
		kept_free(k);
}

struct stream *http_keep_take(struct http_keep *keep)
{
	struct stream *stream;
	struct kept *k;

	while ((k = list_first(&keep->kept, struct kept, in_keep)) != NULL) {
		stream = NULL;
		if (stream_is_silent(k->stream)) {
			stream = k->stream;
			stream_want(stream, 0);
			k->stream = NULL;
		}
		kept_free(k);
		if (stream != NULL)
			return stream;
	}
	return NULL;
}

/* Without memory for it, it is not kept. */
void http_keep_put(struct http_keep *keep, struct stream *stream)
{
	struct kept *k = mem_new(k);

	if (k == NULL ||
		loop_timer_open(keep->loop, kept_on_late, k, &k->timer) != ERR_OK) {
		free(k);
		stream_close(stream);
		return;
	}
	k->keep = keep;
	k->stream = stream;
	list_add_front(&keep->kept, &k->in_keep);
	keep->n++;
	loop_timer_set(k->timer, keep->idle_ms);
	stream_set_owner(stream, kept_on_ready, k);
	stream_want(stream, LOOP_READ);
	if (keep->n > keep->max)
		kept_free(list_object(keep->kept.prev, struct kept, in_keep));
}
