/*
 * What a proxy makes of the heads that pass through it. What frames a body is never
 * copied: it is written from what the parser understood.
 */
#include "http/proxy_head.h"

#include <ctype.h>

#include "base/mem.h"
#include "http/head.h"

#define CONNECTION_NAMES_MAX 32

enum {
	IS_HOP = 1,   /* it is meant for us, or frames the body */
	IS_OURS = 2,  /* in a request: we answer to it, or write it ourselves */
	IS_EARLY = 4, /* it would come too late behind the content, or may not be there */
};

static const struct {
	const char *name;
	unsigned is;
} fields[] = {
	{ "Age", IS_EARLY },
	{ "Authorization", IS_EARLY },
	{ "Cache-Control", IS_EARLY },
	{ "Connection", IS_HOP },
	{ "Content-Encoding", IS_EARLY },
	{ "Content-Length", IS_HOP },
	{ "Content-Range", IS_EARLY },
	{ "Content-Type", IS_EARLY },
	{ "Cookie", IS_EARLY },
	{ "Date", IS_EARLY },
	{ "Expect", IS_OURS | IS_EARLY },
	{ "Expires", IS_EARLY },
	{ "Host", IS_OURS | IS_EARLY },
	{ "HTTP2-Settings", IS_OURS | IS_EARLY },
	{ "Keep-Alive", IS_HOP },
	{ "Location", IS_EARLY },
	{ "Max-Forwards", IS_EARLY },
	{ "Pragma", IS_EARLY },
	{ "Proxy-Authenticate", IS_HOP },
	{ "Proxy-Authorization", IS_HOP },
	{ "Proxy-Connection", IS_HOP },
	{ "Range", IS_EARLY },
	{ "Retry-After", IS_EARLY },
	{ "Set-Cookie", IS_EARLY },
	{ "TE", IS_HOP },
	{ "Trailer", IS_HOP },
	{ "Transfer-Encoding", IS_HOP },
	{ "Upgrade", IS_HOP },
	{ "Vary", IS_EARLY },
	{ "Warning", IS_EARLY },
	{ "WWW-Authenticate", IS_EARLY },
	{ "X-Forwarded-For", IS_OURS },
};

static bool is_any(struct span name, unsigned of)
{
	for (size_t i = 0; i < mem_count(fields); i++) {
		if (span_is_nocase(name, fields[i].name))
			return (fields[i].is & of) != 0;
	}
	return false;
}

/* CGI and its like make "X_Name" and "X-Name" one variable. True:
 * @name begins with @prefix. */
static bool has_cgi_prefix(struct span name, const char *prefix)
{
	size_t n = strlen(prefix);

	if (name.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = name.p[i] == '_' ? '-' : name.p[i];

		if (tolower(c) != tolower((uint8_t)prefix[i]))
			return false;
	}
	return true;
}

/* Fields with addresses and names of the client and of proxies before us. */
static bool is_about_the_way(struct span name)
{
	return has_cgi_prefix(name, "X-Forwarded-") ||
		(name.n == strlen("X-Real-IP") && has_cgi_prefix(name, "X-Real-IP")) ||
		span_is_nocase(name, "Forwarded");
}

static bool is_dropped(struct span name, const char *const *drops)
{
	while (drops != NULL && *drops != NULL) {
		if (name.n == strlen(*drops) && has_cgi_prefix(name, *drops))
			return true;
		drops++;
	}
	return false;
}

static bool is_no_trailer(struct span name)
{
	return is_any(name, IS_HOP | IS_EARLY) || is_about_the_way(name) ||
		has_cgi_prefix(name, "Remote-") ||
		(name.n >= 3 && strncasecmp((const char *)name.p, "If-", 3) == 0);
}

/* The names in Connection headers. */
struct named {
	struct span name[CONNECTION_NAMES_MAX];
	size_t n;
};

static enum err named_gather(struct named *named, const struct http1_head *head)
{
	const struct http1_header *h = http1_head_find(head, "Connection");
	struct span list, name;

	named->n = 0;
	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		while (http1_list_next(&list, &name)) {
			if (named->n == CONNECTION_NAMES_MAX)
				return ERR_LIMIT;
			named->name[named->n++] = name;
		}
	}
	return ERR_OK;
}

static bool named_has(const struct named *named, struct span name)
{
	for (size_t i = 0; i < named->n; i++) {
		if (span_eq_nocase(named->name[i], name))
			return true;
	}
	return false;
}

static void put_line(struct buf *out, struct span name, struct span value)
{
	buf_put_span(out, name);
	buf_put_str(out, ": ");
	buf_put_span(out, value);
	buf_put_str(out, "\r\n");
}

/* The names of the trailers to come that are forwarded. */
static void put_trailer_names(struct buf *out, const struct http1_head *head,
	const struct named *named)
{
	const struct http1_header *h = http1_head_find(head, "Trailer");
	const char *before = "Trailer: ", *after = "";
	struct span list, name;

	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		while (http1_list_next(&list, &name)) {
			if (is_no_trailer(name) || named_has(named, name))
				continue;
			buf_put_str(out, before);
			buf_put_span(out, name);
			before = ", ";
			after = "\r\n";
		}
	}
	buf_put_str(out, after);
}

