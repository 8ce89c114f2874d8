/* The command line of a relay: every setting has a flag, and its words are as they are given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"
#include "cli/relay_args.h"

static bool is_setting(const struct flag *f)
{
	return f->kind == FLAG_OVERRIDE || f->kind == FLAG_OVERRIDE_SWITCH;
}

static void assert_same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void check_flags(const struct flag *table)
{
	const struct bind_row *row;
	const struct flag *f;

	for (f = table; f->kind != FLAG_END; f++) {
		if (!is_setting(f))
			continue;
		row = bind_find(&relay_settings, f->name);
		assert_non_null(row);
		assert_same(f->env, row->env);
		assert_same(f->preset, row->preset);
		assert_int_equal(f->kind == FLAG_OVERRIDE_SWITCH, row->kind == BIND_FLAG);
	}
}

static void test_flags_and_settings_are_the_same(void **state)
{
	const struct flag *f;

	(void)state;
	check_flags(relay_run_flags);
	check_flags(relay_status_flags);
	check_flags(relay_lease_flags);
	for (unsigned i = 0; i < relay_settings.count; i++) {
		for (f = relay_run_flags; f->kind != FLAG_END; f++) {
			if (is_setting(f) &&
				bind_find(&relay_settings, f->name) ==
					&relay_settings.rows[i])
				break;
		}
		if (f->kind == FLAG_END)
			fail_msg("no flag for %s", relay_settings.rows[i].key);
	}
}

static void test_no_two_flags_share_a_place(void **state)
{
	const struct flag *f, *g;

	(void)state;
	for (f = relay_run_flags; f->kind != FLAG_END; f++) {
		for (g = f + 1; g->kind != FLAG_END; g++)
			assert_int_not_equal(f->offset, g->offset);
	}
}

static enum err parse(struct relay_args *args, struct relay_config *c, int argc,
	char **argv)
{
	struct flag_result result;
	struct why why;
	enum err rc;

	memset(args, 0, sizeof(*args));
	rc = flags_parse(relay_run_flags, argc, argv, args, &result, &why);
	assert_int_equal(rc, ERR_OK);
	return relay_args_check(relay_run_flags, args, argc - result.rest,
		argv + result.rest, c, &why);
}

static void test_what_is_given_goes_on_as_it_is(void **state)
{
	char *argv[] = { (char[]){ "--config" }, (char[]){ "x.toml" },
		(char[]){ "--tcp-enabled" }, (char[]){ "--api-port=http" },
		(char[]){ "--udp-enabled=false" } };
	struct relay_config c;
	struct relay_args args;

	(void)state;
	assert_int_equal(parse(&args, &c, 5, argv), ERR_OK);
	assert_string_equal(c.file, "x.toml");
	assert_int_equal(c.overrides_n, 3);
	assert_string_equal(c.overrides[0].name, "api-port");
	assert_string_equal(c.overrides[0].text, "http");
	assert_string_equal(c.overrides[1].text, "true");
	assert_string_equal(c.overrides[2].text, "false");
}

static void test_words_are_refused(void **state)
{
	char *argv[] = { (char[]){ "serve" } };
	struct relay_config c;
	struct relay_args args;

	(void)state;
	assert_int_equal(parse(&args, &c, 1, argv), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_and_settings_are_the_same),
		cmocka_unit_test(test_no_two_flags_share_a_place),
		cmocka_unit_test(test_what_is_given_goes_on_as_it_is),
		cmocka_unit_test(test_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
