/* Pieces of heads. */
#include "http/head.h"

#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "text/names.h"

static const struct {
	unsigned status;
	const char *name;
} names[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *http_status_name(unsigned status)
{
	for (size_t i = 0; i < mem_count(names); i++) {
		if (names[i].status == status)
			return names[i].name;
	}
	return "Unknown";
}

void http_put_date(struct buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return;
	buf_printf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
		days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
		tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

bool http_lines_have(const char *lines, struct span name)
{
	while (lines != NULL && *lines != '\0') {
		if (strncasecmp(lines, (const char *)name.p, name.n) == 0 &&
			lines[name.n] == ':')
			return true;
		lines = strchr(lines, '\n');
		if (lines != NULL)
			lines++;
	}
	return false;
}

struct span http_host(const struct http1_head *head)
{
	struct span host = http1_head_value(head, "Host");
	const uint8_t *end;

	if (host.n > 0 && host.p[0] == '[') {
		end = memchr(host.p, ']', host.n);
		return end == NULL ? host :
				     span_of(host.p + 1, (size_t)(end - host.p) - 1);
	}
	end = span_find_last(host, ':');
	return end == NULL ? host : span_of(host.p, (size_t)(end - host.p));
}

bool http_host_is_local(const struct http1_head *head, const char *name)
{
	struct span host = http_host(head);
	char text[NAMES_HOST_MAX + 1];

	if (host.n == 0)
		return true;
	if (names_parse_host(host, text, NULL) != ERR_OK)
		return false;
	return names_host_is_local(text) || names_host_is_address(text) ||
		(name != NULL && span_is_nocase(span_str(name), text));
}
