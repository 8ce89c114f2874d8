/* Settings of a relay: what goes before what, what they mean, and words about
 * mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/relay_args.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/adit-config-XXXXXX");
	return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
	char *path = str_printf("%s/relay.toml", directory);

	(void)state;
	unlink(path);
	free(path);
	return rmdir(directory);
}

static int forget_environment(void **state)
{
	(void)state;
	for (unsigned i = 0; i < relay_fields.count; i++) {
		if (relay_fields.rows[i].env != NULL)
			unsetenv(relay_fields.rows[i].env);
	}
	setenv("HOME", "/home/ann", 1);
	unsetenv("XDG_DATA_HOME");
	unsetenv("STATE_DIRECTORY");
	return 0;
}

/* Reads @text as the file, and one flag if @flag is not NULL. */
static enum err read_config(const char *text, const char *flag, const char *value,
	struct relay_options *o, struct why *why)
{
	char *path = str_printf("%s/relay.toml", directory);
	char *word = str_printf("--%s=%s", flag != NULL ? flag : "",
		value != NULL ? value : "");
	const struct call call = { .command = &command_relay_run,
		.flags = &word,
		.flag_count = flag != NULL };
	struct relay_args args = { .config = path, .call = &call };
	FILE *file = fopen(path, "w");
	enum err rc;

	fputs(text, file);
	fclose(file);
	rc = relay_args_read(&args, o, why);
	free(path);
	free(word);
	return rc;
}

static void options_fini(struct relay_options *o)
{
	field_fini(&relay_fields, o);
}

static void test_without_settings_the_relay_is_for_this_machine(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	assert_int_equal(read_config("", NULL, NULL, &o, &why), ERR_OK);
	assert_string_equal(o.url, "https://relay.localhost:4017");
	assert_string_equal(o.root, "relay.localhost");
	assert_int_equal(o.api_port, 4017);
	assert_int_equal(o.sni_port, 443);
	assert_null(o.host);
	assert_null(o.metrics);
	assert_false(o.trusts_proxy || o.has_tcp || o.has_landing_page);
	assert_int_equal(o.drain_ms, 5000);
	assert_int_equal(o.sign_per_s, 1000);
	assert_int_equal(o.workers, 0);
	assert_int_equal(o.proxies.n, 0);
	assert_string_equal(o.state_dir,
		geteuid() == 0 ? "/var/lib/adit/relay" :
				 "/home/ann/.local/share/adit/relay");
	options_fini(&o);
}

static void test_every_setting_is_read(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	assert_int_equal(
		read_config(
			"portal_url = 'Relay.Example.com/relay'\n"
			"identity_path = '/srv/relay/'\nhost = '127.0.0.1'\n"
			"api_port = 0\nsni_port = 8443\ntcp_enabled = true\n"
			"min_port = 20000\nmax_port = 20099\ntrust_proxy_headers = true\n"
			"trusted_proxy_cidrs = ['203.0.113.0/24']\n"
			"admin_wallets = ['0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed']\n"
			"landing_page_enabled = true\nworkers = 4\ndrain = '30s'\n"
			"sign_rate = 50\nmetrics = '[::1]:9464'\n",
			NULL, NULL, &o, &why),
		ERR_OK);
	assert_string_equal(o.root, "relay.example.com");
	assert_string_equal(o.state_dir, "/srv/relay");
	assert_string_equal(o.host, "127.0.0.1");
	assert_int_equal(o.api_port, 0);
	assert_int_equal(o.sni_port, 8443);
	assert_true(o.has_tcp && o.trusts_proxy && o.has_landing_page);
	assert_int_equal(o.port_min, 20000);
	assert_int_equal(o.port_max, 20099);
	assert_int_equal(o.proxies.n, 1);
	assert_string_equal(o.proxies.v[0], "203.0.113.0/24");
	assert_int_equal(o.admin_wallets.n, 1);
	assert_string_equal(o.admin_wallets.v[0],
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
	assert_int_equal(o.workers, 4);
	assert_int_equal(o.drain_ms, 30000);
	assert_int_equal(o.sign_per_s, 50);
	assert_string_equal(o.metrics, "[::1]:9464");
	options_fini(&o);
}

static void test_flags_go_before_the_environment_before_the_file(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	assert_int_equal(read_config("api_port = 1", NULL, NULL, &o, &why), ERR_OK);
	assert_int_equal(o.api_port, 1);
	options_fini(&o);
	setenv("API_PORT", "2", 1);
	assert_int_equal(read_config("api_port = 1", NULL, NULL, &o, &why), ERR_OK);
	assert_int_equal(o.api_port, 2);
	options_fini(&o);
	assert_int_equal(read_config("api_port = 1", "api-port", "3", &o, &why), ERR_OK);
	assert_int_equal(o.api_port, 3);
	options_fini(&o);
	setenv("API_PORT", "", 1);
	assert_int_equal(read_config("api_port = 1", NULL, NULL, &o, &why), ERR_OK);
	assert_int_equal(o.api_port, 1);
	options_fini(&o);
}

static void test_a_service_has_a_place_for_its_state(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	setenv("STATE_DIRECTORY", "/var/lib/private/adit/relay", 1);
	assert_int_equal(read_config("", NULL, NULL, &o, &why), ERR_OK);
	assert_string_equal(o.state_dir, "/var/lib/private/adit/relay");
	options_fini(&o);
	assert_int_equal(read_config("identity_path = '/srv'", NULL, NULL, &o, &why),
		ERR_OK);
	assert_string_equal(o.state_dir, "/srv");
	options_fini(&o);
}

static void test_a_file_in_the_state_directory_means_the_directory(void **state)
{
	static const char *const cases[][2] = { { "/a/b/identity.json", "/a/b" },
		{ "/a/admin_settings.json", "/a" }, { "identity.json", "." },
		{ "/identity.json", "/" }, { "./x", "./x" },
		{ "/a/my-identity.json", "/a/my-identity.json" }, { "/a//", "/a" },
		{ "/", "/" } };

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct relay_options o;
		struct why why = { "" };

		assert_int_equal(read_config("", "identity-path", cases[i][0], &o, &why),
			ERR_OK);
		assert_string_equal(o.state_dir, cases[i][1]);
		options_fini(&o);
	}
}

