/* Watching DNS records: what is compared, and when a name is looked up again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "loop/timer_test.h"
#include "panel/dns_watch.h"

/* ---- comparing ---- */

static void own_of(struct dns_own *own, const char *const *texts)
{
	own->n = 0;
	for (; *texts != NULL; texts++)
		assert_int_equal(dns_own_add(own, *texts), ERR_OK);
}

static void test_what_the_records_say(void **state)
{
	static const char *const own_texts[] = { "203.0.113.42", "2001:db8::1", NULL };
	static const struct {
		const char *found[3];
		enum path_dns_state state;
		const char *shown, *expected;
	} rows[] = {
		{ { NULL }, PATH_DNS_MISSING, "", "203.0.113.42" },
		{ { "203.0.113.42" }, PATH_DNS_RIGHT, "203.0.113.42", "203.0.113.42" },
		{ { "2001:db8::1" }, PATH_DNS_RIGHT, "2001:db8::1", "203.0.113.42" },
		{ { "203.0.113.42", "2001:db8::1" }, PATH_DNS_RIGHT, "203.0.113.42",
			"203.0.113.42" },
		{ { "198.51.100.7" }, PATH_DNS_WRONG, "198.51.100.7", "203.0.113.42" },
		{ { "203.0.113.42", "198.51.100.7" }, PATH_DNS_WRONG, "198.51.100.7",
			"203.0.113.42" },
		{ { "203.0.113.42", "2001:db8::7" }, PATH_DNS_WRONG_IP6, "2001:db8::7",
			"2001:db8::1" },
		{ { "2001:db8::7" }, PATH_DNS_WRONG, "2001:db8::7", "2001:db8::1" },
	};
	struct dns_own own, none = { .n = 0 };

	(void)state;
	own_of(&own, own_texts);
	assert_int_equal(dns_own_add(&own, "relay.example.com"), ERR_SYNTAX);
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct path_dns dns = { .since_ms = 7 };
		struct addr found[3];
		unsigned n = 0;

		for (; n < 3 && rows[i].found[n] != NULL; n++)
			assert_int_equal(addr_from_literal(rows[i].found[n], 443,
						 &found[n]),
				ERR_OK);
		dns_compare(&own, found, n, &dns);
		assert_int_equal(dns.state, rows[i].state);
		assert_string_equal(dns.found, rows[i].shown);
		assert_string_equal(dns.expected, rows[i].expected);
		dns_compare(&none, found, n, &dns);
		assert_int_equal(dns.state, n == 0 ? PATH_DNS_MISSING : PATH_DNS_UNKNOWN);
		assert_string_equal(dns.expected, "");
	}
}

/* ---- watching ---- */

struct fixture {
	struct loop *loop;
	struct dns_watch *w;
	struct {
		resolve_fn *fn;
		void *arg;
	} waiting[16];
	unsigned asked, cancelled, changes, at;
};

static struct fixture *now;

static enum err lookup(struct loop *loop, const struct addr *server, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct resolve **out)
{
	(void)loop;
	assert_null(server);
	(void)host;
	(void)port;
	now->waiting[now->asked % 16].fn = fn;
	now->waiting[now->asked % 16].arg = arg;
	now->asked++;
	*out = (struct resolve *)now;
	return ERR_OK;
}

static void cancel(struct resolve *r)
{
	(void)r;
	now->cancelled++;
}

static void on_change(void *arg, const char *host)
{
	(void)host;
	((struct fixture *)arg)->changes++;
}

/* Answers the oldest lookup that waits. @text NULL: @rc. */
static void answer(struct fixture *f, enum err rc, const char *text)
{
	struct addr a;

	assert_true(f->at < f->asked);
	if (text != NULL)
		assert_int_equal(addr_from_literal(text, 443, &a), ERR_OK);
	f->waiting[f->at % 16].fn(f->waiting[f->at % 16].arg, rc, &a, text != NULL, NULL);
	f->at++;
}

static enum path_dns_state state_of(struct fixture *f, const char *host)
{
	struct path_dns dns = { .state = PATH_DNS_PROXY };

	dns_watch_find(f->w, host, &dns);
	return dns.state;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct dns_watch_options o = {
		.lookup = lookup,
		.cancel = cancel,
		.on_change = on_change,
		.arg = f,
	};

	assert_non_null(f);
	now = f;
	time_begin(1000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	o.loop = f->loop;
	assert_int_equal(dns_own_add(&o.own, "203.0.113.42"), ERR_OK);
	assert_int_equal(dns_watch_open(&o, &f->w), ERR_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	dns_watch_close(f->w);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void test_a_name_is_looked_up_until_it_is_right(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(dns_watch_add(f->w, "a.example.com"), ERR_OK);
	assert_int_equal(dns_watch_add(f->w, "a.example.com"), ERR_OK);
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_UNKNOWN);
	time_settle(f->loop);
	assert_int_equal(f->asked, 1);
	answer(f, ERR_NOENT, NULL);
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_MISSING);
	time_pass(f->loop, DNS_WRONG_MS - 1);
	assert_int_equal(f->asked, 1);
	time_pass(f->loop, 1);
	assert_int_equal(f->asked, 2);
	answer(f, ERR_OK, "198.51.100.7");
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_WRONG);
	time_pass(f->loop, DNS_WRONG_MS);
	answer(f, ERR_OK, "203.0.113.42");
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_RIGHT);
	assert_int_equal(f->changes, 3);
	time_pass(f->loop, DNS_RIGHT_MS - 1);
	assert_int_equal(f->asked, 3);
	time_pass(f->loop, 1);
	answer(f, ERR_OK, "203.0.113.42");
	assert_int_equal(f->changes, 3);
	assert_int_equal(state_of(f, "b.example.com"), PATH_DNS_PROXY);
}

static void test_without_an_answer_what_was_known_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(dns_watch_add(f->w, "a.example.com"), ERR_OK);
	time_settle(f->loop);
	answer(f, ERR_OK, "203.0.113.42");
	time_pass(f->loop, DNS_RIGHT_MS);
	answer(f, ERR_TIMEOUT, NULL);
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_RIGHT);
	dns_watch_check(f->w, "a.example.com");
	time_settle(f->loop);
	assert_int_equal(f->asked, 3);
	answer(f, ERR_NOENT, NULL);
	assert_int_equal(state_of(f, "a.example.com"), PATH_DNS_MISSING);
}

static void test_few_lookups_run_at_a_time(void **state)
{
	struct fixture *f = *state;
	char host[32];

	for (unsigned i = 0; i < 12; i++) {
		snprintf(host, sizeof(host), "n%u.example.com", i);
		assert_int_equal(dns_watch_add(f->w, host), ERR_OK);
	}
	time_settle(f->loop);
	assert_int_equal(f->asked, DNS_LOOKUPS_MAX);
	answer(f, ERR_NOENT, NULL);
	time_settle(f->loop);
	assert_int_equal(f->asked, DNS_LOOKUPS_MAX + 1);
	for (unsigned i = 0; i < 12; i++) {
		snprintf(host, sizeof(host), "n%u.example.com", i);
		dns_watch_remove(f->w, host);
	}
	assert_int_equal(f->cancelled, DNS_LOOKUPS_MAX);
	time_pass(f->loop, DNS_WRONG_MS);
	assert_int_equal(f->asked, DNS_LOOKUPS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_records_say),
		cmocka_unit_test_setup_teardown(
			test_a_name_is_looked_up_until_it_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_without_an_answer_what_was_known_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_few_lookups_run_at_a_time, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
