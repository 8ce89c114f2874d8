/* Sets of addresses by prefix: all are compared as IPv6. */
#include "net/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define IP4_BITS 96 /* before the address, when it stands in one of IPv6 */

static const uint8_t ip4_start[12] = { [10] = 0xff, [11] = 0xff };

static bool bytes_are_ip4(const uint8_t bytes[16])
{
	return memcmp(bytes, ip4_start, sizeof(ip4_start)) == 0;
}

static bool prefix_is_ip4(const struct prefix *p)
{
	return p->bits >= IP4_BITS && bytes_are_ip4(p->bytes);
}

static bool address_parse(const char *text, struct prefix *out)
{
	if (inet_pton(AF_INET, text, out->bytes + sizeof(ip4_start)) == 1) {
		memcpy(out->bytes, ip4_start, sizeof(ip4_start));
		out->bits = IP4_BITS;
		return true;
	}
	out->bits = 0;
	return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static void clear_rest(struct prefix *p)
{
	for (unsigned i = p->bits; i < 128; i++)
		p->bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

enum err prefix_parse(struct span text, struct prefix *out)
{
	struct prefix p = { .bits = 0 };
	char copy[PREFIX_TEXT_MAX];
	unsigned long bits;
	char *slash;

	if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n) != NULL)
		return ERR_SYNTAX;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (!address_parse(copy, &p))
		return ERR_SYNTAX;
	bits = 128 - p.bits;
	/* "/08" may be meant as octal, so it is nothing. */
	if (slash != NULL &&
		(!str_to_uint(slash, bits, &bits) ||
			(slash[0] == '0' && slash[1] != '\0')))
		return ERR_SYNTAX;
	p.bits = (uint8_t)(p.bits + bits);
	clear_rest(&p);
	*out = p;
	return ERR_OK;
}

/* As 128 bits. False: neither IPv4 nor IPv6. */
static bool address_bytes(const struct addr *a, uint8_t out[16])
{
	if (a->sa.sa_family == AF_INET6) {
		memcpy(out, &a->in6.sin6_addr, 16);
		return true;
	}
	if (a->sa.sa_family != AF_INET)
		return false;
	memcpy(out, ip4_start, sizeof(ip4_start));
	memcpy(out + sizeof(ip4_start), &a->in.sin_addr, 4);
	return true;
}

bool prefix_of_client(const struct addr *a, uint8_t ip6_bits, struct prefix *out)
{
	struct prefix p = { .bits = 128 };

	if (!address_bytes(a, p.bytes))
		return false;
	if (!bytes_are_ip4(p.bytes))
		p.bits = ip6_bits;
	clear_rest(&p);
	*out = p;
	return true;
}

const char *prefix_print(const struct prefix *p, char to[PREFIX_TEXT_MAX])
{
	bool is_ip4 = prefix_is_ip4(p);
	unsigned bits = is_ip4 ? p->bits - IP4_BITS : p->bits;
	size_t n;

	if (is_ip4)
		inet_ntop(AF_INET, p->bytes + sizeof(ip4_start), to, PREFIX_TEXT_MAX);
	else
		inet_ntop(AF_INET6, p->bytes, to, PREFIX_TEXT_MAX);
	if (p->bits < 128) {
		n = strlen(to);
		snprintf(to + n, PREFIX_TEXT_MAX - n, "/%u", bits);
	}
	return to;
}

/* ---- sets ---- */

bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

enum err prefix_set_add(struct prefix_set *set, const struct prefix *p)
{
	struct prefix *v;

	for (unsigned i = 0; i < set->n; i++) {
		if (prefix_eq(&set->v[i], p))
			return ERR_OK;
	}
	v = realloc(set->v, (set->n + 1) * sizeof(*v));
	if (v == NULL)
		return ERR_NOMEM;
	v[set->n++] = *p;
	set->v = v;
	return ERR_OK;
}

static enum err prefix_set_add_texts(struct prefix_set *set, const char *const *v,
	size_t n)
{
	struct prefix p;
	enum err rc = ERR_OK;

	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		rc = prefix_parse(span_str(v[i]), &p);
		if (rc == ERR_OK)
			rc = prefix_set_add(set, &p);
	}
	return rc;
}

enum err prefix_set_add_list(struct prefix_set *set, const struct field_list *list)
{
	return prefix_set_add_texts(set, (const char *const *)list->v, list->n);
}

enum err prefix_set_add_local(struct prefix_set *set)
{
	/* RFC 1122, 1918, 3927, 6598; 4291, 4193 */
	static const char *const rows[] = { "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12",
		"192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1", "fc00::/7",
		"fe80::/10" };

	return prefix_set_add_texts(set, rows, mem_count(rows));
}

enum err prefix_check_list(void *member, struct why *why)
{
	const struct field_list *list = member;
	struct prefix p;
	char shown[64];

	for (unsigned i = 0; i < list->n; i++)
		if (prefix_parse(span_str(list->v[i]), &p) != ERR_OK)
			return err_set(why, ERR_SYNTAX,
				"\"%s\" is not a range of addresses; write one such as 10.0.0.0/8",
				str_quote(shown, sizeof(shown), span_str(list->v[i])));
	return ERR_OK;
}

enum err prefix_set_copy(const struct prefix_set *from, struct prefix_set *to)
{
	struct prefix_set copy = { .n = from->n };

	if (from->n > 0) {
		copy.v = malloc(from->n * sizeof(*copy.v));
		if (copy.v == NULL)
			return ERR_NOMEM;
		memcpy(copy.v, from->v, from->n * sizeof(*copy.v));
	}
	*to = copy;
	return ERR_OK;
}

static bool prefix_has(const struct prefix *p, const uint8_t bytes[16])
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	/* "::/0" means all of IPv6, and no IPv4. */
	if (p->bits < IP4_BITS && bytes_are_ip4(bytes))
		return false;
	if (memcmp(p->bytes, bytes, whole) != 0)
		return false;
	return rest == 0 || (p->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

bool prefix_set_has(const struct prefix_set *set, const struct addr *a)
{
	uint8_t bytes[16];

	if (!address_bytes(a, bytes))
		return false;
	for (unsigned i = 0; i < set->n; i++) {
		if (prefix_has(&set->v[i], bytes))
			return true;
	}
	return false;
}

void prefix_set_fini(struct prefix_set *set)
{
	free(set->v);
	*set = (struct prefix_set){ .n = 0 };
}
