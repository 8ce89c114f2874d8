/*
 * Access tokens that were found good lately, so that the same token, which comes with
 * each reverse session and each signature, is not verified anew each time. Of one thread.
 */
#ifndef TUNNEL_PORTAL_ACCESS_CACHE_H
#define TUNNEL_PORTAL_ACCESS_CACHE_H

#include "tunnel/portal/access_token.h"
#include "tunnel/portal/identity.h"

#define ACCESS_CACHE_PLACES 1024 /* a power of two; about 1 KB each while in use */

struct access_entry;

/* Embedded; begins as zeros. */
struct access_cache {
	struct access_entry *places[ACCESS_CACHE_PLACES]; /* owned, or NULL */
};

struct access_holder {
	char identity_key[IDENTITY_KEY_SIZE];
	int64_t registration; /* of which registration; 0: not told */
};

/*
 * Whose token @text is. Errors as those of access_token_verify(), and its time is looked
 * at always. @check has the same key and issuer in all calls.
 */
enum err access_cache_verify(struct access_cache *cache, struct span text,
	const struct access_check *check, struct access_holder *holder,
	struct why *why) MUST_USE;

void access_cache_fini(struct access_cache *cache);

#endif
