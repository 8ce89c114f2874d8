/*
 * Sign-In with Ethereum, EIP-4361: a text with an address, a site and times, and a
 * signature of it by the key of the address.
 *
 * The site writes the text and keeps it; the client reads it, signs it and sends it back.
 * Chains other than 1, and resources, are not supported.
 */
#ifndef TUNNEL_PORTAL_SIWE_H
#define TUNNEL_PORTAL_SIWE_H

#include "base/buf.h"
#include "text/timefmt.h"
#include "tunnel/portal/address.h"

#define SIWE_TEXT_MAX 4096
#define SIWE_NONCE_CHARS 16
#define SIWE_SIGNATURE_SIZE 133 /* "0x", 130 digits and the terminator */

/* A parsed text. Spans are borrowed: of the text, or of the caller that fills it. */
struct siwe {
	struct span domain;              /* host, and port if there is one */
	char address[ADDRESS_TEXT_SIZE]; /* with its checksum */
	struct span statement;           /* one line, or empty */
	struct span uri;
	struct span nonce;      /* eight or more letters and digits */
	struct span request_id; /* or empty */
	struct timestamp issued_at, expires_at, not_before;
	bool has_expiry, has_not_before;
};

/* Random letters and digits. */
void siwe_make_nonce(char out[SIWE_NONCE_CHARS + 1]);

/* ERR_SYNTAX: a part is missing, or would break the text. */
enum err siwe_print(const struct siwe *m, struct buf *out) MUST_USE;

/* @out is good as long as @text is.  ERR_SYNTAX, ERR_LIMIT: @why says what is wrong. */
enum err siwe_parse(struct span text, struct siwe *out, struct why *why) MUST_USE;

/* The digest that is signed, of a personal message: EIP-191. */
void siwe_digest(struct span text, uint8_t out[K1_DIGEST_BYTES]);

/* ERR_CRYPTO: @secret is not a key. */
enum err siwe_sign(struct span text, const uint8_t secret[K1_SECRET_BYTES],
	char out[SIWE_SIGNATURE_SIZE]) MUST_USE;

/* The address whose key signed @text.  ERR_CRYPTO: @signature is not valid. */
enum err siwe_recover(struct span text, struct span signature,
	char out[ADDRESS_TEXT_SIZE]) MUST_USE;

/* A client's response to a text. */
struct siwe_response {
	struct span text, signature;
};

/*
 * Verifies that @response signs the text @asked. White space around the response's text
 * is ignored. @out, if not NULL, is the address that signed.
 *
 * ERR_PROTO: another text.  ERR_TIMEOUT: too late, or too early.  ERR_DENIED: not signed
 * by the text's address.  ERR_SYNTAX, ERR_LIMIT: @asked is not a valid text.
 */
enum err siwe_verify(struct span asked, const struct siwe_response *response,
	struct timestamp now, char out[ADDRESS_TEXT_SIZE], struct why *why) MUST_USE;

#endif
