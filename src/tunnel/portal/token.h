/*
 * Tokens that are derived from an identity: the same parts always give the same token,
 * and without the identity's secret nobody can say which.
 */
#ifndef TUNNEL_PORTAL_TOKEN_H
#define TUNNEL_PORTAL_TOKEN_H

#include "tunnel/portal/identity.h"

#define TOKEN_TEXT_SIZE BASE64_TEXT_SIZE(32)

/* White space around a part does not count.  ERR_NOMEM, ERR_LIMIT, ERR_CRYPTO. */
enum err token_derive(const struct identity *id, const char *const *parts, size_t count,
	char out[TOKEN_TEXT_SIZE]) MUST_USE;

#endif