enum err proxy_put_trailers(struct buf *out, const struct http1_reader *reader)
{
	struct named named;
	enum err rc = named_gather(&named, &reader->head);

	for (unsigned i = 0; rc == ERR_OK && i < reader->trailers_n; i++) {
		const struct http1_header *h = &reader->trailers[i];

		if (!is_no_trailer(h->name) && !named_has(&named, h->name))
			put_line(out, h->name, h->value);
	}
	return rc == ERR_OK ? out->failed : rc;
}

/* Takes the next protocol off the Upgrade headers; HTTP/2 is passed over. */
static bool upgrade_next(const struct http1_head *head, const struct http1_header **h,
	struct span *list, struct span *protocol)
{
	for (;;) {
		while (http1_list_next(list, protocol)) {
			if (!http1_is_http2(*protocol))
				return true;
		}
		*h = *h == NULL ? http1_head_find(head, "Upgrade") :
				  http1_head_next(head, *h);
		if (*h == NULL)
			return false;
		*list = (*h)->value;
	}
}

/* An offer of a protocol, or the switch to it, for the next hop. */
static void put_upgrade(struct buf *out, const struct http1_head *head)
{
	const struct http1_header *h = NULL;
	struct span list = { 0 }, protocol;
	const char *before = "Connection: Upgrade\r\nUpgrade: ";

	while (upgrade_next(head, &h, &list, &protocol)) {
		buf_put_str(out, before);
		buf_put_span(out, protocol);
		before = ", ";
	}
	buf_put_str(out, "\r\n");
}

bool proxy_upgrade_was_offered(const struct http1_head *answer,
	const struct http1_head *request)
{
	const struct http1_header *h = NULL, *offer;
	struct span list = { 0 }, offers = { 0 }, chosen, offered;
	bool is_good = answer->wants_upgrade && request->wants_upgrade;

	while (is_good && upgrade_next(answer, &h, &list, &chosen)) {
		offer = NULL;
		offers = span_of(NULL, 0);
		is_good = false;
		while (!is_good && upgrade_next(request, &offer, &offers, &offered))
			is_good = span_eq_nocase(chosen, offered);
	}
	return is_good;
}

/* ---- requests ---- */

static void put_request_line(struct buf *out, const struct http1_head *request,
	const struct http_upstream *up)
{
	buf_put_span(out, request->method);
	buf_put_str(out, " ");
	if (up->target != NULL)
		buf_put_str(out, up->target);
	else
		buf_put_span(out, request->target);
	buf_put_str(out, " HTTP/1.1\r\n");
}

static void put_host(struct buf *out, const struct http1_head *request,
	const struct http_upstream *up)
{
	struct span host = up->host_header != NULL ? span_str(up->host_header) :
						     http1_head_value(request, "Host");

	put_line(out, span_str("Host"), host);
}

static void put_request_framing(struct buf *out, const struct http1_head *request,
	const struct named *named)
{
	if (request->body == HTTP1_CHUNKED) {
		buf_put_str(out, "Transfer-Encoding: chunked\r\n");
		put_trailer_names(out, request, named);
	} else if (request->has_length) {
		buf_printf(out, "Content-Length: %llu\r\n",
			(unsigned long long)request->length);
	}
}

static void put_request_connection(struct buf *out, const struct http1_head *request,
	bool is_kept)
{
	bool takes_trailers = request->minor == 1 &&
		http1_head_has_token(request, "TE", "trailers");

	if (request->minor == 1 && request->body != HTTP1_NO_BODY &&
		http1_head_has_token(request, "Expect", "100-continue"))
		buf_put_str(out, "Expect: 100-continue\r\n");
	if (request->wants_upgrade) {
		put_upgrade(out, request);
		return;
	}
	if (takes_trailers)
		buf_put_str(out, "TE: trailers\r\n");
	if (takes_trailers || !is_kept)
		buf_printf(out, "Connection: %s%s%s\r\n", is_kept ? "" : "close",
			takes_trailers && !is_kept ? ", " : "",
			takes_trailers ? "TE" : "");
}

/* Earlier proxies have listed their clients; this adds ours. */
static void put_forwarded_for(struct buf *out, const struct http1_head *request,
	const struct named *named, const struct addr *peer, bool is_edge)
{
	const struct http1_header *h = is_edge ?
		NULL :
		http1_head_find(request, "X-Forwarded-For");
	char ip[ADDR_TEXT_MAX];

	buf_put_str(out, "X-Forwarded-For: ");
	for (; h != NULL; h = http1_head_next(request, h)) {
		if (h->value.n == 0 || named_has(named, h->name))
			continue;
		buf_put_span(out, h->value);
		buf_put_str(out, ", ");
	}
	buf_printf(out, "%s\r\n", addr_print_ip(peer, ip));
}

