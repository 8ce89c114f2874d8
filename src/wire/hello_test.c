/* ClientHellos: real ones by OpenSSL, and malformed ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "wire/hello.h"

static uint8_t scratch[HELLO_MESSAGE_MAX];

/* ---- real ones ---- */

struct client {
	int version;
	const char *host; /* or NULL */
	const char *alpn; /* each name with its length, or NULL */
};

static void configure(SSL *ssl, const struct client *c)
{
	SSL_set_connect_state(ssl);
	assert_int_equal(SSL_set_max_proto_version(ssl, c->version), 1);
	if (c->host != NULL)
		assert_int_equal(SSL_set_tlsext_host_name(ssl, c->host), 1);
	if (c->alpn != NULL)
		assert_int_equal(SSL_set_alpn_protos(ssl, (const uint8_t *)c->alpn,
					 (unsigned)strlen(c->alpn)),
			0);
}

/* What OpenSSL sends first, in one record. */
static size_t make_hello(const struct client *c, uint8_t *to, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, in, out);
	configure(ssl, c);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	n = BIO_read(out, to, (int)size);
	assert_in_range(n, 50, size);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (size_t)n;
}

static const struct client clients[] = {
	{ TLS1_3_VERSION, "demo.example.com", "\x8http/1.1" },
	{ TLS1_3_VERSION, "demo.example.com", "\x2h2\x8http/1.1" },
	{ TLS1_3_VERSION, NULL, NULL },
	{ TLS1_2_VERSION, "demo.example.com", NULL },
	{ TLS1_2_VERSION, NULL, "\x8http/1.1" },
	{ TLS1_2_VERSION, NULL, NULL },
};

static void assert_is_from(const struct hello *h, const struct client *c)
{
	assert_true(span_is(h->host, c->host != NULL ? c->host : ""));
}

static void test_hellos_of_openssl_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(clients); i++) {
		uint8_t bytes[2048];
		size_t n = make_hello(&clients[i], bytes, sizeof(bytes));
		struct hello h;

		assert_int_equal(hello_read(span_of(bytes, n), scratch, &h), ERR_OK);
		assert_is_from(&h, &clients[i]);
		bytes[n] = 22; /* and what follows is no matter */
		assert_int_equal(hello_read(span_of(bytes, n + 1), scratch, &h), ERR_OK);
		assert_is_from(&h, &clients[i]);
	}
}

static void test_every_prefix_wants_more(void **state)
{
	uint8_t bytes[2048];
	size_t n = make_hello(&clients[1], bytes, sizeof(bytes));
	struct hello h;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		uint8_t *part = malloc(i + 1); /* so that a byte too far is seen */

		memcpy(part, bytes, i);
		assert_int_equal(hello_read(span_of(part, i), scratch, &h), ERR_AGAIN);
		free(part);
	}
}

/* Writes the message of @record as records of @first and then @each bytes. */
static size_t split_record(struct span record, size_t first, size_t each, uint8_t *to)
{
	struct span rest = span_of(record.p + 5, record.n - 5);
	struct span piece = { .n = 0 };
	size_t n = 0, want = first;

	while (rest.n > 0) {
		(void)span_cut(&rest, want < rest.n ? want : rest.n, &piece);
		memcpy(to + n, "\x16\x03\x01", 3);
		to[n + 3] = (uint8_t)(piece.n >> 8);
		to[n + 4] = (uint8_t)piece.n;
		memcpy(to + n + 5, piece.p, piece.n);
		n += 5 + piece.n;
		want = each;
	}
	return n;
}

static void test_every_split_into_records_is_the_same(void **state)
{
	uint8_t bytes[2048], split[4096];
	size_t n = make_hello(&clients[0], bytes, sizeof(bytes));
	struct hello h;

	(void)state;
	for (size_t first = 1; first < n - 5; first++) {
		size_t m = split_record(span_of(bytes, n), first, n, split);

		assert_int_equal(hello_read(span_of(split, m), scratch, &h), ERR_OK);
		assert_is_from(&h, &clients[0]);
		for (size_t i = first; i < first + 12 && i < m; i++)
			assert_int_equal(hello_read(span_of(split, i), scratch, &h),
				ERR_AGAIN);
		assert_int_equal(hello_read(span_of(split, m - 1), scratch, &h),
			ERR_AGAIN);
	}
}

static void test_records_are_counted(void **state)
{
	uint8_t bytes[2048], split[16384];
	size_t n = make_hello(&clients[0], bytes, sizeof(bytes));
	size_t each = (n - 5 + HELLO_RECORDS_MAX - 1) / HELLO_RECORDS_MAX;
	struct hello h;
	size_t m;

	(void)state;
	m = split_record(span_of(bytes, n), each, each, split);
	assert_int_equal(hello_read(span_of(split, m), scratch, &h), ERR_OK);
	assert_is_from(&h, &clients[0]);
	m = split_record(span_of(bytes, n), 1, 1, split);
	assert_int_equal(hello_read(span_of(split, m), scratch, &h), ERR_LIMIT);
	assert_int_equal(hello_read(span_of(split, HELLO_RECORDS_MAX * 6 + 1), scratch,
				 &h),
		ERR_LIMIT);
	assert_int_equal(hello_read(span_of(split, HELLO_RECORDS_MAX * 6), scratch, &h),
		ERR_AGAIN);
}

