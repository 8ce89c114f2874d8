/* Remotes: every row of chisel-protocol 5.1, the texts of 5.3, the targets of 6.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/chisel/remote.h"

static const struct good_row {
	const char *text;
	const char *local; /* "host:port" */
	const char *target, *access, *display;
} good[] = {
	{ "3000", "0.0.0.0:3000", "127.0.0.1:3000", "127.0.0.1:3000", "3000=>3000" },
	{ "example.com:3000", "0.0.0.0:3000", "example.com:3000", "example.com:3000",
		"3000=>example.com:3000" },
	{ "3000:google.com:80", "0.0.0.0:3000", "google.com:80", "google.com:80",
		"3000=>google.com:80" },
	{ "3000:80", "0.0.0.0:3000", "127.0.0.1:80", "127.0.0.1:80", "3000=>80" },
	{ "192.168.0.5:3000:google.com:80", "192.168.0.5:3000", "google.com:80",
		"google.com:80", "192.168.0.5:3000=>google.com:80" },
	{ "127.0.0.1:3000:80", "0.0.0.0:3000", "127.0.0.1:80", "127.0.0.1:80",
		"3000=>80" },
	{ "google.com:80:3000", "0.0.0.0:80", "google.com:3000", "google.com:3000",
		"80=>google.com:3000" },
	{ "socks", "127.0.0.1:1080", "socks", "socks", "127.0.0.1:1080=>socks" },
	{ "5000:socks", "127.0.0.1:5000", "socks", "socks", "127.0.0.1:5000=>socks" },
	{ "myhost:socks", "myhost:1080", "socks", "socks", "myhost:1080=>socks" },
	{ "R:2222:localhost:22", "0.0.0.0:2222", "localhost:22", "R:0.0.0.0:2222",
		"R:2222=>localhost:22" },
	{ "R:socks", "127.0.0.1:1080", "socks", "R:127.0.0.1:1080",
		"R:127.0.0.1:1080=>socks" },
	{ "R:0.0.0.0:5000:socks", "0.0.0.0:5000", "socks", "R:0.0.0.0:5000",
		"R:5000=>socks" },
	{ "r:3000", "0.0.0.0:3000", "r:3000", "r:3000", "3000=>r:3000" },
	{ "stdio:example.com:22", "0.0.0.0:22", "example.com:22", "example.com:22",
		"stdio=>example.com:22" },
	{ "stdio:socks", "127.0.0.1:1080", "socks", "socks", "stdio=>socks" },
	{ "1.1.1.1:53/udp", "0.0.0.0:53", "1.1.1.1:53/udp", "1.1.1.1:53",
		"53=>1.1.1.1:53/udp" },
	{ "5353/udp:1.1.1.1:53/udp", "0.0.0.0:5353", "1.1.1.1:53/udp", "1.1.1.1:53",
		"5353=>1.1.1.1:53/udp" },
	{ "R:53/udp", "0.0.0.0:53", "127.0.0.1:53/udp", "R:0.0.0.0:53", "R:53=>53/udp" },
	{ "53/UDP", "0.0.0.0:53", "127.0.0.1:53/udp", "127.0.0.1:53", "53=>53/udp" },
	{ "Google.COM:80/tcp", "0.0.0.0:80", "Google.COM:80", "Google.COM:80",
		"80=>Google.COM:80" },
	{ "[::1]:8080:google.com:80", "[::1]:8080", "google.com:80", "google.com:80",
		"[::1]:8080=>google.com:80" },
	{ "R:[::]:3000:[::1]:3000", "[::]:3000", "[::1]:3000", "R:[::]:3000",
		"R:[::]:3000=>[::1]:3000" },
	{ "a:b:c:3", "a:3", "c:3", "c:3", "a:3=>c:3" },
	{ ":3000", "0.0.0.0:3000", "127.0.0.1:3000", "127.0.0.1:3000", "3000=>3000" },
	{ "::3000", "0.0.0.0:3000", "127.0.0.1:3000", "127.0.0.1:3000", "3000=>3000" },
	{ "R:0:localhost:3000", "0.0.0.0:0", "localhost:3000", "R:0.0.0.0:0",
		"R:0=>localhost:3000" },
	{ "127.0.0.1:0:localhost:3000", "127.0.0.1:0", "localhost:3000", "localhost:3000",
		"127.0.0.1:0=>localhost:3000" },
	{ "0:3000", "0.0.0.0:0", "127.0.0.1:3000", "127.0.0.1:3000", "0=>3000" },
	{ "R:0:socks", "127.0.0.1:0", "socks", "R:127.0.0.1:0", "R:127.0.0.1:0=>socks" },
	{ "R:0/udp:localhost:53/udp", "0.0.0.0:0", "localhost:53/udp", "R:0.0.0.0:0",
		"R:0=>localhost:53/udp" },
	{ "0:80:example.com:80", "0:80", "example.com:80", "example.com:80",
		"0:80=>example.com:80" },
	{ "]3000[:80", "0.0.0.0:3000", "127.0.0.1:80", "127.0.0.1:80", "3000=>80" },
};

