/* Behaviour of lease sessions, with a relay on this machine and time in the test's
 * hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/lease_session.h"
#include "agent/relay_test.h"
#include "base/said_test.h"

#define ROOT "relay.localhost"
#define NAMES "DNS:" ROOT ",DNS:*." ROOT

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct test_relay relay;
	struct identity identity;
	struct message_metadata metadata;
	struct log log;
	struct agent_session *session;

	unsigned opened, visitors, closed;
	struct lease_visitor visitor; /* the last */
	enum err rc;
};

static void on_change(void *owner, struct agent_session *s)
{
	struct fixture *f = owner;

	assert_ptr_equal(s, f->session);
	f->opened += agent_session_status(s).state == AGENT_OPEN;
}

static void on_visitor(void *owner, struct agent_session *s,
	const struct lease_visitor *visitor)
{
	struct fixture *f = owner;

	(void)s;
	stream_abort(f->visitor.stream);
	f->visitor = *visitor;
	f->visitors++;
}

static void on_closed(void *owner, struct agent_session *s, enum err rc)
{
	struct fixture *f = owner;

	(void)s;
	f->closed++;
	f->rc = rc;
}

static const struct agent_session_hooks hooks = { on_change, on_closed };

static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	const unsigned *asked = f->relay.asked;

	if (!time_wait(f->loop, what, count))
		fail_msg("%u in place of %u; asked %u %u %u, renew %u, connect %u", *what,
			count, asked[ASKED_DOMAIN], asked[ASKED_CHALLENGE],
			asked[ASKED_REGISTER], asked[ASKED_RENEW], asked[ASKED_CONNECT]);
}

static void wait_asked(struct fixture *f, enum test_question question, unsigned count)
{
	wait_for(f, &f->relay.asked[question], count);
}

static unsigned ready(struct fixture *f)
{
	return lease_session_statistics(f->session).ready;
}

static void wait_ready(struct fixture *f, unsigned count)
{
	for (int i = 0; i < 50000 && ready(f) != count; i++) {
		time_turn(f->loop);
		usleep(100);
	}
	assert_int_equal(ready(f), count);
}

static void begin(struct fixture *f)
{
	struct lease_session_options o = { .loop = f->loop,
		.url = f->relay.url,
		.identity = &f->identity,
		.metadata = &f->metadata,
		.log = &f->log,
		.bans_mitm = true,
		.hooks = &hooks,
		.on_visitor = on_visitor,
		.owner = f };

	assert_int_equal(lease_session_open(&o, &f->session, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	time_begin(1700000000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 66560, 16);
	test_relay_init(&f->relay, f->loop, &f->pool, ROOT, NAMES);
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE),
				 &f->identity, NULL),
		ERR_OK);
	log_init(&f->log, NULL, "test");
	begin(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_abort(f->visitor.stream);
	agent_session_close(f->session);
	test_relay_fini(&f->relay);
	loop_turn(f->loop);
	loop_free(f->loop);
	pool_fini(&f->pool);
	identity_wipe(&f->identity);
	free(f);
	return 0;
}

/* Begins with a lease whose sessions are ready. */
static int setup_open(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	wait_for(f, &f->opened, 1);
	wait_ready(f, 2);
	wait_asked(f, ASKED_SIGN, 1); /* whether it signs with the right key */
	return 0;
}

/* ---- up to a lease ---- */

static void test_a_lease_is_registered_and_waits_for_visitors(void **state)
{
	struct fixture *f = *state;

	f->relay.sni_port = 8443;
	f->relay.tcp_addr = ROOT ":9000";
	assert_string_equal(agent_session_status(f->session).url, "");
	wait_for(f, &f->opened, 1);
	assert_string_equal(agent_session_status(f->session).peer, f->relay.url);
	assert_string_equal(agent_session_status(f->session).host, VECTOR_NAME "." ROOT);
	assert_string_equal(agent_session_status(f->session).url,
		"https://" VECTOR_NAME "." ROOT ":8443");
	assert_string_equal(agent_session_status(f->session).tcp, ROOT ":9000");
	wait_ready(f, 2);
	assert_string_equal(f->relay.token, "register.1");
	assert_int_equal(f->relay.asked[ASKED_DOMAIN], 1);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 1);
	assert_int_equal(lease_session_statistics(f->session).registrations, 1);
	assert_true(lease_session_statistics(f->session).is_open);
}

