/* The relay's own host names. */
#include "serve/own_host.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define LOCAL "localhost"

bool own_host_is(const char *root, const char *host)
{
	if (strcmp(host, root) == 0)
		return true;
	return names_host_is_local(root) &&
		(strcmp(host, LOCAL) == 0 || names_host_is_address(host)) &&
		names_host_is_local(host) && host[0] != '\0';
}

void own_host_unify(const char *root, char host[NAMES_HOST_MAX + 1])
{
	size_t n = strcspn(host, ".");
	char unified[NAMES_HOST_MAX + 1];

	if (!names_host_is_local(root) || strcmp(host, root) == 0 || host[n] != '.' ||
		strcmp(host + n + 1, LOCAL) != 0)
		return;
	if (snprintf(unified, sizeof(unified), "%.*s.%s", (int)n, host, root) <
		(int)sizeof(unified))
		(void)str_copy(host, NAMES_HOST_MAX + 1, unified);
}
