/* A splice moves bytes from one socket to another inside the kernel. */
#include "net/splice.h"

#include <errno.h>
#include <unistd.h>

#include "net/system_priv.h"

#define SPLICE_IDLE_MS 1000
#define SPLICE_PIPE_BYTES \
	(256 * 1024) /* four times the kernel's: a quarter of the calls */

struct splice {
	int in, out; /* the pipe's ends */
	size_t held;
	size_t fill_bytes; /* the most to take at once */
	bool was_used;     /* since the timer was set */
	struct loop_timer *timer;
	void (*on_idle)(void *arg);
	void *arg; /* borrowed: the owner's */
};

static void splice_on_timer(void *arg)
{
	struct splice *s = arg;
	bool is_idle = !s->was_used && s->held == 0;

	s->was_used = false;
	if (is_idle)
		s->on_idle(s->arg);
	else
		loop_timer_set(s->timer, SPLICE_IDLE_MS);
}

enum err splice_new(struct loop *loop, size_t trial_bytes, void (*on_idle)(void *arg),
	void *arg, struct splice **out)
{
	struct splice *s = mem_new(s);
	int ends[2];
	enum err rc;

	if (s == NULL)
		return ERR_NOMEM;
	if (system_splice_pipe(ends, SPLICE_PIPE_BYTES) != 0) {
		free(s);
		return ERR_SYS;
	}
	s->fill_bytes = trial_bytes;
	s->out = ends[0];
	s->in = ends[1];
	s->on_idle = on_idle;
	s->arg = arg;
	rc = loop_timer_open(loop, splice_on_timer, s, &s->timer);
	if (rc != ERR_OK) {
		splice_free(s);
		return rc;
	}
	loop_timer_set(s->timer, SPLICE_IDLE_MS);
	*out = s;
	return ERR_OK;
}

void splice_free(struct splice *s)
{
	if (s == NULL)
		return;
	loop_timer_close(s->timer);
	close(s->in);
	close(s->out);
	free(s);
}

size_t splice_held(const struct splice *s)
{
	return s->held;
}

static enum err splice_err(int errnum)
{
	switch (errnum) {
	case EAGAIN:
	case EINTR:
		return ERR_AGAIN;
	case EINVAL:
		return ERR_USAGE;
	case ECONNRESET:
	case EPIPE:
		return ERR_RESET;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_SYS;
	}
}

enum err splice_fill(struct splice *s, int from_fd)
{
	ssize_t n = system_splice(from_fd, s->in, s->fill_bytes);

	if (n < 0)
		return splice_err(errno);
	if (n == 0)
		return ERR_EOF;
	s->held += (size_t)n;
	s->was_used = true;
	return ERR_OK;
}

enum err splice_drain(struct splice *s, int to_fd, size_t *put)
{
	ssize_t n = system_splice(s->out, to_fd, s->held);

	if (n < 0)
		return splice_err(errno);
	s->held -= (size_t)n;
	s->fill_bytes = SPLICE_PIPE_BYTES;
	s->was_used = true;
	*put = (size_t)n;
	return ERR_OK;
}

enum err splice_take_back(struct splice *s, void *to)
{
	ssize_t n = read(s->out, to, s->held);

	if (n < 0 || (size_t)n != s->held)
		return ERR_SYS;
	s->held = 0;
	return ERR_OK;
}
