/*
 * Keyless signing in messages, /v1/sign: a client has the digest of its visitor's
 * handshake signed by the relay, who has the certificate's key. These replies are in no
 * envelope.
 */
#ifndef TUNNEL_PORTAL_MESSAGE_SIGN_H
#define TUNNEL_PORTAL_MESSAGE_SIGN_H

#include "crypto/sign_algorithm.h"
#include "text/base64.h"
#include "tunnel/portal/message.h"

#define MESSAGE_SIGN_KEY "relay-cert" /* the one key there is */
#define MESSAGE_SIGN_SKEW_S 30
#define MESSAGE_SIGN_NONCE_BYTES 16

struct message_sign_request {
	char key_id[64];
	char algorithm[32];
	char digest[BASE64_TEXT_SIZE(SIGN_DIGEST_MAX)];
	int64_t timestamp_unix;
	char nonce[128];
};

struct message_signature {
	char key_id[64];
	char algorithm[32];
	char signature[BASE64_TEXT_SIZE(SIGN_SIGNATURE_MAX)]; /* base64 */
};

/* Of the structs of the same name. Nothing to free. */
extern const struct field_table message_sign_request_fields;
extern const struct field_table message_signature_fields;

/*
 * Checks a request against the clock. What is wrong is in @why, for the sender.
 * ERR_NOENT: there is no such key, status 403.  ERR_SYNTAX, ERR_TIMEOUT: status 400.
 */
enum err message_sign_request_check(const struct message_sign_request *request,
	int64_t now_unix, struct sign_order *out, struct why *why) MUST_USE;

/* Fills a request. @nonce is random. */
void message_sign_request_fill(const struct sign_order *order, int64_t now_unix,
	const uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES], struct message_sign_request *out);

/* ERR_LIMIT: @signature is longer than there are. */
enum err message_put_signature(enum sign_algorithm algorithm, struct span signature,
	struct buf *out) MUST_USE;
enum err message_put_sign_refusal(const char *text, struct buf *out) MUST_USE;

/*
 * Reads the reply to @order, whose signature goes to the @size bytes at @signature.
 * ERR_DENIED: refused, @refusal and @why say why.  ERR_PROTO: an answer to another
 * question.  ERR_SYNTAX, ERR_LIMIT: no sense, or too much.
 */
enum err message_read_signature(unsigned status, struct span body,
	const struct sign_order *order, struct mspan signature, size_t *n,
	struct message_refusal *refusal, struct why *why) MUST_USE;

#endif