/* The chain, the registration, two sessions, a trial signature;
 * and one that waits for more. */
static void test_only_an_adit_has_connections_that_ask_nothing(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->relay.accepted, 6);
	time_settle(f->loop);
	assert_int_equal(f->relay.accepted, 6);
	agent_session_close(f->session);
	f->relay.release = "v2.2.2";
	f->relay.accepted = 0;
	begin(f);
	wait_for(f, &f->opened, 2);
	wait_ready(f, 2);
	wait_for(f, &f->relay.accepted, 5);
	time_pass(f->loop, 5000);
	assert_int_equal(f->relay.accepted, 5);
}

static void test_a_certificate_for_others_leads_to_no_lease(void **state)
{
	struct fixture *f = *state;

	test_relay_certify(&f->relay, "DNS:" ROOT); /* our name is below it */
	time_pass(f->loop, 10000);
	assert_int_equal(f->relay.asked[ASKED_DOMAIN], 0);
	test_relay_certify(&f->relay, NAMES);
	time_pass(f->loop, 4000);
	wait_for(f, &f->opened, 1);
}

static void test_transient_failures_are_retried_within_5_s(void **state)
{
	static const char *const codes[] = { "internal", "rate_limited", "lease_rejected",
		"unauthorized" };
	struct fixture *f = *state;

	for (unsigned i = 0; i < mem_count(codes); i++) {
		f->relay.answers[ASKED_REGISTER] = (struct test_answer){ 500, codes[i],
			false };
		for (unsigned tries = 0; tries < 6; tries++) {
			unsigned before = f->relay.asked[ASKED_REGISTER];

			for (unsigned ms = 0;
				ms < 3100 && f->relay.asked[ASKED_REGISTER] == before;
				ms += 100)
				time_pass(f->loop, 100);
			wait_asked(f, ASKED_REGISTER, before + 1);
		}
	}
	f->relay.answers[ASKED_REGISTER] = (struct test_answer){ 0 };
	time_pass(f->loop, 4000);
	wait_for(f, &f->opened, 1);
	assert_int_equal(f->closed, 0);
}

static void check_is_final(struct fixture *f, enum test_question question,
	const char *code)
{
	f->relay.answers[question] = (struct test_answer){ 403, code, false };
	wait_for(f, &f->closed, 1);
	assert_int_equal(f->rc, ERR_DENIED);
	time_pass(f->loop, 60000);
	assert_int_equal(f->relay.asked[question], 1);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->opened, 0);
}

static void test_a_name_that_was_never_held_is_not_requested_again(void **state)
{
	check_is_final(*state, ASKED_REGISTER, "hostname_conflict");
}

/* The holder may be a squatter that was faster after a restart, or our earlier lease. */
static void test_a_name_that_was_held_before_is_requested_repeatedly(void **state)
{
	struct fixture *f = *state;
	static const char taken[] = "is taken or reserved there";
	struct said said;

	said_begin(&said);
	f->relay.answers[ASKED_REGISTER] = (struct test_answer){ 409, "hostname_conflict",
		false };
	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 404, "lease_not_found",
		false };
	test_relay_drop_session(&f->relay, 0);
	wait_asked(f, ASKED_REGISTER, 2);
	time_settle(f->loop);
	assert_int_equal(said_count(&said, taken), 1);
	time_pass(f->loop, 600000);
	assert_in_range(f->relay.asked[ASKED_REGISTER], 20, 120);
	assert_in_range(said_count(&said, taken), 8, 11);
	assert_int_equal(f->closed, 0);

	f->relay.answers[ASKED_REGISTER] = f->relay.answers[ASKED_CONNECT] =
		(struct test_answer){ 0 };
	time_pass(f->loop, 30000);
	wait_for(f, &f->opened, 2);
	wait_ready(f, 2);
	assert_int_equal(said_count(&said, "public again"), 1);
	said_end(&said);
}

static void test_a_ban_of_the_address_is_final(void **state)
{
	check_is_final(*state, ASKED_CHALLENGE, "ip_banned");
}

static void test_a_feature_that_is_off_is_final(void **state)
{
	check_is_final(*state, ASKED_CHALLENGE, "feature_unavailable");
}

