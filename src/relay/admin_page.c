/*
 * The page for administrators. All it needs is in it, and the policy that goes with it
 * lets a browser load and run nothing else.
 */
#include "http/page.h"
#include "relay/admin.h"

static void admin_page(void *context, struct api_call *call)
{
	char style[PAGE_DIGEST_SIZE], script[PAGE_DIGEST_SIZE];

	(void)context;
	page_put(&call->answer, web_admin_html,
		(const struct page_value[]){ { "style", .raw = web_admin_css },
			{ "script", .raw = web_admin_js }, { .name = NULL } });
	api_add_header(call,
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; "
		"script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; "
		"form-action 'none'; frame-ancestors 'none'",
		page_digest(web_admin_css, style), page_digest(web_admin_js, script));
	api_add_header(call, "Referrer-Policy: no-referrer");
	api_reply_text(call, span_of(NULL, 0));
}

static const struct api_operation rows[] = {
	{ "GET", "/admin/", &api_anyone, admin_page, .type = "text/html; charset=utf-8" },
};

const struct api_table admin_page_table = API_TABLE_OF(rows);
