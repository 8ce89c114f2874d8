/* Behaviour of what leases share: the same is one, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/certificate_test.h"
#include "loop/loop.h"
#include "tunnel/portal/relay_share.h"

struct fixture {
	struct relay_share *share;
	struct loop *loop;
	struct test_certificate certificate;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	f->share = relay_share_new();
	assert_non_null(f->share);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	test_certificate_init(&f->certificate, "DNS:a.example");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	relay_share_free(f->share);
	loop_free(f->loop);
	test_certificate_fini(&f->certificate);
	free(f);
	return 0;
}

static struct tls_context *context(struct fixture *f, const char *authority,
	const struct tls_client_options *o)
{
	struct tls_context *tls;

	assert_int_equal(relay_share_tls(f->share, authority, o, &tls, NULL), ERR_OK);
	return tls;
}

static void test_equal_options_are_one_context(void **state)
{
	struct fixture *f = *state;
	const struct tls_client_options any = { .skip_verify = true, .alpn = "http/1.1" };
	const struct tls_client_options rows[] = {
		{ .skip_verify = true },
		{ .skip_verify = true, .alpn = "http/1.1", .keeps_session = true },
		{ .skip_verify = true, .alpn = "http/1.1", .min_version = 0x304 },
		{ .ca_pem = buf_span(&f->certificate.pem), .alpn = "http/1.1" },
	};
	struct tls_context *one = context(f, "a", &any), *other;

	other = context(f, "a", &any);
	assert_ptr_equal(one, other);
	tls_context_free(other);
	other = context(f, "b", &any);
	assert_ptr_not_equal(one, other);
	tls_context_free(other);
	for (size_t i = 0; i < mem_count(rows); i++) {
		other = context(f, "a", &rows[i]);
		assert_ptr_not_equal(one, other);
		tls_context_free(other);
	}
	tls_context_free(one);
}

static void test_the_context_wanted_longest_ago_goes(void **state)
{
	struct fixture *f = *state;
	const struct tls_client_options any = { .skip_verify = true };
	struct tls_context *first = context(f, "first", &any), *again;
	char authority[32];

	for (unsigned i = 0; i < RELAY_SHARE_CONTEXTS_MAX; i++) {
		snprintf(authority, sizeof(authority), "relay-%u", i);
		tls_context_free(context(f, authority, &any));
	}
	again = context(f, "first", &any);
	assert_ptr_not_equal(again, first); /* ours was still good */
	tls_context_free(again);
	tls_context_free(first);
}

static void test_clients_are_shared_until_the_last_release(void **state)
{
	struct fixture *f = *state;
	const struct tls_client_options any = { .skip_verify = true };
	struct http_client_options o = {
		.loop = f->loop,
		.host = "127.0.0.1",
		.port = 1,
		.host_header = "a.example",
		.tls = context(f, "a", &any),
	};
	struct http_client *one, *other;

	assert_int_equal(relay_share_client(f->share, &o, &one), ERR_OK);
	assert_int_equal(relay_share_client(f->share, &o, &other), ERR_OK);
	assert_ptr_equal(one, other);
	relay_share_release_client(f->share, one);
	relay_share_reconnect(f->share, other); /* it is still there */
	relay_share_reconnect(f->share, other);
	relay_share_release_client(f->share, other);

	assert_int_equal(relay_share_client(f->share, &o, &one), ERR_OK);
	o.host_header = "b.example";
	assert_int_equal(relay_share_client(f->share, &o, &other), ERR_OK);
	assert_ptr_not_equal(one, other);
	relay_share_release_client(f->share, one);
	relay_share_release_client(f->share, other);
	tls_context_free(o.tls);
}

static void test_without_a_share_each_has_its_own(void **state)
{
	struct fixture *f = *state;
	const struct tls_client_options any = { .skip_verify = true };
	struct http_client_options o = { .loop = f->loop,
		.host = "127.0.0.1",
		.port = 1 };
	struct tls_context *one, *other;
	struct http_client *client;

	assert_int_equal(relay_share_tls(NULL, "a", &any, &one, NULL), ERR_OK);
	assert_int_equal(relay_share_tls(NULL, "a", &any, &other, NULL), ERR_OK);
	assert_ptr_not_equal(one, other);
	tls_context_free(one);
	tls_context_free(other);
	assert_int_equal(relay_share_client(NULL, &o, &client), ERR_OK);
	relay_share_reconnect(NULL, client);
	relay_share_release_client(NULL, client);
}

static void test_leases_with_the_same_chain_share_it(void **state)
{
	struct fixture *f = *state;
	struct span pem = buf_span(&f->certificate.pem);
	struct visitor_chain *one, *other, *own;

	assert_int_equal(relay_share_chain(f->share, pem, &one, NULL), ERR_OK);
	assert_int_equal(relay_share_chain(f->share, pem, &other, NULL), ERR_OK);
	assert_ptr_equal(one, other);
	assert_int_equal(relay_share_chain(NULL, pem, &own, NULL), ERR_OK);
	assert_ptr_not_equal(one, own);
	visitor_chain_unref(own);
	visitor_chain_unref(one);
	assert_true(span_eq(buf_span(&other->pem), pem));
	visitor_chain_unref(other);
	visitor_chain_unref(NULL);
	assert_int_not_equal(relay_share_chain(f->share, span_str("no PEM"), &one, NULL),
		ERR_OK);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_equal_options_are_one_context),
		TEST(test_the_context_wanted_longest_ago_goes),
		TEST(test_clients_are_shared_until_the_last_release),
		TEST(test_leases_with_the_same_chain_share_it),
		TEST(test_without_a_share_each_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
