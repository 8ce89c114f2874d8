/* Behaviour of the command lines of server and client:
 * what they fill in and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/link_args.h"

#define WORDS_MAX 16

/* A command line in memory that may be written to, as argv may. */
struct line {
	char *argv[WORDS_MAX];
	int argc;
	struct args_result result;
	struct why why;
};

static enum err line_read(struct line *l, const struct field_table *fields, void *args,
	const char *const *words)
{
	enum err rc;

	*l = (struct line){ .argc = 0 };
	for (; l->argc < WORDS_MAX && words[l->argc] != NULL; l->argc++)
		l->argv[l->argc] = strdup(words[l->argc]);
	assert_int_equal(field_defaults(fields, args, NULL), ERR_OK);
	rc = args_read(fields, l->argc, l->argv, ARGS_FIRST, args, &l->result, &l->why);
	if (rc == ERR_OK)
		rc = args_read_environment(fields, l->result.given, args, &l->why);
	return rc;
}

static void line_fini(struct line *l)
{
	for (int i = 0; i < l->argc; i++)
		free(l->argv[i]);
}

static enum err read_server(struct line *l, struct server_args *args,
	const char *const *words)
{
	enum err rc;

	*args = (struct server_args){ .keygen = NULL };
	rc = line_read(l, &server_fields, args, words);
	if (rc != ERR_OK)
		return rc;
	return server_args_check(args, &l->why);
}

static enum err read_client(struct line *l, struct client_args *args,
	const char *const *words)
{
	enum err rc;

	*args = (struct client_args){ .checks = false };
	rc = line_read(l, &client_fields, args, words);
	if (rc != ERR_OK)
		return rc;
	return client_args_check(args, l->argc - l->result.rest, l->argv + l->result.rest,
		&l->why);
}

static int forget_environment(void **state)
{
	static const char *const names[] = { "HOST", "PORT", "AUTH", "CHISEL_KEY",
		"CHISEL_KEY_FILE", "CHISEL_CONFIG_TIMEOUT", "CHISEL_WS_TIMEOUT",
		"CHISEL_UDP_MAX_SIZE", "CHISEL_PING_TIMEOUT", "ADIT_WORKERS" };

	(void)state;
	for (size_t i = 0; i < mem_count(names); i++)
		unsetenv(names[i]);
	return 0;
}

static void test_a_server_has_chisels_defaults(void **state)
{
	struct server_args args;
	struct line l;

	(void)state;
	assert_int_equal(read_server(&l, &args, (const char *const[]){ NULL }), ERR_OK);
	assert_string_equal(args.link.host, "0.0.0.0");
	assert_int_equal(args.link.port, 8080);
	assert_int_equal(args.link.tuning.keepalive_ms, 25000);
	assert_int_equal(args.link.tuning.ping_timeout_ms, 0);
	assert_null(args.link.auth);
	assert_null(args.link.key_seed);
	assert_null(args.link.key_file);
	assert_null(args.link.auth_file);
	assert_null(args.link.backend);
	assert_null(args.link.tls_key);
	assert_false(args.link.allows_socks);
	assert_false(args.link.allows_reverse);
	assert_false(args.daemon.writes_pid);
	field_fini(&server_fields, &args);
	line_fini(&l);
}

static void test_a_server_takes_every_flag(void **state)
{
	struct server_args args;
	struct line l;

	(void)state;
	assert_int_equal(read_server(&l, &args,
				 (const char *const[]){ "--reverse", "--port", "9090",
					 "--host", "127.0.0.1", "--auth=a:b",
					 "-keepalive=0s", "--socks5", "--proxy",
					 "http://localhost:1", "--tls-key=k",
					 "--tls-cert=c", "--tls-ca=d", "--pid", NULL }),
		ERR_OK);
	assert_string_equal(args.link.host, "127.0.0.1");
	assert_int_equal(args.link.port, 9090);
	assert_int_equal(args.link.tuning.keepalive_ms, 0);
	assert_string_equal(args.link.auth, "a:b");
	assert_string_equal(args.link.backend, "http://localhost:1");
	assert_string_equal(args.link.tls_key, "k");
	assert_string_equal(args.link.tls_cert, "c");
	assert_string_equal(args.link.tls_ca, "d");
	assert_true(args.link.allows_socks);
	assert_true(args.link.allows_reverse);
	assert_true(args.daemon.writes_pid);
	field_fini(&server_fields, &args);
	line_fini(&l);
}

