/* The path: from facts to words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "panel/path.h"

#define NOW UINT64_C(1780315200000) /* 2026-06-01 12:00 */

/* Everything is right. */
static struct path_facts all_right(struct panel_tunnel *t)
{
	*t = (struct panel_tunnel){
		.fqdn = "home.example.com",
		.created_ms = NOW - 1000000,
		.spec = {
			.subdomain = "home",
			.port = 8123,
			.kind = "app",
			.access = "public",
			.is_enabled = true,
			.agent = "nas",
		},
	};
	return (struct path_facts){
		.tunnel = t,
		.now_ms = NOW,
		.dns = { PATH_DNS_RIGHT, NOW - 5000, "203.0.113.42", "203.0.113.42", "" },
		.certificate = { PATH_CERTIFICATE_GOOD, NOW - 4000, NOW + 86400000, 0, "",
			"", "" },
		.agent = { PATH_AGENT_CONNECTED, NOW - 3000, 12, "192.0.2.7", "" },
		.app = { PATH_APP_GOOD, NOW - 2000, 200, 0, "" },
	};
}

/* Finds "word ok ok broken ..." of @f. */
static void finds(const struct path_facts *f, const char *words)
{
	struct path path;
	char text[200];
	size_t n;

	path_find(f, &path);
	n = (size_t)snprintf(text, sizeof(text), "%s", path.status);
	for (unsigned i = 0; i < PATH_STATIONS; i++) {
		const struct path_station *s = &path.stations[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s",
			path_state_word(s->state));
		assert_true(s->text[0] != '\0');
		if (s->state == PATH_BROKEN)
			assert_true(s->remedy[0] != '\0');
	}
	assert_string_equal(text, words);
}

static void reads(const struct path_facts *f, unsigned station, const char *text,
	const char *remedy)
{
	struct path path;

	path_find(f, &path);
	assert_string_equal(path.stations[station].text, text);
	assert_string_equal(path.stations[station].remedy, remedy);
}

static void test_live_since_the_last_station_is_right(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);
	struct path path;

	(void)state;
	finds(&f, "live ok ok ok ok ok");
	path_find(&f, &path);
	assert_int_equal(path.since_ms, NOW - 2000);
	assert_string_equal(path.stations[2].name, "sign-in");
}

static void test_the_first_wrong_station_names_the_status(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);

	(void)state;
	f.app.state = PATH_APP_REFUSED;
	finds(&f, "app-refused ok ok ok ok broken");
	f.agent.state = PATH_AGENT_AWAY;
	finds(&f, "agent-away ok ok ok pending unknown");
	strcpy(t.spec.access, "restricted");
	finds(&f, "no-sign-in ok ok broken pending unknown");
	f.certificate.state = PATH_CERTIFICATE_REFUSED;
	finds(&f, "certificate-refused ok broken broken pending unknown");
	f.dns.state = PATH_DNS_WRONG;
	finds(&f, "dns-wrong broken broken broken pending unknown");
	t.spec.is_enabled = false;
	finds(&f, "paused broken broken broken pending unknown");
}

static void test_what_is_not_known_hides_nothing(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);

	(void)state;
	f.dns.state = PATH_DNS_UNKNOWN;
	finds(&f, "checking unknown ok ok ok ok");
	f.agent.state = PATH_AGENT_AWAY;
	finds(&f, "agent-away unknown ok ok pending unknown");
	f = all_right(&t);
	f.app.state = PATH_APP_UNKNOWN;
	finds(&f, "live ok ok ok ok unknown");
}

static void test_what_visitors_do_not_notice_comes_last(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);

	(void)state;
	f.certificate.state = PATH_CERTIFICATE_EXPIRING;
	finds(&f, "certificate-expiring ok pending ok ok ok");
	f.agent.state = PATH_AGENT_AWAY;
	finds(&f, "agent-away ok pending ok pending unknown");
	f = all_right(&t);
	f.app = (struct path_app){ PATH_APP_ERROR, NOW, 500, 0, "" };
	finds(&f, "app-error ok ok ok ok ok");
	f.dns.state = PATH_DNS_PROXY;
	finds(&f, "app-error ok ok ok ok ok");
}

