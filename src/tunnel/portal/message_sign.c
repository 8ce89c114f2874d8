/* Keyless signing in messages. */
#include "tunnel/portal/message_sign.h"

#include "base/mem.h"
#include "base/str.h"
#include "text/hex.h"

#define AT(type, member) FIELD_AT(struct message_##type, member)

static const struct field request_rows[] = {
	{ "key_id", FIELD_CHARS, AT(sign_request, key_id) },
	{ "algorithm", FIELD_CHARS, AT(sign_request, algorithm) },
	{ "digest", FIELD_CHARS, AT(sign_request, digest) },
	{ "timestamp_unix", FIELD_NUMBER, AT(sign_request, timestamp_unix) },
	{ "nonce", FIELD_CHARS, AT(sign_request, nonce) },
};

const struct field_table message_sign_request_fields =
	FIELD_TABLE_OF(struct message_sign_request, request_rows);

static const struct field signature_rows[] = {
	{ "key_id", FIELD_CHARS, AT(signature, key_id) },
	{ "algorithm", FIELD_CHARS, AT(signature, algorithm) },
	{ "signature", FIELD_CHARS, AT(signature, signature) },
};

const struct field_table message_signature_fields =
	FIELD_TABLE_OF(struct message_signature, signature_rows);

struct sign_refusal {
	char error[512];
};

static const struct field refusal_rows[] = {
	{ "error", FIELD_CHARS, FIELD_AT(struct sign_refusal, error) },
};

static const struct field_table refusal_fields = FIELD_TABLE_OF(struct sign_refusal,
	refusal_rows);

/* ---- requests ---- */

enum err message_sign_request_check(const struct message_sign_request *request,
	int64_t now_unix, struct sign_order *out, struct why *why)
{
	struct sign_order order = { .algorithm = SIGN_ECDSA_SHA256 };
	size_t n = 0;

	if (strcmp(request->key_id, MESSAGE_SIGN_KEY) != 0)
		return err_set(why, ERR_NOENT, "unknown key id");
	if (!sign_algorithm_find(request->algorithm, &order.algorithm))
		return err_set(why, ERR_SYNTAX, "unknown algorithm");
	if (base64_decode(BASE64_PADDED, span_str(request->digest), order.digest,
		    sizeof(order.digest), &n) != ERR_OK ||
		n != sign_algorithm_digest_bytes(order.algorithm))
		return err_set(why, ERR_SYNTAX, "digest does not fit the algorithm");
	if (request->nonce[0] == '\0')
		return err_set(why, ERR_SYNTAX, "nonce is empty");
	if (request->timestamp_unix < now_unix - MESSAGE_SIGN_SKEW_S ||
		request->timestamp_unix > now_unix + MESSAGE_SIGN_SKEW_S)
		return err_set(why, ERR_TIMEOUT, "timestamp is too far from our clock");
	*out = order;
	return ERR_OK;
}

void message_sign_request_fill(const struct sign_order *order, int64_t now_unix,
	const uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES], struct message_sign_request *out)
{
	size_t n = sign_algorithm_digest_bytes(order->algorithm);

	*out = (struct message_sign_request){ .timestamp_unix = now_unix };
	str_copy(out->key_id, sizeof(out->key_id), MESSAGE_SIGN_KEY);
	str_copy(out->algorithm, sizeof(out->algorithm),
		sign_algorithm_name(order->algorithm));
	base64_encode(BASE64_PADDED, span_of(order->digest, n), out->digest);
	hex_encode(span_of(nonce, MESSAGE_SIGN_NONCE_BYTES), out->nonce);
}

/* ---- replies ---- */

enum err message_put_signature(enum sign_algorithm algorithm, struct span signature,
	struct buf *out)
{
	struct message_signature m = { .key_id = MESSAGE_SIGN_KEY };

	if (signature.n > SIGN_SIGNATURE_MAX)
		return ERR_LIMIT;
	str_copy(m.algorithm, sizeof(m.algorithm), sign_algorithm_name(algorithm));
	base64_encode(BASE64_PADDED, signature, m.signature);
	return message_put_request(&message_signature_fields, &m, out);
}

enum err message_put_sign_refusal(const char *text, struct buf *out)
{
	struct sign_refusal m = { .error = "" };

	str_copy(m.error, sizeof(m.error), text);
	return message_put_request(&refusal_fields, &m, out);
}

/* The signer says {"error":"text"}; whoever checks the token before it, an envelope. */
static enum err read_sign_refusal(unsigned status, struct span body,
	struct message_refusal *refusal, struct why *why)
{
	struct sign_refusal m = { .error = "" };

	if (body.n > MESSAGE_REFUSAL_BODY_MAX ||
		field_read_json(&refusal_fields, NULL, body, &m, NULL) != ERR_OK ||
		m.error[0] == '\0')
		return message_read_refusal(status, body, refusal, why);
	*refusal = (struct message_refusal){ .status = status };
	str_copy(refusal->text, sizeof(refusal->text), m.error);
	return message_refused(refusal, why);
}

enum err message_read_signature(unsigned status, struct span body,
	const struct sign_order *order, struct mspan signature, size_t *n,
	struct message_refusal *refusal, struct why *why)
{
	struct message_signature m = { .key_id = "" };
	enum err rc;

	if (status != 200)
		return read_sign_refusal(status, body, refusal, why);
	rc = message_read_request(&message_signature_fields, body, &m, why);
	if (rc != ERR_OK)
		return rc;
	if (strcmp(m.key_id, MESSAGE_SIGN_KEY) != 0 ||
		strcmp(m.algorithm, sign_algorithm_name(order->algorithm)) != 0)
		return err_set(why, ERR_PROTO, "the relay signed with another key");
	rc = base64_decode(BASE64_PADDED, span_str(m.signature), signature.p, signature.n,
		n);
	return rc == ERR_OK ? ERR_OK :
			      err_set(why, rc, "the relay's signature is no base64");
}
