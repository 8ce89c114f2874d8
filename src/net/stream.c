/* What is the same for every kind of stream. */
#include "net/stream.h"

enum err stream_put(struct stream *s, const void *p, size_t n, size_t *put)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };

	return stream_write(s, &iov, 1, put);
}

int stream_socket(const struct stream *s)
{
	while (s->below != NULL)
		s = s->below;
	return s->fd;
}

bool stream_path(const struct stream *s, struct stream_path *out)
{
	while (s->ops->path == NULL && s->below != NULL)
		s = s->below;
	return s->ops->path != NULL && s->ops->path(s, out);
}

size_t stream_expect_records(struct stream *s)
{
	while (s->ops->expect_records == NULL && s->below != NULL)
		s = s->below;
	return s->ops->expect_records != NULL ? s->ops->expect_records(s) : 0;
}

static void stream_filter_on_ready(void *arg, unsigned ready)
{
	struct stream *s = arg;

	s->on_ready(s->arg, ready);
}

void stream_filter_init(struct stream *s, const struct stream_ops *ops,
	struct stream *below)
{
	*s = (struct stream){ .ops = ops, .below = below, .fd = -1 };
	stream_set_owner(below, stream_filter_on_ready, s);
}

enum err stream_filter_finish(struct stream *s)
{
	return stream_finish(s->below);
}