static void test_reserved_names_are_a_list(void **state)
{
	static const struct {
		const char *text, *reserved, *free; /* names with spaces between them */
	} rows[] = {
		{ "", "abuse www www.relay.example.com", "shop ww www2" },
		{ "reserved_names = []", "", "abuse www" },
		{ "reserved_names = ['shop', 'xn--*']", "shop xn--abc xn--",
			"www xn- sho" },
		{ "reserved_names = 'standard,shop'", "abuse www shop", "shops" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct relay_options o;
		struct why why = { "" };

		if (read_config(rows[i].text, NULL, NULL, &o, &why) != ERR_OK)
			fail_msg("%s", why.text);
		for (int is_free = 0; is_free < 2; is_free++) {
			char *names = strdup(is_free ? rows[i].free : rows[i].reserved);

			for (char *n = strtok(names, " "); n != NULL;
				n = strtok(NULL, " "))
				if (relay_config_reserves(&o, n) == is_free)
					fail_msg("%s: %s", rows[i].text, n);
			free(names);
		}
		options_fini(&o);
	}
}

static void test_mistakes_are_named_with_their_place(void **state)
{
	static const struct {
		const char *file, *flag, *value, *words;
	} cases[] = {
		{ "\napi_prot = 1", NULL, NULL,
			"/relay.toml:2:1: unknown key \"api_prot\"; did you mean api_port?" },
		{ "portal_url = 'http://x'", NULL, NULL,
			"/relay.toml:1:14: portal_url: the relay's URL must begin with https://;"
			" write one such as https://relay.example.com" },
		{ "", "portal-url", "https://relay..example.com",
			"--portal-url: a part of the URL's host is empty or too long; write one" },
		{ "portal_url = 'https://203.0.113.5'", NULL, NULL,
			"/relay.toml:1:14: portal_url: leases get names under the host,"
			" and there are none under the IP address 203.0.113.5" },
		{ "", "portal-url", "https://[2001:db8::1]:4017",
			"--portal-url: leases get names under" },
		{ "", "portal-url", "127.0.0.1:4017",
			"--portal-url: leases get names under" },
		{ "", "portal-url", "https://relay.example.com/path",
			"--portal-url: a relay has no path; leave out \"/path\"" },
		{ "reserved_names = ['www', 'a.b']", NULL, NULL,
			"/relay.toml:1:18: reserved_names: \"a.b\" is not a name of a lease" },
		{ "", "reserved-names", "*", "--reserved-names: \"*\" is not a name" },
		{ "", "reserved-names", "WWW",
			"--reserved-names: \"WWW\" is not a name" },
		{ "a =", NULL, NULL, "/relay.toml:1:4: a value is missing" },
		{ "", "api-port", "http",
			"--api-port takes a port from 0 to 65535, not \"http\"" },
		{ "trusted_proxy_cidrs = '10/8'", NULL, NULL,
			"/relay.toml:1:23: trusted_proxy_cidrs: \"10/8\" is not a range of"
			" addresses; write one such as 10.0.0.0/8" },
		{ "", "admin-wallets", "0x5Aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
			"--admin-wallets: \"0x5Aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed\" is not a"
			" wallet address" },
		{ "", "metrics", "0.0.0.0:9464",
			"--metrics: metrics are for this machine only" },
		{ "", "metrics", "127.0.0.1",
			"--metrics: metrics are for this machine only" },
		{ "", "host", "relay.example.com",
			"--host: \"relay.example.com\" is not an IP address" },
		{ "tcp_enabled = true", NULL, NULL,
			"tcp_enabled needs ports for leases" },
		{ "min_port = 9\nmax_port = 8", NULL, NULL,
			"min_port is 9 and max_port 8" },
		{ "tcp_enabled = true\nmin_port = 300\nmax_port = 200", NULL, NULL,
			"min_port is 300 and max_port 200; the first may not be above" },
		{ "tcp_enabled = true\nmin_port = 300", NULL, NULL,
			"tcp_enabled needs ports for leases" },
		{ "min_port = 400\nmax_port = 500", NULL, NULL,
			"api_port or sni_port lies between" },
		{ "api_port = 443", NULL, NULL, "api_port and sni_port are both 443" },
		{ "discovery = true", NULL, NULL,
			"/relay.toml:1:13: discovery: discovery of relays is not supported yet;"
			" leave it out, or write false" },
		{ "", "udp-enabled", "true", "--udp-enabled: UDP is not supported yet" },
		{ "", "acme-dns-provider", "cloudflare",
			"--acme-dns-provider: certificates by ACME are not supported yet; leave it"
			" out" },
		{ "cloudflare_token = 'x'", NULL, NULL,
			"/relay.toml:1:20: cloudflare_token: certificates by ACME are" },
		{ "wireguard_port = 51821", NULL, NULL,
			"/relay.toml:1:18: wireguard_port: the overlay of relays is" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		struct relay_options o;
		struct why why = { "" };
		const char *words = why.text;
		enum err rc = read_config(cases[i].file, cases[i].flag, cases[i].value,
			&o, &why);

		assert_true(rc == ERR_SYNTAX || rc == ERR_USAGE);
		if (str_has_prefix(words, directory))
			words += strlen(directory);
		if (!str_has_prefix(words, cases[i].words))
			fail_msg("%s", words);
	}
}

static void test_an_empty_flag_is_a_value(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	assert_int_equal(read_config("host = '::1'", "host", "", &o, &why), ERR_OK);
	assert_null(o.host);
	options_fini(&o);
	assert_int_equal(read_config("", "api-port", "", &o, &why), ERR_USAGE);
}

static void test_unsupported_settings_may_be_given_as_off(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	setenv("UDP_ENABLED", "false", 1);
	setenv("WIREGUARD_PORT", "51820", 1);
	setenv("AWS_REGION", "eu-central-1", 1);
	assert_int_equal(read_config("discovery = false\npprof_addr = '127.0.0.1:6060'\n"
				     "acme_dns_provider = ''\nbootstraps = []\n",
				 NULL, NULL, &o, &why),
		ERR_OK);
	options_fini(&o);
	unsetenv("AWS_REGION");
}

static void test_a_wrong_variable_is_no_default(void **state)
{
	struct relay_options o;
	struct why why = { "" };

	(void)state;
	setenv("SNI_PORT", "https", 1);
	assert_int_equal(read_config("", NULL, NULL, &o, &why), ERR_USAGE);
	assert_string_equal(why.text,
		"SNI_PORT takes a port from 0 to 65535, not \"https\"");
}

static void test_a_file_that_is_named_must_be_there(void **state)
{
	struct relay_options o = { .workers = 0 };
	struct why why = { "" };

	(void)state;
	assert_int_equal(relay_config_read_file("/nowhere/relay.toml", &o, &why),
		ERR_SYS);
	assert_string_equal(why.text,
		"/nowhere/relay.toml cannot be read: No such file or directory");
	assert_int_equal(relay_config_read_file(directory, &o, &why), ERR_SYS);
}

static void test_the_state_directory_is_made_for_its_owner(void **state)
{
	struct relay_options o = { .state_dir = str_printf("%s/a/b", directory) };
	struct why why = { "" };
	struct stat st;

	(void)state;
	assert_int_equal(relay_config_make_dir(&o, &why), ERR_OK);
	assert_int_equal(relay_config_make_dir(&o, &why), ERR_OK);
	assert_int_equal(stat(o.state_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	rmdir(o.state_dir);
	o.state_dir[strlen(directory) + 2] = '\0';
	rmdir(o.state_dir);
	free(o.state_dir);
	o.state_dir = strdup("/proc/adit/x");
	assert_int_equal(relay_config_make_dir(&o, &why), ERR_SYS);
	options_fini(&o);
}

#define TEST(f) cmocka_unit_test_setup(f, forget_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_settings_the_relay_is_for_this_machine),
		TEST(test_every_setting_is_read),
		TEST(test_flags_go_before_the_environment_before_the_file),
		TEST(test_a_service_has_a_place_for_its_state),
		TEST(test_a_file_in_the_state_directory_means_the_directory),
		TEST(test_reserved_names_are_a_list),
		TEST(test_mistakes_are_named_with_their_place),
		TEST(test_an_empty_flag_is_a_value),
		TEST(test_unsupported_settings_may_be_given_as_off),
		TEST(test_a_wrong_variable_is_no_default),
		TEST(test_a_file_that_is_named_must_be_there),
		TEST(test_the_state_directory_is_made_for_its_owner),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