static void test_a_server_reads_the_environment(void **state)
{
	struct server_args args;
	struct line l;

	(void)state;
	setenv("HOST", "::1", 1);
	setenv("PORT", "0", 1);
	setenv("AUTH", "a:b", 1);
	setenv("CHISEL_KEY", "seed", 1);
	setenv("CHISEL_KEY_FILE", "ck-x", 1);
	setenv("CHISEL_CONFIG_TIMEOUT", "1500ms", 1);
	setenv("CHISEL_UDP_MAX_SIZE", "1500", 1);
	setenv("CHISEL_PING_TIMEOUT", "soon", 1);
	setenv("ADIT_WORKERS", "3", 1);
	assert_int_equal(read_server(&l, &args, (const char *const[]){ NULL }), ERR_OK);
	assert_string_equal(args.link.host, "::1");
	assert_int_equal(args.link.port, 0);
	assert_string_equal(args.link.auth, "a:b");
	assert_string_equal(args.link.key_seed, "seed");
	assert_string_equal(args.link.key_file, "ck-x");
	assert_int_equal(args.link.tuning.config_ms, 1500);
	assert_int_equal(args.link.tuning.udp_max_bytes, 1500);
	assert_int_equal(args.link.tuning.ping_timeout_ms, 0);
	assert_int_equal(args.link.workers, 3);
	field_fini(&server_fields, &args);
	line_fini(&l);
}

static void test_wrong_server_arguments_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *words[8];
		const char *sentence;
	} cases[] = {
		{ { "--auth", "secret" },
			"--auth: it has no colon; write <name>:<password>" },
		{ { "--tls-key", "k" },
			"--tls-key needs --tls-cert: give both files, or none" },
		{ { "--tls-cert", "c" },
			"--tls-cert needs --tls-key: give both files, or none" },
		{ { "--tls-ca", "c" },
			"--tls-ca asks clients for certificates, which needs TLS: give --tls-key "
			"and --tls-cert too" },
		{ { "--tls-domain", "192.0.2.1" },
			"--tls-domain: \"192.0.2.1\" is not a host name; write one such as "
			"tunnel.example.com" },
		{ { "--tls-domain", "https://a.example" },
			"--tls-domain: \"https://a.example\" is not a host name; write one such "
			"as tunnel.example.com" },
		{ { "--tls-domain", "a.example", "--tls-key", "k", "--tls-cert", "c" },
			"--tls-domain gets a certificate, so --tls-key and --tls-cert cannot be "
			"given too" },
		{ { "--backend", "http://" },
			"--backend: the URL has no host; write one such as "
			"http://127.0.0.1:3000" },
		{ { "--trusted-proxies", "::1,10/8" },
			"--trusted-proxies: \"10/8\" is not a range of addresses; write one such"
			" as 10.0.0.0/8" },
		{ { "--host", "a:1" },
			"--host: \"a:1\" is not a host; write an address or a name, "
			"without a port" },
		{ { "--port", "x" }, "--port takes a port from 0 to 65535, not \"x\"" },
		{ { "--keepalive", "25" },
			"--keepalive takes a duration such as \"25s\" or \"1m30s\", from 0s to "
			"1193h2m47.295s, not \"25\"" },
		{ { "--revers" }, "there is no flag --revers; did you mean --reverse?" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct server_args args;
		struct line l;

		assert_int_equal(read_server(&l, &args, cases[i].words), ERR_USAGE);
		assert_string_equal(l.why.text, cases[i].sentence);
		field_fini(&server_fields, &args);
		line_fini(&l);
	}
}

static void test_a_client_has_chisels_defaults(void **state)
{
	struct client_args args;
	struct line l;

	(void)state;
	assert_int_equal(read_client(&l, &args,
				 (const char *const[]){ "host:1", "3000", NULL }),
		ERR_OK);
	assert_string_equal(args.link.server, "host:1");
	assert_int_equal(args.link.tuning.keepalive_ms, 25000);
	assert_int_equal(args.link.max_retry_count, -1);
	assert_int_equal(args.link.max_retry_ms, 0);
	assert_int_equal(args.link.min_retry_ms, 0);
	assert_null(args.link.auth);
	assert_null(args.link.fingerprint);
	assert_null(args.link.proxy);
	assert_null(args.link.headers);
	assert_false(args.link.tls_skip_verify);
	assert_int_equal(args.link.remote_count, 1);
	assert_string_equal(args.link.remotes[0].local_port, "3000");
	client_args_fini(&args);
	line_fini(&l);
}

