/* For tests: other programs, such as openssl, in a directory of the test. */
#ifndef CRYPTO_SHELL_TEST_H
#define CRYPTO_SHELL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define SHELL_FILE_MAX 65536

struct shell {
	char directory[64];
	struct buf text; /* of the last file that was loaded */
};

static inline void shell_init(struct shell *s)
{
	snprintf(s->directory, sizeof(s->directory), "/tmp/adit-shell-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	buf_init(&s->text, SHELL_FILE_MAX);
}

static inline void shell_fini(struct shell *s)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", s->directory);
	assert_int_equal(system(line), 0);
	buf_fini(&s->text);
}

/* Runs a line in the directory; its output is the file "out". Returns the status. */
static inline int shell_run(struct shell *s, const char *line)
{
	char all[1400];
	int n = snprintf(all, sizeof(all), "cd %s && { %s; } >out 2>&1", s->directory,
		line);

	assert_true(n > 0 && (size_t)n < sizeof(all));
	return system(all);
}

static inline FILE *shell_open(const struct shell *s, const char *name, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", s->directory, name);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

static inline void shell_save(struct shell *s, const char *name, struct span text)
{
	FILE *file = shell_open(s, name, "we");

	assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
	fclose(file);
}

/* Good until the next call. */
static inline struct span shell_load(struct shell *s, const char *name)
{
	FILE *file = shell_open(s, name, "re");
	uint8_t *room;

	buf_reset(&s->text);
	assert_int_equal(buf_reserve(&s->text, SHELL_FILE_MAX, &room), ERR_OK);
	buf_commit(&s->text, fread(room, 1, SHELL_FILE_MAX, file));
	fclose(file);
	return buf_span(&s->text);
}

/* The last line that was run has written @text. */
static inline void shell_assert_out(struct shell *s, const char *text)
{
	struct span out = shell_load(s, "out");

	if (memmem(out.p, out.n, text, strlen(text)) == NULL)
		fail_msg("no \"%s\" in: %.*s", text, (int)out.n, (const char *)out.p);
}

#endif
