/* Error codes, the envelope, and messages of /v1/sign. */
#include "tunnel/portal/message.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/hex.h"
#include "text/names.h"

/* ---- error codes ---- */

static const struct error_rule {
	const char *code;
	unsigned status;
	bool is_final;
} rules[] = {
	[MESSAGE_INVALID_JSON] = { "invalid_json", 400, false },
	[MESSAGE_INVALID_REQUEST] = { "invalid_request", 400, false },
	[MESSAGE_INVALID_MODE] = { "invalid_mode", 400, false },
	[MESSAGE_INVALID_ADDRESS] = { "invalid_address", 400, false },
	[MESSAGE_INVALID_IP] = { "invalid_ip", 400, false },
	[MESSAGE_SIGNED_OUT] = { "unauthorized", 401, false },
	[MESSAGE_UNAUTHORIZED] = { "unauthorized", 403, false },
	[MESSAGE_IP_BANNED] = { "ip_banned", 403, true },
	[MESSAGE_LEASE_REJECTED] = { "lease_rejected", 403, false },
	[MESSAGE_UDP_DISABLED] = { "udp_disabled", 403, false },
	[MESSAGE_TCP_PORT_DISABLED] = { "tcp_port_disabled", 403, false },
	[MESSAGE_NOT_FOUND] = { "not_found", 404, false },
	[MESSAGE_LEASE_NOT_FOUND] = { "lease_not_found", 404, false },
	[MESSAGE_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405, false },
	[MESSAGE_HOSTNAME_CONFLICT] = { "hostname_conflict", 409, true },
	[MESSAGE_TRANSPORT_MISMATCH] = { "transport_mismatch", 409, true },
	[MESSAGE_RATE_LIMITED] = { "rate_limited", 429, false },
	[MESSAGE_INTERNAL] = { "internal", 500, false },
	[MESSAGE_HIJACK_UNSUPPORTED] = { "hijack_unsupported", 500, false },
	[MESSAGE_HIJACK_FAILED] = { "hijack_failed", 500, false },
	[MESSAGE_FEATURE_UNAVAILABLE] = { "feature_unavailable", 503, true },
	[MESSAGE_UDP_CAPACITY_EXCEEDED] = { "udp_capacity_exceeded", 503, false },
	[MESSAGE_TCP_PORT_CAPACITY_EXCEEDED] = { "tcp_port_capacity_exceeded", 503,
		false },
	[MESSAGE_UDP_PORT_EXHAUSTED] = { "udp_port_exhausted", 503, false },
	[MESSAGE_TCP_PORT_EXHAUSTED] = { "tcp_port_exhausted", 503, false },
	[MESSAGE_HTTP11_ONLY] = { "http11_only", 505, false },
};

const char *message_error_code(enum message_error error)
{
	return rules[error].code;
}

unsigned message_error_status(enum message_error error)
{
	return rules[error].status;
}

bool message_error_is_final(const char *code)
{
	for (size_t i = 0; i < mem_count(rules); i++)
		if (strcmp(rules[i].code, code) == 0)
			return rules[i].is_final;
	return false;
}

/* ---- the envelope ---- */

struct envelope_error {
	char code[64];
	char message[MESSAGE_REFUSAL_BODY_MAX];
};

struct envelope {
	bool ok;
	struct envelope_error error;
};

static const struct field error_rows[] = {
	{ "code", FIELD_CHARS, FIELD_AT(struct envelope_error, code) },
	{ "message", FIELD_CHARS, FIELD_AT(struct envelope_error, message) },
};

static const struct field_table error_fields = FIELD_TABLE_OF(struct envelope_error,
	error_rows);

static const struct field envelope_rows[] = {
	{ "error", FIELD_TABLE, FIELD_AT(struct envelope, error), .of = &error_fields },
	{ "ok", FIELD_BOOL, FIELD_AT(struct envelope, ok) },
};

static const struct field_table envelope_fields = FIELD_TABLE_OF(struct envelope,
	envelope_rows);

/* ---- requests ---- */