/* ---- hostile ones ---- */

/* A ClientHello with nothing in it but the extensions @tail, their length included. */
static size_t wrap_hello(struct span tail, uint8_t *to)
{
	static const uint8_t fields[] = { 0, 2, 0x13, 0x01, 1, 0 }; /* behind the id */
	uint8_t body[1024] = { 0x03, 0x03 };
	size_t n = 2 + 32 + 1;

	memcpy(body + n, fields, sizeof(fields));
	n += sizeof(fields);
	if (tail.n > 0)
		memcpy(body + n, tail.p, tail.n);
	n += tail.n;
	memcpy(to, "\x16\x03\x01\x00\x00\x01\x00\x00\x00", 9);
	to[3] = (uint8_t)((n + 4) >> 8);
	to[4] = (uint8_t)(n + 4);
	to[7] = (uint8_t)(n >> 8);
	to[8] = (uint8_t)n;
	memcpy(to + 9, body, n);
	return 9 + n;
}

static enum err read_tail(struct span tail, struct hello *h)
{
	static uint8_t bytes[2048];

	return hello_read(span_of(bytes, wrap_hello(tail, bytes)), scratch, h);
}

#define TAIL(text) \
	{ \
		text, sizeof(text) - 1 \
	}

static const struct {
	const char *p;
	size_t n;
} broken_tails[] = {
	TAIL("\x00"),                             /* half a length */
	TAIL("\x00\x01"),                         /* longer than what there is */
	TAIL("\x00\x00!"),                        /* shorter */
	TAIL("\x00\x03\x00\x00\x00"),             /* half an extension */
	TAIL("\x00\x04\x00\x00\x00\x01"),         /* one that runs over */
	TAIL("\x00\x04\x00\x00\x00\x00"),         /* server_name: nothing in it */
	TAIL("\x00\x06\x00\x00\x00\x02\x00\x00"), /* an empty list */
	TAIL("\x00\x09\x00\x00\x00\x05\x00\x03\x00\x00\x00"), /* an empty name */
	TAIL("\x00\x0a\x00\x00\x00\x06\x00\x04\x00\x00\x02"
	     "a"), /* a name that runs over */
	TAIL("\x00\x0b\x00\x00\x00\x07\x00\x05\x00\x00\x02"
	     "a\x00"), /* a C string too soon */
	TAIL("\x00\x0b\x00\x00\x00\x07\x00\x05\x00\x00\x02"
	     "a "), /* a space */
	TAIL("\x00\x0b\x00\x00\x00\x07\x00\x05\x00\x00\x02"
	     "a\xe4"), /* no ASCII */
	TAIL("\x00\x0b\x00\x00\x00\x07\x00\x04\x00\x00\x01"
	     "a!"), /* more than the list */
	TAIL("\x00\x0e\x00\x00\x00\x0a\x00\x08\x00\x00\x01"
	     "a\x00\x00\x01"
	     "b"), /* two hosts */
	TAIL("\x00\x14\x00\x00\x00\x06\x00\x04\x00\x00\x01"
	     "a"
	     "\x00\x00\x00\x06\x00\x04\x00\x00\x01"
	     "b"),                                     /* two server_names */
	TAIL("\x00\x06\x00\x10\x00\x02\x00\x00"),      /* ALPN: an empty list */
	TAIL("\x00\x07\x00\x10\x00\x03\x00\x01\x00"),  /* an empty name */
	TAIL("\x00\x08\x00\x10\x00\x04\x00\x02\x02h"), /* one that runs over */
	TAIL("\x00\x05\x00\x2b\x00\x01\x00"),          /* versions: none */
	TAIL("\x00\x06\x00\x2b\x00\x02\x01\x03"),      /* half a version */
	TAIL("\x00\x04\xfe\x0d\x00\x00"),              /* ECH: of no kind */
};

static void test_broken_extensions_are_refused(void **state)
{
	struct hello h;

	(void)state;
	for (size_t i = 0; i < mem_count(broken_tails); i++) {
		struct span tail = span_of(broken_tails[i].p, broken_tails[i].n);

		if (read_tail(tail, &h) != ERR_SYNTAX)
			fail_msg("tail %zu", i);
	}
}

