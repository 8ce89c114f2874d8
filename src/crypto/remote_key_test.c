/* Behaviour of remote keys: handshakes that a remote signer signs, at once or later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "crypto/certificate_test.h"
#include "crypto/remote_key.h"

#define HANDSHAKES 20

/* ---- the signer ---- */

enum manner { AT_ONCE, LATER, REFUSES, TALKS_RUBBISH, NEVER };

struct holder {
	EVP_PKEY *key;
	struct buf pem; /* its certificate */
	enum manner manner;
	unsigned asked, cancelled;
	struct remote_signing *waiting[HANDSHAKES];
	struct sign_order orders[HANDSHAKES];
	unsigned waiting_n;
};

static void holder_init(struct holder *h, const char *kind, enum manner manner)
{
	memset(h, 0, sizeof(*h));
	h->manner = manner;
	if (strcmp(kind, "RSA") == 0)
		h->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	else
		h->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	assert_non_null(h->key);
	buf_init(&h->pem, 8192);
	test_certificate_issue(h->key, NULL, &h->pem);
}

static void holder_fini(struct holder *h)
{
	EVP_PKEY_free(h->key);
	buf_fini(&h->pem);
}

static const EVP_MD *digest_of(const struct sign_order *order)
{
	switch (sign_algorithm_digest_bytes(order->algorithm)) {
	case 32:
		return EVP_sha256();
	case 48:
		return EVP_sha384();
	default:
		return EVP_sha512();
	}
}

static void holder_answer(struct holder *h, const struct sign_order *order,
	struct remote_signing *signing)
{
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n = sizeof(signature);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(h->key, NULL);

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, digest_of(order)), 1);
	if (order->algorithm >= SIGN_RSA_PSS_SHA256) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &n, order->digest,
				 sign_algorithm_digest_bytes(order->algorithm)),
		1);
	EVP_PKEY_CTX_free(ctx);
	remote_signing_end(signing, ERR_OK, span_of(signature, n));
}

static void holder_on_cancel(void *arg)
{
	((struct holder *)arg)->cancelled++;
}

static void holder_sign(void *arg, const struct sign_order *order,
	struct remote_signing *signing)
{
	struct holder *h = arg;

	h->asked++;
	switch (h->manner) {
	case AT_ONCE:
		holder_answer(h, order, signing);
		break;
	case REFUSES:
		remote_signing_end(signing, ERR_DENIED, (struct span){ 0 });
		break;
	case TALKS_RUBBISH:
		remote_signing_end(signing, ERR_OK, span_str("no signature"));
		break;
	case LATER:
	case NEVER:
		remote_signing_on_cancel(signing, holder_on_cancel, h);
		h->orders[h->waiting_n] = *order;
		h->waiting[h->waiting_n++] = signing;
		break;
	}
}

/* ---- two ends of a handshake ---- */

struct pair {
	SSL *server, *client;
	unsigned woken;
};

static int pair_on_wake(SSL *ssl, void *arg)
{
	(void)ssl;
	((struct pair *)arg)->woken++;
	return 1;
}

static SSL_CTX *server_context(struct remote_key *key, struct holder *h)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *bio = BIO_new_mem_buf(buf_front(&h->pem), (int)h->pem.n);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, remote_key_pkey(key)), 1);
	assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ASYNC);
	X509_free(cert);
	BIO_free(bio);
	return ctx;
}

static void pair_init(struct pair *p, SSL_CTX *server, SSL_CTX *client)
{
	BIO *ours, *theirs;

	memset(p, 0, sizeof(*p));
	assert_int_equal(BIO_new_bio_pair(&ours, 65536, &theirs, 65536), 1);
	p->server = SSL_new(server);
	p->client = SSL_new(client);
	SSL_set_bio(p->server, ours, ours);
	SSL_set_bio(p->client, theirs, theirs);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	SSL_set_async_callback(p->server, pair_on_wake);
	SSL_set_async_callback_arg(p->server, p);
}

static void pair_fini(struct pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
}

/* Goes on until both are done, nothing moves, or something fails.
 * The server's last word. */