static void test_a_ban_while_it_was_open_is_final(void **state)
{
	struct fixture *f = *state;

	f->relay.answers[ASKED_CHALLENGE] = (struct test_answer){ 403, "ip_banned",
		false };
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 2000);
	wait_for(f, &f->closed, 1);
	assert_int_equal(f->rc, ERR_DENIED);
}

/* Another agent has our identity, and the lease by now. */
static void test_a_replaced_session_does_not_register_again(void **state)
{
	struct fixture *f = *state;

	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 409, "hostname_conflict",
		false };
	test_relay_drop_session(&f->relay, 0);
	wait_for(f, &f->closed, 1);
	assert_int_equal(f->rc, ERR_DENIED);
	time_pass(f->loop, 60000);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 1);
}

/* ---- what cuts it ---- */

/* No time passes. */
static void wait_registered_again(struct fixture *f, unsigned times)
{
	wait_for(f, &f->opened, times);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], times);
	wait_ready(f, 2);
}

static void test_a_session_without_a_lease_registers_at_once(void **state)
{
	struct fixture *f = *state;

	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 404, "lease_not_found",
		false };
	test_relay_drop_session(&f->relay, 0);
	wait_asked(f, ASKED_DOMAIN, 2);
	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 0 };
	wait_registered_again(f, 2);
}

static void test_a_renewal_without_a_lease_registers_at_once(void **state)
{
	struct fixture *f = *state;

	f->relay.answers[ASKED_RENEW] = (struct test_answer){ 404, "lease_not_found",
		false };
	for (unsigned i = 0; i < 100 && f->relay.asked[ASKED_RENEW] == 0; i++) {
		time_pass(f->loop, 10000);
		test_relay_keep(&f->relay);
	}
	wait_registered_again(f, 2);
}

static void test_a_relay_that_was_restarted_has_us_at_once(void **state)
{
	struct fixture *f = *state;

	test_relay_kill(&f->relay);
	test_relay_start(&f->relay);
	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 404, "lease_not_found",
		false };
	wait_asked(f, ASKED_CONNECT, 3);
	wait_asked(f, ASKED_DOMAIN, 2);
	f->relay.answers[ASKED_CONNECT] = (struct test_answer){ 0 };
	wait_for(f, &f->opened, 2);
	time_pass(f->loop, 500); /* warm connections to sign are at their second try */
	wait_ready(f, 2);
}

static void test_a_relay_may_come_back_with_another_certificate(void **state)
{
	struct fixture *f = *state;

	test_relay_kill(&f->relay);
	test_relay_certify(&f->relay, NAMES);
	test_relay_start(&f->relay);
	wait_ready(f, 0);
	for (unsigned ms = 0; ms < 5000 && ready(f) == 0; ms += 100)
		time_pass(f->loop, 100);
	wait_ready(f, 2);
}

static void test_a_relay_that_is_away_is_found_below_5_s(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 10; round++) {
		test_relay_kill(&f->relay);
		time_pass(f->loop, 20000 + round * 517);
		assert_int_equal(ready(f), 0);
		test_relay_start(&f->relay);
		time_pass(f->loop, 3500);
		wait_ready(f, 2);
		if (f->relay.sessions_n > TEST_RELAY_SESSIONS_MAX - 8)
			break;
	}
	assert_int_equal(f->closed, 0);
}

/* No keepalive: the path is cut, and what is open on it is worth nothing. */
static void test_a_silent_relay_gets_a_new_registration(void **state)
{
	struct fixture *f = *state;

	time_pass(f->loop, MARKER_TIMEOUT_MS + 100);
	wait_registered_again(f, 2);
}

/* ---- retries that are asked for ---- */

static void test_a_retry_registers_an_open_lease_again(void **state)
{
	struct fixture *f = *state;

	time_pass(f->loop, 2000);
	agent_session_retry_now(f->session, "a test", false);
	wait_registered_again(f, 2);
	assert_string_equal(f->relay.token, "register.2");
}

static void test_retries_in_a_burst_are_two_attempts_at_most(void **state)
{
	struct fixture *f = *state;

	time_pass(f->loop, 2000);
	for (unsigned i = 0; i < 10; i++) {
		agent_session_retry_now(f->session, "a test", false);
		time_pass(f->loop, 100);
	}
	time_pass(f->loop, 5000);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 3);
	wait_ready(f, 2);
}

