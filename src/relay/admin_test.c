/* The administrators' API: every operation, and its authority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"
#include "store/audit_test.h"
#include "store/store.h"
#include "tunnel/portal/wallet.h"

#define ROOT "relay.example.com"
#define T0_MS UINT64_C(1780315200500)
#define ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define KEY "my-app:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
/* "my-app" with superfluous padding, and ADDRESS */
#define LEASE \
	"/admin/leases/bXktYXBw/" \
	"MHhmMzlGZDZlNTFhYWQ4OEY2RjRjZTZhQjg4MjcyNzljZmZGYjkyMjY2"

struct fixture {
	char dir[64];
	struct relay r;
	struct loop *loop;
	struct api_call *call;
	char cookie[WALLET_COOKIE_MAX];
	const char *client; /* the address of calls; NULL: any */
};

static const struct api_table *const tables[] = { ADMIN_TABLES, NULL };

/* The newest row of the audit. */
struct rows {
	unsigned count;
	char who[64];
};

static enum err on_row(void *arg, const struct audit_row *row)
{
	struct rows *rows = arg;

	rows->count++;
	str_copy(rows->who, sizeof(rows->who), row->who);
	return ERR_OK;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct policy_options policy = { .log = &f->r.log };
	struct lease_table_options table = { .root = ROOT, .workers = 1 };
	struct reservations_options names = { .log = &f->r.log };