static int pair_run(struct pair *p)
{
	int server = SSL_ERROR_WANT_READ, rc;

	for (int turn = 0; turn < 8; turn++) {
		rc = SSL_do_handshake(p->client);
		ERR_clear_error();
		rc = SSL_do_handshake(p->server);
		server = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(p->server, rc);
		if (server != SSL_ERROR_NONE && server != SSL_ERROR_WANT_READ)
			return server;
	}
	return server;
}

static SSL_CTX *client_context(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	return ctx;
}

struct setting {
	struct holder holder;
	struct remote_key *key;
	SSL_CTX *server, *client;
};

static void setting_init(struct setting *s, const char *kind, enum manner manner,
	int version)
{
	holder_init(&s->holder, kind, manner);
	assert_int_equal(remote_key_new(buf_span(&s->holder.pem), holder_sign, &s->holder,
				 &s->key, NULL),
		ERR_OK);
	s->server = server_context(s->key, &s->holder);
	s->client = client_context(version);
}

static void setting_fini(struct setting *s)
{
	SSL_CTX_free(s->server);
	SSL_CTX_free(s->client);
	remote_key_unref(s->key);
	holder_fini(&s->holder);
}

/* ---- the tests ---- */

static const char *const kinds[] = { "P-256", "P-384", "RSA" };
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void test_a_handshake_is_signed_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(kinds); i++) {
		for (size_t k = 0; k < mem_count(versions); k++) {
			struct setting s;
			struct pair p;

			setting_init(&s, kinds[i], AT_ONCE, versions[k]);
			pair_init(&p, s.server, s.client);
			assert_int_equal(pair_run(&p), SSL_ERROR_NONE);
			assert_true(SSL_is_init_finished(p.client));
			assert_int_equal(SSL_version(p.client), versions[k]);
			assert_int_equal(s.holder.asked, 1);
			pair_fini(&p);
			setting_fini(&s);
		}
	}
}

static void test_a_handshake_waits_for_its_signature(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(kinds); i++) {
		for (size_t k = 0; k < mem_count(versions); k++) {
			struct setting s;
			struct pair p;

			setting_init(&s, kinds[i], LATER, versions[k]);
			pair_init(&p, s.server, s.client);
			assert_int_equal(pair_run(&p), SSL_ERROR_WANT_ASYNC);
			assert_int_equal(p.woken, 0);
			holder_answer(&s.holder, &s.holder.orders[0],
				s.holder.waiting[0]);
			assert_int_equal(p.woken, 1);
			assert_int_equal(pair_run(&p), SSL_ERROR_NONE);
			assert_true(SSL_is_init_finished(p.client));
			assert_int_equal(s.holder.asked, 1);
			pair_fini(&p);
			setting_fini(&s);
		}
	}
}

static void test_several_wait_and_are_answered_in_any_order(void **state)
{
	struct setting s;
	struct pair pairs[HANDSHAKES];
	unsigned seed = 20261126;

	(void)state;
	setting_init(&s, "P-256", LATER, TLS1_3_VERSION);
	for (size_t i = 0; i < HANDSHAKES; i++) {
		pair_init(&pairs[i], s.server, s.client);
		assert_int_equal(pair_run(&pairs[i]), SSL_ERROR_WANT_ASYNC);
	}
	for (unsigned left = HANDSHAKES; left > 0; left--) {
		unsigned at = (unsigned)rand_r(&seed) % left;

		holder_answer(&s.holder, &s.holder.orders[at], s.holder.waiting[at]);
		s.holder.orders[at] = s.holder.orders[left - 1];
		s.holder.waiting[at] = s.holder.waiting[left - 1];
	}
	for (size_t i = 0; i < HANDSHAKES; i++) {
		assert_int_equal(pairs[i].woken, 1);
		assert_int_equal(pair_run(&pairs[i]), SSL_ERROR_NONE);
		assert_true(SSL_is_init_finished(pairs[i].client));
		pair_fini(&pairs[i]);
	}
	setting_fini(&s);
}

static void test_a_refused_signature_fails_the_handshake(void **state)
{
	static const enum manner manners[] = { REFUSES, TALKS_RUBBISH };

	(void)state;
	for (size_t i = 0; i < mem_count(manners); i++) {
		for (size_t k = 0; k < mem_count(versions); k++) {
			struct setting s;
			struct pair p;

			setting_init(&s, "P-256", manners[i], versions[k]);
			pair_init(&p, s.server, s.client);
			(void)pair_run(&p);
			assert_false(SSL_is_init_finished(p.client));
			pair_fini(&p);
			setting_fini(&s);
		}
	}
}