static void test_states_and_their_words(void **state)
{
	static const struct {
		unsigned at; /* 0: dns, 1: certificate, 3: agent, 4: app */
		int is;
		const char *words;
	} rows[] = {
		{ 0, PATH_DNS_MISSING, "dns-missing pending ok ok ok ok" },
		{ 0, PATH_DNS_WRONG_IP6, "dns-ipv6 broken ok ok ok ok" },
		{ 0, PATH_DNS_PROXY, "live ok ok ok ok ok" },
		{ 1, PATH_CERTIFICATE_UNKNOWN, "checking ok unknown ok ok ok" },
		{ 1, PATH_CERTIFICATE_PENDING,
			"certificate-pending ok pending ok ok ok" },
		{ 1, PATH_CERTIFICATE_LIMITED, "certificate-limited ok broken ok ok ok" },
		{ 3, PATH_AGENT_UNKNOWN, "checking ok ok ok unknown unknown" },
		{ 3, PATH_AGENT_NONE, "no-agent ok ok ok pending unknown" },
		{ 4, PATH_APP_SILENT, "app-silent ok ok ok ok broken" },
		{ 4, PATH_APP_WANTS_TLS, "app-https ok ok ok ok broken" },
	};

	(void)state;
	for (unsigned i = 0; i < mem_count(rows); i++) {
		struct panel_tunnel t;
		struct path_facts f = all_right(&t);

		if (rows[i].at == 0)
			f.dns.state = (enum path_dns_state)rows[i].is;
		else if (rows[i].at == 1)
			f.certificate.state = (enum path_certificate_state)rows[i].is;
		else if (rows[i].at == 3)
			f.agent.state = (enum path_agent_state)rows[i].is;
		else
			f.app.state = (enum path_app_state)rows[i].is;
		finds(&f, rows[i].words);
	}
}

static void test_the_values_that_are_compared_are_told(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);

	(void)state;
	f.dns = (struct path_dns){ PATH_DNS_WRONG, NOW, "198.51.100.7", "203.0.113.42",
		"" };
	reads(&f, 0,
		"DNS of home.example.com is 198.51.100.7, this relay is 203.0.113.42.",
		"Correct the A record at your DNS provider: the value is 203.0.113.42. It is"
		" checked every 10 seconds.");
	f.certificate = (struct path_certificate){ .state = PATH_CERTIFICATE_PENDING,
		.since_ms = NOW - 3 * 60000,
		.next_try_ms = NOW + 60000,
		.authority = "Let's Encrypt" };
	reads(&f, 1, "Let's Encrypt has not answered for 3 minutes.",
		"Nothing needs to be done: the next try is at 2026-06-01 12:01 UTC.");
	f.app = (struct path_app){ .state = PATH_APP_REFUSED, .others = "8096, 9000" };
	reads(&f, 4, "nas is connected, but nothing listens on localhost:8123 there.",
		"Start the app, or correct the target: adit relay tunnel set home --target"
		" HOST:PORT. Open there: 8096, 9000.");
	f.agent = (struct path_agent){ PATH_AGENT_AWAY, NOW - 60000, 0, "", "timed out" };
	reads(&f, 3, "nas is not connected since 2026-06-01 11:59 UTC: timed out.",
		"Check that the machine is on and online. On it: adit agent status.");
}

static void test_a_port_needs_no_certificate_and_has_no_sign_in(void **state)
{
	struct panel_tunnel t;
	struct path_facts f = all_right(&t);

	(void)state;
	strcpy(t.spec.kind, "tcp");
	f.certificate.state = PATH_CERTIFICATE_UNKNOWN;
	finds(&f, "live ok ok ok ok ok");
	f.has_sign_in = true;
	strcpy(t.spec.access, "restricted");
	finds(&f, "no-sign-in ok ok broken ok ok");
	strcpy(t.spec.kind, "app");
	f.certificate.state = PATH_CERTIFICATE_GOOD;
	finds(&f, "live ok ok ok ok ok");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_since_the_last_station_is_right),
		cmocka_unit_test(test_the_first_wrong_station_names_the_status),
		cmocka_unit_test(test_what_is_not_known_hides_nothing),
		cmocka_unit_test(test_what_visitors_do_not_notice_comes_last),
		cmocka_unit_test(test_states_and_their_words),
		cmocka_unit_test(test_the_values_that_are_compared_are_told),
		cmocka_unit_test(test_a_port_needs_no_certificate_and_has_no_sign_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
