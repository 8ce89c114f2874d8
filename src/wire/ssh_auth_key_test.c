/* Authentication by public key, RFC 4252 section 7: both sides, and forged requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/hostkey_test_keys.h"
#include "wire/ssh_pair_test.h"

#define QUERIES 6 /* that are answered */

static struct hostkey *parse(const char *text)
{
	struct hostkey *key;

	assert_int_equal(hostkey_parse(span_str(text), &key, NULL), ERR_OK);
	return key;
}

/* A client with @user_key, and @password after it; a server that takes keys. */
static void pair_init(struct ssh_pair *p, const struct hostkey *user_key,
	const char *password)
{
	ssh_pair_init(p, 0);
	p->client.ssh->options.user_key = user_key;
	p->client.ssh->options.password = password;
	p->server.ssh->options.takes_keys = true;
}

static void test_a_key_of_each_kind_authenticates(void **state)
{
	static const char *const keys[] = { key_ec_sec1, key_p384_pkcs8, key_openssh_p521,
		key_ed25519_pkcs8, key_rsa_pkcs8 };

	(void)state;
	for (size_t i = 0; i < mem_count(keys); i++) {
		struct hostkey *key = parse(keys[i]);
		struct ssh_pair p;

		pair_init(&p, key, "secret");
		p.server.hesitates = true;
		ssh_pair_run(&p);
		assert_int_equal(p.server.seen[SSH_KEY], 1);
		assert_true(p.server.last[SSH_KEY].ok);
		assert_true(span_eq(buf_span(&p.server.text), hostkey_blob(key)));
		assert_int_equal(p.client.seen[SSH_UP], 0);

		assert_int_equal(ssh_auth_reply(p.server.ssh, true), ERR_OK);
		ssh_pair_run(&p);
		assert_int_equal(p.client.seen[SSH_UP], 1);
		assert_int_equal(p.server.seen[SSH_PASSWORD], 0);
		ssh_pair_fini(&p);
		hostkey_free(key);
	}
}

static void test_a_refused_key_is_followed_by_the_password(void **state)
{
	static const struct {
		const char *password;
		bool takes_keys, is_up;
		unsigned keys, passwords;
		const char *why;
	} rows[] = {
		{ "secret", true, true, 1, 1, "" },
		{ "secret", false, true, 0, 1, "" },
		{ "wrong", true, false, 1, 1, "wrong user or password" },
		{ NULL, true, false, 1, 0, "the server does not accept this key" },
		{ "", true, false, 1, 0, "the server does not accept this key" },
		{ NULL, false, false, 0, 0, "the server does not accept keys" },
	};
	struct hostkey *key = parse(key_ec_sec1);

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct ssh_pair p;

		pair_init(&p, key, rows[i].password);
		p.server.ssh->options.takes_keys = rows[i].takes_keys;
		p.server.denies_keys = true;
		ssh_pair_run(&p);
		assert_int_equal(p.server.seen[SSH_KEY], rows[i].keys);
		assert_int_equal(p.server.seen[SSH_PASSWORD], rows[i].passwords);
		assert_int_equal(p.client.seen[SSH_UP], rows[i].is_up);
		assert_int_equal(p.client.rc, rows[i].is_up ? ERR_AGAIN : ERR_DENIED);
		assert_string_equal(p.client.why.text, rows[i].why);
		assert_int_equal(p.server.rc, ERR_AGAIN);
		ssh_pair_fini(&p);
	}
	hostkey_free(key);
}

/* ---- requests of a defective or hostile client ---- */

/* A request, and what its signature is over. */
struct request {
	const char *user, *algorithm;
	struct span blob;
	const struct hostkey *signer;
	const char *signing;     /* the algorithm; NULL: the same */
	uint8_t session_flip;    /* changes the session's name */
	const char *signed_user; /* NULL: the same */
	bool is_query;
};

static struct request request_by(const struct hostkey *key)
{
	return (struct request){
		.user = "user",
		.algorithm = hostkey_algorithms(key), /* the kind has but one */
		.blob = hostkey_blob(key),
		.signer = key,
	};
}