/* The path may have come only with the last request: an attempt on the old one hangs. */
static void test_a_retry_during_a_young_attempt_is_not_forgotten(void **state)
{
	struct fixture *f = *state;

	time_pass(f->loop, 2000);
	f->relay.answers[ASKED_DOMAIN].is_mute = true;
	agent_session_retry_now(f->session, "a test", false);
	wait_asked(f, ASKED_DOMAIN, 2);
	time_pass(f->loop, 1000);
	f->relay.answers[ASKED_DOMAIN].is_mute = false;
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 1000);
	wait_for(f, &f->opened, 2);
}

static void test_a_retry_ends_a_pause(void **state)
{
	struct fixture *f = *state;

	test_relay_kill(&f->relay);
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 60000);
	test_relay_start(&f->relay);
	agent_session_retry_now(f->session, "a test", false);
	wait_for(f, &f->opened, 2); /* no time passes */
}

/* ---- visitors ---- */

static void test_a_raw_visitor_is_handed_over(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = test_relay_activate(&f->relay, 0, MARKER_RAW);
	char got[6] = "";
	size_t n;

	assert_int_equal(stream_put(visitor, "hello", 5, &n), ERR_OK);
	wait_for(f, &f->visitors, 1);
	assert_int_equal(f->visitor.kind, MARKER_RAW);
	time_settle(f->loop);
	assert_int_equal(stream_read(f->visitor.stream, got, 5, &n), ERR_OK);
	assert_string_equal(got, "hello");
	stream_abort(visitor);
}

/* Each visitor uses one up: the next must not begin with a whole handshake. */
static void test_the_next_session_resumes_the_relay_s_tls(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct stream *visitor = test_relay_activate(&f->relay, i, MARKER_RAW);

		wait_for(f, &f->visitors, i + 1);
		stream_abort(visitor);
		wait_for(f, &f->relay.sessions_n, i + 3);
		assert_true(tls_is_resumed(f->relay.sessions[i + 2]));
	}
}

/* Comes in TLS through session @i, believing the relay's certificate;
 * stays for a moment. */
static struct stream *visit(struct fixture *f, unsigned i, unsigned certificate)
{
	struct tls_client_options client = {
		.ca_pem = buf_span(&f->relay.certificates[certificate].pem)
	};
	struct tls_options o = { .loop = f->loop, .server_name = VECTOR_NAME "." ROOT };
	struct stream *tls;

	o.below = test_relay_activate(&f->relay, i, MARKER_TLS);
	assert_int_equal(tls_context_new_client(&client, &o.context, NULL), ERR_OK);
	assert_int_equal(tls_open(&o, &tls, NULL), ERR_OK);
	tls_context_free(o.context);
	return tls;
}

static enum err shake(struct fixture *f, struct stream *tls)
{
	enum err rc = ERR_AGAIN;

	for (int i = 0; i < 20000 && rc == ERR_AGAIN; i++) {
		time_turn(f->loop);
		usleep(100);
		rc = tls_handshake(tls, NULL);
	}
	return rc;
}

static void test_a_visitor_s_tls_ends_here(void **state)
{
	struct fixture *f = *state;
	struct stream *tls = visit(f, 0, 0);

	assert_int_equal(shake(f, tls), ERR_OK);
	wait_for(f, &f->visitors, 1);
	assert_int_equal(f->visitor.kind, MARKER_TLS);
	assert_int_equal(f->relay.asked[ASKED_SIGN], 2);
	assert_string_equal(f->relay.token, "register.1");
	stream_abort(tls);
}

/* It signs what is asked for at its own time. */
static void test_a_relay_may_have_another_time(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;

	f->relay.clock_ahead_s = -100000;
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 2000);
	wait_for(f, &f->opened, 2);
	wait_for(f, &f->relay.sessions_n, 4);
	wait_ready(f, 2);
	tls = visit(f, 2, 0);
	assert_int_equal(shake(f, tls), ERR_OK);
	assert_int_equal(f->relay.asked[ASKED_SIGN], 2);
	stream_abort(tls);
}

/* A proxy before its API has a certificate of its own:
 * no visitor would accept what it signs. */
