/* The page of the demo, over http/server. */
#include <unistd.h>

#include "base/rand.h"
#include "cli/demo/demo_priv.h"
#include "http/server.h"
#include "loop/worker.h"
#include "net/listener.h"
#include "net/socket.h"
#include "text/hex.h"

#define PAGE_MAX 8192
#define PAGE_CONNECTIONS_MAX 100

static const char page_headers[] = "Content-Type: text/html; charset=utf-8\r\n"
				   "Cache-Control: no-store\r\n";

/* Nothing in it is loaded from elsewhere: it works without any network. */
static const char page_begin[] =
	"<!doctype html>\n"
	"<html lang=\"en\">\n"
	"<title>It works: adit demo</title>\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<link rel=\"icon\" href=\"data:,\">\n"
	"<style>\n"
	"body { font: 1.1em/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto;\n"
	"  padding: 0 1em; color: #222; background: #fafaf7 }\n"
	"ol { display: flex; flex-wrap: wrap; gap: .6em; padding: 0; list-style: none }\n"
	"li { border: 1px solid #bbb; border-radius: .4em; padding: .3em .8em }\n"
	"li + li::before { content: \"\\2192\"; margin: 0 .8em 0 -1.9em; color: #a40 }\n"
	"li + li { margin-left: 1.2em }\n"
	"</style>\n"
	"<h1>It works.</h1>\n"
	"<p>This page came to you through a tunnel:</p>\n"
	"<ol><li>visitor</li><li>server or relay</li><li>client or agent</li>\n"
	"<li>this page</li></ol>\n"
	"<p>Your browser asked the <b>server</b> or the <b>relay</b>, which is the only one\n"
	"that the public has to reach. The <b>client</b> or <b>agent</b>, which may sit behind\n"
	"any firewall, had connected to it before; it took the request over that connection,\n"
	"and passed it to this page on a port that nobody else needs to see.</p>\n";

static void page_on_request(void *arg, struct http_exchange *x)
{
	struct demo_page *page = arg;

	if (!span_is(http1_path(http_request(x)), "/")) {
		http_reply(x, 404, NULL, span_str("There is only one page here: /\n"));
		return;
	}
	buf_reset(&page->text);
	buf_put_str(&page->text, page_begin);
	buf_printf(&page->text,
		"<p>Requests for this page so far: <b>%u</b>. Load it again.</p>\n"
		"<p><small>A word that only this page knows: %s</small></p>\n",
		++page->requests, page->marker);
	if (page->text.failed == ERR_OK)
		http_reply(x, 200, page_headers, buf_span(&page->text));
	else
		http_reply(x, 500, NULL, span_str("No memory.\n"));
}

static void page_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct demo_page *page = arg;
	struct stream *stream;

	if (socket_open_take(page->loop, fd, &stream) == ERR_OK)
		http_server_serve_take(page->server, stream, peer);
	else
		close(fd);
}

enum err demo_page_open(struct demo_page *page, struct worker *worker, struct why *why)
{
	struct http_server_options o = {
		.loop = worker->loop,
		.pool = &worker->blocks,
		.connections_max = PAGE_CONNECTIONS_MAX,
		.on_request = page_on_request,
		.arg = page,
	};
	uint8_t bytes[DEMO_MARKER_BYTES];
	struct addr at;
	enum err rc = http_server_new(&o, &page->server);

	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for the page");
	page->loop = worker->loop;
	buf_init(&page->text, PAGE_MAX);
	page->marker[0] = 'w'; /* the others are hex digits */
	rand_bytes(bytes, sizeof(bytes));
	hex_encode(span_of(bytes, sizeof(bytes)), &page->marker[1]);
	rc = listener_open(page->loop, DEMO_LOCAL, 0, page_on_accept, page,
		&page->listener, why);
	if (rc != ERR_OK)
		return rc;
	listener_addr(page->listener, &at);
	page->port = addr_port(&at);
	return ERR_OK;
}

void demo_page_close(struct demo_page *page)
{
	listener_close(page->listener);
	http_server_free(page->server);
	buf_fini(&page->text);
}
