/*
 * The bearer token of a lease: a JSON Web Token (RFC 7519) signed with ES256K (RFC 8812).
 * Only the relay that issued it reads it; to all others it is opaque.
 */
#ifndef TUNNEL_PORTAL_ACCESS_TOKEN_H
#define TUNNEL_PORTAL_ACCESS_TOKEN_H

#include "base/buf.h"
#include "text/names.h"
#include "text/url.h"
#include "tunnel/portal/identity.h"

#define ACCESS_TOKEN_MAX 4096
#define ACCESS_TOKEN_ID_MAX 64

struct access_token {
	char issuer[URL_TEXT_MAX];         /* the URL of the relay */
	char id[ACCESS_TOKEN_ID_MAX];      /* of this token */
	char name[NAMES_LABEL_MAX + 1];    /* of the lease's identity */
	char address[ADDRESS_TEXT_SIZE];   /* likewise, with its checksum */
	int64_t issued_at_s, expires_at_s; /* since 1970 */

	/* The rest of the lease: a relay that was restarted grants the same again. */
	char route_host[NAMES_HOST_MAX + 1]; /* "": none */
	uint16_t tcp_port;                   /* 0: none */
	int64_t registration; /* its number; a renewal keeps it. 0: unknown */
};

/* Appends the text. ERR_CRYPTO: @secret is not a key.  ERR_NOMEM, ERR_LIMIT: no room. */
enum err access_token_print(const struct access_token *token,
	const uint8_t secret[K1_SECRET_BYTES], struct buf *out) MUST_USE;

/* What a token is verified with. */
struct access_check {
	const struct k1_public *key;
	const char *issuer;
	int64_t now_s;
};

/*
 * Verifies the signature, the issuer and the time, without leeway, and parses the token.
 * ERR_DENIED: @why has the reason.
 */
enum err access_token_verify(struct span text, const struct access_check *check,
	struct access_token *out, struct why *why) MUST_USE;

/* ---- cache ---- */

#define ACCESS_CACHE_SLOTS 1024 /* a power of two; about 1 KB each while in use */

struct access_entry;

/* Embedded; begins as zeros. */
struct access_cache {
	struct access_entry *slots[ACCESS_CACHE_SLOTS]; /* owned, or NULL */
};

struct access_holder {
	char identity_key[IDENTITY_KEY_SIZE];
	int64_t registration; /* 0: unknown */
};

/*
 * Verifies @text as access_token_verify() does, with the same errors. A token that was
 * verified before costs no signature check; its times are always checked. All calls use
 * the same key and issuer.
 */
enum err access_cache_verify(struct access_cache *cache, struct span text,
	const struct access_check *check, struct access_holder *holder,
	struct why *why) MUST_USE;

void access_cache_fini(struct access_cache *cache);

#endif
