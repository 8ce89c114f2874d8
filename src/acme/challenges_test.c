/* Challenges that wait: what a CA gets that asks for them, and others that ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "acme/challenges.h"
#include "http/client.h"

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct acme_challenges *challenges;
	struct acme_http *http;
	struct http_client *client;
	unsigned answers, status;
	char body[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct acme_http_options o = { .host = "127.0.0.1" };
	struct http_client_options client = { .host = "127.0.0.1" };

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 65536, 4);
	assert_int_equal(acme_challenges_new(&f->challenges), ERR_OK);
	client.loop = o.loop = f->loop;
	o.pool = &f->pool;
	o.challenges = f->challenges;
	assert_int_equal(acme_http_listen(&o, &f->http, NULL), ERR_OK);
	client.port = acme_http_port(f->http);
	assert_int_equal(http_client_new(&client, &f->client), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_client_free(f->client);
	acme_http_close(f->http);
	acme_challenges_free(f->challenges);
	loop_turn(f->loop);
	loop_free(f->loop);
	pool_fini(&f->pool);
	free(f);
	return 0;
}

static void on_response(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct fixture *f = arg;

	(void)why;
	assert_int_equal(rc, ERR_OK);
	f->answers++;
	f->status = a->status;
	assert_true(a->body.n < sizeof(f->body));
	memcpy(f->body, a->body.p, a->body.n);
	f->body[a->body.n] = '\0';
}

static void ask(struct fixture *f, const char *target)
{
	struct http_client_request r = {
		.method = "GET",
		.target = target,
		.fn = on_response,
		.arg = f,
	};
	unsigned before = f->answers;

	assert_int_equal(http_client_send(f->client, &r, NULL), ERR_OK);
	for (int i = 0; i < 100000 && f->answers == before; i++)
		loop_turn(f->loop);
	assert_int_equal(f->answers, before + 1);
}

static void test_a_token_is_answered_while_it_waits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(acme_challenges_add_http(f->challenges, "t-1", "t-1.print"),
		ERR_OK);
	ask(f, ACME_HTTP_PATH "t-1");
	assert_int_equal(f->status, 200);
	assert_string_equal(f->body, "t-1.print");
	ask(f, ACME_HTTP_PATH "t-1?x=1");
	assert_int_equal(f->status, 200);
	acme_challenges_remove_http(f->challenges, "t-1");
	acme_challenges_remove_http(f->challenges, "t-1");
	ask(f, ACME_HTTP_PATH "t-1");
	assert_int_equal(f->status, 404);
}

static void test_nothing_else_is_there(void **state)
{
	static const char *const targets[] = { "/", ACME_HTTP_PATH, ACME_HTTP_PATH "t",
		ACME_HTTP_PATH "t-1/", ACME_HTTP_PATH "../t-1", "/.well-known/t-1" };
	struct fixture *f = *state;

	assert_int_equal(acme_challenges_add_http(f->challenges, "t-1", "t-1.print"),
		ERR_OK);
	for (size_t i = 0; i < mem_count(targets); i++) {
		ask(f, targets[i]);
		assert_int_equal(f->status, 404);
	}
}

static void test_a_validation_by_tls_gets_its_certificate(void **state)
{
	struct fixture *f = *state;
	struct tls_hello hello = { .name = "a.example",
		.protocols = span_str("\x0a" ACME_ALPN) };
	struct tls_certificate *c = NULL;

	assert_int_equal(acme_challenges_add_alpn(f->challenges, "a.example", "t.print"),
		ERR_OK);
	assert_true(acme_challenges_choose(f->challenges, &hello, &c));
	assert_non_null(c);
	tls_certificate_unref(c);
	acme_challenges_remove_alpn(f->challenges, "a.example");
	assert_true(acme_challenges_choose(f->challenges, &hello, &c));
	assert_null(c);
	hello.protocols = span_str("\x02h2\x08http/1.1");
	assert_false(acme_challenges_choose(f->challenges, &hello, &c));
	hello.protocols = span_str("\x0c" ACME_ALPN); /* cut off */
	assert_false(acme_challenges_choose(f->challenges, &hello, &c));
}

#define challenge_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		challenge_test(test_a_token_is_answered_while_it_waits),
		challenge_test(test_nothing_else_is_there),
		challenge_test(test_a_validation_by_tls_gets_its_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