enum err proxy_put_request(struct buf *out, const struct http1_head *request,
	const struct http_upstream *up, const struct addr *peer)
{
	struct named named;
	enum err rc = named_gather(&named, request);

	if (rc != ERR_OK)
		return rc;
	put_request_line(out, request, up);
	put_host(out, request, up);
	for (unsigned i = 0; i < request->headers_n; i++) {
		struct http1_header h = request->headers[i];

		if (!is_any(h.name, IS_HOP | IS_OURS) &&
			!(up->is_edge && is_about_the_way(h.name)) &&
			!named_has(&named, h.name) && !is_dropped(h.name, up->drops) &&
			!http_lines_have(up->headers, h.name))
			put_line(out, h.name, h.value);
	}
	put_request_framing(out, request, &named);
	put_request_connection(out, request, up->idle != NULL);
	put_forwarded_for(out, request, &named, peer, up->is_edge);
	buf_put_str(out, up->headers != NULL ? up->headers : "");
	buf_put_str(out, "\r\n");
	return out->failed;
}

/* ---- answers ---- */

/* To a client of HTTP/1.0 only the end of the connection can end a body of unknown
 * length. */
struct proxy_framing proxy_frame_answer(const struct http1_head *answer,
	const struct http1_head *request)
{
	bool is_unknown = answer->body == HTTP1_CHUNKED ||
		answer->body == HTTP1_UNTIL_CLOSE;
	bool is_old = request->minor == 0;

	return (struct proxy_framing){
		.is_chunked = is_unknown && !is_old,
		.is_last = !request->keeps_alive || answer->is_ambiguous ||
			(is_unknown && is_old),
	};
}

static void put_answer_framing(struct buf *out, const struct http1_head *answer,
	const struct http1_head *request, const struct named *named,
	struct proxy_framing framing)
{
	if (answer->wants_upgrade)
		put_upgrade(out, answer);
	if (answer->status / 100 == 1)
		return;
	if (framing.is_chunked)
		buf_put_str(out, "Transfer-Encoding: chunked\r\n");
	if (framing.is_chunked && answer->body == HTTP1_CHUNKED)
		put_trailer_names(out, answer, named);
	if (!framing.is_chunked && answer->has_length && answer->status != 204)
		buf_printf(out, "Content-Length: %llu\r\n",
			(unsigned long long)answer->length);
	if (framing.is_last)
		buf_put_str(out, "Connection: close\r\n");
	else if (request->minor == 0)
		buf_put_str(out, "Connection: keep-alive\r\n");
}

/* A rewritten value, made of untrusted bytes, must still be one line. */
static bool value_is_one_line(struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		if ((value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return false;
	}
	return true;
}

static void put_rewritten(struct buf *out, const struct http1_head *request,
	const struct http1_header *h, const struct http_upstream *up)
{
	struct span value = h->value;
	struct buf other;

	buf_init(&other, 2 * HTTP1_RESPONSE_HEAD_MAX);
	if (up != NULL && up->rewrite != NULL &&
		up->rewrite(up->rewrite_arg, request, h, &other) &&
		other.failed == ERR_OK && value_is_one_line(buf_span(&other)))
		value = buf_span(&other);
	put_line(out, h->name, value);
	buf_fini(&other);
}

static bool head_has(const struct http1_head *head, struct span name)
{
	for (unsigned i = 0; i < head->headers_n; i++) {
		if (span_eq_nocase(head->headers[i].name, name))
			return true;
	}
	return false;
}

/* The lines that the owner adds to an answer without headers of these names. */
static void put_added(struct buf *out, const struct http1_head *answer,
	const struct http_upstream *up)
{
	struct span lines = span_str(
		up->answer_headers != NULL ? up->answer_headers : "");
	struct span line, name;

	while (span_split(&lines, '\n', &line)) {
		struct span rest = line;

		(void)span_split(&rest, ':', &name);
		if (!head_has(answer, name)) {
			buf_put_span(out, line);
			buf_put_str(out, "\n");
		}
	}
}

enum err proxy_put_answer(struct buf *out, const struct http1_head *answer,
	const struct http1_head *request, struct proxy_framing framing,
	const struct http_upstream *up)
{
	struct named named;
	enum err rc = named_gather(&named, answer);

	if (rc != ERR_OK)
		return rc;
	buf_printf(out, "HTTP/1.1 %u ", answer->status);
	buf_put_span(out, answer->reason);
	buf_put_str(out, "\r\n");
	for (unsigned i = 0; i < answer->headers_n; i++) {
		struct http1_header h = answer->headers[i];

		if (!is_any(h.name, IS_HOP) && !named_has(&named, h.name))
			put_rewritten(out, request, &h, up);
	}
	if (up != NULL)
		put_added(out, answer, up);
	put_answer_framing(out, answer, request, &named, framing);
	buf_put_str(out, "\r\n");
	return out->failed;
}
