/* Behaviour of the access to a tunnel: which credentials are good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/access.h"
#include "base/mem.h"

static char basic[] = "ann:secret word", bearer[] = "t0ken-._~+/==";

static void test_either_credential_is_enough(void **state)
{
	static const struct {
		const char *value;
		bool is_good;
	} rows[] = {
		{ "Basic YW5uOnNlY3JldCB3b3Jk", true },
		{ "basic  YW5uOnNlY3JldCB3b3Jk ", true },
		{ "Bearer t0ken-._~+/==", true },
		{ "BEARER t0ken-._~+/==", true },
		{ "", false },
		{ "Basic", false },
		{ "Basic ", false },
		{ "Basic !", false },
		{ "BasicYW5uOnNlY3JldCB3b3Jk", false },
		{ "Basic YW5uOnNlY3JldA==", false },         /* ann:secret */
		{ "Basic YW5uOnNlY3JldCB3b3JkAA==", false }, /* a zero byte behind */
		{ "Bearer t0ken-._~+/=", false },
		{ "Bearer YW5uOnNlY3JldCB3b3Jk", false },
		{ "Digest t0ken-._~+/==", false },
	};
	const struct access a = { .basic = basic, .bearer = bearer };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(access_admits(&a, span_str(rows[i].value)),
			rows[i].is_good);
}

static void test_a_credential_that_is_not_set_admits_nobody(void **state)
{
	const struct access a = { .basic = basic }, b = { .bearer = bearer };
	const struct access none = { .basic = NULL };

	(void)state;
	assert_false(access_admits(&a, span_str("Bearer t0ken-._~+/==")));
	assert_false(access_admits(&b, span_str("Basic YW5uOnNlY3JldCB3b3Jk")));
	assert_false(access_admits(&none, span_str("Bearer ")));
	assert_true(access_is_set(&a) && access_is_set(&b) && !access_is_set(&none));
}

static void test_the_challenge_names_what_is_set(void **state)
{
	const struct access a = { .basic = basic, .bearer = bearer };
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	access_put_challenge(&a, "app.example", &out);
	buf_put_u8(&out, '\0');
	assert_string_equal((const char *)buf_front(&out),
		"WWW-Authenticate: Basic realm=\"app.example\", charset=\"UTF-8\"\r\n"
		"WWW-Authenticate: Bearer realm=\"app.example\"\r\n");
	buf_fini(&out);
}

static void test_values_are_checked(void **state)
{
	static const struct {
		const char *value;
		unsigned row;
		bool is_good;
	} rows[] = {
		{ "ann:secret", 0, true },
		{ "ann:", 0, true },
		{ "ann", 0, false },
		{ ":secret", 0, false },
		{ "abc123", 1, true },
		{ "a b", 1, false },
		{ "a\"b", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		const struct field *f = &access_fields.rows[rows[i].row];
		struct field_value v = { .form = FIELD_STRING,
			.text = span_str(rows[i].value) };
		struct access a = { .basic = NULL };
		enum err rc = field_set(f, "it", &v, field_at(f, &a), NULL);

		assert_int_equal(rc == ERR_OK, rows[i].is_good);
		access_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_either_credential_is_enough),
		cmocka_unit_test(test_a_credential_that_is_not_set_admits_nobody),
		cmocka_unit_test(test_the_challenge_names_what_is_set),
		cmocka_unit_test(test_values_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
