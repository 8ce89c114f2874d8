/*
 * Messages of clients and relays: the first byte says which. What is read is written, and read
 * and written again the same; replies are read in any status.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "tunnel/portal/message_domain.h"
#include "tunnel/portal/message_lease.h"
#include "tunnel/portal/message_listing.h"
#include "tunnel/portal/message_sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct shape *const shapes[] = {
	&message_domain_shape,
	&message_tunnel_status_shape,
	&message_challenge_request_shape,
	&message_challenge_shape,
	&message_register_request_shape,
	&message_lease_shape,
	&message_renew_request_shape,
	&message_renewal_shape,
	&message_unregister_request_shape,
	&message_sign_request_shape,
	&message_signature_shape,
	&message_public_lease_shape,
	&message_admin_lease_shape,
};

/* False: @text is no such message. */
static bool rewrite(const struct shape *shape, struct span text, struct buf *out)
{
	void *object = malloc(shape->bytes);
	bool is_read = object != NULL &&
		message_read_request(shape, text, object, NULL) == ERR_OK;

	if (is_read) {
		if (message_put_request(shape, object, out) != ERR_OK)
			abort();
		shape_fini(shape, object);
	}
	free(object);
	return is_read;
}

static void run_shape(const struct shape *shape, struct span text)
{
	struct buf once, twice;

	buf_init(&once, 8 * MESSAGE_BODY_MAX); /* room for escapes */
	buf_init(&twice, 8 * MESSAGE_BODY_MAX);
	if (rewrite(shape, text, &once) &&
		(!rewrite(shape, buf_span(&once), &twice) ||
			!span_eq(buf_span(&once), buf_span(&twice))))
		abort();
	buf_fini(&once);
	buf_fini(&twice);
}

static void run_reply(const struct shape *shape, unsigned status, struct span text)
{
	void *object = malloc(shape->bytes);
	struct message_refusal refusal;
	struct why why;

	if (object != NULL &&
		message_read_reply(status, text, shape, object, &refusal, &why) == ERR_OK)
		shape_fini(shape, object);
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

	if (message_read_request(&message_sign_request_shape, text, &request, NULL) ==
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
	const struct shape *shape;
	struct span text;
	unsigned status;

	if (size < 1)
		return 0;
	text = span_of(data + 1, size - 1);
	shape = shapes[data[0] % mem_count(shapes)];
	status = data[0] < 128 ? 200 : 403;
	run_shape(shape, text);
	run_reply(shape, status, text);
	run_sign(status, text);
	return 0;
}
