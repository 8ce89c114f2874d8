/* Sets of addresses by prefix, "10.0.0.0/8" (RFC 4632);
 * an address alone is a prefix, too. */
#ifndef NET_PREFIX_H
#define NET_PREFIX_H

#include "net/addr.h"
#include "text/field.h"

#define PREFIX_TEXT_MAX (ADDR_TEXT_MAX + 4)

struct prefix {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;      /* of 128 */
};

struct prefix_set {
	struct prefix *v; /* owned */
	unsigned n;
};

/*
 * Bits behind the prefix are cleared. Neither brackets nor a zone belong to it.
 * ERR_SYNTAX: neither an address nor a prefix.
 */
enum err prefix_parse(struct span text, struct prefix *out) MUST_USE;

/*
 * What counts as one client: an address of IPv4, and of IPv6 the network that its first
 * @ip6_bits are, because a client with one address there has all. False: no IP address.
 */
bool prefix_of_client(const struct addr *a, uint8_t ip6_bits,
	struct prefix *out) MUST_USE;

bool prefix_eq(const struct prefix *a, const struct prefix *b);

/* "10.0.0.0/8"; a whole address without "/32". Returns @to. */
const char *prefix_print(const struct prefix *p, char to[PREFIX_TEXT_MAX]);

/* ERR_NOMEM. One that is there already is not added twice. */
enum err prefix_set_add(struct prefix_set *set, const struct prefix *p) MUST_USE;

/* Those of a list that passed prefix_check_list(). ERR_NOMEM: some may be there. */
enum err prefix_set_add_list(struct prefix_set *set,
	const struct field_list *list) MUST_USE;

/* For a row of fields: the struct field_list @member has prefixes only. */
enum err prefix_check_list(void *member, struct why *why) MUST_USE;

/* Adds loopback, private, link-local and shared addresses. */
enum err prefix_set_add_local(struct prefix_set *set) MUST_USE;
enum err prefix_set_copy(const struct prefix_set *from, struct prefix_set *to) MUST_USE;

/* An IPv4 address is in no prefix of IPv6, however short, but in "::ffff:0:0/96" and
 * longer. */
bool prefix_set_has(const struct prefix_set *set, const struct addr *a);

void prefix_set_fini(struct prefix_set *set);

#endif
