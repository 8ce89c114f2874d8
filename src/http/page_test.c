/* Templates of pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/page.h"

static void test_values_are_put_in(void **state)
{
	static const struct {
		const char *template, *page;
	} cases[] = {
		{ "", "" },
		{ "no value", "no value" },
		{ "<b>{{text}}</b>",
			"<b>a &lt;i&gt; &amp; &quot;b&quot; &#39;{{raw}}</b>" },
		{ "{{raw}}{{raw}}", "<p><p>" },
		{ "{{unknown}}", "" },
		{ "1{{#text}}2{{/text}}3{{#none}}4{{raw}}{{/none}}5", "1235" },
		{ "{{#none}}1{{/none}}2{{#none}}3{{/none}}4", "24" },
		{ "{{#none}}not ended", "not ended" },
		{ "{{not ended", "not ended" },
		{ "{{#}}{{/}}{{}}.", "." },
	};
	const struct page_value values[] = {
		{ "text", .text = "a <i> & \"b\" '{{raw}}" },
		{ "raw", .raw = span_str("<p>") },
		{ "none", .text = "" },
		{ .name = NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		page_put(&out, span_str(cases[i].template), values);
		if (!span_is(buf_span(&out), cases[i].page))
			fail_msg("%s: %.*s", cases[i].template, (int)out.n,
				(const char *)buf_front(&out));
		buf_fini(&out);
	}
}

static void test_files_are_embedded(void **state)
{
	char digest[PAGE_DIGEST_SIZE];

	(void)state;
	assert_memory_equal(web_admin_html.p, "<!doctype html>", 15);
	assert_int_equal(web_admin_js.p[web_admin_js.n - 1], '\n');
	assert_int_equal(strlen(page_digest(web_admin_js, digest)), 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_put_in),
		cmocka_unit_test(test_files_are_embedded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
