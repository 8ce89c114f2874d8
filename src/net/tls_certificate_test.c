/* Certificates chosen by name, and handshakes that only prove something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/certificate_test.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "net/tls.h"

#define PROOF "acme-tls/1"

struct fixture {
	struct loop *loop;
	struct tls_names *names;
	struct tls_context *server_context;
	struct tls_certificate *proof; /* for handshakes that offer PROOF, or NULL */
};

static struct tls_certificate *make_certificate(const char *names, const char *protocol)
{
	struct test_certificate made;
	struct tls_certificate *c;
	struct tls_certificate_options o = { .protocol = protocol };
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	test_certificate_init(&made, names);
	PEM_write_bio_PrivateKey(bio, made.pkey, NULL, NULL, 0, NULL, NULL);
	o.key_pem.n = (size_t)BIO_get_mem_data(bio, &text);
	o.key_pem.p = (uint8_t *)text;
	o.chain_pem = buf_span(&made.pem);
	assert_int_equal(tls_certificate_new(&o, &c, NULL), ERR_OK);
	BIO_free(bio);
	test_certificate_fini(&made);
	return c;
}

static void serve(struct fixture *x, const char *name)
{
	char text[300];
	struct tls_certificate *c;

	snprintf(text, sizeof(text), "DNS:%s", name);
	c = make_certificate(text, NULL);
	assert_int_equal(tls_names_set(x->names, name, c), ERR_OK);
	tls_certificate_unref(c);
}

static struct tls_certificate *choose(void *arg, const struct tls_hello *hello)
{
	struct fixture *x = arg;

	if (tls_hello_offers(hello, PROOF))
		return x->proof != NULL ? tls_certificate_ref(x->proof) : NULL;
	return tls_names_choose(x->names, hello);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct tls_server_options o = { .choose = choose, .choose_arg = x };

	assert_int_equal(loop_new(&x->loop), ERR_OK);
	assert_int_equal(tls_names_new(&x->names), ERR_OK);
	assert_int_equal(tls_context_new_server(&o, &x->server_context, NULL), ERR_OK);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	tls_context_free(x->server_context);
	tls_names_free(x->names);
	tls_certificate_unref(x->proof);
	loop_free(x->loop);
	free(x);
	return 0;
}

/* ---- a visit ---- */

struct end {
	struct stream *tls;
	enum err rc;
	struct why why;
};

static void end_on_ready(void *arg, unsigned ready)
{
	struct end *e = arg;

	(void)ready;
	e->rc = tls_handshake(e->tls, &e->why);
	stream_want(e->tls, e->rc == ERR_AGAIN ? tls_wants(e->tls) : 0);
}

static void end_open(struct fixture *x, struct end *e, struct tls_context *ctx, int fd,
	const char *name)
{
	struct tls_options o = {
		.context = ctx,
		.loop = x->loop,
		.is_server = name == NULL,
		.server_name = name,
	};

	e->rc = ERR_AGAIN;
	assert_int_equal(socket_open_take(x->loop, fd, &o.below), ERR_OK);
	assert_int_equal(tls_open(&o, &e->tls, NULL), ERR_OK);
	stream_set_owner(e->tls, end_on_ready, e);
	stream_want(e->tls, LOOP_READ);
}

struct visit {
	struct end server, client;
	struct tls_context *context;
};

static void visit_begin(struct fixture *x, struct visit *v, const char *name,
	const char *protocol)
{
	struct tls_client_options o = { .skip_verify = true, .alpn = protocol };
	int ends[2];

	assert_int_equal(tls_context_new_client(&o, &v->context, NULL), ERR_OK);
	unix_pair(ends);
	end_open(x, &v->server, x->server_context, ends[0], NULL);
	end_open(x, &v->client, v->context, ends[1], name);
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
}

static void visit_end(struct visit *v)
{
	stream_abort(v->client.tls);
	stream_abort(v->server.tls);
	tls_context_free(v->context);
}

