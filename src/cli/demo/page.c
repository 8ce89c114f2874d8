/* The page of the demo, over http/server. */
#include <stdio.h>

#include "cli/demo/demo_priv.h"
#include "http/page.h"
#include "http/server.h"
#include "text/hex.h"

#define PAGE_MAX 8192
#define PAGE_CONNECTIONS_MAX 100

static const char page_headers[] = "Content-Type: text/html; charset=utf-8\r\n"
				   "Cache-Control: no-store\r\n";

static void page_on_request(void *arg, struct http_exchange *x)
{
	struct demo_page *page = arg;
	char requests[16];

	if (!span_is(http1_path(http_request(x)), "/")) {
		http_reply(x, 404, NULL, span_str("There is only one page here: /\n"));
		return;
	}
	buf_reset(&page->text);
	snprintf(requests, sizeof(requests), "%u", ++page->requests);
	page_put(&page->text, web_demo_html,
		(const struct page_value[]){ { "requests", .text = requests },
			{ "marker", .text = page->marker }, { .name = NULL } });
	if (page->text.failed == ERR_OK)
		http_reply(x, 200, page_headers, buf_span(&page->text));
	else
		http_reply(x, 500, NULL, span_str("No memory.\n"));
}

enum err demo_page_open(struct demo_page *page, struct worker *worker, uint16_t *port,
	struct why *why)
{
	struct http_server_options o = {
		.loop = worker->loop,
		.pool = &worker->blocks,
		.connections_max = PAGE_CONNECTIONS_MAX,
		.on_request = page_on_request,
		.arg = page,
	};
	struct addr at;
	enum err rc = http_server_new(&o, &page->server);

	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for the page");
	buf_init(&page->text, PAGE_MAX);
	page->marker[0] = 'w'; /* the others are hex digits */
	hex_random(DEMO_MARKER_BYTES, &page->marker[1]);
	rc = http_server_listen(page->server, DEMO_LOCAL, 0, &at, why);
	if (rc == ERR_OK)
		*port = addr_port(&at);
	return rc;
}

void demo_page_close(struct demo_page *page)
{
	http_server_free(page->server);
	buf_fini(&page->text);
}