static void check_good(const struct good_row *row)
{
	char local[REMOTE_HOST_MAX + REMOTE_PORT_MAX], text[REMOTE_TEXT_MAX];
	struct remote r;
	struct why why = { "" };

	if (remote_parse(span_str(row->text), &r, &why) != ERR_OK)
		fail_msg("%s: %s", row->text, why.text);
	snprintf(local, sizeof(local), "%s:%s", r.local_host, r.local_port);
	assert_string_equal(local, row->local);
	assert_string_equal(remote_print_target(&r, text), row->target);
	assert_string_equal(remote_print_access(&r, text), row->access);
	assert_string_equal(remote_print(&r, text), row->display);
	assert_int_equal(r.is_socks, strcmp(row->target, "socks") == 0);
	assert_int_equal(r.is_udp, strstr(row->target, "/udp") != NULL);
	assert_int_equal(r.is_reverse, strncmp(row->text, "R:", 2) == 0);
	assert_int_equal(r.is_stdio, strncmp(row->text, "stdio", 5) == 0);
}

static void test_every_form_of_the_command_line_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(good); i++)
		check_good(&good[i]);
}

#define OUT_OF_RANGE(port) \
	"port " port " is out of range: ports are 1 to 65535, and 0 for any free one to" \
	" listen on"

static const struct {
	const char *text, *why;
} bad[] = {
	{ "foo", "Missing ports" },
	{ "foo:bar", "Missing ports" },
	{ "0", OUT_OF_RANGE("0") },
	{ "65536", OUT_OF_RANGE("65536") },
	{ "R:3000:localhost:99999", OUT_OF_RANGE("99999") },
	{ "99999:localhost:3000", OUT_OF_RANGE("99999") },
	{ "3000:localhost:0", OUT_OF_RANGE("0") },
	{ "00:localhost:3000", OUT_OF_RANGE("00") },
	{ "70000:socks", OUT_OF_RANGE("70000") },
	{ "socks/udp", "Missing ports" },
	{ "stdio", "Missing ports" },
	{ "socks:socks:x", "Missing ports" },
	{ "+80", "Missing ports" },
	{ "080", OUT_OF_RANGE("080") },
	{ "5353/udp:1.1.1.1:53", "cross-protocol remotes are not supported yet" },
	{ "5353/tcp:1.1.1.1:53/udp", "cross-protocol remotes are not supported yet" },
	{ "5000/udp:socks", "only TCP SOCKS is supported" },
	{ "R:stdio:x:1", "stdio cannot be reversed" },
	{ "a:1:b:2:c", "Invalid remote" },
	{ "", "Invalid remote" },
	{ "R:", "Invalid remote" },
	{ ":::", "Invalid remote" },
	{ "[]", "Invalid remote" },
	{ "ho st:80", "Invalid host" },
	{ "fe80%eth0:80", "Invalid host" },
	{ "[fe80::1%eth0]:80", "Invalid host" },
	{ "[zz]:80", "Invalid host" },
	{ "/udp:80", "Invalid host" },
	{ "a\n:80", "Invalid host" },
	{ "user@host:80", "Invalid host" },
};

static void test_invalid_remotes_are_refused_with_a_reason(void **state)
{
	struct remote r = { .local_host = "kept" };
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(bad); i++) {
		if (remote_parse(span_str(bad[i].text), &r, &why) != ERR_SYNTAX)
			fail_msg("%s was taken", bad[i].text);
		assert_string_equal(why.text, bad[i].why);
	}
	assert_int_equal(remote_parse(span_of("a\0b:80", 6), &r, &why), ERR_SYNTAX);
	assert_string_equal(r.local_host, "kept");
}

static void test_the_length_of_a_host_is_bounded(void **state)
{
	char text[REMOTE_HOST_MAX + 4];
	struct remote r;
	struct why why;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + REMOTE_HOST_MAX - 1, ":80", 4);
	assert_int_equal(remote_parse(span_str(text), &r, &why), ERR_OK);
	assert_int_equal(strlen(r.remote_host), REMOTE_HOST_MAX - 1);
	memset(text, 'a', sizeof(text));
	memcpy(text + REMOTE_HOST_MAX, ":80", 4);
	assert_int_equal(remote_parse(span_str(text), &r, &why), ERR_SYNTAX);
}

