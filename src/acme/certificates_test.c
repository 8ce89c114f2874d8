/* Behaviour of kept certificates: with a CA on this machine, and time in the test's
 * hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "acme/ca_test.h"
#include "acme/certificates.h"
#include "acme/jws.h"
#include "base/rand.h"
#include "base/said_test.h"
#include "store/file.h"

#define NOW_MS 1780315200000 /* 2026-06-01 */
#define HOUR_MS (3600 * 1000ull)
#define DAY_MS (24 * HOUR_MS)
#define NAME "a.example"

struct fixture {
	struct loop *loop;
	struct test_ca ca;
	struct log log;
	struct acme_challenges *challenges;
	struct tls_names *names;
	struct acme_certificates_options o;
	struct acme_certificates *kept;
	char directory[64];
	unsigned changes;
	bool removes_failed;
};

static void on_change(void *arg, const char *name)
{
	struct fixture *f = arg;

	assert_non_null(name);
	f->changes++;
	if (f->removes_failed)
		acme_certificates_remove(f->kept, name);
}

static void keep(struct fixture *f, const char *name)
{
	struct why why = { "" };

	if (f->kept == NULL)
		assert_int_equal(acme_certificates_open(&f->o, &f->kept, NULL), ERR_OK);
	if (acme_certificates_add(f->kept, name, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static void restart(struct fixture *f)
{
	acme_certificates_close(f->kept);
	f->kept = NULL;
	assert_int_equal(tls_names_set(f->names, NAME, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	time_begin(NOW_MS);
	rand_seed_for_tests(1);
	log_init(&f->log, NULL, "test");
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	test_ca_open(&f->ca, f->loop);
	assert_int_equal(acme_challenges_new(&f->challenges), ERR_OK);
	assert_int_equal(tls_names_new(&f->names), ERR_OK);
	strcpy(f->directory, "/tmp/adit-acme-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	f->o = (struct acme_certificates_options){
		.loop = f->loop,
		.log = &f->log,
		.directory = f->directory,
		.url = f->ca.url,
		.kinds = ACME_HTTP_01 | ACME_TLS_ALPN_01,
		.challenges = f->challenges,
		.served = f->names,
		.on_change = on_change,
		.arg = f,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	acme_certificates_close(f->kept);
	test_ca_close(&f->ca);
	acme_challenges_free(f->challenges);
	tls_names_free(f->names);
	loop_turn(f->loop);
	loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -r %s", f->directory);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* ---- what is seen ---- */

static struct acme_certificate_status status(struct fixture *f, const char *name)
{
	struct acme_certificate_status s;

	assert_int_equal(acme_certificates_status(f->kept, name, &s), ERR_OK);
	return s;
}

static bool is_served(struct fixture *f, const char *name)
{
	struct tls_certificate *c = tls_names_find(f->names, name);

	tls_certificate_unref(c);
	return c != NULL;
}

/* All that can happen now happens: a second passes in small steps, for polls. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 40; i++) {
		time_pass(f->loop, 50);
		usleep(200);
	}
}

/* The clock jumps, and what is due happens. */
static void jump(struct fixture *f, uint64_t ms)
{
	time_sleep(f->loop, ms);
	settle(f);
}

static void fault(struct fixture *f, enum test_service service, unsigned code,
	const char *type, const char *headers)
{
	f->ca.faults[service] = (struct test_fault){ .times = 1,
		.status = code,
		.type = type,
		.headers = headers };
}

static void assert_error(struct fixture *f, const char *words)
{
	if (strstr(status(f, NAME).error, words) == NULL)
		fail_msg("%s", status(f, NAME).error);
}

/* ---- issuing and renewing ---- */

static void test_a_certificate_is_issued_and_stored(void **state)
{
	struct fixture *f = *state;
	char path[96];
	struct stat st;

	keep(f, NAME);
	settle(f);
	assert_true(is_served(f, NAME));
	assert_true(status(f, NAME).has_certificate);
	assert_int_equal(status(f, NAME).failures, 0);
	assert_string_equal(status(f, NAME).error, "");
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	assert_int_equal(f->changes, 1);
	snprintf(path, sizeof(path), "%s/" NAME, f->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/" ACME_ACCOUNT_FILE, f->directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_it_is_renewed_at_two_thirds_of_its_life(void **state)
{
	struct fixture *f = *state;

	keep(f, NAME);
	settle(f);
	assert_in_range(status(f, NAME).next_s, 0, NOW_MS / 1000 + 86400 + 10);
	jump(f, 56 * DAY_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	jump(f, 5 * DAY_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	assert_int_equal(f->changes, 2);
	assert_true(status(f, NAME).begins_s >= NOW_MS / 1000 + 61 * 86400);
	/* Directory and account are looked up once a day at most. */
	assert_int_equal(f->ca.asked[TEST_DIRECTORY], 3);
	assert_int_equal(f->ca.accounts, 3);
	assert_string_equal(f->ca.replaces, "");
}

static void test_the_ca_may_want_it_earlier(void **state)
{
	struct fixture *f = *state;

	f->ca.has_renewal_info = true;
	f->ca.start.s = NOW_MS / 1000 + 10 * 86400;
	f->ca.end.s = f->ca.start.s + 3600;
	keep(f, NAME);
	settle(f);
	assert_int_equal(f->ca.asked[TEST_RENEWAL], 1);
	jump(f, 9 * DAY_MS);
	assert_int_equal(f->ca.asked[TEST_RENEWAL], 2);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	jump(f, DAY_MS + HOUR_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	assert_string_not_equal(f->ca.replaces, "");
}

static void test_a_window_that_moves_is_followed(void **state)
{
	struct fixture *f = *state;

	f->ca.has_renewal_info = true;
	f->ca.start.s = NOW_MS / 1000 + 50 * 86400;
	f->ca.end.s = f->ca.start.s + 3600;
	keep(f, NAME);
	settle(f);
	f->ca.start.s = NOW_MS / 1000 - 3600; /* it was revoked, for instance */
	f->ca.end.s = NOW_MS / 1000;
	jump(f, HOUR_MS / 2);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	jump(f, HOUR_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	/* The CA says the same of the new one: it is not renewed again and again. */
	for (int i = 0; i < 11; i++)
		jump(f, HOUR_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	jump(f, 2 * HOUR_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 3);
}

static void test_what_cannot_be_replaced_is_not_named_again(void **state)
{
	struct fixture *f = *state;

	f->ca.has_renewal_info = true;
	f->ca.start.s = NOW_MS / 1000 + 86400;
	f->ca.end.s = f->ca.start.s + 1;
	keep(f, NAME);
	settle(f);
	fault(f, TEST_ORDER, 409, "alreadyReplaced", NULL);
	f->ca.start.s += 50 * 86400;
	f->ca.end.s += 50 * 86400;
	jump(f, 51 * DAY_MS + HOUR_MS);
	settle(f);
	assert_int_equal(f->ca.asked[TEST_ORDER], 3);
	assert_string_equal(f->ca.replaces, "");
	assert_int_equal(status(f, NAME).failures, 0);
}

static void test_a_restart_goes_on_with_what_is_stored(void **state)
{
	struct fixture *f = *state;

	keep(f, NAME);
	settle(f);
	restart(f);
	keep(f, NAME);
	assert_true(is_served(f, NAME));
	settle(f);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	jump(f, 100 * DAY_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	assert_true(f->ca.accounts > 1); /* looked up again, by the same key */
}

static void test_another_ca_issues_its_own(void **state)
{
	struct fixture *f = *state;
	char other[96];

	keep(f, NAME);
	settle(f);
	restart(f);
	snprintf(other, sizeof(other), "%s?other", f->ca.url);
	f->o.url = other;
	keep(f, NAME);
	assert_true(is_served(f, NAME));
	settle(f);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
	assert_string_equal(f->ca.replaces, "");
}

static void test_a_file_that_is_broken_is_replaced(void **state)
{
	struct fixture *f = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/" NAME, f->directory);
	assert_int_equal(file_replace(path, 0600, span_str("nonsense"), NULL), ERR_OK);
	keep(f, NAME);
	assert_false(is_served(f, NAME));
	settle(f);
	assert_true(is_served(f, NAME));
}

static void test_the_ca_may_take_its_time(void **state)
{
	struct fixture *f = *state;

	f->ca.polls = 5;
	keep(f, NAME);
	for (int i = 0; i < 30; i++)
		settle(f);
	assert_true(is_served(f, NAME));
	assert_true(f->ca.asked[TEST_AUTHORIZATION] > 5);
	assert_true(f->ca.asked[TEST_POLL] > 5);
}

static void test_a_ca_that_never_ends_is_given_up(void **state)
{
	struct fixture *f = *state;

	f->ca.polls = 1000000;
	keep(f, NAME);
	for (int i = 0; i < 8; i++)
		time_pass(f->loop, 60000);
	assert_error(f, "the CA has not finished after 300 s");
	assert_true(f->ca.asked[TEST_AUTHORIZATION] < 100);
}

/* ---- failures ---- */

static void test_another_challenge_is_tried_at_once(void **state)
{
	struct fixture *f = *state;

	f->ca.fails = ACME_TLS_ALPN_01;
	keep(f, NAME);
	settle(f);
	assert_true(is_served(f, NAME));
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
}

static void test_pauses_grow_and_end_at_some_hours(void **state)
{
	struct fixture *f = *state;
	int64_t last = 0, pause = 0;

	f->ca.fails = ACME_TLS_ALPN_01 | ACME_HTTP_01;
	keep(f, NAME);
	settle(f);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2); /* one for each challenge */
	assert_error(f,
		"the CA cannot connect to port 80 of " NAME
		" (192.0.2.7, which is no address of this machine): open the port");
	assert_error(f, "the CA says: connection refused");
	for (unsigned i = 1; i < 12; i++) {
		assert_int_equal(status(f, NAME).failures, i);
		pause = status(f, NAME).next_s - (int64_t)(clock_wall_ms() / 1000);
		assert_true(pause >= last * 3 / 2 || pause > 6 * 3600 - 10);
		assert_true(pause <= 6 * 3600 * 5 / 4);
		last = pause;
		jump(f, (uint64_t)pause * 1000 - 5000);
		assert_int_equal(f->ca.asked[TEST_ORDER], 2 * i);
		jump(f, 6000);
		assert_int_equal(f->ca.asked[TEST_ORDER], 2 * i + 2);
	}
	f->ca.fails = 0;
	jump(f, 8 * HOUR_MS);
	assert_true(is_served(f, NAME));
	assert_string_equal(status(f, NAME).error, "");
}

static void test_retry_after_is_respected(void **state)
{
	struct fixture *f = *state;

	fault(f, TEST_ORDER, 429, "rateLimited", "Retry-After: 30000\r\n");
	keep(f, NAME);
	settle(f);
	assert_error(f, "the CA refuses an order for " NAME ": too many requests");
	acme_certificates_retry(f->kept); /* an operator cannot make it shorter */
	jump(f, 29900 * 1000ull);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	acme_certificates_retry(f->kept);
	jump(f, 200 * 1000ull);
	assert_true(is_served(f, NAME));
}

static void test_an_operator_may_try_again_now(void **state)
{
	struct fixture *f = *state;

	f->ca.fails = ACME_TLS_ALPN_01 | ACME_HTTP_01;
	keep(f, NAME);
	settle(f);
	f->ca.fails = 0;
	settle(f);
	assert_false(is_served(f, NAME));
	acme_certificates_retry(f->kept);
	settle(f);
	assert_true(is_served(f, NAME));
}

static void test_the_previous_certificate_stays_while_renewal_fails(void **state)
{
	struct fixture *f = *state;
	struct said said;
	unsigned found;

	keep(f, NAME);
	settle(f);
	f->ca.fails = ACME_TLS_ALPN_01 | ACME_HTTP_01;
	said_begin(&said);
	jump(f, 61 * DAY_MS);
	found = said_count(&said, "the previous one stays in use; trying again in");
	said_end(&said);
	assert_int_equal(found, 1);
	assert_true(is_served(f, NAME));
	assert_int_equal(status(f, NAME).failures, 1);
}

static void test_bad_nonces_are_retried_and_bounded(void **state)
{
	struct fixture *f = *state;

	f->ca.bad_nonces = ACME_NONCE_TRIES - 1;
	keep(f, NAME);
	settle(f);
	assert_true(is_served(f, NAME));
	f->ca.bad_nonces = 1000;
	jump(f, 61 * DAY_MS);
	assert_int_equal(f->ca.bad_nonces, 1000 - ACME_NONCE_TRIES);
	assert_int_equal(status(f, NAME).failures, 1);
}

static void test_a_lost_account_is_made_again(void **state)
{
	struct fixture *f = *state;

	fault(f, TEST_ORDER, 400, "accountDoesNotExist", NULL);
	keep(f, NAME);
	settle(f);
	assert_true(is_served(f, NAME));
	assert_int_equal(f->ca.asked[TEST_ACCOUNT], 2);
}

static void test_an_account_that_is_refused_says_so(void **state)
{
	struct fixture *f = *state;

	fault(f, TEST_ACCOUNT, 403, "invalidContact", NULL);
	keep(f, NAME);
	keep(f, "b.example");
	settle(f);
	assert_error(f,
		"the CA refuses the account for " NAME ": correct the mail address; "
		"the CA says: told to");
	assert_int_equal(status(f, "b.example").failures, 1);
}

static void test_a_ca_cannot_have_other_names_proved(void **state)
{
	struct fixture *f = *state;

	f->ca.asks_for_other_name = true;
	keep(f, NAME);
	settle(f);
	assert_error(f, "the CA wants other.example to be proved, too");
	assert_int_equal(f->ca.asked[TEST_CHALLENGE], 0);
}

static void test_an_order_that_is_not_ready_is_finalized_later(void **state)
{
	struct fixture *f = *state;

	fault(f, TEST_FINALIZE, 403, "orderNotReady", NULL);
	keep(f, NAME);
	settle(f);
	/* The order that is polled is valid at once, and has no certificate of ours. */
	assert_true(f->ca.asked[TEST_POLL] > 0);
}

static void test_a_machine_that_slept_renews_when_it_wakes(void **state)
{
	struct fixture *f = *state;

	keep(f, NAME);
	settle(f);
	clock_step_wall(80 * (int64_t)DAY_MS);
	jump(f, 61000);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
}

static void test_a_wrong_clock_does_not_flood_the_ca(void **state)
{
	struct fixture *f = *state;

	f->ca.life_s = -5;
	keep(f, NAME);
	settle(f);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	for (int i = 0; i < 5; i++)
		jump(f, HOUR_MS / 10);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
	jump(f, HOUR_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 2);
}

/* ---- names ---- */

static void test_a_wildcard_needs_a_hook(void **state)
{
	struct fixture *f = *state;
	struct why why;

	assert_int_equal(acme_certificates_open(&f->o, &f->kept, NULL), ERR_OK);
	assert_int_equal(acme_certificates_add(f->kept, "*.a.example", &why), ERR_USAGE);
	assert_non_null(strstr(why.text, "a wildcard needs DNS-01"));
}

static void test_a_removed_name_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct acme_certificate_status s;
	char path[96];

	keep(f, NAME);
	settle(f);
	acme_certificates_remove(f->kept, NAME);
	acme_certificates_remove(f->kept, NAME);
	assert_false(is_served(f, NAME));
	assert_int_equal(acme_certificates_status(f->kept, NAME, &s), ERR_NOENT);
	snprintf(path, sizeof(path), "%s/" NAME, f->directory);
	assert_int_equal(access(path, F_OK), -1);
	jump(f, 100 * DAY_MS);
	assert_int_equal(f->ca.asked[TEST_ORDER], 1);
}

static void test_a_name_may_go_while_it_is_ordered(void **state)
{
	struct fixture *f = *state;

	f->ca.polls = 1000;
	keep(f, NAME);
	settle(f);
	acme_certificates_remove(f->kept, NAME);
	f->ca.polls = 0;
	keep(f, "b.example");
	settle(f);
	assert_true(is_served(f, "b.example"));
	assert_false(is_served(f, NAME));
}

static void test_a_name_may_go_when_its_failure_is_reported(void **state)
{
	struct fixture *f = *state;
	struct acme_certificate_status s;

	f->removes_failed = true;
	f->ca.fails = ACME_TLS_ALPN_01 | ACME_HTTP_01;
	keep(f, NAME);
	keep(f, "b.example");
	settle(f);
	settle(f);
	assert_int_equal(acme_certificates_status(f->kept, NAME, &s), ERR_NOENT);
	assert_int_equal(acme_certificates_status(f->kept, "b.example", &s), ERR_NOENT);
}

static void test_many_names_take_turns(void **state)
{
	struct fixture *f = *state;
	char name[32];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		keep(f, name);
	}
	/* The CA of the test knows one order at a time: some fail, and are repeated. */
	for (int i = 0; i < 40; i++)
		jump(f, HOUR_MS);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		assert_true(is_served(f, name));
	}
}

static void test_expired_leftovers_are_swept(void **state)
{
	struct fixture *f = *state;
	char path[96], other[96];

	keep(f, NAME);
	settle(f);
	snprintf(path, sizeof(path), "%s/" NAME, f->directory);
	snprintf(other, sizeof(other), "%s/notes.txt", f->directory);
	assert_int_equal(file_replace(other, 0600, span_str("mine"), NULL), ERR_OK);
	restart(f);
	keep(f, "b.example");
	acme_certificates_sweep(f->kept);
	assert_int_equal(access(path, F_OK), 0);
	clock_advance(91 * DAY_MS);
	acme_certificates_sweep(f->kept);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
}

#define kept_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		kept_test(test_a_certificate_is_issued_and_stored),
		kept_test(test_it_is_renewed_at_two_thirds_of_its_life),
		kept_test(test_the_ca_may_want_it_earlier),
		kept_test(test_a_window_that_moves_is_followed),
		kept_test(test_what_cannot_be_replaced_is_not_named_again),
		kept_test(test_a_restart_goes_on_with_what_is_stored),
		kept_test(test_another_ca_issues_its_own),
		kept_test(test_a_file_that_is_broken_is_replaced),
		kept_test(test_the_ca_may_take_its_time),
		kept_test(test_a_ca_that_never_ends_is_given_up),
		kept_test(test_another_challenge_is_tried_at_once),
		kept_test(test_pauses_grow_and_end_at_some_hours),
		kept_test(test_retry_after_is_respected),
		kept_test(test_an_operator_may_try_again_now),
		kept_test(test_the_previous_certificate_stays_while_renewal_fails),
		kept_test(test_bad_nonces_are_retried_and_bounded),
		kept_test(test_a_lost_account_is_made_again),
		kept_test(test_an_account_that_is_refused_says_so),
		kept_test(test_a_ca_cannot_have_other_names_proved),
		kept_test(test_an_order_that_is_not_ready_is_finalized_later),
		kept_test(test_a_machine_that_slept_renews_when_it_wakes),
		kept_test(test_a_wrong_clock_does_not_flood_the_ca),
		kept_test(test_a_wildcard_needs_a_hook),
		kept_test(test_a_removed_name_leaves_nothing),
		kept_test(test_a_name_may_go_while_it_is_ordered),
		kept_test(test_a_name_may_go_when_its_failure_is_reported),
		kept_test(test_many_names_take_turns),
		kept_test(test_expired_leftovers_are_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
