/* Sign-in with a wallet: allowed addresses, the lifetime of sessions, and cookies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tunnel/portal/siwe.h"
#include "tunnel/portal/wallet.h"

#define T0_MS UINT64_C(1780315200250)

struct person {
	uint8_t secret[K1_SECRET_BYTES];
	char address[ADDRESS_TEXT_SIZE];
};

struct fixture {
	struct wallet *w;
	struct person alice, bob;
};

static void person_init(struct person *p, uint8_t secret)
{
	struct k1_public key;

	p->secret[31] = secret;
	assert_int_equal(k1_derive_public(p->secret, &key), ERR_OK);
	address_of_key(&key, p->address);
}

static void allow(struct fixture *f, const struct person *p)
{
	const char *addresses[] = { p->address };

	assert_int_equal(wallet_allow(f->w, addresses, 1, NULL), ERR_OK);
}

static void open_wallet(struct fixture *f, bool is_open)
{
	const struct wallet_options o = {
		.statement = "Sign in to Portal relay admin",
		.path = "/admin/auth/login",
		.cookie_name = "portal_admin",
		.cookie_path = "/admin",
		.is_open = is_open,
	};

	wallet_free(f->w);
	assert_int_equal(wallet_new(&o, &f->w), ERR_OK);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	clock_freeze(T0_MS);
	person_init(&f->alice, 1);
	person_init(&f->bob, 2);
	open_wallet(f, false);
	allow(f, &f->alice);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	wallet_free(f->w);
	free(f);
	return 0;
}

static enum err ask(struct fixture *f, const char *address, struct message_challenge *c)
{
	struct wallet_challenge_request req;
	struct addr client;

	assert_int_equal(addr_from_literal("192.0.2.1", 0, &client), ERR_OK);
	snprintf(req.address, sizeof(req.address), "%s", address);
	return wallet_challenge(f->w, &req, "relay.example.com:4017", &client, c, NULL);
}

static enum err answer(struct fixture *f, const struct message_challenge *c,
	const struct person *signer, struct wallet_login *out)
{
	struct wallet_login_request req;
	char signature[SIWE_SIGNATURE_SIZE];

	assert_int_equal(siwe_sign(span_str(c->siwe_message), signer->secret, signature),
		ERR_OK);
	snprintf(req.challenge_id, sizeof(req.challenge_id), "%s", c->challenge_id);
	snprintf(req.siwe_message, sizeof(req.siwe_message), "%s", c->siwe_message);
	snprintf(req.siwe_signature, sizeof(req.siwe_signature), "%s", signature);
	return wallet_login(f->w, &req, out, NULL);
}

static void log_in(struct fixture *f, const struct person *p, struct wallet_login *out)
{
	struct message_challenge c;

	assert_int_equal(ask(f, p->address, &c), ERR_OK);
	assert_int_equal(answer(f, &c, p, out), ERR_OK);
	assert_string_equal(out->address, p->address);
}

/* What a browser sends back. */
static const char *cookie_of(const struct wallet_login *login, char to[WALLET_COOKIE_MAX])
{
	snprintf(to, WALLET_COOKIE_MAX, "%.*s", (int)strcspn(login->cookie, ";"),
		login->cookie);
	return to;
}

static void test_a_signature_opens_a_session(void **state)
{
	struct fixture *f = *state;
	struct message_challenge c;
	struct wallet_login login;
	char cookie[WALLET_COOKIE_MAX], more[2 * WALLET_COOKIE_MAX];

	assert_int_equal(ask(f, f->alice.address, &c), ERR_OK);
	assert_memory_equal(c.challenge_id, "wac_", 4);
	assert_non_null(strstr(c.siwe_message, "Sign in to Portal relay admin"));
	assert_non_null(strstr(c.siwe_message,
		"URI: https://relay.example.com:4017/admin/auth/login"));
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_OK);
	assert_memory_equal(login.cookie, "portal_admin=was_", 17);
	assert_non_null(strstr(login.cookie,
		"; Path=/admin; Max-Age=86400; HttpOnly; Secure; SameSite=Strict"));
	cookie_of(&login, cookie);
	assert_string_equal(wallet_address(f->w, cookie), f->alice.address);
	snprintf(more, sizeof(more), "a=b; portal_admin=was_old;%s; c=d", cookie);
	assert_string_equal(wallet_address(f->w, more), f->alice.address);
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_NOENT);
}

