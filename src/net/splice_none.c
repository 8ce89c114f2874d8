/* There is no splice: splice_new() fails, and so the rest is never called with one. */
#include "net/splice.h"

enum err splice_new(struct loop *loop, size_t trial_bytes, void (*on_idle)(void *arg),
	void *arg, struct splice **out)
{
	(void)loop;
	(void)trial_bytes;
	(void)on_idle;
	(void)arg;
	(void)out;
	return ERR_SYS;
}

void splice_free(struct splice *s)
{
	(void)s;
}

size_t splice_held(const struct splice *s)
{
	(void)s;
	return 0;
}

enum err splice_fill(struct splice *s, int from_fd)
{
	(void)s;
	(void)from_fd;
	return ERR_USAGE;
}

enum err splice_drain(struct splice *s, int to_fd, size_t *put)
{
	(void)s;
	(void)to_fd;
	(void)put;
	return ERR_USAGE;
}

enum err splice_take_back(struct splice *s, void *to)
{
	(void)s;
	(void)to;
	return ERR_SYS;
}
