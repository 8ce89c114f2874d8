/* Lists of managed tunnels: read, printed, and what they cover. */
#include "tunnel/chisel/managed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const char text[] =
	"{\"tunnels\":[{\"host\":\"myapp.example.com\",\"target\":\"localhost:3000\","
	"\"access\":\"public\",\"paused\":false},{\"host\":\"db.example.com\",\"target\":"
	"\"[::1]:5432\",\"access\":\"restricted\",\"paused\":true}]}";

static bool covers(const struct managed_list *list, const char *target)
{
	struct remote_target t;

	return remote_target_parse(span_str(target), &t) == ERR_OK &&
		managed_list_covers(list, &t);
}

static void test_a_list_is_read_and_printed(void **state)
{
	struct managed_list list;
	struct buf out;

	(void)state;
	buf_init(&out, MANAGED_LIST_MAX);
	assert_int_equal(managed_list_parse(span_str(text), &list, NULL), ERR_OK);
	assert_int_equal(list.tunnels.n, 2);
	assert_string_equal(managed_list_at(&list, 0)->host, "myapp.example.com");
	assert_true(managed_list_at(&list, 1)->is_paused);
	assert_int_equal(managed_list_print(&list, &out), ERR_OK);
	assert_true(span_is(buf_span(&out), text));
	managed_list_fini(&list);
	buf_fini(&out);
}

static void test_a_list_covers_its_targets_alone(void **state)
{
	struct managed_list list;

	(void)state;
	assert_int_equal(managed_list_parse(span_str(text), &list, NULL), ERR_OK);
	assert_true(covers(&list, "localhost:3000"));
	assert_true(covers(&list, "[::1]:5432"));
	assert_false(covers(&list, "localhost:3001"));
	assert_false(covers(&list, "localhost:3000/udp"));
	assert_false(covers(&list, "socks"));
	assert_false(covers(&list, "127.0.0.1:3000"));
	managed_list_fini(&list);
}

static void test_malformed_lists_are_refused(void **state)
{
	static const char *const rows[] = { "", "[]", "{\"tunnels\":3}",
		"{\"tunnels\":[{\"target\":\"localhost:3000\"}]}",
		"{\"tunnels\":[{\"host\":\"a\"}]}",
		"{\"tunnels\":[{\"host\":\"a\",\"target\":\"nonsense\"}]}",
		"{\"tunnels\":[{\"host\":7,\"target\":\"localhost:1\"}]}" };

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct managed_list list;
		struct why why = { "" };

		if (managed_list_parse(span_str(rows[i]), &list, &why) == ERR_OK)
			fail_msg("%s is a list", rows[i]);
		assert_true(why.text[0] != '\0');
		managed_list_fini(&list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_list_is_read_and_printed),
		cmocka_unit_test(test_a_list_covers_its_targets_alone),
		cmocka_unit_test(test_malformed_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
