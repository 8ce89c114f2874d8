/* Behaviour of TLS clients that verify a server by a pin, or by one more CA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "crypto/authority.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "net/tls.h"
#include "text/base64.h"

struct fixture {
	char directory[32], cert[64], key[64], ca[64], other_ca[64];
	struct loop *loop;
	struct tls_context *server;
	uint8_t key_pin[TLS_PIN_BYTES], cert_pin[TLS_PIN_BYTES];
};

static void write_file(const char *path, const struct buf *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(buf_front(text), 1, text->n, f), text->n);
	fclose(f);
}

static void write_ca(struct authority *a, const char *path)
{
	struct buf pem;

	buf_init(&pem, AUTHORITY_FILE_MAX);
	assert_int_equal(authority_put(a, &pem, NULL), ERR_OK);
	write_file(path, &pem);
	buf_fini(&pem);
}

/* By OpenSSL's own functions. */
static void find_pins(struct fixture *x, struct span pem)
{
	X509 *cert = pem_next_certificate(&pem);
	unsigned char *der = NULL;
	unsigned n = 0;
	int length;

	assert_int_equal(X509_digest(cert, EVP_sha256(), x->cert_pin, &n), 1);
	assert_int_equal(n, TLS_PIN_BYTES);
	length = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	assert_true(length > 0);
	assert_int_equal(hash_sha256(span_of(der, (size_t)length), x->key_pin), ERR_OK);
	OPENSSL_free(der);
	X509_free(cert);
}

static int setup(void **state)
{
	static const char *const names[] = { "panel.test" };
	struct fixture *x = mem_new(x);
	struct authority_order order = { .name = "panel.test",
		.now_s = time(NULL),
		.days = 1,
		.names = names,
		.names_n = 1 };
	struct tls_server_options o = { .cert_file = x->cert, .key_file = x->key };
	struct authority_pair pair = { .of.ends_s = 0 };
	struct authority *ca, *other;

	snprintf(x->directory, sizeof(x->directory), "/tmp/adit-pin-XXXXXX");
	assert_non_null(mkdtemp(x->directory));
	snprintf(x->cert, sizeof(x->cert), "%s/cert", x->directory);
	snprintf(x->key, sizeof(x->key), "%s/key", x->directory);
	snprintf(x->ca, sizeof(x->ca), "%s/ca", x->directory);
	snprintf(x->other_ca, sizeof(x->other_ca), "%s/other", x->directory);
	assert_int_equal(authority_make("CA", order.now_s, &ca, NULL), ERR_OK);
	assert_int_equal(authority_make("Other", order.now_s, &other, NULL), ERR_OK);
	assert_int_equal(authority_issue_server(ca, &order, &pair, NULL), ERR_OK);
	write_file(x->cert, &pair.cert);
	write_file(x->key, &pair.key);
	write_ca(ca, x->ca);
	write_ca(other, x->other_ca);
	find_pins(x, buf_span(&pair.cert));
	authority_pair_wipe(&pair);
	authority_free(ca);
	authority_free(other);
	assert_int_equal(loop_new(&x->loop), ERR_OK);
	assert_int_equal(tls_context_new_server(&o, &x->server, NULL), ERR_OK);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	tls_context_free(x->server);
	loop_free(x->loop);
	unlink(x->cert);
	unlink(x->key);
	unlink(x->ca);
	unlink(x->other_ca);
	rmdir(x->directory);
	free(x);
	return 0;
}

struct hand {
	struct stream *tls;
	enum err rc;
};

static void hand_on_ready(void *arg, unsigned ready)
{
	struct hand *hand = arg;

	(void)ready;
	hand->rc = tls_handshake(hand->tls, NULL);
	stream_want(hand->tls, hand->rc == ERR_AGAIN ? tls_wants(hand->tls) : 0);
}

