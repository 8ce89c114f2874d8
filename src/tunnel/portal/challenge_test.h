/* For tests: what a relay asks to be signed at a registration. */
#ifndef TUNNEL_PORTAL_CHALLENGE_TEST_H
#define TUNNEL_PORTAL_CHALLENGE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/siwe.h"

/* The answer's body. @domain is the relay's, with its port; @now_s by its clock. */
static inline void test_challenge_put(const char *domain, int64_t now_s, struct buf *out)
{
	struct siwe m = {
		.domain = span_str(domain),
		.statement = span_str("Register a portal lease"),
		.nonce = span_str("AbCdEfGh12345678"),
		.request_id = span_str("rch_0011223344556677"),
		.issued_at = { .s = now_s },
		.expires_at = { .s = now_s + 120 },
		.has_expiry = true,
	};
	struct message_challenge c = { .challenge_id = "rch_0011223344556677" };
	struct buf text;
	char uri[256];

	snprintf(uri, sizeof(uri), "https://%s/sdk/register", domain);
	m.uri = span_str(uri);
	str_copy(m.address, sizeof(m.address), VECTOR_ADDRESS);
	buf_init(&text, 4096);
	assert_int_equal(siwe_print(&m, &text), ERR_OK);
	memcpy(c.siwe_message, buf_front(&text), text.n);
	buf_fini(&text);
	assert_int_equal(message_put_reply(&message_challenge_fields, &c, out), ERR_OK);
}

#endif
