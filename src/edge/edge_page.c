/* Pages of the edge. */
#include "edge/edge_page.h"

#include <stdio.h>

#include "base/mem.h"
#include "http/page.h"
#include "text/json.h"
#include "text/names.h"

#define PAGE_MAX 8192
#define TEXT_SIZE (NAMES_HOST_MAX + 160)
#define REFRESH_S 10
#define REFRESH_TEXT " This page tries again every 10 seconds."

#define COMMON_HEADERS \
	"Cache-Control: no-store\r\n" \
	"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n" \
	"X-Content-Type-Options: nosniff\r\n"

static const struct edge_page_row {
	unsigned status;
	const char *name;  /* for the log */
	const char *code;  /* for programs */
	const char *title; /* %s is the host */
	const char *text;  /* or NULL; REFRESH_TEXT follows it if the page refreshes */
	uint32_t retry_s;  /* Retry-After; 0: none */
	bool refreshes;    /* the page loads itself again */
	bool closes;       /* the connection */
} rows[] = {
	[EDGE_PAGE_OFFLINE] = { 503, "agent offline", "agent_offline", "%s is offline.",
		"The machine it runs on is not connected.", REFRESH_S, true, false },
	[EDGE_PAGE_NO_ANSWER] = { 502, "app not answering", "app_not_answering",
		"The app behind %s does not answer.", NULL, 0, false, false },
	[EDGE_PAGE_TIMED_OUT] = { 504, "app timed out", "app_timed_out",
		"The app behind %s does not answer.", NULL, 0, false, false },
	[EDGE_PAGE_PAUSED] = { 503, "tunnel paused", "tunnel_paused", "%s is paused.",
		NULL, 0, false, false },
	[EDGE_PAGE_UNKNOWN] = { 404, "unknown tunnel", "unknown_tunnel",
		"There is nothing at %s.", NULL, 0, false, false },
	[EDGE_PAGE_MISDIRECTED] = { 421, "misdirected request", "misdirected_request",
		"%s needs a connection of its own.", NULL, 0, false, true },
	[EDGE_PAGE_NO_SIGN_IN] = { 503, "no sign-in", "sign_in_not_available",
		"Sign-in is not available yet.",
		"%s is not public, and this relay cannot sign visitors in yet.", 0, false,
		false },
	[EDGE_PAGE_TOO_MANY] = { 429, "too many requests", "too_many_requests",
		"Too many requests to %s.", NULL, 0, false, false },
	[EDGE_PAGE_TOO_LONG] = { 413, "body too long", "body_too_long",
		"The upload is too large for %s.", NULL, 0, false, false },
	[EDGE_PAGE_BUSY] = { 503, "busy", "busy", "%s is busy.",
		"Too many visitors wait for it now.", REFRESH_S, true, false },
};

const char *edge_page_name(enum edge_page page)
{
	return rows[page].name;
}

bool edge_page_wants_json(const struct http1_head *head)
{
	const struct http1_header *h = http1_head_find(head, "Accept");
	struct span list, element, type;
	bool has_json = false;

	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		while (http1_list_next(&list, &element)) {
			(void)span_split(&element, ';', &type);
			while (type.n > 0 &&
				(type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t'))
				type.n--;
			if (!span_is_nocase(type, "application/json"))
				return false;
			has_json = true;
		}
	}
	return has_json;
}

static void put_sentence(char to[TEXT_SIZE], const char *form, const char *host)
{
	const char *at = strstr(form, "%s");

	if (at == NULL)
		snprintf(to, TEXT_SIZE, "%s", form);
	else
		snprintf(to, TEXT_SIZE, "%.*s%s%s", (int)(at - form), form,
			*host != '\0' ? host : "this address", at + 2);
}

static void put_text(char to[TEXT_SIZE], const struct edge_page_options *o)
{
	const struct edge_page_row *row = &rows[o->page];

	to[0] = '\0';
	if (o->page == EDGE_PAGE_TOO_MANY)
		snprintf(to, TEXT_SIZE, "The next one is possible in %u %s.", o->retry_s,
			o->retry_s == 1 ? "second" : "seconds");
	else if (o->page == EDGE_PAGE_TOO_LONG && o->body_max > 0)
		snprintf(to, TEXT_SIZE, "The limit is %llu bytes.",
			(unsigned long long)o->body_max);
	else if (row->text != NULL)
		put_sentence(to, row->text, o->host);
}

static void put_html(struct buf *out, const struct edge_page_options *o,
	const char *title, const char *text, bool refreshes)
{
	char seconds[16], all[2 * TEXT_SIZE];

	snprintf(seconds, sizeof(seconds), "%d", REFRESH_S);
	snprintf(all, sizeof(all), "%s%s", text, refreshes ? REFRESH_TEXT : "");
	page_put(out, web_edge_html,
		(const struct page_value[]){ { "title", .text = title },
			{ "text", .text = all },
			{ "refresh", .text = refreshes ? seconds : "" },
			{ "id", .text = o->id }, { .name = NULL } });
}

static void put_json(struct buf *out, const struct edge_page_options *o,
	const char *title, const char *text)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "error");
	json_put_text(&w, span_str(title));
	if (*text != '\0') {
		json_put_key(&w, "details");
		json_put_text(&w, span_str(text));
	}
	json_put_key(&w, "code");
	json_put_text(&w, span_str(rows[o->page].code));
	json_put_key(&w, "request_id");
	json_put_text(&w, span_str(o->id));
	json_put_close(&w);
	buf_put_str(out, "\n");
}

static void put_headers(struct buf *out, const struct edge_page_options *o, bool is_json)
{
	const struct edge_page_row *row = &rows[o->page];
	uint32_t retry_s = row->retry_s > 0 ? row->retry_s : o->retry_s;

	buf_printf(out, "Content-Type: %s\r\n" COMMON_HEADERS "X-Request-Id: %s\r\n",
		is_json ? "application/json" : "text/html; charset=utf-8", o->id);
	if (retry_s > 0)
		buf_printf(out, "Retry-After: %u\r\n", retry_s);
	if (o->has_hsts)
		buf_put_str(out, EDGE_HSTS);
	if (row->closes || o->closes)
		buf_put_str(out, "Connection: close\r\n");
	buf_put_u8(out, '\0');
}

/* Only what is safe to send again loads itself again. */
static bool page_refreshes(const struct http1_head *head, const struct edge_page_row *row)
{
	return row->refreshes &&
		(span_is(head->method, "GET") || span_is(head->method, "HEAD"));
}

void edge_page_reply(struct http_exchange *x, const struct edge_page_options *o)
{
	const struct edge_page_row *row = &rows[o->page];
	const struct http1_head *head = http_request(x);
	bool is_json = edge_page_wants_json(head);
	char title[TEXT_SIZE], text[TEXT_SIZE];
	struct buf headers, body;

	put_sentence(title, row->title, o->host);
	put_text(text, o);
	buf_init(&headers, PAGE_MAX);
	buf_init(&body, PAGE_MAX);
	put_headers(&headers, o, is_json);
	if (is_json)
		put_json(&body, o, title, text);
	else
		put_html(&body, o, title, text, page_refreshes(head, row));
	if (headers.failed == ERR_OK && body.failed == ERR_OK)
		http_reply(x, row->status, (const char *)buf_front(&headers),
			buf_span(&body));
	else
		http_reply(x, 503, NULL, span_of(NULL, 0));
	buf_fini(&headers);
	buf_fini(&body);
}