/* Does a visitor of @name get a certificate that covers it? */
static bool is_served(struct fixture *x, const char *name)
{
	struct visit v;
	struct buf pem;
	bool ok;

	visit_begin(x, &v, name, NULL);
	ok = v.client.rc == ERR_OK && v.server.rc == ERR_OK;
	buf_init(&pem, 65536);
	if (ok) {
		assert_int_equal(tls_peer_chain(v.client.tls, &pem), ERR_OK);
		assert_true(tls_pem_covers(buf_span(&pem), name));
	} else {
		assert_non_null(strstr(v.client.why.text, "unrecognized name"));
	}
	buf_fini(&pem);
	visit_end(&v);
	return ok;
}

static void test_each_name_has_its_certificate(void **state)
{
	struct fixture *x = *state;

	serve(x, "a.example");
	serve(x, "b.example");
	assert_true(is_served(x, "a.example"));
	assert_true(is_served(x, "b.example"));
	assert_true(is_served(x, "A.Example"));
	assert_false(is_served(x, "c.example"));
}

static void test_a_wildcard_is_for_one_label(void **state)
{
	struct fixture *x = *state;

	serve(x, "*.a.example");
	assert_true(is_served(x, "one.a.example"));
	assert_false(is_served(x, "a.example"));
	assert_false(is_served(x, "one.two.a.example"));
	serve(x, "one.a.example");
	assert_true(is_served(x, "one.a.example"));
}

static void test_an_address_asks_for_no_name(void **state)
{
	struct fixture *x = *state;

	serve(x, "a.example");
	assert_false(is_served(x, "127.0.0.1"));
}

static void test_a_removed_name_is_not_served(void **state)
{
	struct fixture *x = *state;

	serve(x, "a.example");
	assert_int_equal(tls_names_set(x->names, "a.example", NULL), ERR_OK);
	assert_int_equal(tls_names_set(x->names, "a.example", NULL), ERR_OK);
	assert_false(is_served(x, "a.example"));
}

static void test_a_new_certificate_is_in_use_at_once(void **state)
{
	struct fixture *x = *state;
	struct visit first, second;
	struct buf old, new;
	size_t n;

	serve(x, "a.example");
	visit_begin(x, &first, "a.example", NULL);
	serve(x, "a.example");
	visit_begin(x, &second, "a.example", NULL);
	buf_init(&old, 65536);
	buf_init(&new, 65536);
	assert_int_equal(tls_peer_chain(first.client.tls, &old), ERR_OK);
	assert_int_equal(tls_peer_chain(second.client.tls, &new), ERR_OK);
	assert_false(span_eq(buf_span(&old), buf_span(&new)));
	assert_int_equal(stream_put(first.client.tls, "x", 1, &n), ERR_OK);
	buf_fini(&old);
	buf_fini(&new);
	visit_end(&first);
	visit_end(&second);
}

static void test_a_proof_ends_with_the_handshake(void **state)
{
	struct fixture *x = *state;
	struct visit v;
	struct buf pem;
	char byte;
	size_t n;

	x->proof = make_certificate("DNS:proof.example", PROOF);
	serve(x, "a.example");
	visit_begin(x, &v, "a.example", PROOF);
	buf_init(&pem, 65536);
	assert_int_equal(v.client.rc, ERR_OK);
	assert_int_equal(tls_peer_chain(v.client.tls, &pem), ERR_OK);
	assert_true(tls_pem_covers(buf_span(&pem), "proof.example"));
	buf_fini(&pem);
	assert_int_equal(v.server.rc, ERR_CLOSED);
	/* What such a client says is never read. */
	(void)!stream_put(v.client.tls, "GET", 3, &n);
	for (int i = 0; i < 5; i++)
		loop_turn(x->loop);
	assert_int_equal(stream_read(v.server.tls, &byte, 1, &n), ERR_CLOSED);
	visit_end(&v);
	assert_true(is_served(x, "a.example"));
}

