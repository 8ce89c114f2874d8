/* For tests: what is logged from said_begin() on can be looked at. */
#ifndef BASE_SAID_TEST_H
#define BASE_SAID_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct said {
	int log, was; /* was: standard error */
};

static inline void said_begin(struct said *s)
{
	s->log = memfd_create("log", MFD_CLOEXEC);
	s->was = dup(STDERR_FILENO);
	assert_true(s->log >= 0 && s->was >= 0);
	assert_true(dup2(s->log, STDERR_FILENO) >= 0);
}

static inline void said_end(struct said *s)
{
	dup2(s->was, STDERR_FILENO);
	close(s->was);
	close(s->log);
}

/* How often it was said. */
static inline unsigned said_count(const struct said *s, const char *words)
{
	static char text[65536];
	ssize_t n = pread(s->log, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	assert_true(n >= 0);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

#endif
