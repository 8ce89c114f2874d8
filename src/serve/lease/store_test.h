/* For tests: a store in a temporary directory, which is removed at the end. */
#ifndef SERVE_LEASE_STORE_TEST_H
#define SERVE_LEASE_STORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

struct test_store {
	char dir[64];
	struct store *store; /* NULL: closed */
};

static inline void test_store_open(struct test_store *t)
{
	struct why why = { "" };

	if (t->dir[0] == '\0') {
		strcpy(t->dir, "/tmp/adit-store-XXXXXX");
		assert_non_null(mkdtemp(t->dir));
	}
	if (store_open(t->dir, &t->store, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static inline void test_store_close(struct test_store *t)
{
	store_close(t->store);
	t->store = NULL;
}

static inline void test_store_remove(struct test_store *t)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[96];

	test_store_close(t);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/" STORE_FILE "%s", t->dir, ends[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(t->dir), 0);
}

#endif