static void test_a_signature_of_another_key_is_reported(void **state)
{
	static const char words[] = "signs with another key than its certificate's";
	struct fixture *f = *state;
	struct test_certificate other;
	struct stream *tls;
	struct said said;

	test_certificate_init(&other, NAMES);
	said_begin(&said);
	f->relay.signs_with = &other;
	wait_for(f, &f->opened, 1);
	wait_ready(f, 2);
	wait_asked(f, ASKED_SIGN, 1);
	time_settle(f->loop);
	assert_int_equal(said_count(&said, words), 1); /* before any visitor */
	tls = visit(f, 0, 0);
	assert_int_not_equal(shake(f, tls), ERR_OK);
	stream_abort(tls);

	f->relay.signs_with = NULL; /* the proxy has that one's certificate now */
	tls = visit(f, 1, 0);
	assert_int_equal(shake(f, tls), ERR_OK);
	stream_abort(tls);
	assert_int_equal(said_count(&said, "signed again"), 1);
	said_end(&said);
	test_certificate_fini(&other);
}

static void test_a_refused_retry_is_not_logged(void **state)
{
	struct fixture *f = *state;
	struct said said;

	said_begin(&said);
	f->relay.answers[ASKED_SIGN] = (struct test_answer){ 403, "lease_rejected",
		false };
	wait_for(f, &f->opened, 1);
	wait_asked(f, ASKED_SIGN, 1);
	time_settle(f->loop);
	assert_int_equal(said_count(&said, "sign"), 0);
	f->relay.answers[ASKED_SIGN] = (struct test_answer){ 0 };
	for (unsigned i = 0; i < 10; i++) {
		time_pass(f->loop, 10000);
		test_relay_keep(&f->relay);
	}
	wait_asked(f, ASKED_RENEW, 1);
	wait_asked(f, ASKED_SIGN, 2); /* it is tried again with a new token */
	said_end(&said);
}

/* Verified again with another certificate, and after a visitor has refused a
 * signature. */
static void test_signatures_are_verified_when_there_is_reason(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;

	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 2000);
	wait_for(f, &f->opened, 2);
	wait_ready(f, 2);
	assert_int_equal(f->relay.asked[ASKED_SIGN], 1); /* the same certificate */

	test_relay_certify(&f->relay, NAMES);
	time_pass(f->loop, 6000);
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 2000);
	wait_asked(f, ASKED_SIGN, 2);
	wait_for(f, &f->opened, 3);
	wait_ready(f, 2);

	f->relay.signs_with = &f->relay.certificates[0];
	for (unsigned i = 0; i < 2; i++) {
		wait_ready(f, 2);
		tls = visit(f, f->relay.sessions_n - 1, 1);
		assert_int_not_equal(shake(f, tls), ERR_OK);
		stream_abort(tls);
		time_settle(f->loop);
		/* The first was for the visitor to refuse. */
		assert_int_equal(lease_session_statistics(f->session).signer.failures, i);
	}
}

/* The relay signs with a new key already:
 * that visitor is lost, and the next one served. */
static void test_a_chain_that_changes_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;

	time_pass(f->loop, 6000);
	test_relay_certify(&f->relay, NAMES);
	tls = visit(f, 0, 1);
	assert_int_not_equal(shake(f, tls), ERR_OK);
	stream_abort(tls);
	time_pass(f->loop, 1000); /* new sessions were not believed for a moment */
	wait_ready(f, 2);
	tls = visit(f, f->relay.sessions_n - 1, 1);
	assert_int_equal(shake(f, tls), ERR_OK);
	wait_for(f, &f->visitors, 1);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 1);
	stream_abort(tls);
}

/* There is no visitor, so only a renewal detects the new chain. */
static void test_renewals_continue_with_a_new_chain(void **state)
{
	struct fixture *f = *state;

	test_relay_certify(&f->relay, NAMES);
	for (unsigned i = 0; i < 12; i++) {
		time_pass(f->loop, 10000);
		test_relay_keep(&f->relay);
	}
	wait_asked(f, ASKED_RENEW, 1);
	time_settle(f->loop);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 1);
	assert_int_equal(ready(f), 2);
}

static void test_a_new_token_is_used_for_all(void **state)
{
	struct fixture *f = *state;
	struct stream *tls;

	f->relay.ttl_s = 20;
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 2000);
	wait_for(f, &f->opened, 2);
	wait_for(f, &f->relay.sessions_n, 4);
	time_pass(f->loop, 10000);
	wait_asked(f, ASKED_RENEW, 1);
	time_settle(f->loop);
	tls = visit(f, 2, 0);
	assert_int_equal(shake(f, tls), ERR_OK);
	assert_string_equal(f->relay.token, "renew.1");
	stream_abort(tls);
}