static void test_a_client_takes_flags_server_and_remotes(void **state)
{
	struct client_args args;
	struct line l;

	(void)state;
	assert_int_equal(read_client(&l, &args,
				 (const char *const[]){ "--keepalive", "25s",
					 "--max-retry-count=0", "--max-retry-interval",
					 "1m", "--min-retry-interval=2s", "--sni", "b",
					 "--tls-skip-verify", "--header", "A: 1",
					 "https://tunnel.example.com",
					 "R:3000:localhost:3000", "R:8080:localhost:8080",
					 NULL }),
		ERR_OK);
	assert_string_equal(args.link.server, "https://tunnel.example.com");
	assert_int_equal(args.link.max_retry_count, 0);
	assert_int_equal(args.link.max_retry_ms, 60000);
	assert_int_equal(args.link.min_retry_ms, 2000);
	assert_string_equal(args.link.sni, "b");
	assert_true(args.link.tls_skip_verify);
	assert_string_equal(args.link.headers[0], "A: 1");
	assert_int_equal(args.link.remote_count, 2);
	assert_true(args.link.remotes[1].is_reverse);
	assert_string_equal(args.link.remotes[1].remote_port, "8080");
	client_args_fini(&args);
	line_fini(&l);
}

static void test_a_client_reads_the_environment(void **state)
{
	struct client_args args;
	struct line l;

	(void)state;
	setenv("AUTH", "a:b", 1);
	setenv("CHISEL_WS_TIMEOUT", "3s", 1);
	assert_int_equal(read_client(&l, &args,
				 (const char *const[]){ "host", "3000", NULL }),
		ERR_OK);
	assert_string_equal(args.link.auth, "a:b");
	assert_int_equal(args.link.connect_timeout_ms, 3000);
	client_args_fini(&args);
	line_fini(&l);
}

static void test_a_later_header_replaces_an_earlier(void **state)
{
	struct client_args args;
	struct line l;

	(void)state;
	assert_int_equal(read_client(&l, &args,
				 (const char *const[]){ "--header", "A: 1", "--header",
					 "B: 2", "--header", "a: 3", "--header", "Ab: 4",
					 "host", "3000", NULL }),
		ERR_OK);
	assert_string_equal(args.link.headers[0], "B: 2");
	assert_string_equal(args.link.headers[1], "a: 3");
	assert_string_equal(args.link.headers[2], "Ab: 4");
	assert_null(args.link.headers[3]);
	client_args_fini(&args);
	line_fini(&l);
}

static void test_wrong_client_arguments_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *words[8];
		const char *sentence; /* how it begins */
	} cases[] = {
		{ { "--v" }, "the server is missing: write <server> <remote>..." },
		{ { "host" }, "there is no remote: write <server> <remote>..." },
		{ { "ftp://host", "3000" },
			"the server's URL must be http:// or https://" },
		{ { "--auth=secret", "host", "3000" }, "--auth: it has no colon" },
		{ { "--fingerprint=a5:32", "host", "3000" },
			"--fingerprint: \"a5:32\" is not" },
		{ { "--proxy=proxy:1", "host", "3000" }, "--proxy: the URL must begin" },
		{ { "--header=x", "host", "3000" }, "--header: it has no colon" },
		{ { "--tls-key=k", "host", "3000" }, "--tls-key needs --tls-cert" },
		{ { "--hostname=a/b", "host", "3000" }, "--hostname: \"a/b\" is not" },
		{ { "--sni=a:1", "host", "3000" }, "--sni: \"a:1\" is not a host" },
		{ { "--max-retry-count=x", "host", "3000" },
			"--max-retry-count takes a whole number" },
		{ { "host", "stdio:a:1", "stdio:b:2" },
			"only one remote can have standard" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct client_args args;
		struct line l;

		assert_int_equal(read_client(&l, &args, cases[i].words), ERR_USAGE);
		assert_memory_equal(l.why.text, cases[i].sentence,
			strlen(cases[i].sentence));
		client_args_fini(&args);
		line_fini(&l);
	}
}

static void test_an_invalid_remote_is_named(void **state)
{
	static const char *const remotes[] = { "", "foo", "a:1:b:2:c", "R:stdio:x:1",
		"5353/udp:1.1.1.1:53", "5000/udp:socks" };

	(void)state;
	for (size_t i = 0; i < mem_count(remotes); i++) {
		struct client_args args;
		struct line l;

		assert_int_equal(read_client(&l, &args,
					 (const char *const[]){ "host", "3000",
						 remotes[i], NULL }),
			ERR_USAGE);
		assert_non_null(strstr(l.why.text, remotes[i]));
		client_args_fini(&args);
		line_fini(&l);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, forget_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_server_has_chisels_defaults),
		TEST(test_a_server_takes_every_flag),
		TEST(test_a_server_reads_the_environment),
		TEST(test_wrong_server_arguments_are_refused_with_a_reason),
		TEST(test_a_client_has_chisels_defaults),
		TEST(test_a_client_takes_flags_server_and_remotes),
		TEST(test_a_client_reads_the_environment),
		TEST(test_a_later_header_replaces_an_earlier),
		TEST(test_wrong_client_arguments_are_refused_with_a_reason),
		TEST(test_an_invalid_remote_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
