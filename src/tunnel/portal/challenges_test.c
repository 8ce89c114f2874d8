/* Challenges: valid answers, when and how often, and the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tunnel/portal/challenges.h"

#define T0_MS UINT64_C(1780315200250)

struct fixture {
	struct challenges *c;
	uint8_t secret[K1_SECRET_BYTES];
	char address[ADDRESS_TEXT_SIZE];
};

static struct fixture *fixture_new(void)
{
	static const struct challenges_options o = {
		.statement = "Register a portal lease",
		.path = "/sdk/register",
		.prefix = RANDOM_ID_CHALLENGE,
	};
	struct fixture *f = mem_new(f);
	struct k1_public key;

	assert_non_null(f);
	clock_freeze(T0_MS);
	f->secret[31] = 7;
	assert_int_equal(k1_derive_public(f->secret, &key), ERR_OK);
	address_of_key(&key, f->address);
	assert_int_equal(challenges_new(&o, &f->c), ERR_OK);
	return f;
}

static void fixture_free(struct fixture *f)
{
	challenges_free(f->c);
	free(f);
}

/* What the client has kept of a challenge. */
struct kept {
	char id[RANDOM_ID_SIZE];
	char text[SIWE_TEXT_MAX];
	char signature[SIWE_SIGNATURE_SIZE];
};

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_from_literal(text, 0, &a), ERR_OK);
	return a;
}

static enum err ask(struct fixture *f, const char *client, void *payload,
	struct kept *kept)
{
	const struct addr addr = addr_of(client);
	struct challenge_request req = {
		.domain = "portal.example.com",
		.address = f->address,
		.client = &addr,
		.payload = payload,
		.free_payload = free,
		.payload_bytes = payload != NULL ? 8 : 0,
	};
	struct message_challenge out;
	enum err rc = challenges_open(f->c, &req, &out, NULL);

	if (rc != ERR_OK)
		return rc;
	assert_int_equal(out.expires_at.s, T0_MS / 1000 + 120);
	str_copy(kept->id, sizeof(kept->id), out.challenge_id);
	str_copy(kept->text, sizeof(kept->text), out.siwe_message);
	assert_int_equal(siwe_sign(span_str(kept->text), f->secret, kept->signature),
		ERR_OK);
	return ERR_OK;
}

static enum err answer(struct fixture *f, const struct kept *kept,
	struct challenge_outcome *out)
{
	struct siwe_response a = { .text = span_str(kept->text),
		.signature = span_str(kept->signature) };

	return challenges_verify(f->c, kept->id, &a, out, NULL);
}

static void test_the_text_has_the_request(void **state)
{
	struct fixture *f = fixture_new();
	struct kept kept;
	struct siwe m;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	assert_memory_equal(kept.id, "rch_", 4);
	assert_int_equal(siwe_parse(span_str(kept.text), &m, NULL), ERR_OK);
	assert_true(span_is(m.domain, "portal.example.com"));
	assert_true(span_is(m.statement, "Register a portal lease"));
	assert_true(span_is(m.uri, "https://portal.example.com/sdk/register"));
	assert_true(span_is(m.request_id, kept.id));
	assert_string_equal(m.address, f->address);
	assert_int_equal(m.expires_at.s - m.issued_at.s, 120);
	fixture_free(f);
}

static void test_a_success_burns_it_and_hands_the_payload_over(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out = { .payload = NULL };
	char *payload = calloc(1, 8);
	struct kept kept;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", payload, &kept), ERR_OK);
	assert_int_equal(answer(f, &kept, &out), ERR_OK);
	assert_string_equal(out.address, f->address);
	assert_ptr_equal(out.payload, payload);
	free(out.payload);
	assert_int_equal(answer(f, &kept, &out), ERR_NOENT);
	fixture_free(f);
}

static void test_white_space_around_the_text_does_not_count(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out;
	char text[SIWE_TEXT_MAX];
	struct kept kept;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	snprintf(text, sizeof(text), " \n%.4000s\n", kept.text);
	snprintf(kept.text, sizeof(kept.text), "%s", text);
	assert_int_equal(answer(f, &kept, &out), ERR_OK);
	fixture_free(f);
}

static void test_a_failure_burns_nothing(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out = { .payload = NULL };
	struct kept kept, bad;
	uint8_t other[K1_SECRET_BYTES] = { 1 };

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	bad = kept;
	bad.text[0] ^= 1;
	assert_int_equal(answer(f, &bad, &out), ERR_PROTO);
	bad = kept;
	bad.signature[10] = bad.signature[10] == '0' ? '1' : '0';
	assert_int_equal(answer(f, &bad, &out), ERR_DENIED);
	bad = kept;
	bad.signature[0] = '\0';
	assert_int_equal(answer(f, &bad, &out), ERR_DENIED);
	assert_int_equal(siwe_sign(span_str(kept.text), other, bad.signature), ERR_OK);
	assert_int_equal(answer(f, &bad, &out), ERR_DENIED);
	bad = kept;
	bad.id[5] = '!';
	assert_int_equal(answer(f, &bad, &out), ERR_NOENT);
	assert_int_equal(answer(f, &kept, &out), ERR_OK);
	fixture_free(f);
}