/* ---- the end ---- */

static void test_leaving_unregisters(void **state)
{
	struct fixture *f = *state;

	agent_session_leave(f->session);
	agent_session_leave(f->session);
	wait_for(f, &f->closed, 1);
	assert_int_equal(f->rc, ERR_CLOSED);
	assert_int_equal(f->relay.asked[ASKED_UNREGISTER], 1);
	assert_non_null(strstr(f->relay.body, "register.1"));
	agent_session_retry_now(f->session, "a test", false);
	time_pass(f->loop, 10000);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->relay.asked[ASKED_REGISTER], 1);
}

static void test_leaving_takes_5_s_at_most(void **state)
{
	struct fixture *f = *state;

	f->relay.answers[ASKED_UNREGISTER].is_mute = true;
	agent_session_leave(f->session);
	wait_asked(f, ASKED_UNREGISTER, 1);
	time_pass(f->loop, 5001);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->rc, ERR_CLOSED);
}

static void test_without_a_lease_leaving_is_over_at_once(void **state)
{
	struct fixture *f = *state;

	agent_session_leave(f->session);
	wait_for(f, &f->closed, 1); /* no time passes */
	assert_int_equal(f->rc, ERR_CLOSED);
	assert_int_equal(f->relay.asked[ASKED_UNREGISTER], 0);
}

static void test_it_may_be_closed_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (unsigned turns = 0; turns < 60; turns++) {
		if (f->session == NULL)
			begin(f);
		for (unsigned i = 0; i < turns; i++)
			time_turn(f->loop);
		agent_session_close(f->session);
		f->session = NULL;
		f->opened = 0;
		if (f->relay.sessions_n > TEST_RELAY_SESSIONS_MAX - 4)
			break;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_OPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_lease_is_registered_and_waits_for_visitors),
		TEST(test_only_an_adit_has_connections_that_ask_nothing),
		TEST(test_a_certificate_for_others_leads_to_no_lease),
		TEST(test_transient_failures_are_retried_within_5_s),
		TEST(test_a_name_that_was_never_held_is_not_requested_again),
		TEST_OPEN(test_a_name_that_was_held_before_is_requested_repeatedly),
		TEST(test_a_ban_of_the_address_is_final),
		TEST(test_a_feature_that_is_off_is_final),
		TEST_OPEN(test_a_ban_while_it_was_open_is_final),
		TEST_OPEN(test_a_replaced_session_does_not_register_again),
		TEST_OPEN(test_a_session_without_a_lease_registers_at_once),
		TEST_OPEN(test_a_renewal_without_a_lease_registers_at_once),
		TEST_OPEN(test_a_relay_that_was_restarted_has_us_at_once),
		TEST_OPEN(test_a_relay_may_come_back_with_another_certificate),
		TEST_OPEN(test_a_relay_that_is_away_is_found_below_5_s),
		TEST_OPEN(test_a_silent_relay_gets_a_new_registration),
		TEST_OPEN(test_a_retry_registers_an_open_lease_again),
		TEST_OPEN(test_retries_in_a_burst_are_two_attempts_at_most),
		TEST_OPEN(test_a_retry_during_a_young_attempt_is_not_forgotten),
		TEST_OPEN(test_a_retry_ends_a_pause),
		TEST_OPEN(test_a_raw_visitor_is_handed_over),
		TEST_OPEN(test_the_next_session_resumes_the_relay_s_tls),
		TEST_OPEN(test_a_visitor_s_tls_ends_here),
		TEST_OPEN(test_a_relay_may_have_another_time),
		TEST(test_a_signature_of_another_key_is_reported),
		TEST(test_a_refused_retry_is_not_logged),
		TEST_OPEN(test_signatures_are_verified_when_there_is_reason),
		TEST_OPEN(test_a_chain_that_changes_is_taken_over),
		TEST_OPEN(test_renewals_continue_with_a_new_chain),
		TEST_OPEN(test_a_new_token_is_used_for_all),
		TEST_OPEN(test_leaving_unregisters),
		TEST_OPEN(test_leaving_takes_5_s_at_most),
		TEST(test_without_a_lease_leaving_is_over_at_once),
		TEST(test_it_may_be_closed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