static void test_without_a_proof_the_protocol_is_refused(void **state)
{
	struct fixture *x = *state;
	struct visit v;

	serve(x, "a.example");
	visit_begin(x, &v, "a.example", PROOF);
	assert_int_equal(v.client.rc, ERR_PROTO);
	assert_int_equal(v.server.rc, ERR_PROTO);
	visit_end(&v);
}

static void test_other_protocols_are_left_to_the_client(void **state)
{
	struct fixture *x = *state;
	struct visit v;

	serve(x, "a.example");
	visit_begin(x, &v, "a.example", "h2");
	assert_int_equal(v.client.rc, ERR_OK);
	assert_int_equal(v.server.rc, ERR_OK);
	visit_end(&v);
}

static void test_a_foreign_key_is_refused(void **state)
{
	struct test_certificate a, b;
	struct tls_certificate_options o;
	struct tls_certificate *c;
	struct why why;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	(void)state;
	test_certificate_init(&a, NULL);
	test_certificate_init(&b, NULL);
	PEM_write_bio_PrivateKey(bio, b.pkey, NULL, NULL, 0, NULL, NULL);
	o = (struct tls_certificate_options){ .chain_pem = buf_span(&a.pem) };
	o.key_pem.n = (size_t)BIO_get_mem_data(bio, &text);
	o.key_pem.p = (uint8_t *)text;
	assert_int_equal(tls_certificate_new(&o, &c, &why), ERR_SYNTAX);
	assert_non_null(strstr(why.text, "does not belong"));
	o.key_pem = buf_span(&a.pem);
	assert_int_equal(tls_certificate_new(&o, &c, &why), ERR_SYNTAX);
	o.chain_pem = span_str("");
	assert_int_equal(tls_certificate_new(&o, &c, &why), ERR_SYNTAX);
	BIO_free(bio);
	test_certificate_fini(&a);
	test_certificate_fini(&b);
}

static void test_equal_issuers_are_shared(void **state)
{
	struct test_certificate leaf, issuer;
	struct tls_certificate_options o = { .protocol = NULL };
	struct tls_certificate *a, *b;
	struct buf key, chain;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	size_t n;

	(void)state;
	test_certificate_init(&leaf, "DNS:a.example");
	test_certificate_init(&issuer, NULL);
	PEM_write_bio_PrivateKey(bio, leaf.pkey, NULL, NULL, 0, NULL, NULL);
	buf_init(&key, 4096);
	buf_init(&chain, 65536);
	n = (size_t)BIO_get_mem_data(bio, &text);
	buf_put(&key, text, n);
	buf_put_span(&chain, buf_span(&leaf.pem));
	buf_put_span(&chain, buf_span(&issuer.pem));
	o.key_pem = buf_span(&key);
	o.chain_pem = buf_span(&chain);
	assert_int_equal(tls_certificate_new(&o, &a, NULL), ERR_OK);
	o.like = a;
	assert_int_equal(tls_certificate_new(&o, &b, NULL), ERR_OK);
	tls_certificate_unref(a); /* in whatever order they end */
	tls_certificate_unref(b);
	o.like = NULL;
	BIO_free(bio);
	buf_fini(&key);
	buf_fini(&chain);
	test_certificate_fini(&leaf);
	test_certificate_fini(&issuer);
}

#define name_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		name_test(test_each_name_has_its_certificate),
		name_test(test_a_wildcard_is_for_one_label),
		name_test(test_an_address_asks_for_no_name),
		name_test(test_a_removed_name_is_not_served),
		name_test(test_a_new_certificate_is_in_use_at_once),
		name_test(test_a_proof_ends_with_the_handshake),
		name_test(test_without_a_proof_the_protocol_is_refused),
		name_test(test_other_protocols_are_left_to_the_client),
		cmocka_unit_test(test_a_foreign_key_is_refused),
		cmocka_unit_test(test_equal_issuers_are_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
