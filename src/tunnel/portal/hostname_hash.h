/* The hash of a public host names it without showing it. portal-protocol 7.3. */
#ifndef TUNNEL_PORTAL_HOSTNAME_HASH_H
#define TUNNEL_PORTAL_HOSTNAME_HASH_H

#include "text/base64.h"
#include "text/names.h"

#define HOSTNAME_HASH_SIZE BASE64_TEXT_SIZE(32)

/* @host need not be in canonical form. Errors as those of names_parse_host(). */
enum err hostname_hash(struct span host, char out[HOSTNAME_HASH_SIZE],
	struct why *why) MUST_USE;

#endif
