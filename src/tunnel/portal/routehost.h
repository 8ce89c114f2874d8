/*
 * Other names for the public host of a lease: a hash that names it without saying it, and
 * a host under the same root that says nothing, for a visitor who does not want to say
 * more.
 */
#ifndef TUNNEL_PORTAL_ROUTEHOST_H
#define TUNNEL_PORTAL_ROUTEHOST_H

#include "tunnel/portal/identity.h"

#define ROUTEHOST_HASH_SIZE BASE64_TEXT_SIZE(32)

/* Of a host, which need not be in form. Errors as those of names_parse_host(). */
enum err routehost_hash(struct span host, char out[ROUTEHOST_HASH_SIZE],
	struct why *why) MUST_USE;

/*
 * "ech-" and 32 characters, under @root: the same as long as the identity is. Both hosts
 * are in form.  ERR_LIMIT: the root is too long.
 */
enum err routehost_make(const struct identity *id, const char *public_host,
	const char *root, char out[NAMES_HOST_MAX + 1], struct why *why) MUST_USE;

#endif