static void test_wrong_wallets_and_signatures_are_refused(void **state)
{
	struct fixture *f = *state;
	struct message_challenge c;
	struct wallet_login login;

	assert_int_equal(ask(f, f->bob.address, &c), ERR_DENIED);
	assert_int_equal(ask(f, "0x12", &c), ERR_SYNTAX);
	assert_int_equal(ask(f, f->alice.address, &c), ERR_OK);
	assert_int_equal(answer(f, &c, &f->bob, &login), ERR_CRYPTO);
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_OK);
	assert_int_equal(ask(f, f->alice.address, &c), ERR_OK);
	clock_advance(121 * 1000);
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_NOENT);
	assert_int_equal(ask(f, f->alice.address, &c), ERR_OK);
	c.siwe_message[0] ^= 1;
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_CRYPTO);
}

static void test_no_other_cookie_will_do(void **state)
{
	static const char *const cookies[] = { "", ";", "portal_admin",
		"portal_admin=", "portal_admin=was_",
		"portal_admin=was_00000000000000000000000000000000",
		"portal_admin=was_0000000000000000000000000000000000000000000000000000000",
		"xportal_admin=was_0", "=;=;;  ;" };
	struct fixture *f = *state;
	struct wallet_login login;
	char cookie[WALLET_COOKIE_MAX];

	log_in(f, &f->alice, &login);
	for (size_t i = 0; i < mem_count(cookies); i++)
		assert_null(wallet_address(f->w, cookies[i]));
	cookie_of(&login, cookie);
	cookie[0] = 'P';
	assert_null(wallet_address(f->w, cookie));
	cookie_of(&login, cookie);
	cookie[strlen(cookie) - 1] ^= 1;
	assert_null(wallet_address(f->w, cookie));
}

static void test_a_session_ends(void **state)
{
	struct fixture *f = *state;
	struct wallet_login one, two;
	char cookie[WALLET_COOKIE_MAX], gone[WALLET_COOKIE_MAX];

	log_in(f, &f->alice, &one);
	log_in(f, &f->alice, &two);
	wallet_logout(f->w, cookie_of(&one, cookie), gone);
	assert_string_equal(gone,
		"portal_admin=; Path=/admin; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
	assert_null(wallet_address(f->w, cookie));
	cookie_of(&two, cookie);
	clock_advance(UINT64_C(86399) * 1000);
	wallet_sweep(f->w);
	assert_non_null(wallet_address(f->w, cookie));
	clock_advance(1000);
	assert_null(wallet_address(f->w, cookie));
}

static void test_a_new_list_ends_sessions(void **state)
{
	struct fixture *f = *state;
	const char *wrong[] = { f->bob.address, "0xnobody" };
	struct wallet_login login;
	struct message_challenge c;
	char cookie[WALLET_COOKIE_MAX];

	log_in(f, &f->alice, &login);
	cookie_of(&login, cookie);
	assert_int_equal(wallet_allow(f->w, wrong, 2, NULL), ERR_SYNTAX);
	assert_non_null(wallet_address(f->w, cookie));
	assert_int_equal(ask(f, f->alice.address, &c), ERR_OK);
	allow(f, &f->bob);
	assert_null(wallet_address(f->w, cookie));
	assert_int_equal(answer(f, &c, &f->alice, &login), ERR_DENIED);
}

static void test_an_empty_list_allows_no_wallet(void **state)
{
	struct fixture *f = *state;
	struct wallet_login login;
	struct message_challenge c;

	assert_int_equal(wallet_allow(f->w, NULL, 0, NULL), ERR_OK);
	assert_int_equal(ask(f, f->alice.address, &c), ERR_DENIED);
	open_wallet(f, true);
	log_in(f, &f->bob, &login);
}

static void test_sessions_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct wallet_login first, login;
	char cookie[WALLET_COOKIE_MAX];

	log_in(f, &f->alice, &first);
	for (unsigned i = 0; i < WALLET_SESSIONS_MAX; i++) {
		assert_non_null(wallet_address(f->w, cookie_of(&first, cookie)));
		clock_advance(1);
		log_in(f, &f->alice, &login);
	}
	assert_null(wallet_address(f->w, cookie));
	assert_non_null(wallet_address(f->w, cookie_of(&login, cookie)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_signature_opens_a_session, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_wrong_wallets_and_signatures_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_other_cookie_will_do, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_a_session_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_new_list_ends_sessions, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_an_empty_list_allows_no_wallet,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sessions_are_bounded, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
