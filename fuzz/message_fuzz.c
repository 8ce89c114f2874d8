/*
 * Messages of clients and relays: the first byte says which. What is read is written, and
 * read and written again the same; replies are read in any status.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tunnel/portal/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field_table *const tables[] = {
	&message_domain_fields,
	&message_tunnel_status_fields,
	&message_challenge_request_fields,
	&message_challenge_fields,
	&message_register_request_fields,
	&message_lease_fields,
	&message_renew_request_fields,
	&message_renewal_fields,
	&message_unregister_request_fields,
	&message_sign_request_fields,
	&message_signature_fields,
	&message_public_lease_fields,
	&message_admin_lease_fields,
};

/* False: @text is no such message. */
static bool rewrite(const struct field_table *fields, struct span text, struct buf *out)
{
	void *object = malloc(fields->bytes);
	bool is_read = object != NULL &&
		message_read_request(fields, text, object, NULL) == ERR_OK;

	if (is_read) {
		if (message_put_request(fields, object, out) != ERR_OK)
			abort();
		field_fini(fields, object);
	}
	free(object);
	return is_read;
}

static void run_fields(const struct field_table *fields, struct span text)
{
	struct buf once, twice;

	buf_init(&once, 8 * MESSAGE_BODY_MAX); /* room for escapes */
	buf_init(&twice, 8 * MESSAGE_BODY_MAX);
	if (rewrite(fields, text, &once) &&
		(!rewrite(fields, buf_span(&once), &twice) ||
			!span_eq(buf_span(&once), buf_span(&twice))))
		abort();
	buf_fini(&once);
	buf_fini(&twice);
}

static void run_reply(const struct field_table *fields, unsigned status, struct span text)
{
	void *object = malloc(fields->bytes);
	struct message_refusal refusal;
	struct why why;

	if (object != NULL &&
		message_read_reply(status, text, fields, object, &refusal, &why) ==
			ERR_OK)
		field_fini(fields, object);
	free(object);
}

static void run_sign(unsigned status, struct span text)
{
	const struct sign_order order = { .algorithm = SIGN_RSA_PSS_SHA256 };
	struct message_sign_request request;
	struct message_refusal refusal;
	struct sign_order got;
	uint8_t bytes[64];
	size_t n;

	if (message_read_request(&message_sign_request_fields, text, &request, NULL) ==
			ERR_OK &&
		message_sign_request_check(&request, 1780315200, &got, NULL) == ERR_OK &&
		sign_algorithm_digest_bytes(got.algorithm) > sizeof(got.digest))
		abort();
	if (message_read_signature(status, text, &order,
		    (struct mspan){ .p = bytes, .n = sizeof(bytes) }, &n, &refusal,
		    NULL) == ERR_OK &&
		n > sizeof(bytes))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct field_table *fields;
	struct span text;
	unsigned status;

	if (size < 1)
		return 0;
	text = span_of(data + 1, size - 1);
	fields = tables[data[0] % mem_count(tables)];
	status = data[0] < 128 ? 200 : 403;
	run_fields(fields, text);
	run_reply(fields, status, text);
	run_sign(status, text);
	return 0;
}