static void hand_open(struct fixture *x, struct hand *hand, int fd, struct tls_options o)
{
	o.loop = x->loop;
	assert_int_equal(socket_open_take(x->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &hand->tls, NULL), ERR_OK);
	stream_set_owner(hand->tls, hand_on_ready, hand);
	hand_on_ready(hand, 0);
}

/* The client's result of a handshake as @name; the reason of a failure in the rest. */
static enum err shake(struct fixture *x, const struct tls_client_options *client,
	const char *name, enum tls_trouble *trouble, char detail[TLS_DETAIL_MAX])
{
	struct hand near, far;
	struct tls_context *context;
	int ends[2];

	assert_int_equal(tls_context_new_client(client, &context, NULL), ERR_OK);
	unix_pair(ends);
	hand_open(x, &near, ends[0],
		(struct tls_options){ .context = context, .server_name = name });
	hand_open(x, &far, ends[1],
		(struct tls_options){ .context = x->server, .is_server = true });
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
	*trouble = tls_find_trouble(near.tls, detail);
	stream_close(near.tls);
	stream_close(far.tls);
	loop_turn(x->loop);
	tls_context_free(context);
	return near.rc;
}

static void test_a_pin_is_of_the_key_or_of_the_certificate(void **state)
{
	struct fixture *x = *state;
	const struct tls_client_options by_key = { .pin = x->key_pin };
	const struct tls_client_options by_cert = { .pin = x->cert_pin,
		.ca_file = x->other_ca };
	char detail[TLS_DETAIL_MAX];
	enum tls_trouble trouble;

	assert_int_equal(shake(x, &by_key, "panel.test", &trouble, detail), ERR_OK);
	assert_int_equal(shake(x, &by_cert, "panel.test", &trouble, detail), ERR_OK);
	/* The key is whose it is, by whatever name it was reached. */
	assert_int_equal(shake(x, &by_key, "other.test", &trouble, detail), ERR_OK);
}

static void test_another_pin_is_refused_also_with_a_trusted_ca(void **state)
{
	struct fixture *x = *state;
	uint8_t pin[TLS_PIN_BYTES];
	const struct tls_client_options o = { .pin = pin, .ca_file = x->ca };
	char detail[TLS_DETAIL_MAX], expected[BASE64_TEXT_SIZE(TLS_PIN_BYTES)];
	enum tls_trouble trouble;

	memcpy(pin, x->key_pin, sizeof(pin));
	pin[31] ^= 1;
	assert_int_equal(shake(x, &o, "panel.test", &trouble, detail), ERR_CRYPTO);
	assert_int_equal(trouble, TLS_TROUBLE_WRONG_PIN);
	base64_encode(BASE64_PADDED, span_of(x->key_pin, sizeof(pin)), expected);
	assert_string_equal(detail, expected);
}

static void test_one_more_ca_is_trusted_besides_the_others(void **state)
{
	struct fixture *x = *state;
	const struct tls_client_options both = { .ca_file = x->other_ca,
		.more_ca_file = x->ca };
	const struct tls_client_options other = { .more_ca_file = x->other_ca };
	const struct tls_client_options missing = { .more_ca_file = x->directory };
	struct tls_context *context;
	char detail[TLS_DETAIL_MAX];
	enum tls_trouble trouble;

	assert_int_equal(shake(x, &both, "panel.test", &trouble, detail), ERR_OK);
	assert_int_equal(shake(x, &both, "other.test", &trouble, detail), ERR_CRYPTO);
	assert_int_equal(trouble, TLS_TROUBLE_WRONG_NAME);
	assert_int_equal(shake(x, &other, "panel.test", &trouble, detail), ERR_CRYPTO);
	assert_int_equal(trouble, TLS_TROUBLE_UNKNOWN_CA);
	assert_int_not_equal(tls_context_new_client(&missing, &context, NULL), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_pin_is_of_the_key_or_of_the_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_another_pin_is_refused_also_with_a_trusted_ca, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_one_more_ca_is_trusted_besides_the_others, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
