/*
 * Requests of visitors at the edge: whatever they are, the app gets one well-formed
 * request, whose headers about the visitor are the edge's alone.
 */
#include <stdlib.h>

#include "edge/edge_head.h"
#include "edge/edge_page.h"
#include "http/head.h"
#include "http/proxy_head.h"
#include "text/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX (8 << 20)
#define ID "0123456789abcdef"

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static enum err read_head(struct http1_reader *r, struct span in)
{
	struct http1_event e;

	http1_reader_init_request(r, &http1_request_limits);
	return http1_next(r, &in, &e, NULL);
}

/* "X_Real_IP" is "X-Real-IP" for some apps. */
static unsigned count(const struct http1_head *head, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < head->headers_n; i++) {
		struct span have = head->headers[i].name;
		bool is_it = have.n == strlen(name);

		for (size_t at = 0; is_it && at < have.n; at++)
			is_it = (have.p[at] == '_' ? '-' : have.p[at] | 0x20) ==
				(name[at] == '-' ? '-' : name[at] | 0x20);
		n += is_it;
	}
	return n;
}

static void check_forwarded(const struct http1_head *head)
{
	static const char *const once[] = { "Host", "X-Real-IP", "X-Forwarded-For",
		"X-Forwarded-Proto", "X-Forwarded-Host" };

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		check(count(head, once[i]) == 1);
	for (size_t i = 0; edge_sign_in_headers[i] != NULL; i++)
		check(count(head, edge_sign_in_headers[i]) == 0);
	check(count(head, "Forwarded") == 1);
	check(span_is(http1_head_value(head, "X-Request-Id"), ID));
	check(span_is(http1_head_value(head, "X-Real-IP"), "2001:db8::7"));
}

static void try_request(const struct http1_head *head)
{
	struct addr peer;
	struct edge_about about = { .peer = &peer, .host = "a.example.com", .id = ID };
	struct http_upstream up = { .is_edge = true, .drops = edge_sign_in_headers };
	struct http1_reader again;
	struct buf headers, out;

	check(addr_from_literal("2001:db8::7", 7, &peer) == ERR_OK);
	if (http1_head_find(head, "Host") == NULL)
		up.host_header = about.host;
	buf_init(&headers, TEXT_MAX);
	buf_init(&out, TEXT_MAX);
	edge_put_headers(&headers, head, &about);
	check(buf_put_u8(&headers, '\0') == ERR_OK);
	up.headers = (const char *)buf_front(&headers);
	if (proxy_put_request(&out, head, &up, &peer) == ERR_OK) {
		enum err rc = read_head(&again, buf_span(&out));

		/* The edge's own headers may be too many, but for nothing else. */
		check(rc == ERR_OK || rc == ERR_LIMIT);
		if (rc == ERR_OK)
			check_forwarded(&again.head);
		http1_reader_fini(&again);
	}
	buf_fini(&headers);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char host[NAMES_HOST_MAX + 1];
	struct http1_reader r;

	if (read_head(&r, span_of(data, size)) == ERR_OK &&
		!span_is(r.head.method, "CONNECT")) {
		(void)edge_page_wants_json(&r.head);
		if (names_parse_host(http_host(&r.head), host, NULL) == ERR_OK)
			check(strchr(host, '/') == NULL && strchr(host, '\n') == NULL);
		try_request(&r.head);
	}
	http1_reader_fini(&r);
	return 0;
}