enum err message_read_request(const struct field_table *fields, struct span body,
	void *out, struct why *why)
{
	if (body.n > MESSAGE_BODY_MAX)
		return err_set(why, ERR_LIMIT, "the body is too long");
	return field_read_json(fields, NULL, body, out, why);
}

enum err message_put_request(const struct field_table *fields, const void *object,
	struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	field_put_json(fields, object, &w);
	return out->failed;
}

/* ---- writing replies ---- */

static enum err put_end(struct json_writer *w, bool ok)
{
	json_put_key(w, "ok");
	json_put_flag(w, ok);
	json_put_close(w);
	buf_put_u8(w->out, '\n');
	return w->out->failed;
}

enum err message_put_reply(const struct field_table *fields, const void *object,
	struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "data");
	if (fields != NULL) {
		field_put_json(fields, object, &w);
	} else {
		json_put_open(&w);
		json_put_close(&w);
	}
	return put_end(&w, true);
}

enum err message_put_refusal(enum message_error error, const char *text, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "error");
	json_put_open(&w);
	json_put_key(&w, "code");
	json_put_text(&w, span_str(message_error_code(error)));
	json_put_key(&w, "message");
	json_put_text(&w, span_str(text));
	json_put_close(&w);
	return put_end(&w, false);
}

/* ---- reading replies ---- */

/* Puts @refusal into @why; a web page is left out. */
static enum err refused(const struct message_refusal *refusal, struct why *why)
{
	const char *words = refusal->text[0] != '\0' ? refusal->text : refusal->code;
	char quoted[200];

	if (*words == '\0' || words[0] == '<')
		return err_set(why, ERR_DENIED, "the relay refuses with status %u",
			refusal->status);
	return err_set(why, ERR_DENIED, "the relay refuses: %s",
		str_quote(quoted, sizeof(quoted), span_str(words)));
}

enum err message_read_refusal(unsigned status, struct span body,
	struct message_refusal *refusal, struct why *why)
{
	struct message_refusal r = { .status = status };
	struct envelope e = { .ok = false };

	if (body.n > MESSAGE_REFUSAL_BODY_MAX)
		body.n = MESSAGE_REFUSAL_BODY_MAX;
	if (field_read_json(&envelope_fields, NULL, body, &e, NULL) == ERR_OK &&
		e.error.code[0] != '\0') {
		str_copy(r.code, sizeof(r.code), e.error.code);
		str_copy(r.text, sizeof(r.text), e.error.message);
	} else { /* perhaps of a proxy */
		body = names_trim(body);
		snprintf(r.text, sizeof(r.text), "%.*s", (int)body.n,
			(const char *)body.p);
	}
	*refusal = r;
	return refused(&r, why);
}

enum err message_read_reply(unsigned status, struct span body,
	const struct field_table *fields, void *out, struct message_refusal *refusal,
	struct why *why)
{
	struct envelope e = { .ok = false };
	enum err rc;

	if (status < 200 || status > 299)
		return message_read_refusal(status, body, refusal, why);
	if (body.n > MESSAGE_BODY_MAX)
		return err_set(why, ERR_LIMIT, "the relay's reply is too long");
	rc = field_read_json(&envelope_fields, NULL, body, &e, why);
	if (rc != ERR_OK)
		return rc;
	if (!e.ok)
		return message_read_refusal(status, body, refusal, why);
	return fields != NULL ? field_read_json(fields, "data", body, out, why) : ERR_OK;
}

/* ---- /v1/sign ---- */

struct sign_refusal {
	char error[512];
};

static const struct field refusal_rows[] = {
	{ "error", FIELD_CHARS, FIELD_AT(struct sign_refusal, error) },
};

static const struct field_table refusal_fields = FIELD_TABLE_OF(struct sign_refusal,
	refusal_rows);

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

/* The signer replies {"error":"text"}, the check of the token before it an envelope. */
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
	return refused(refusal, why);
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
	if (rc != ERR_OK)
		err_set(why, rc, "the relay's signature is not valid base64");
	return rc;
}