static struct request query_of(const struct hostkey *key)
{
	struct request r = request_by(key);

	r.is_query = true;
	return r;
}

static void put_start(const struct request *r, const char *user, struct buf *b)
{
	(void)buf_put_u8(b, SSH_MSG_USERAUTH_REQUEST);
	ssh_put_text(b, user);
	ssh_put_text(b, "ssh-connection");
	ssh_put_text(b, "publickey");
	(void)buf_put_u8(b, !r->is_query);
	ssh_put_text(b, r->algorithm);
	ssh_put_string(b, r->blob);
}

static void make_request(const struct ssh_pair *p, const struct request *r, struct buf *b)
{
	uint8_t session[HASH_SHA256_BYTES];
	struct buf data, signature;

	put_start(r, r->user, b);
	if (r->is_query)
		return;
	buf_init(&data, 65536);
	buf_init(&signature, HOSTKEY_SIGNATURE_MAX);
	memcpy(session, p->client.ssh->session, sizeof(session));
	session[0] ^= r->session_flip;
	ssh_put_string(&data, span_of(session, sizeof(session)));
	put_start(r, r->signed_user != NULL ? r->signed_user : r->user, &data);
	assert_int_equal(hostkey_sign(r->signer,
				 r->signing != NULL ? r->signing : r->algorithm,
				 buf_span(&data), &signature),
		ERR_OK);
	ssh_put_string(b, buf_span(&signature));
	assert_int_equal(b->failed, ERR_OK);
	buf_fini(&data);
	buf_fini(&signature);
}

/* A client that waits after a password that was refused; ssh_pair_run() goes on. */
static void pair_ready(struct ssh_pair *p)
{
	pair_init(p, NULL, "wrong");
	ssh_pair_run(p);
	assert_int_equal(p->client.rc, ERR_DENIED);
	p->client.ssh->failed = ERR_OK;
	p->client.rc = ERR_AGAIN;
}

static void send_request(struct ssh_pair *p, const struct request *r)
{
	struct buf b;

	buf_init(&b, 65536);
	make_request(p, r, &b);
	ssh_end_send(&p->client, buf_span(&b).p, b.n);
	buf_fini(&b);
	ssh_pair_run(p);
}

static void test_only_the_signature_of_this_request_counts(void **state)
{
	struct hostkey *key = parse(key_ec_sec1), *other = parse(key_openssh_p256);
	struct hostkey *rsa = parse(key_rsa_pkcs8);
	const struct request good = request_by(key);
	struct request rows[] = { good, good, good, good, good, good, good };
	struct ssh_pair p;

	(void)state;
	rows[1].session_flip = 1; /* replayed from another session */
	rows[2].signed_user = "root";
	rows[3].signer = other;
	rows[4].blob = hostkey_blob(other);
	rows[5].blob = span_of("\0\0\0\7ssh-dss", 11);
	rows[6] = (struct request){ .user = "user",
		.algorithm = "ssh-rsa", /* SHA-1 */
		.signing = "rsa-sha2-256",
		.blob = hostkey_blob(rsa),
		.signer = rsa };
	for (size_t i = 0; i < mem_count(rows); i++) {
		pair_ready(&p);
		send_request(&p, &rows[i]);
		/* This server's owner accepts all: the engine does not. */
		assert_int_equal(p.server.seen[SSH_KEY], 1);
		assert_int_equal(p.server.last[SSH_KEY].ok, i == 0);
		assert_int_equal(p.server.seen[SSH_UP], i == 0);
		assert_int_equal(p.server.rc, ERR_AGAIN);
		assert_int_equal(p.server.ssh->auth_failures, i == 0 ? 1 : 2);
		ssh_pair_fini(&p);
	}
	hostkey_free(key);
	hostkey_free(other);
	hostkey_free(rsa);
}