static const struct target_row {
	const char *text, *host, *port, *access;
	bool is_udp, is_socks;
} targets[] = {
	{ "example.com:80", "example.com", "80", "example.com:80", false, false },
	{ "Example.COM:80", "Example.COM", "80", "Example.COM:80", false, false },
	{ "Example.COM:80/tcp", "example.com", "80", "example.com:80", false, false },
	{ "1.1.1.1:53/udp", "1.1.1.1", "53", "1.1.1.1:53", true, false },
	{ "1.1.1.1:53/UDP", "1.1.1.1", "53", "1.1.1.1:53", true, false },
	{ "[::1]:65535", "::1", "65535", "[::1]:65535", false, false },
	{ "socks", "", "", "socks", false, true },
	{ "socks/tcp", "", "", "socks", false, true },
};

static void test_targets_of_channels_are_read(void **state)
{
	struct remote_target t;

	(void)state;
	for (size_t i = 0; i < mem_count(targets); i++) {
		const struct target_row *row = &targets[i];

		assert_int_equal(remote_target_parse(span_str(row->text), &t), ERR_OK);
		assert_string_equal(t.host, row->host);
		assert_string_equal(t.port, row->port);
		assert_string_equal(t.access, row->access);
		assert_int_equal(t.is_udp, row->is_udp);
		assert_int_equal(t.is_socks, row->is_socks);
	}
}

static void test_invalid_targets_are_refused(void **state)
{
	static const char *const texts[] = { "", ":80", "host", "host:", "host:0",
		"host:65536", "host:http", "::1:80", "[::1]", "[::1:80", "[::1]x:80",
		"a b:80", "host:80/udp/udp", "socks/udp", "SOCKS", "a:b:80",
		"[fe80::1%eth0]:80", "/udp", "host:080", "host:80/sctp", "\x1b[31m:80" };
	struct remote_target t = { .host = "kept" };
	char longest[REMOTE_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++)
		if (remote_target_parse(span_str(texts[i]), &t) != ERR_SYNTAX)
			fail_msg("%s was taken", texts[i]);
	assert_int_equal(remote_target_parse(span_of("a\0:80", 5), &t), ERR_SYNTAX);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(remote_target_parse(span_of(longest, sizeof(longest)), &t),
		ERR_LIMIT);
	memcpy(longest + REMOTE_HOST_MAX, ":80", 3);
	assert_int_equal(remote_target_parse(span_of(longest, REMOTE_HOST_MAX + 3), &t),
		ERR_LIMIT);
	assert_int_equal(remote_target_parse(span_of(longest + 1, REMOTE_HOST_MAX + 2),
				 &t),
		ERR_OK);
}

static void test_a_client_allows_only_declared_targets(void **state)
{
	static const struct {
		const char *remote, *target;
		bool is_covered;
	} rows[] = {
		{ "R:2222:localhost:22", "localhost:22", true },
		{ "R:2222:localhost:22", "localhost:23", false },
		{ "R:2222:localhost:22", "localhos:22", false },
		{ "R:2222:localhost:22", "localhost:22/udp", false },
		{ "R:2222:localhost:22", "socks", false },
		{ "R:3000", "127.0.0.1:3000", true },
		{ "R:[::]:3000:[::1]:3000", "[::1]:3000", true },
		{ "R:53:DNS.local:53/udp", "dns.local:53/udp", true },
		{ "R:53:dns.local:53/udp", "dns.local:53", false },
		{ "R:socks", "socks", true },
		{ "R:socks", "localhost:22", false },
		{ "2222:localhost:22", "localhost:22", false },
		{ "socks", "socks", false },
	};
	struct remote r;
	struct remote_target t;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(remote_parse(span_str(rows[i].remote), &r, NULL),
			ERR_OK);
		assert_int_equal(remote_target_parse(span_str(rows[i].target), &t),
			ERR_OK);
		assert_int_equal(remote_covers(&r, &t), rows[i].is_covered);
	}
}

static void test_a_remote_covers_its_own_target(void **state)
{
	char text[REMOTE_TEXT_MAX];
	struct remote r;
	struct remote_target t;

	(void)state;
	for (size_t i = 0; i < mem_count(good); i++) {
		assert_int_equal(remote_parse(span_str(good[i].text), &r, NULL), ERR_OK);
		remote_print_target(&r, text);
		assert_int_equal(remote_target_parse(span_str(text), &t), ERR_OK);
		assert_int_equal(remote_covers(&r, &t), r.is_reverse);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_every_form_of_the_command_line_is_read),
		cmocka_unit_test(test_invalid_remotes_are_refused_with_a_reason),
		cmocka_unit_test(test_the_length_of_a_host_is_bounded),
		cmocka_unit_test(test_targets_of_channels_are_read),
		cmocka_unit_test(test_invalid_targets_are_refused),
		cmocka_unit_test(test_a_client_allows_only_declared_targets),
		cmocka_unit_test(test_a_remote_covers_its_own_target),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
