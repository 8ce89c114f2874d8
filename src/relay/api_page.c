/*
 * The page about this relay: which tunnels there are, and, as a landing page, how to get
 * one. Everything in it is its own, and the policy that goes with it lets a browser load
 * and run nothing else.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/hash.h"
#include "relay/envelope.h"
#include "relay/relay_inside.h"

#define PAGE_KEPT_MS 1000  /* so that many who look cost little */
#define PAGE_READ_MS 10000 /* while some are still reading: each new one is memory */
#define PAGE_LEASES_MAX 500
#define PAGE_BYTES_MAX (4u << 20)
#define PAGE_LEASE_BYTES_MAX 131072   /* what one may take: its picture, mostly */
#define PAGE_STALE_MS (3 * 60 * 1000) /* without a session, and not heard of */

static const char style[] =
	":root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d9dee4;"
	"--paper:#fff;--mark:#0b66c3}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4b0;"
	"--line:#333b45;--paper:#14181d;--mark:#6cb2ff}}"
	"body{margin:0;background:var(--paper);color:var(--ink);"
	"font:16px/1.5 system-ui,sans-serif}"
	"main{max-width:44rem;margin:0 auto;padding:2.5rem 1.25rem}"
	"h1{font-size:1.6rem;margin:0 0 .5rem;overflow-wrap:anywhere}"
	"h2{font-size:1.1rem;margin:2rem 0 .5rem}"
	"p{margin:.5rem 0}a{color:var(--mark)}"
	"ul{list-style:none;margin:0;padding:0}"
	"li{border-top:1px solid var(--line);padding:.75rem 0;overflow-wrap:anywhere}"
	".soft{color:var(--soft);font-size:.9rem}"
	"pre{border:1px solid var(--line);border-radius:6px;padding:.75rem;"
	"overflow-x:auto}";

/* ---- which leases are shown ---- */

/* portal-protocol 2.7. */
static bool lease_is_public(const struct lease *l, uint64_t now_ms)
{
	struct route *r = l->route;

	if (l->metadata.hide || !route_is_live(r, now_ms))
		return false;
	return atomic_load(&r->present) > 0 ||
		atomic_load(&lease_route_of(r)->seen_ms) + PAGE_STALE_MS > now_ms;
}

/* ---- the page ---- */

/* A stranger's text, for between tags and in attributes. */
static void put_html(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buf_put_str(out, "&amp;");
			break;
		case '<':
			buf_put_str(out, "&lt;");
			break;
		case '>':
			buf_put_str(out, "&gt;");
			break;
		case '"':
			buf_put_str(out, "&quot;");
			break;
		case '\'':
			buf_put_str(out, "&#39;");
			break;
		default:
			buf_put_u8(out, (uint8_t)*text);
			break;
		}
	}
}

static void put_element(struct buf *out, const char *open, const char *text,
	const char *close)
{
	if (text == NULL || *text == '\0')
		return;
	buf_put_str(out, open);
	put_html(out, text);
	buf_put_str(out, close);
}

static void put_address(struct relay *r, struct buf *out, const char *host)
{
	buf_put_str(out, "https://");
	put_html(out, host);
	if (r->sni_port != 443)
		buf_printf(out, ":%u", r->sni_port);
}

static void put_tunnel(struct relay *r, struct buf *out, const struct lease *l)
{
	const struct route *route = l->route;

	buf_put_str(out, "<li><a rel=\"noopener noreferrer\" href=\"");
	put_address(r, out, route->public_host);
	buf_put_str(out, "/\">");
	put_html(out, route->name);
	buf_put_str(out, "</a>");
	if (atomic_load(&route->present) == 0)
		buf_put_str(out, " <span class=\"soft\">(just now away)</span>");
	put_element(out, "<br>", l->metadata.description, "");
	put_element(out, "<br><span class=\"soft\">by ", l->metadata.owner, "</span>");
	if (l->metadata.tags.n > 0)
		buf_put_str(out, "<br><span class=\"soft\">");
	for (size_t i = 0; i < l->metadata.tags.n; i++)
		put_element(out, i > 0 ? ", " : "", l->metadata.tags.v[i], "");
	if (l->metadata.tags.n > 0)
		buf_put_str(out, "</span>");
	if (route->tcp_port != 0)
		buf_printf(out, "<br><span class=\"soft\">TCP port %u</span>",
			route->tcp_port);
	buf_put_str(out, "</li>\n");
}

static void put_tunnels(struct relay *r, struct buf *out, uint64_t now_ms)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, lease_book_all(r->book)) {
		struct lease *l = list_object(it, struct lease, in_book);

		if (n >= PAGE_LEASES_MAX || !lease_is_public(l, now_ms))
			continue;
		buf_put_str(out, n++ == 0 ? "<ul>\n" : "");
		put_tunnel(r, out, l);
	}
	buf_put_str(out, n > 0 ? "</ul>\n" : "<p>There is no tunnel just now.</p>\n");
}