static void test_unknown_things_are_skipped(void **state)
{
	static const char tail[] = "\x00\x18"
				   "\x0a\x0a\x00\x00"         /* grease */
				   "\x00\x00\x00\x0b\x00\x09" /* server_name */
				   "\x07\x00\x02xy"           /* of an unknown kind */
				   "\x00\x00\x01"
				   "a" /* and a host */
				   "\xfe\x0d\x00\x01\x00";
	struct hello h;

	(void)state;
	assert_int_equal(read_tail(span_of(tail, sizeof(tail) - 1), &h), ERR_OK);
	assert_true(span_is(h.host, "a"));
}

static void test_an_inner_ech_is_accepted(void **state)
{
	struct hello h;

	(void)state;
	assert_int_equal(read_tail(span_of("\x00\x05\xfe\x0d\x00\x01\x01", 7), &h),
		ERR_OK);
}

static void test_a_hello_without_extensions_has_no_name(void **state)
{
	struct hello h;

	(void)state;
	assert_int_equal(read_tail(span_of(NULL, 0), &h), ERR_OK);
	assert_int_equal(h.host.n, 0);
}

static void test_fields_that_run_over_are_refused(void **state)
{
	uint8_t bytes[2048];
	size_t n = wrap_hello(span_of(NULL, 0), bytes);
	const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 43, 33 },   /* a session id of more than 32 bytes */
		{ 43, 7 },    /* one that runs over */
		{ 45, 0 },    /* no ciphers */
		{ 45, 1 },    /* half a cipher */
		{ 44, 0xff }, /* more than there are */
		{ 48, 0 },    /* no compression */
		{ 48, 9 },    /* more than there are */
	};

	(void)state;
	for (size_t i = 0; i < mem_count(changes); i++) {
		uint8_t was = bytes[changes[i].at];
		struct hello h;

		bytes[changes[i].at] = changes[i].value;
		if (hello_read(span_of(bytes, n), scratch, &h) != ERR_SYNTAX)
			fail_msg("change %zu", i);
		bytes[changes[i].at] = was;
	}
}

static void test_other_protocols_are_refused_early(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		enum err want;
	} starts[] = {
		{ "G", 1, ERR_SYNTAX },                        /* HTTP */
		{ "\x80\x2e\x01", 3, ERR_SYNTAX },             /* SSL 2 */
		{ "\x17", 1, ERR_SYNTAX },                     /* data */
		{ "\x16\x03\x01\x00\x00", 5, ERR_SYNTAX },     /* an empty record */
		{ "\x16\x03\x01\x40\x01", 5, ERR_LIMIT },      /* a record too long */
		{ "\x16\x03\x01\x00\x20\x02", 6, ERR_SYNTAX }, /* a ServerHello */
		{ "\x16\x03\x01\x00\x20\x01\x01\x00\x00", 9, ERR_LIMIT },
		{ "\x16\x03\x01\x00\x01\x01\x17", 7, ERR_SYNTAX },
	};
	struct hello h;

	(void)state;
	for (size_t i = 0; i < mem_count(starts); i++)
		assert_int_equal(hello_read(span_of(starts[i].p, starts[i].n), scratch,
					 &h),
			starts[i].want);
}

/* The longest message there may be, in the most records, fits the bytes that are
 * promised. */
static void test_the_longest_hello_is_bounded(void **state)
{
	static uint8_t record[HELLO_MESSAGE_MAX + 5], split[2 * HELLO_BYTES_MAX];
	size_t each = HELLO_MESSAGE_MAX / HELLO_RECORDS_MAX;
	struct hello h;
	size_t n;

	(void)state;
	memcpy(record + 5, "\x01\x00\x3f\xfc", 4);
	n = split_record(span_of(record, sizeof(record)), each, each, split);
	assert_int_equal(n, HELLO_BYTES_MAX);
	assert_int_equal(hello_read(span_of(split, n - 1), scratch, &h), ERR_AGAIN);
	assert_int_equal(hello_read(span_of(split, n), scratch, &h), ERR_SYNTAX);
}

static void test_the_alert_is_one_record(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(hello_put_unrecognized_name(&out), ERR_OK);
	assert_int_equal(out.n, 7);
	assert_memory_equal(out.p, "\x15\x03\x03\x00\x02\x02\x70", 7);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hellos_of_openssl_are_read),
		cmocka_unit_test(test_every_prefix_wants_more),
		cmocka_unit_test(test_every_split_into_records_is_the_same),
		cmocka_unit_test(test_records_are_counted),
		cmocka_unit_test(test_broken_extensions_are_refused),
		cmocka_unit_test(test_unknown_things_are_skipped),
		cmocka_unit_test(test_an_inner_ech_is_accepted),
		cmocka_unit_test(test_a_hello_without_extensions_has_no_name),
		cmocka_unit_test(test_fields_that_run_over_are_refused),
		cmocka_unit_test(test_other_protocols_are_refused_early),
		cmocka_unit_test(test_the_longest_hello_is_bounded),
		cmocka_unit_test(test_the_alert_is_one_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