static void test_so_many_wrong_answers_burn_it(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out;
	struct kept kept, wrong;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	wrong = kept;
	memset(wrong.signature + 2, '1', 20);
	for (int i = 0; i < CHALLENGES_TRIES_MAX; i++)
		assert_int_equal(answer(f, &wrong, &out), ERR_DENIED);
	assert_int_equal(answer(f, &kept, &out), ERR_NOENT);
	fixture_free(f);
}

static void test_a_challenge_lasts_two_minutes(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out;
	struct kept a, b;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &a), ERR_OK);
	assert_int_equal(ask(f, "192.0.2.1", calloc(1, 8), &b), ERR_OK);
	clock_advance(120000);
	assert_int_equal(answer(f, &a, &out), ERR_OK);
	clock_advance(1);
	assert_int_equal(answer(f, &b, &out), ERR_NOENT);
	fixture_free(f);
}

static void test_a_client_has_32_at_a_time(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out;
	struct kept first, kept;

	(void)state;
	assert_int_equal(ask(f, "192.0.2.1", NULL, &first), ERR_OK);
	for (int i = 1; i < CHALLENGES_PER_CLIENT; i++)
		assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_LIMIT);
	assert_int_equal(ask(f, "192.0.2.2", NULL, &kept), ERR_OK);
	assert_int_equal(answer(f, &first, &out), ERR_OK);
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_OK);
	assert_int_equal(ask(f, "192.0.2.1", NULL, &kept), ERR_LIMIT);
	fixture_free(f);
}

/* A client with a /48 has 65,536 /64s, and displaces no other client's challenges. */
static void test_a_network_has_128_at_a_time(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_outcome out;
	struct kept other, kept;
	unsigned got = 0;
	char client[40];

	(void)state;
	assert_int_equal(ask(f, "2001:db8:7:1::1", NULL, &other), ERR_OK);
	for (int i = 0; i < CHALLENGES_PER_CLIENT; i++)
		assert_int_equal(ask(f, "2001:db8:8::1", NULL, &kept), ERR_OK);
	assert_int_equal(ask(f, "2001:db8:8::2", NULL, &kept), ERR_LIMIT);
	for (int i = 1; i < 2 * CHALLENGES_PER_NETWORK; i++) {
		snprintf(client, sizeof(client), "2001:db8:8:%x::1", i);
		got += ask(f, client, NULL, &kept) == ERR_OK;
	}
	assert_int_equal(got, CHALLENGES_PER_NETWORK - CHALLENGES_PER_CLIENT);
	assert_int_equal(ask(f, "2001:db8:7:2::1", NULL, &kept), ERR_OK);
	assert_int_equal(answer(f, &other, &out), ERR_OK);
	fixture_free(f);
}

static void test_when_there_are_too_many_the_oldest_go(void **state)
{
	struct fixture *f = fixture_new();
	struct challenge_request req = { .domain = "x", .address = f->address };
	struct challenge_outcome out;
	struct message_challenge c;
	struct kept first, last;
	struct addr client;
	char text[32];

	(void)state;
	req.client = &client;
	assert_int_equal(ask(f, "192.0.2.1", calloc(1, 8), &first), ERR_OK);
	for (int i = 1; i < CHALLENGES_MAX; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
		client = addr_of(text);
		assert_int_equal(challenges_open(f->c, &req, &c, NULL), ERR_OK);
	}
	assert_int_equal(ask(f, "192.0.2.3", NULL, &last), ERR_OK);
	assert_int_equal(answer(f, &first, &out), ERR_NOENT);
	assert_int_equal(answer(f, &last, &out), ERR_OK);

	req.payload_bytes = CHALLENGES_BYTES_MAX;
	assert_int_equal(ask(f, "192.0.2.3", NULL, &last), ERR_OK);
	assert_int_equal(challenges_open(f->c, &req, &c, NULL), ERR_OK);
	assert_int_equal(answer(f, &last, &out), ERR_NOENT);
	fixture_free(f);
}

static void test_a_host_that_would_break_the_text_is_refused(void **state)
{
	static const char *const rows[] = { "", "a b", "a\nb", "\xc3\xa4.example" };
	struct fixture *f = fixture_new();
	const struct addr client = addr_of("192.0.2.1");
	struct challenge_request req = { .address = f->address, .client = &client };
	struct message_challenge c;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		req.domain = rows[i];
		assert_int_equal(challenges_open(f->c, &req, &c, NULL), ERR_SYNTAX);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_the_text_has_the_request),
		cmocka_unit_test(test_a_success_burns_it_and_hands_the_payload_over),
		cmocka_unit_test(test_white_space_around_the_text_does_not_count),
		cmocka_unit_test(test_a_failure_burns_nothing),
		cmocka_unit_test(test_so_many_wrong_answers_burn_it),
		cmocka_unit_test(test_a_challenge_lasts_two_minutes),
		cmocka_unit_test(test_a_client_has_32_at_a_time),
		cmocka_unit_test(test_a_network_has_128_at_a_time),
		cmocka_unit_test(test_when_there_are_too_many_the_oldest_go),
		cmocka_unit_test(test_a_host_that_would_break_the_text_is_refused),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
