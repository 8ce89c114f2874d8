/*
 * Sign-In with Ethereum, EIP-4361: a text that names who signs in where, and until when,
 * and a signature of it by the key of an address.
 *
 * The one who is signed in to writes the text and keeps it; the other reads it, signs it
 * and gives it back. Chains other than 1, and resources, are not for us.
 */
#ifndef TUNNEL_PORTAL_SIWE_H
#define TUNNEL_PORTAL_SIWE_H

#include "base/buf.h"
#include "text/timefmt.h"
#include "tunnel/portal/address.h"

#define SIWE_TEXT_MAX 4096
#define SIWE_NONCE_CHARS 16
#define SIWE_SIGNATURE_SIZE 133 /* "0x", 130 digits and the terminator */

/* What a text says. Spans are borrowed: of the text, or whoever fills this in. */
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

/* ERR_SYNTAX: a part that is missing, or would break the text. */
enum err siwe_print(const struct siwe *m, struct buf *out) MUST_USE;

/* @out is good as long as @text is.  ERR_SYNTAX, ERR_LIMIT: @why says what is wrong. */
enum err siwe_parse(struct span text, struct siwe *out, struct why *why) MUST_USE;

/* What is signed: the digest of a personal message, EIP-191. */
void siwe_digest(struct span text, uint8_t out[K1_DIGEST_BYTES]);

/* ERR_CRYPTO: @secret is no key. */
enum err siwe_sign(struct span text, const uint8_t secret[K1_SECRET_BYTES],
	char out[SIWE_SIGNATURE_SIZE]) MUST_USE;

/* Who signed @text.  ERR_CRYPTO: @signature is none. */
enum err siwe_recover(struct span text, struct span signature,
	char out[ADDRESS_TEXT_SIZE]) MUST_USE;

/* What came back for a text that was handed out. */
struct siwe_answer {
	struct span text, signature;
};

/*
 * Does @answer sign the text @asked? White space around the answer's text does not count.
 * @out, if not NULL, is who signed in.
 *
 * ERR_PROTO: another text.  ERR_TIMEOUT: too late, or too early.  ERR_DENIED: signed by
 * another, or by nobody.  ERR_SYNTAX, ERR_LIMIT: @asked is no such text.
 */
enum err siwe_verify(struct span asked, const struct siwe_answer *answer,
	struct timestamp now, char out[ADDRESS_TEXT_SIZE], struct why *why) MUST_USE;

#endif
