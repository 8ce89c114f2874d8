/* An API: which operation a call is for, and what happens before its function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "http/api.h"

struct point {
	int64_t x;
};

static const struct field point_rows[] = {
	{ "x", FIELD_NUMBER, FIELD_AT(struct point, x) },
};

static const struct field_table point_fields = FIELD_TABLE_OF(struct point, point_rows);

/* What the functions have seen. */
static struct {
	struct span parts[2];
	int64_t x;
	unsigned calls, releases;
	bool may;
} seen;

static void see(void *context, struct api_call *call)
{
	assert_ptr_equal(context, &seen);
	seen.calls++;
	seen.parts[0] = call->parts[0];
	seen.parts[1] = call->parts[1];
	if (call->request != NULL)
		seen.x = ((struct point *)call->request)->x;
	api_reply(call, call->request);
}

static bool check(void *context, struct api_call *call)
{
	(void)context;
	if (!seen.may)
		call->status = 403;
	return seen.may;
}

static bool check_part(void *context, struct api_call *call)
{
	(void)context;
	if (!span_is(call->parts[0], "a"))
		call->status = 415;
	return call->status == 0;
}

static void release(struct api_call *call)
{
	(void)call;
	seen.releases++;
}

static const struct api_authority guarded = {
	.name = "guarded",
	.check = check,
	.release = release,
};

static enum err put(const struct field_table *fields, const void *object, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	if (fields != NULL)
		field_put_json(fields, object, &w);
	return out->failed;
}

static void refuse(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	static const unsigned statuses[] = {
		[API_NOT_FOUND] = 404,
		[API_METHOD_NOT_ALLOWED] = 405,
		[API_BODY_TOO_LONG] = 413,
		[API_BODY_MALFORMED] = 400,
		[API_BUSY] = 503,
		[API_NO_ROOM] = 500,
	};

	(void)rc;
	(void)why;
	call->status = statuses[fault];
}

static const struct api_envelope envelope = { .put = put, .refuse = refuse };

static const struct api_operation rows[] = {
	{ .method = "POST", .path = "/x/*/*/ban/", .authority = &api_anyone, .fn = see },
	{ .method = "GET", .path = "/x/list", .authority = &api_anyone, .fn = see },
	{ .method = "GET",
		.path = "/stream",
		.authority = &api_anyone,
		.fn = see,
		.takes_over = true },
	{ .method = "POST",
		.path = "/point",
		.authority = &guarded,
		.fn = see,
		.request = &point_fields,
		.response = &point_fields },
	{ .method = "POST",
		.path = "/point/*",
		.authority = &guarded,
		.fn = see,
		.check = check_part,
		.request = &point_fields },
	{ .path = "/guarded/**", .authority = &guarded, .fn = api_refuse_unknown },
};

static const struct api_table table = API_TABLE_OF(rows);
static const struct api_table *const tables[] = { &table, NULL };

static unsigned ask(const char *method, const char *target, const char *body)
{
	const struct api_options o = {
		.tables = tables,
		.envelope = &envelope,
		.context = &seen,
	};
	struct api_call *call = mem_new(call);
	struct api api;
	unsigned status;

	assert_non_null(call);
	assert_int_equal(api_init(&api, &o, NULL), ERR_OK);
	call->method = strdup(method);
	call->target = strdup(target);
	buf_init(&call->body, API_BODY_MAX);
	assert_int_equal(buf_put_str(&call->body, body), ERR_OK);
	seen.parts[0].n = 0;
	api_answer(&api, call);
	status = call->status;
	if (status == 200 && seen.parts[0].n > 0) {
		assert_memory_equal(seen.parts[0].p, "a", 1);
		assert_true(span_is(seen.parts[1], "b"));
	}
	api_call_free(call);
	return status;
}

static void test_a_path_may_have_variable_parts(void **state)
{
	(void)state;
	assert_int_equal(ask("POST", "/x/a%2f/b/ban", ""), 200);
	assert_int_equal(ask("POST", "/x/a/b/ban/?q", ""), 200);
	assert_int_equal(ask("POST", "/x/a/b/ban//", ""), 404);
	assert_int_equal(ask("POST", "/x//b/ban", ""), 404);
	assert_int_equal(ask("POST", "/x/a/ban", ""), 404);
	assert_int_equal(ask("GET", "/x/list/", ""), 404);
	assert_int_equal(ask("GET", "/x/a/b/ban", ""), 405);
	assert_int_equal(ask("GET", "", ""), 404);
}

static void test_head_is_a_get_unless_the_connection_is_taken(void **state)
{
	(void)state;
	assert_int_equal(ask("HEAD", "/x/list", ""), 200);
	assert_int_equal(ask("GET", "/stream", ""), 200);
	assert_int_equal(ask("HEAD", "/stream", ""), 405);
}

static void test_authority_comes_before_all_else(void **state)
{
	(void)state;
	seen.calls = seen.releases = 0;
	seen.may = false;
	assert_int_equal(ask("POST", "/point", "{\"x\":7}"), 403);
	assert_int_equal(ask("POST", "/point", "no JSON"), 403);
	assert_int_equal(ask("GET", "/guarded/x", ""), 403);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(seen.releases, 0);
	seen.may = true;
	assert_int_equal(ask("POST", "/point", "{\"x\":7}"), 200);
	assert_int_equal(seen.x, 7);
	assert_int_equal(ask("POST", "/point", "no JSON"), 400);
	assert_int_equal(ask("GET", "/guarded/x", ""), 404);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.releases, 3);
}

static void test_an_operations_check_comes_before_the_body(void **state)
{
	(void)state;
	seen.calls = seen.releases = 0;
	seen.may = false;
	assert_int_equal(ask("POST", "/point/b", "{\"x\":7}"), 403);
	seen.may = true;
	assert_int_equal(ask("POST", "/point/b", "{\"x\":7}"), 415);
	assert_int_equal(ask("POST", "/point/b", "no JSON"), 415);
	assert_int_equal(ask("GET", "/point/b", ""), 405);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(ask("POST", "/point/a", "no JSON"), 400);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(seen.releases, 3);
}

static void test_null_is_an_object_without_members(void **state)
{
	(void)state;
	seen.may = true;
	seen.x = 7;
	assert_int_equal(ask("POST", "/point", " null\n"), 200);
	assert_int_equal(seen.x, 0);
	assert_int_equal(ask("POST", "/point", " "), 400);
	assert_int_equal(ask("POST", "/point", "nul"), 400);
}

static void test_an_operation_without_authority_does_not_open(void **state)
{
	static const struct api_operation bad_rows[] = {
		{ .method = "GET", .path = "/a", .authority = &api_anyone, .fn = see },
		{ .method = "GET", .path = "/b", .fn = see },
	};
	static const struct api_table bad = API_TABLE_OF(bad_rows);
	static const struct api_table *const all[] = { &table, &bad, NULL };
	const struct api_options o = { .tables = all, .envelope = &envelope };
	struct why why = { "" };
	struct api api;

	(void)state;
	assert_int_equal(api_init(&api, &o, &why), ERR_USAGE);
	assert_string_equal(why.text, "API: /b has no authority");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_may_have_variable_parts),
		cmocka_unit_test(test_head_is_a_get_unless_the_connection_is_taken),
		cmocka_unit_test(test_authority_comes_before_all_else),
		cmocka_unit_test(test_an_operations_check_comes_before_the_body),
		cmocka_unit_test(test_null_is_an_object_without_members),
		cmocka_unit_test(test_an_operation_without_authority_does_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
