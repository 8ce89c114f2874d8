/* Addresses, as people write them and as the kernel has them. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/fd.h"

/* "fe80::1%eth0": the zone is a name or a number. */
static bool addr_take_zone(char *host, uint32_t *scope)
{
	char *zone = strchr(host, '%');
	unsigned long number;

	if (zone == NULL)
		return true;
	*zone++ = '\0';
	*scope = if_nametoindex(zone);
	if (*scope == 0 && str_to_uint(zone, UINT32_MAX, &number))
		*scope = (uint32_t)number;
	return *scope != 0;
}

static bool addr_copy_unbracketed(char *to, size_t size, const char *host)
{
	size_t n = strlen(host);

	if (n < 2 || host[0] != '[')
		return str_copy(to, size, host);
	if (host[n - 1] != ']' || n - 2 >= size)
		return false;
	memcpy(to, host + 1, n - 2);
	to[n - 2] = '\0';
	return strchr(to, ':') != NULL;
}

enum err addr_from_literal(const char *host, uint16_t port, struct addr *out)
{
	char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
	struct addr a = { .n = 0 };
	uint32_t scope = 0;

	if (!addr_copy_unbracketed(text, sizeof(text), host))
		return ERR_SYNTAX;
	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.n = sizeof(a.in);
		a.in.sin_family = AF_INET;
	} else {
		if (!addr_take_zone(text, &scope) ||
			inet_pton(AF_INET6, text, &a.in6.sin6_addr) != 1)
			return ERR_SYNTAX;
		a.n = sizeof(a.in6);
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_scope_id = scope;
	}
	addr_set_port(&a, port);
	*out = a;
	return ERR_OK;
}

static bool addr_is_v6(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6;
}

static bool addr_is_mapped(const struct addr *a)
{
	return addr_is_v6(a) && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

const char *addr_print_ip(const struct addr *a, char to[ADDR_TEXT_MAX])
{
	char zone[IF_NAMESIZE];
	size_t n;

	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in.sin_addr, to, ADDR_TEXT_MAX);
	else if (addr_is_mapped(a))
		inet_ntop(AF_INET, &a->in6.sin6_addr.s6_addr[12], to, ADDR_TEXT_MAX);
	else if (addr_is_v6(a))
		inet_ntop(AF_INET6, &a->in6.sin6_addr, to, ADDR_TEXT_MAX);
	else
		str_copy(to, ADDR_TEXT_MAX, "local");

	if (addr_is_v6(a) && a->in6.sin6_scope_id != 0) {
		if (if_indextoname(a->in6.sin6_scope_id, zone) == NULL)
			snprintf(zone, sizeof(zone), "%u", a->in6.sin6_scope_id);
		n = strlen(to);
		snprintf(to + n, ADDR_TEXT_MAX - n, "%%%s", zone);
	}
	return to;
}

const char *addr_print(const struct addr *a, char to[ADDR_TEXT_MAX])
{
	char ip[ADDR_TEXT_MAX];
	const char *fmt = strchr(addr_print_ip(a, ip), ':') != NULL ? "[%.63s]:%u" :
								      "%.63s:%u";

	if (a->sa.sa_family != AF_INET && !addr_is_v6(a))
		str_copy(to, ADDR_TEXT_MAX, ip);
	else
		snprintf(to, ADDR_TEXT_MAX, fmt, ip, addr_port(a));
	return to;
}

uint16_t addr_port(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohs(a->in.sin_port);
	return addr_is_v6(a) ? ntohs(a->in6.sin6_port) : 0;
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else if (addr_is_v6(a))
		a->in6.sin6_port = htons(port);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family || addr_port(a) != addr_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	if (addr_is_v6(a))
		return a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
			IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
	return a->n == b->n && memcmp(&a->any, &b->any, a->n) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
	if (addr_is_mapped(a))
		return a->in6.sin6_addr.s6_addr[12] == 127;
	return addr_is_v6(a) && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* The kernel binds no address that this machine does not have. */
bool addr_is_here(const struct addr *a)
{
	struct addr any_port = *a;
	int fd = fd_socket(a->sa.sa_family, SOCK_DGRAM);
	bool is_here = true;

	if (fd < 0)
		return true;
	addr_set_port(&any_port, 0);
	if (bind(fd, &any_port.sa, any_port.n) != 0)
		is_here = errno != EADDRNOTAVAIL;
	close(fd);
	return is_here;
}

bool addr_of_peer(int fd, struct addr *out)
{
	struct addr a = { .n = sizeof(a.any) };

	if (getpeername(fd, &a.sa, &a.n) != 0)
		return false;
	*out = a;
	return true;
}

bool addr_of_local(int fd, struct addr *out)
{
	struct addr a = { .n = sizeof(a.any) };

	if (getsockname(fd, &a.sa, &a.n) != 0)
		return false;
	*out = a;
	return true;
}

enum err addr_split(struct span text, struct span *host, struct span *port)
{
	const uint8_t *colon = span_find_last(text, ':');
	struct span h, p;

	if (colon == NULL)
		return ERR_SYNTAX;
	h = span_of(text.p, (size_t)(colon - text.p));
	p = span_of(colon + 1, text.n - h.n - 1);
	if (p.n == 0)
		return ERR_SYNTAX;
	if (h.n > 0 && h.p[0] == '[') {
		if (h.n < 2 || h.p[h.n - 1] != ']')
			return ERR_SYNTAX;
		h = span_of(h.p + 1, h.n - 2);
	} else if (memchr(h.p, ':', h.n) != NULL) {
		/* an IPv6 address without brackets: where does it end? */
		return ERR_SYNTAX;
	}
	*host = h;
	*port = p;
	return ERR_OK;
}

enum err addr_parse_listen(const char *text, struct addr_listen *out)
{
	struct span host = { 0 }, port = span_str(text);
	unsigned long number;

	if (strchr(text, ':') != NULL &&
		addr_split(span_str(text), &host, &port) != ERR_OK)
		return ERR_SYNTAX;
	if (host.n == 0)
		host = span_str("127.0.0.1");
	/* The port is the end of @text, so it is terminated. */
	if (host.n >= sizeof(out->host) ||
		!str_to_uint((const char *)port.p, UINT16_MAX, &number))
		return ERR_SYNTAX;
	memcpy(out->host, host.p, host.n);
	out->host[host.n] = '\0';
	out->port = (uint16_t)number;
	return ERR_OK;
}
