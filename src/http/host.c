/* The host that a request names. */
#include "http/host.h"

#include <stdio.h>
#include <string.h>

#include "text/names.h"

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