static void test_a_handshake_that_gives_up_cancels_its_signature(void **state)
{
	struct setting s;
	struct pair p;

	(void)state;
	setting_init(&s, "P-256", NEVER, TLS1_3_VERSION);
	pair_init(&p, s.server, s.client);
	assert_int_equal(pair_run(&p), SSL_ERROR_WANT_ASYNC);
	assert_int_equal(pair_run(&p), SSL_ERROR_SSL);
	assert_int_equal(s.holder.cancelled, 1);
	pair_fini(&p);
	setting_fini(&s);
}

static void test_a_handshake_that_cannot_pause_fails(void **state)
{
	struct setting s;
	struct pair p;

	(void)state;
	setting_init(&s, "P-256", NEVER, TLS1_3_VERSION);
	SSL_CTX_clear_mode(s.server, SSL_MODE_ASYNC);
	pair_init(&p, s.server, s.client);
	assert_int_equal(pair_run(&p), SSL_ERROR_SSL);
	assert_int_equal(s.holder.cancelled, 1);
	pair_fini(&p);
	setting_fini(&s);
}

static void test_a_resumed_session_needs_no_signature(void **state)
{
	(void)state;
	for (size_t k = 0; k < mem_count(versions); k++) {
		struct setting s;
		struct pair p;
		SSL_SESSION *session;
		char byte;

		setting_init(&s, "P-256", AT_ONCE, versions[k]);
		pair_init(&p, s.server, s.client);
		assert_int_equal(pair_run(&p), SSL_ERROR_NONE);
		(void)SSL_read(p.client, &byte, 1); /* the tickets */
		session = SSL_get1_session(p.client);
		SSL_shutdown(p.client);
		pair_fini(&p);

		pair_init(&p, s.server, s.client);
		assert_int_equal(SSL_set_session(p.client, session), 1);
		assert_int_equal(pair_run(&p), SSL_ERROR_NONE);
		assert_true(SSL_session_reused(p.client));
		assert_int_equal(s.holder.asked, 1);
		SSL_SESSION_free(session);
		pair_fini(&p);
		setting_fini(&s);
	}
}

static void test_a_key_belongs_to_its_certificate(void **state)
{
	struct holder one, other;
	struct remote_key *key;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *bio;
	X509 *cert;

	(void)state;
	holder_init(&one, "P-256", AT_ONCE);
	holder_init(&other, "P-256", AT_ONCE);
	assert_int_equal(remote_key_new(buf_span(&one.pem), holder_sign, &one, &key,
				 NULL),
		ERR_OK);
	bio = BIO_new_mem_buf(buf_front(&other.pem), (int)other.pem.n);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_not_equal(SSL_CTX_use_PrivateKey(ctx, remote_key_pkey(key)), 1);
	ERR_clear_error();
	X509_free(cert);
	BIO_free(bio);
	SSL_CTX_free(ctx);
	remote_key_unref(key);
	holder_fini(&one);
	holder_fini(&other);
}

static void test_a_certificate_is_required(void **state)
{
	struct remote_key *key;
	struct why why = { "" };

	(void)state;
	assert_int_equal(remote_key_new(span_str("none"), holder_sign, NULL, &key, &why),
		ERR_SYNTAX);
	assert_string_equal(why.text, "there is no certificate with an EC or RSA key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_handshake_is_signed_at_once),
		cmocka_unit_test(test_a_handshake_waits_for_its_signature),
		cmocka_unit_test(test_several_wait_and_are_answered_in_any_order),
		cmocka_unit_test(test_a_refused_signature_fails_the_handshake),
		cmocka_unit_test(test_a_handshake_that_gives_up_cancels_its_signature),
		cmocka_unit_test(test_a_handshake_that_cannot_pause_fails),
		cmocka_unit_test(test_a_resumed_session_needs_no_signature),
		cmocka_unit_test(test_a_key_belongs_to_its_certificate),
		cmocka_unit_test(test_a_certificate_is_required),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