static void test_a_changed_bit_is_noticed(void **state)
{
	struct hostkey *key = parse(key_ed25519_pkcs8);
	const struct request good = request_by(key);
	struct ssh_pair p;
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	pair_ready(&p);
	make_request(&p, &good, &b);
	ssh_pair_fini(&p);
	for (size_t at = 0; at < b.n; at++) {
		pair_ready(&p);
		buf_consume(&b, b.n);
		make_request(&p, &good, &b);
		buf_front(&b)[at] ^= 0x40;
		ssh_end_send(&p.client, buf_span(&b).p, b.n);
		ssh_pair_run(&p);
		assert_int_equal(p.server.seen[SSH_UP], 0);
		ssh_pair_fini(&p);
	}
	buf_fini(&b);
	hostkey_free(key);
}

static void test_a_request_that_is_cut_off_is_malformed(void **state)
{
	struct hostkey *key = parse(key_ec_sec1);
	const struct request good = request_by(key);
	struct ssh_pair p;
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, 65536);
	pair_ready(&p);
	make_request(&p, &good, &b);
	n = b.n;
	ssh_pair_fini(&p);
	for (size_t cut = 1; cut < n; cut++) {
		pair_ready(&p);
		ssh_end_send(&p.client, buf_span(&b).p, cut);
		ssh_pair_run(&p);
		assert_int_equal(p.server.rc, ERR_SYNTAX);
		ssh_pair_fini(&p);
	}
	buf_fini(&b);
	hostkey_free(key);
}

/* ---- questions ---- */

static void test_the_answer_to_a_question_does_not_depend_on_the_owner(void **state)
{
	struct hostkey *key = parse(key_ec_sec1);
	const struct request query = query_of(key);
	struct ssh_pair p;

	(void)state;
	pair_ready(&p);
	for (unsigned i = 0; i < QUERIES; i++) {
		p.client.rc = ERR_AGAIN;
		p.client.ssh->failed = ERR_OK;
		send_request(&p, &query);
		/* Our client never asks, so that the answer is an error for it. */
		assert_int_equal(p.client.rc, ERR_PROTO);
		assert_string_equal(p.client.why.text, "unexpected message 60");
	}
	assert_int_equal(p.server.seen[SSH_KEY], 0);
	assert_int_equal(p.server.ssh->auth_failures, 1);
	ssh_pair_fini(&p);
	hostkey_free(key);
}

static void test_questions_are_bounded(void **state)
{
	struct hostkey *key = parse(key_ec_sec1);
	struct request query = query_of(key);
	struct ssh_pair p;
	unsigned n = 0;

	(void)state;
	pair_ready(&p);
	while (p.server.rc == ERR_AGAIN && n < 100) {
		p.client.rc = ERR_AGAIN;
		p.client.ssh->failed = ERR_OK;
		send_request(&p, &query);
		n++;
	}
	assert_int_equal(p.server.rc, ERR_DENIED);
	assert_int_equal(n, QUERIES + 5);
	ssh_pair_fini(&p);

	/* A kind of key that is not known is a failure at once. */
	pair_ready(&p);
	query.algorithm = "ssh-rsa";
	send_request(&p, &query);
	assert_int_equal(p.server.ssh->auth_failures, 2);
	ssh_pair_fini(&p);
	hostkey_free(key);
}

static void test_a_second_request_waits_for_the_first_reply(void **state)
{
	struct hostkey *key = parse(key_ec_sec1);
	const struct request good = request_by(key);
	struct ssh_pair p;

	(void)state;
	pair_init(&p, key, NULL);
	p.server.hesitates = true;
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_KEY], 1);
	send_request(&p, &good);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
	hostkey_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_of_each_kind_authenticates),
		cmocka_unit_test(test_a_refused_key_is_followed_by_the_password),
		cmocka_unit_test(test_only_the_signature_of_this_request_counts),
		cmocka_unit_test(test_a_changed_bit_is_noticed),
		cmocka_unit_test(test_a_request_that_is_cut_off_is_malformed),
		cmocka_unit_test(
			test_the_answer_to_a_question_does_not_depend_on_the_owner),
		cmocka_unit_test(test_questions_are_bounded),
		cmocka_unit_test(test_a_second_request_waits_for_the_first_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
