/* The client of a request that a proxy has forwarded. */
#include "serve/forwarded.h"

#include <string.h>

/* With a port or without. */
static bool forwarded_read(struct span text, struct addr *out)
{
	char host[ADDR_TEXT_MAX];
	struct span ip = text, port;

	for (int i = 0; i < 2; i++) {
		if (ip.n > 0 && ip.n < sizeof(host)) {
			memcpy(host, ip.p, ip.n);
			host[ip.n] = '\0';
			if (addr_from_literal(host, 0, out) == ERR_OK)
				return true;
		}
		if (addr_split(text, &ip, &port) != ERR_OK)
			return false;
	}
	return false;
}

/*
 * One header's addresses, from the left. @has: @client has been found so far; that is
 * also what is returned.
 */
static bool forwarded_read_list(struct span list, const struct prefix_set *proxies,
	bool has, struct addr *client)
{
	struct span element;
	struct addr a;

	while (http1_list_next(&list, &element)) {
		if (!forwarded_read(element, &a)) {
			has = false; /* what is left of it is not trusted */
		} else if (!has || !prefix_set_has(proxies, &a)) {
			*client = a;
			has = true;
		}
	}
	return has;
}

void forwarded_find_client(const struct http1_head *head,
	const struct prefix_set *proxies, struct addr *client)
{
	const struct http1_header *h = http1_head_find(head, "X-Forwarded-For");
	struct addr found;
	bool has = false;

	if (!prefix_set_has(proxies, client))
		return;
	for (; h != NULL; h = http1_head_next(head, h))
		has = forwarded_read_list(h->value, proxies, has, &found);
	if (has || forwarded_read(http1_head_value(head, "X-Real-IP"), &found))
		*client = found;
}