/* What stock pages read; text in it cannot end the element it is in. */
static void put_data(struct relay *r, struct buf *out, uint64_t now_ms)
{
	struct list *it, *tmp;
	struct json_writer w;
	unsigned n = 0;

	buf_put_str(out, "<script id=\"__SSR_DATA__\" type=\"application/json\">");
	json_writer_init(&w, out);
	json_put_open_list(&w);
	list_each(it, tmp, lease_book_all(r->book)) {
		struct lease *l = list_object(it, struct lease, in_book);
		struct message_public_lease row;

		if (n >= PAGE_LEASES_MAX ||
			out->n + PAGE_LEASE_BYTES_MAX > PAGE_BYTES_MAX ||
			!lease_is_public(l, now_ms))
			continue;
		lease_describe(l, r->options.root, &row);
		field_put_json(&message_public_lease_fields, &row, &w);
		n++;
	}
	json_put_close_list(&w);
	buf_put_str(out, "</script>\n");
}

/* What a relay is. */
static void put_introduction(struct buf *out)
{
	buf_put_str(out,
		"<p>This is a relay: it makes services public that run behind firewalls, at "
		"home or at work. A visitor's TLS ends at the service itself: what passes "
		"here is ciphertext.</p>\n<h2>Tunnels</h2>\n");
}

static void put_instructions(struct relay *r, struct buf *out)
{
	char *example = str_printf("myapp.%s", r->options.root);

	buf_put_str(out,
		"<h2>Publish yours</h2>\n<p>With a service on port 3000 of your "
		"machine, run</p>\n<pre>adit expose 3000 --name myapp --relays ");
	put_html(out, r->options.url);
	buf_put_str(out, "</pre>\n<p>and it is at <code>");
	put_address(r, out, example != NULL ? example : "");
	buf_put_str(out, "</code>, as long as that runs.</p>\n");
	free(example);
}

/* The list of tunnels; as a landing page, with an introduction and instructions. */
static void put_page(struct relay *r, struct buf *out, uint64_t now_ms)
{
	const bool has_landing = policy_settings(r->policy)->has_landing_page;

	buf_put_str(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width,"
		"initial-scale=1\">\n<title>");
	put_html(out, r->options.root);
	buf_printf(out,
		"</title>\n<style>%s</style>\n</head>\n"
		"<body data-landing-page=\"%s\">\n<main>\n<h1>",
		style, has_landing ? "true" : "false");
	put_html(out, r->options.root);
	buf_put_str(out, "</h1>\n");
	if (has_landing)
		put_introduction(out);
	put_tunnels(r, out, now_ms);
	if (has_landing)
		put_instructions(r, out);
	buf_put_str(out, "</main>\n");
	put_data(r, out, now_ms);
	buf_put_str(out, "</body>\n</html>\n");
}

/* Nothing but our one style, known by its digest (CSP 3, 2.3.1). */
static void add_policy(struct api_call *call)
{
	uint8_t digest[HASH_SHA256_BYTES];
	char text[BASE64_TEXT_SIZE(HASH_SHA256_BYTES)] = "";

	if (hash_sha256(span_str(style), digest) == ERR_OK)
		base64_encode(BASE64_PADDED, span_of(digest, sizeof(digest)), text);
	api_add_header(call,
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		text);
	api_add_header(call, "Referrer-Policy: no-referrer");
}

static bool page_is_good(struct relay *r, uint64_t now_ms)
{
	uint32_t kept_ms = PAGE_KEPT_MS;

	if (r->page == NULL || r->page_made_ms > now_ms)
		return false;
	if (atomic_load(&r->page->refs) > 1)
		kept_ms = PAGE_READ_MS;
	return now_ms - r->page_made_ms < kept_ms;
}

/* NULL: there is no room for it. */
static struct api_text *page_make(struct relay *r, uint64_t now_ms)
{
	struct api_text *page = api_text_new(PAGE_BYTES_MAX);

	if (page == NULL)
		return NULL;
	put_page(r, &page->text, now_ms);
	if (page->text.failed == ERR_OK)
		return page;
	api_text_unref(page);
	return NULL;
}

static void page_about(void *context, struct api_call *call)
{
	struct relay *r = context;
	uint64_t now_ms = clock_wall_ms();

	if (!page_is_good(r, now_ms)) {
		api_text_unref(r->page);
		r->page = page_make(r, now_ms);
		r->page_made_ms = now_ms;
	}
	if (r->page == NULL) {
		envelope_refuse(call, MESSAGE_INTERNAL, "no room for the page");
		return;
	}
	add_policy(call);
	api_reply_shared(call, r->page);
}

static void page_favicon(void *context, struct api_call *call)
{
	(void)context;
	call->status = 204;
	api_add_header(call, "Cache-Control: public, max-age=86400");
}

#define PAGE(pattern) \
	{ \
		.method = "GET", .path = (pattern), .authority = &api_anyone, \
		.fn = page_about, .type = "text/html; charset=utf-8" \
	}

static const struct api_operation rows[] = {
	PAGE("/"),
	PAGE("/app"),
	PAGE("/app/**"),
	{ "GET", "/favicon.ico", &api_anyone, page_favicon, .status = 204 },
};

const struct api_table api_page_table = API_TABLE_OF(rows);