	assert_non_null(f);
	clock_freeze(T0_MS);
	log_set_level(LOG_ERROR);
	log_init(&f->r.log, NULL, "test");
	strcpy(f->dir, "/tmp/adit-admin-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(store_open(f->dir, &f->r.store, NULL), ERR_OK);
	policy.store = f->r.store;
	assert_int_equal(policy_open(&policy, &f->r.policy, NULL), ERR_OK);
	assert_int_equal(route_table_new(lease_route_alias, &f->r.routes), ERR_OK);
	table.routes = f->r.routes;
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	names.store = f->r.store;
	names.loop = f->loop;
	assert_int_equal(reservations_open(&names, &f->r.names, NULL), ERR_OK);
	table.names = f->r.names;
	assert_int_equal(lease_table_new(&table, &f->r.table), ERR_OK);
	str_copy(f->r.options.root, sizeof(f->r.options.root), ROOT);
	identity_generate(IDENTITY_RELAY, &f->r.identity);
	assert_int_equal(admin_open(&f->r, NULL), ERR_OK);
	f->r.operations.o = (struct api_options){
		.tables = tables,
		.envelope = &relay_envelope,
		.context = &f->r,
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "adit.db", "adit.db-wal", "adit.db-shm" };
	struct fixture *f = *state;
	char path[128];

	api_call_free(f->call);
	wallet_free(f->r.wallet);
	lease_table_free(f->r.table);
	reservations_close(f->r.names);
	loop_free(f->loop);
	route_table_free(f->r.routes);
	policy_close(f->r.policy);
	store_close(f->r.store);
	for (size_t i = 0; i < mem_count(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static const struct api_call *ask_from_at(struct fixture *f, const char *origin,
	const char *host, const char *method, const char *target, const char *body)
{
	struct api_call *call = mem_new(call);

	assert_non_null(call);
	api_call_free(f->call);
	f->call = call;
	call->method = strdup(method);
	call->target = strdup(target);
	call->host = strdup(host);
	call->cookie = strdup(f->cookie);
	call->origin = strdup(origin);
	assert_int_equal(addr_from_literal(f->client != NULL ? f->client : "192.0.2.1",
				 999, &call->client),
		ERR_OK);
	buf_init(&call->body, MESSAGE_BODY_MAX);
	buf_put_str(&call->body, body);
	api_answer(&f->r.operations, call);
	return call;
}

static const struct api_call *ask_from(struct fixture *f, const char *origin,
	const char *method, const char *target, const char *body)
{
	return ask_from_at(f, origin, ROOT, method, target, body);
}

static const struct api_call *ask(struct fixture *f, const char *method,
	const char *target, const char *body)
{
	return ask_from(f, "", method, target, body);
}

static void says(const struct api_call *call, unsigned status, const char *text)
{
	struct span s = buf_span(&call->answer);

	if (call->status != status || memmem(s.p, s.n, text, strlen(text)) == NULL)
		fail_msg("%s %s: %u %.*s", call->method, call->target, call->status,
			(int)s.n, (const char *)s.p);
}

static void log_in(struct fixture *f)
{
	struct wallet_login_request req = { .challenge_id = "" };
	struct message_challenge c = { .expires_at.s = 0 };
	char body[8192];
	struct json_writer w;
	struct buf text;
	const char *cookie;

	snprintf(body, sizeof(body), "{\"address\":\"%s\"}", f->r.identity.address);
	says(ask(f, "POST", "/admin/auth/challenge", body), 201, "wac_");
	assert_int_equal(message_read_reply(201, buf_span(&f->call->answer),
				 &message_challenge_fields, &c, NULL, NULL),
		ERR_OK);
	str_copy(req.challenge_id, sizeof(req.challenge_id), c.challenge_id);
	str_copy(req.siwe_message, sizeof(req.siwe_message), c.siwe_message);
	assert_int_equal(siwe_sign(span_str(c.siwe_message), f->r.identity.secret,
				 req.siwe_signature),
		ERR_OK);
	buf_init(&text, sizeof(body) - 1);
	json_writer_init(&w, &text);
	field_put_json(&wallet_login_request_fields, &req, &w);
	snprintf(body, sizeof(body), "%.*s", (int)text.n, (const char *)buf_front(&text));
	buf_fini(&text);
	says(ask(f, "POST", "/admin/auth/login", body), 200, f->r.identity.address);
	cookie = strstr(f->call->headers, "Set-Cookie: portal_admin=was_");
	assert_non_null(cookie);
	snprintf(f->cookie, sizeof(f->cookie), "%.*s", (int)strcspn(cookie + 12, ";"),
		cookie + 12);
}

static void test_signing_in_and_out(void **state)
{
	struct fixture *f = *state;

	says(ask(f, "GET", "/admin/auth/status", ""), 200, "\"authenticated\":false");
	says(ask(f, "GET", "/admin/nothing", ""), 401, "unauthorized");
	says(ask(f, "DELETE", "/admin/snapshot", ""), 401, "unauthorized");
	says(ask(f, "POST", "/admin/auth/challenge", "{\"address\":\"" ADDRESS "\"}"),
		403, "unauthorized");
	says(ask(f, "POST", "/admin/auth/challenge", "what"), 400,
		"invalid request body");
	says(ask(f, "POST", "/admin/auth/login", "{}"), 401, "unauthorized");
	log_in(f);
	says(ask(f, "GET", "/admin/auth/status/", ""), 200, "\"authenticated\":true");
	says(ask(f, "GET", "/admin/nothing", ""), 404, "not found");
	says(ask(f, "DELETE", "/admin/snapshot", ""), 405, "not allowed");
	says(ask(f, "POST", "/admin/logout", ""), 200, "\"ok\":true");
	assert_non_null(strstr(f->call->headers, "Max-Age=0"));
	says(ask(f, "GET", "/admin/snapshot", ""), 401, "unauthorized");
}

/* A client with one IPv6 address has a whole network. */
static void test_challenges_are_limited_for_each_network(void **state)
{
	static const char *const clients[] = { "2001:db8::1", "2001:db8::2" };
	struct fixture *f = *state;
	char body[128];

	snprintf(body, sizeof(body), "{\"address\":\"%s\"}", f->r.identity.address);
	for (unsigned i = 0; i < CHALLENGES_PER_CLIENT; i++) {
		f->client = clients[i % 2];
		says(ask(f, "POST", "/admin/auth/challenge", body), 201, "wac_");
	}
	says(ask(f, "POST", "/admin/auth/challenge", body), 429, "rate_limited");
	f->client = "2001:db8:0:1::1";
	says(ask(f, "POST", "/admin/auth/challenge", body), 201, "wac_");
}

static void test_other_identities_are_refused(void **state)
{
	static const char *const asked[][2] = {
		{ "GET", "/admin/snapshot" },
		{ "GET", "/admin/metrics" },
		{ "POST", "/admin/settings/approval-mode" },
		{ "POST", "/admin/settings/landing-page" },
		{ "POST", "/admin/settings/udp" },
		{ "POST", "/admin/settings/tcp-port" },
		{ "POST", LEASE "/ban" },
		{ "DELETE", LEASE "/approve" },
		{ "POST", LEASE "/deny" },
		{ "POST", LEASE "/bps" },
		{ "POST", "/admin/ips/192.0.2.1/ban" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(asked); i++)
		says(ask(f, asked[i][0], asked[i][1], "{}"), 401, "unauthorized");
	str_copy(f->cookie, sizeof(f->cookie), "portal_admin=was_0123");
	says(ask(f, "POST", LEASE "/ban", ""), 401, "unauthorized");
	log_in(f);
	for (size_t i = 2; i < mem_count(asked); i++)
		says(ask_from(f, "https://evil.example", asked[i][0], asked[i][1], "{}"),
			403, "another site");
	says(ask_from(f, "null", "POST", LEASE "/ban", ""), 403, "another site");
	says(ask_from(f, "https://" ROOT, "POST", LEASE "/ban", ""), 200, "ok");
	clock_advance(WALLET_SESSION_S * UINT64_C(1000));
	says(ask(f, "DELETE", LEASE "/ban", ""), 401, "unauthorized");
	assert_true(policy_judge(f->r.policy, KEY).is_banned);
}

/* As browsers write them: the scheme and the port are part of a site. */
static void test_the_origin_must_match_the_host(void **state)
{
	static const struct {
		const char *origin, *host;
		bool is_ours;
	} rows[] = {
		{ "", ROOT, true }, /* no browser */
		{ "https://" ROOT, ROOT, true },
		{ "HTTPS://Relay.Example.Com", ROOT, true },
		{ "https://" ROOT, ROOT ":443", true },
		{ "https://" ROOT ":443", ROOT, true },
		{ "https://" ROOT ":4017", ROOT ":4017", true },
		{ "https://" ROOT ":4017", ROOT, false },
		{ "https://" ROOT, ROOT ":4017", false },
		{ "http://" ROOT, ROOT, false },
		{ "http://" ROOT ":443", ROOT, false },
		{ "ws://" ROOT, ROOT, false },
		{ "https:/" ROOT, ROOT, false },
		{ ROOT, ROOT, false },
		{ "null", ROOT, false },
		{ "https://", ROOT, false },
		{ "https://app." ROOT, ROOT, false },
		{ "https://" ROOT ".evil.example", ROOT, false },
		{ "https://evil.example/https://" ROOT, ROOT, false },
		{ "https://" ROOT "@evil.example", ROOT, false },
	};
	struct fixture *f = *state;

	log_in(f);
	for (size_t i = 0; i < mem_count(rows); i++)
		if (ask_from_at(f, rows[i].origin, rows[i].host, "POST", LEASE "/ban", "")
				->status != (rows[i].is_ours ? 200 : 403))
			fail_msg("%s at %s", rows[i].origin, rows[i].host);
	says(ask_from(f, "https://evil.example", "GET", "/admin/snapshot", ""), 200,
		"ok");
}

/* Root, or the relay's own user, over the admin socket. */
static void test_a_local_administrator_needs_no_wallet(void **state)
{
	struct fixture *f = *state;
	struct rows rows = { .count = 0 };
	struct api_call *call;

	says(ask(f, "POST", LEASE "/ban", ""), 401, "unauthorized");
	call = f->call;
	call->is_local = true;
	api_answer(&f->r.operations, call);
	says(call, 200, "ok");
	assert_true(policy_judge(f->r.policy, KEY).is_banned);
	assert_int_equal(audit_read(f->r.store, 1, on_row, &rows, NULL), ERR_OK);
	assert_string_equal(rows.who, "local administrator");
}

static void test_policy_is_reported(void **state)
{
	struct fixture *f = *state;

	says(ask(f, "GET", "/admin/policy", ""), 401, "unauthorized");
	log_in(f);
	says(ask(f, "POST", LEASE "/deny", ""), 200, "ok");
	says(ask(f, "POST", LEASE "/bps", "{\"bps\":7}"), 200, "ok");
	says(ask(f, "POST", "/admin/ips/192.0.2.0%2f24/ban", ""), 200, "ok");
	says(ask(f, "GET", "/admin/policy/", ""), 200,
		"{\"banned_networks\":[\"192.0.2.0/24\"],\"identities\":[{\"identity_key\":\"" KEY
		"\",\"approved\":false,\"denied\":true,\"banned\":false,"
		"\"bytes_per_s\":7}]}");
}

static void test_settings_are_changed(void **state)
{
	struct fixture *f = *state;
	const struct policy_settings *s = policy_settings(f->r.policy);

	log_in(f);
	says(ask(f, "POST", "/admin/settings/approval-mode", "{\"mode\":\"manual\"}"),
		200, "{\"approval_mode\":\"manual\"}");
	assert_true(s->is_manual);
	says(ask(f, "POST", "/admin/settings/approval-mode", "{\"mode\":\"?\"}"), 400,
		"invalid_mode");
	says(ask(f, "POST", "/admin/settings/landing-page", "{\"enabled\":true}"), 200,
		"{\"enabled\":true}");
	says(ask(f, "POST", "/admin/settings/udp", "{\"enabled\":true,\"max_leases\":3}"),
		200, "\"max_leases\":3");
	says(ask(f, "POST", "/admin/settings/tcp-port/",
		     "{\"enabled\":true,\"max_leases\":0}"),
		200, "\"max_leases\":0");
	says(ask(f, "POST", "/admin/settings/tcp-port", "{\"max_leases\":-1}"), 400,
		"invalid_request");
	says(ask(f, "POST", "/admin/settings/udp", "["), 400, "invalid request body");
	assert_true(s->has_landing_page && s->tcp_enabled && s->udp_enabled);
	assert_int_equal(s->udp_max_leases, 3);
	says(ask(f, "GET", "/admin/snapshot", ""), 200,
		"{\"approval_mode\":\"manual\",\"landing_page_enabled\":true,\"leases\":[],"
		"\"udp\":{\"enabled\":true,\"max_leases\":3},"
		"\"tcp_port\":{\"enabled\":true,\"max_leases\":0}}");
	says(ask(f, "GET", "/admin/metrics", ""), 200, "process_resident_memory_bytes");
}

static void test_rules_for_identities_are_changed(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	says(ask(f, "POST", LEASE "/deny/", ""), 200, "\"data\":{}");
	assert_true(policy_judge(f->r.policy, KEY).is_denied);
	says(ask(f, "POST", LEASE "/approve", ""), 200, "ok");
	assert_false(policy_judge(f->r.policy, KEY).is_denied);
	says(ask(f, "POST", LEASE "/ban", ""), 200, "ok");
	assert_true(policy_judge(f->r.policy, KEY).is_banned);
	says(ask(f, "DELETE", LEASE "/ban", ""), 200, "ok");
	assert_true(policy_judge(f->r.policy, KEY).is_routable);
	says(ask(f, "POST", LEASE "/bps", "{\"bps\":0}"), 400, "invalid_request");
	says(ask(f, "POST", LEASE "/bps", "{\"bps\":5000}"), 200, "ok");
	assert_int_equal(policy_judge(f->r.policy, KEY).bytes_per_s, 5000);
	says(ask(f, "DELETE", LEASE "/bps", ""), 200, "ok");
	assert_int_equal(policy_judge(f->r.policy, KEY).bytes_per_s, 0);
	says(ask(f, "POST", "/admin/leases/!/bXk/ban", ""), 400, "invalid_request");
	says(ask(f, "POST", "/admin/leases/bXktYXBw/!/ban", ""), 400, "invalid_address");
	says(ask(f, "POST", "/admin/leases/bXktYXBw/!/bps", "{"), 400, "invalid_address");
	says(ask(f, "POST", "/admin/leases/bXktYXBw/bXk%3d/ban", ""), 400,
		"invalid_address");
	says(ask(f, "PUT", LEASE "/ban", ""), 405, "method_not_allowed");
}

static void test_networks_are_banned(void **state)
{
	struct fixture *f = *state;

	log_in(f);
	says(ask(f, "POST", "/admin/ips/192.0.2.1/ban", ""), 200, "ok");
	says(ask(f, "POST", "/admin/ips/2001:db8::%2f32/ban/", ""), 200, "ok");
	assert_int_equal(policy_banned(f->r.policy)->n, 2);
	says(ask(f, "DELETE", "/admin/ips/2001%3adb8::%2F32/ban", ""), 200, "ok");
	assert_int_equal(policy_banned(f->r.policy)->n, 1);
	says(ask(f, "POST", "/admin/ips/here/ban", ""), 400, "invalid_ip");
	says(ask(f, "POST", "/admin/ips/192.0.2.1%00/ban", ""), 400, "invalid_ip");
	says(ask(f, "POST", "/admin/ips/192.0.2.1%/ban", ""), 400, "invalid_ip");
}

static void test_the_page_loads_nothing_from_other_sites(void **state)
{
	struct fixture *f = *state;

	says(ask(f, "GET", "/admin", ""), 200, "</html>");
	assert_non_null(strstr(f->call->headers, "default-src 'none'"));
	assert_non_null(strstr(f->call->headers, "script-src 'sha256-"));
	says(ask(f, "GET", "/admin/", ""), 200, "<script>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signing_in_and_out, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_challenges_are_limited_for_each_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_identities_are_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_the_origin_must_match_the_host,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_local_administrator_needs_no_wallet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_policy_is_reported, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_settings_are_changed, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_rules_for_identities_are_changed,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_networks_are_banned, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_page_loads_nothing_from_other_sites, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
