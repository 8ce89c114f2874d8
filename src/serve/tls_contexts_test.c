/* TLS contexts by server name. */
#include "serve/tls_contexts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CONTEXTS 3

static int setup(void **state)
{
	static struct tls_context *contexts[CONTEXTS];
	struct tls_client_options o = { .skip_verify = true };

	for (int i = 0; i < CONTEXTS; i++)
		assert_int_equal(tls_context_new_client(&o, &contexts[i], NULL), ERR_OK);
	*state = contexts;
	return 0;
}

static int teardown(void **state)
{
	struct tls_context **contexts = *state;

	for (int i = 0; i < CONTEXTS; i++)
		tls_context_free(contexts[i]);
	return 0;
}

static void test_a_name_is_found_before_its_wildcard(void **state)
{
	struct tls_context **c = *state;
	struct tls_contexts *n;

	assert_int_equal(tls_contexts_new(NULL, &n), ERR_OK);
	assert_null(tls_contexts_find(n, "a.example.com"));
	assert_int_equal(tls_contexts_put(n, "a.example.com", c[0]), ERR_OK);
	assert_int_equal(tls_contexts_put(n, "*.example.com", c[1]), ERR_OK);
	assert_ptr_equal(tls_contexts_find(n, "a.example.com"), c[0]);
	assert_ptr_equal(tls_contexts_find(n, "b.example.com"), c[1]);
	/* A wildcard is for one label. */
	assert_null(tls_contexts_find(n, "example.com"));
	assert_null(tls_contexts_find(n, "x.b.example.com"));
	assert_null(tls_contexts_find(n, ".example.com"));
	/* Nothing that a client sends is a wildcard itself. */
	assert_null(tls_contexts_find(n, "*.example.com"));
	assert_null(tls_contexts_find(n, ""));
	assert_null(tls_contexts_find(NULL, "a.example.com"));
	assert_true(tls_contexts_remove(n, "a.example.com"));
	assert_false(tls_contexts_remove(n, "a.example.com"));
	assert_ptr_equal(tls_contexts_find(n, "a.example.com"), c[1]);
	tls_contexts_unref(n);
}

static void test_one_context_can_be_for_all_names(void **state)
{
	struct tls_context **c = *state;
	struct tls_contexts *n;

	assert_int_equal(tls_contexts_new(NULL, &n), ERR_OK);
	assert_int_equal(tls_contexts_put(n, "*", c[0]), ERR_OK);
	assert_int_equal(tls_contexts_put(n, "*.example.com", c[1]), ERR_OK);
	assert_ptr_equal(tls_contexts_find(n, "a.example.com"), c[1]);
	assert_ptr_equal(tls_contexts_find(n, "x.a.example.com"), c[0]);
	assert_ptr_equal(tls_contexts_find(n, "localhost"), c[0]);
	assert_null(tls_contexts_find(n, "*"));
	assert_true(tls_contexts_remove(n, "*"));
	assert_null(tls_contexts_find(n, "localhost"));
	tls_contexts_unref(n);
}

static void test_a_copy_changes_alone(void **state)
{
	struct tls_context **c = *state;
	struct tls_contexts *n, *copy;

	assert_int_equal(tls_contexts_new(NULL, &n), ERR_OK);
	assert_int_equal(tls_contexts_put(n, "a.example.com", c[0]), ERR_OK);
	assert_int_equal(tls_contexts_put(n, "*.example.com", c[1]), ERR_OK);
	assert_int_equal(tls_contexts_new(n, &copy), ERR_OK);
	assert_int_equal(tls_contexts_put(copy, "a.example.com", c[2]), ERR_OK);
	assert_int_equal(tls_contexts_count(copy), 2);
	assert_true(tls_contexts_remove(copy, "*.example.com"));
	assert_ptr_equal(tls_contexts_find(n, "a.example.com"), c[0]);
	assert_ptr_equal(tls_contexts_find(copy, "a.example.com"), c[2]);
	assert_ptr_equal(tls_contexts_find(n, "b.example.com"), c[1]);
	assert_null(tls_contexts_find(copy, "b.example.com"));
	assert_ptr_equal(tls_contexts_ref(copy), copy);
	tls_contexts_unref(copy);
	tls_contexts_unref(n);
	assert_ptr_equal(tls_contexts_find(copy, "a.example.com"), c[2]);
	tls_contexts_unref(copy);
	tls_contexts_unref(NULL);
}

static void test_bad_names_are_refused(void **state)
{
	static const char *const bad[] = { "", "**", "*.", "*.com", "*example.com",
		"a.*.com", "*.*.example.com", "**.example.com" };
	struct tls_context **c = *state;
	char longest[NAMES_HOST_MAX + 2], found[NAMES_HOST_MAX + 2];
	struct tls_contexts *n;

	assert_int_equal(tls_contexts_new(NULL, &n), ERR_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(tls_contexts_put(n, bad[i], c[0]), ERR_SYNTAX);
	memset(longest, 'a', sizeof(longest));
	longest[NAMES_HOST_MAX + 1] = '\0';
	assert_int_equal(tls_contexts_put(n, longest, c[0]), ERR_SYNTAX);
	longest[NAMES_HOST_MAX] = '\0';
	assert_int_equal(tls_contexts_put(n, longest, c[0]), ERR_OK);

	/* The longest host of the longest wildcard, and a host that is longer. */
	memset(longest, 'a', NAMES_HOST_MAX);
	memcpy(longest, "*.", 2);
	longest[NAMES_HOST_MAX - 4] = '.';
	assert_int_equal(tls_contexts_put(n, longest, c[1]), ERR_OK);
	memcpy(found, longest, sizeof(found));
	found[0] = 'b';
	assert_ptr_equal(tls_contexts_find(n, found), c[1]);
	memset(found, 'a', sizeof(found) - 1);
	found[0] = '.';
	found[sizeof(found) - 1] = '\0';
	assert_null(tls_contexts_find(n, found));
	tls_contexts_unref(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_found_before_its_wildcard),
		cmocka_unit_test(test_one_context_can_be_for_all_names),
		cmocka_unit_test(test_a_copy_changes_alone),
		cmocka_unit_test(test_bad_names_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
