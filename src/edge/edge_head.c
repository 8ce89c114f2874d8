/* Headers of requests on their way to the app. */
#include "edge/edge_head.h"

const char *const edge_sign_in_headers[] = { "Remote-User", "Remote-Groups",
	"Remote-Name", "Remote-Email", NULL };

/* RFC 7239 4, 6: an address of IPv6 is in brackets, and quoted. What may stand in Host
 * needs no escapes. */
static void put_forwarded(struct buf *out, const char *ip, struct span host)
{
	bool is_ip6 = strchr(ip, ':') != NULL;

	buf_printf(out, "Forwarded: for=%s%s%s;host=\"", is_ip6 ? "\"[" : "", ip,
		is_ip6 ? "]\"" : "");
	buf_put_span(out, host);
	buf_put_str(out, "\";proto=https\r\n");
}

void edge_put_headers(struct buf *out, const struct http1_head *request,
	const struct edge_about *about)
{
	struct span host = http1_head_value(request, "Host");
	char ip[ADDR_TEXT_MAX];

	if (host.n == 0)
		host = span_str(about->host);
	addr_print_ip(about->peer, ip);
	buf_printf(out,
		"X-Real-IP: %s\r\nX-Forwarded-Proto: https\r\nX-Request-Id: %s\r\n", ip,
		about->id);
	buf_put_str(out, "X-Forwarded-Host: ");
	buf_put_span(out, host);
	buf_put_str(out, "\r\n");
	put_forwarded(out, ip, host);
}
