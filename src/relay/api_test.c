/* The API: every answer to calls, as data workers send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/str.h"
#include "loop/timer_test.h"
#include "relay/relay_priv.h"
#include "serve/lease/store_test.h"
#include "tunnel/portal/access_token.h"
#include "tunnel/portal/envelope.h"
#include "tunnel/portal/message.h"

#define ROOT "relay.example.com"
#define URL "https://relay.example.com"
#define T0_MS UINT64_C(1780315200500)

/* The policy of these tests, without a store. */
static struct policy_settings settings;
static bool is_routable, begins;

const struct policy_settings *policy_settings(const struct policy *p)
{
	(void)p;
	return &settings;
}

struct policy_verdict policy_judge(const struct policy *p, const char *identity_key)
{
	(void)p;
	(void)identity_key;
	return (struct policy_verdict){ .is_routable = is_routable };
}

enum err relay_begin_lease(struct relay *r, struct lease *lease)
{
	(void)r;
	(void)lease;
	return begins ? ERR_OK : ERR_NOMEM;
}

/* ---- a relay and its clients ---- */

struct person {
	uint8_t secret[K1_SECRET_BYTES];
	char address[ADDRESS_TEXT_SIZE];
};

struct fixture {
	struct relay r;
	struct person alice, bob;
	struct api_call *call; /* the last one */
	struct loop *loop;
	struct test_store kept;
	const char *root;
};

static void person_init(struct person *p, uint8_t secret)
{
	struct k1_public key;

	memset(p->secret, 0, sizeof(p->secret));
	p->secret[31] = secret;
	assert_int_equal(k1_derive_public(p->secret, &key), ERR_OK);
	address_of_key(&key, p->address);
}

static void open_table(struct fixture *f)
{
	struct reservations_options names = {
		.loop = f->loop,
		.log = &f->r.log,
		.grace_ms = 600000,
	};
	struct lease_table_options o = {
		.root = f->root,
		.workers = 1,
		.host = "127.0.0.1",
		.port_min = 32750,
		.port_max = 32757,
		.routes = f->r.routes,
	};

	test_store_open(&f->kept);
	names.store = f->kept.store;
	assert_int_equal(reservations_open(&names, &f->r.names, NULL), ERR_OK);
	o.names = f->r.names;
	assert_int_equal(lease_table_new(&o, &f->r.table), ERR_OK);
}

static void close_table(struct fixture *f)
{
	lease_table_free(f->r.table);
	reservations_close(f->r.names);
	test_store_close(&f->kept);
}

static int set_up(void **state)
{
	static const struct api_table *const tables[] = { &api_lease_table,
		&api_about_table, &api_page_table, NULL };
	static const struct challenges_options registrations = {
		.statement = "Register a portal lease",
		.path = "/sdk/register",
		.prefix = RANDOM_ID_CHALLENGE,
	};
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	time_begin(T0_MS);
	settings = (struct policy_settings){ .tcp_enabled = true };
	is_routable = begins = true;
	person_init(&f->alice, 1);
	person_init(&f->bob, 2);
	f->r.operations.o = (struct api_options){
		.tables = tables,
		.envelope = &relay_envelope,
		.context = &f->r,
	};
	f->r.sni_port = 443;
	str_copy(f->r.options.url, sizeof(f->r.options.url), URL);
	str_copy(f->r.options.root, sizeof(f->r.options.root), ROOT);
	f->r.options.has_tcp = true;
	identity_generate(IDENTITY_RELAY, &f->r.identity);
	assert_int_equal(route_table_new(lease_route_alias, &f->r.routes), ERR_OK);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	f->root = ROOT;
	open_table(f);
	assert_int_equal(challenges_new(&registrations, &f->r.challenges), ERR_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	api_call_free(f->call);
	close_table(f);
	test_store_remove(&f->kept);
	route_table_free(f->r.routes);
	challenges_free(f->r.challenges);
	api_text_unref(f->r.page);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Makes a call; it stays until the next one is made. */
static struct api_call *prepare(struct fixture *f, const char *method, const char *target,
	const char *body)
{
	struct api_call *call = mem_new(call);

	assert_non_null(call);
	api_call_free(f->call);
	f->call = call;
	call->method = strdup(method);
	call->target = strdup(target);
	call->host = strdup(ROOT);
	call->cookie = strdup("");
	call->origin = strdup("");
	assert_int_equal(addr_from_literal("192.0.2.1", 999, &call->client), ERR_OK);
	buf_init(&call->body, MESSAGE_BODY_MAX);
	buf_put_str(&call->body, body);
	return call;
}

static const struct api_call *ask(struct fixture *f, const char *method,
	const char *target, const char *body)
{
	api_answer(&f->r.operations, prepare(f, method, target, body));
	return f->call;
}

/* A reverse session has @token, and its worker has no lease for it. */
static const struct api_call *revive(struct fixture *f, const char *token)
{
	struct api_call *call = prepare(f, "GET", "/sdk/connect", token);

	call->row = &lease_revival;
	api_answer(&f->r.operations, call);
	return call;
}

static bool says(const struct api_call *call, const char *text)
{
	struct span s = buf_span(call->text != NULL ? &call->text->text : &call->answer);

	return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static void expect_code(const struct api_call *call, unsigned status, const char *code)
{
	char text[96];

	snprintf(text, sizeof(text), "\"error\":{\"code\":\"%s\"", code);
	assert_int_equal(call->status, status);
	if (!says(call, text))
		fail_msg("%.*s is not %s", (int)call->answer.n,
			(const char *)buf_front(&call->answer), code);
}

/* ---- registration, step by step ---- */

#define EXTRA_NONE ""
#define EXTRA_TCP ",\"tcp_enabled\":true"
#define EXTRA_ROUTE ",\"route_hostname\":\"ech-abc." ROOT "\""

static const struct api_call *challenge(struct fixture *f, const struct person *p,
	const char *name, const char *extra, struct message_challenge *out)
{
	char body[8192];
	const struct api_call *call;

	snprintf(body, sizeof(body),
		"{\"identity\":{\"name\":\"%s\",\"address\":\"%s\"},\"metadata\":{"
		"\"description\":\"a <b>\"},\"ttl\":120%s}",
		name, p->address, extra);
	call = ask(f, "POST", "/sdk/register/challenge", body);
	if (call->status == 201)
		assert_int_equal(message_read_reply(201, buf_span(&call->answer),
					 &message_challenge_fields, out, NULL, NULL),
			ERR_OK);
	return call;
}

/* The body that answers a challenge. */
static void sign(const struct person *p, const struct message_challenge *c,
	struct buf *out)
{
	struct message_register_request req = { .reported_ip = "203.0.113.9" };

	str_copy(req.challenge_id, sizeof(req.challenge_id), c->challenge_id);
	str_copy(req.siwe_message, sizeof(req.siwe_message), c->siwe_message);
	assert_int_equal(siwe_sign(span_str(c->siwe_message), p->secret,
				 req.siwe_signature),
		ERR_OK);
	buf_init(out, 16384);
	assert_int_equal(message_put_request(&message_register_request_fields, &req, out),
		ERR_OK);
	buf_put_u8(out, '\0');
}

static const struct api_call *redeem(struct fixture *f, const struct person *p,
	const struct message_challenge *c)
{
	struct buf body;

	sign(p, c, &body);
	ask(f, "POST", "/sdk/register", (const char *)buf_front(&body));
	buf_fini(&body);
	return f->call;
}

/* The answer of the first step that fails, or of the last. */
static const struct api_call *enrol(struct fixture *f, const struct person *p,
	const char *name, const char *extra)
{
	struct message_challenge c;
	const struct api_call *call = challenge(f, p, name, extra, &c);

	return call->status == 201 ? redeem(f, p, &c) : call;
}

/* The challenge is the last answer. */
static struct message_lease registered_with(struct fixture *f, const struct person *p)
{
	struct message_challenge c;
	struct message_lease lease = { .sni_port = 0 };

	assert_int_equal(message_read_reply(f->call->status, buf_span(&f->call->answer),
				 &message_challenge_fields, &c, NULL, NULL),
		ERR_OK);
	redeem(f, p, &c);
	assert_int_equal(message_read_reply(f->call->status, buf_span(&f->call->answer),
				 &message_lease_fields, &lease, NULL, NULL),
		ERR_OK);
	return lease;
}

static struct message_lease registered(struct fixture *f, const struct person *p,
	const char *name, const char *extra)
{
	const struct api_call *call = enrol(f, p, name, extra);
	struct message_lease lease = { .sni_port = 0 };

	assert_int_equal(call->status, 201);
	assert_int_equal(message_read_reply(201, buf_span(&call->answer),
				 &message_lease_fields, &lease, NULL, NULL),
		ERR_OK);
	return lease;
}

static const struct api_call *with_token(struct fixture *f, const char *target,
	const char *token, const char *extra)
{
	char body[MESSAGE_TOKEN_MAX + 256];

	snprintf(body, sizeof(body), "{\"access_token\":\"%s\"%s}", token, extra);
	return ask(f, "POST", target, body);
}

/* ---- operations ---- */

static void test_unknown_paths_and_methods_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct api_call *call;

	assert_int_equal(ask(f, "PUT", "/healthz", "")->status, 200);
	assert_true(says(f->call, "{\"data\":{\"status\":\"ok\"},\"ok\":true}\n"));
	call = ask(f, "GET", "/sdk/register", "");
	expect_code(call, 405, "method_not_allowed");
	assert_non_null(strstr(call->headers, "Allow: POST\r\n"));
	call = ask(f, "PUT", "/sdk/hop", "");
	assert_non_null(strstr(call->headers, "Allow: POST, DELETE\r\n"));
	assert_int_equal(ask(f, "GET", "/nowhere", "")->status, 404);
	assert_false(says(f->call, "{"));
	assert_int_equal(ask(f, "GET", "/sdk/domain/", "")->status, 404);
	assert_int_equal(ask(f, "GET", "/sdk", "")->status, 404);
	assert_int_equal(ask(f, "GET", "sdk", "")->status, 404);
	assert_int_equal(ask(f, "GET", "", "")->status, 404);
	assert_int_equal(ask(f, "GET", "/app/x/y?z", "")->status, 200);
	assert_int_equal(ask(f, "GET", "/favicon.ico", "")->status, 204);
	assert_int_equal(ask(f, "HEAD", "/", "")->status, 200);
}

static void test_the_domain_is_described(void **state)
{
	struct fixture *f = *state;
	const struct api_call *call = ask(f, "GET", "/sdk/domain", "");
	struct message_domain d;

	assert_int_equal(call->status, 200);
	assert_non_null(strstr(call->headers, "Access-Control-Allow-Origin: *\r\n"));
	assert_non_null(strstr(call->headers, "Content-Type: application/json\r\n"));
	assert_int_equal(message_read_reply(200, buf_span(&call->answer),
				 &message_domain_fields, &d, NULL, NULL),
		ERR_OK);
	assert_string_equal(d.protocol_version, "7");
	assert_true(says(call, "\"ens\":{\"enabled\":false,\"verified\":false}"));
}

static void test_multi_hop_routes_are_refused(void **state)
{
	struct fixture *f = *state;

	expect_code(ask(f, "POST", "/sdk/hop", "{}"), 503, "feature_unavailable");
	expect_code(ask(f, "DELETE", "/sdk/hop", "x"), 503, "feature_unavailable");
}

static void test_a_banned_address_is_refused(void **state)
{
	static const char *const banned[] = { "/sdk/register/challenge", "/sdk/register",
		"/sdk/renew", "/sdk/unregister", "/sdk/hop" };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(banned); i++) {
		prepare(f, "POST", banned[i], "no json")->is_banned = true;
		api_answer(&f->r.operations, f->call);
		expect_code(f->call, 403, "ip_banned");
		assert_true(says(f->call, "request denied because source IP is banned"));
	}
}

/* ---- challenge ---- */

static void test_a_challenge_is_issued(void **state)
{
	struct fixture *f = *state;
	struct message_challenge c;

	assert_int_equal(challenge(f, &f->alice, "My App", EXTRA_NONE, &c)->status, 201);
	assert_int_equal(strlen(c.challenge_id), 20);
	assert_int_equal(c.expires_at.s, T0_MS / 1000 + 120);
	assert_int_equal(c.expires_at.ns, 500000000);
	assert_memory_equal(c.siwe_message, ROOT " wants you", sizeof(ROOT) + 8);
	assert_non_null(strstr(c.siwe_message, "URI: " URL "/sdk/register\n"));
	assert_non_null(strstr(c.siwe_message, f->alice.address));
}

static void test_the_domain_is_the_host_of_the_request(void **state)
{
	struct fixture *f = *state;
	static const char body[] = "{\"identity\":{\"name\":\"a\",\"address\":"
				   "\"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\"}}";
	struct api_call *call = prepare(f, "POST", "/sdk/register/challenge", body);

	free(call->host);
	call->host = strdup(ROOT ":4017");
	api_answer(&f->r.operations, call);
	assert_true(says(call, "URI: " URL ":4017/sdk/register"));
	call = prepare(f, "POST", "/sdk/register/challenge", body);
	call->host[0] = '\0';
	api_answer(&f->r.operations, call);
	assert_true(says(call, "URI: " URL "/sdk/register"));
}

/* Stock clients take the host of their URL for the root. */
static void test_a_local_relay_accepts_names_under_localhost(void **state)
{
	struct fixture *f = *state;
	char hash[HOSTNAME_HASH_SIZE], extra[256];
	struct route *r;

	str_copy(f->r.options.root, sizeof(f->r.options.root), "relay.localhost");
	close_table(f);
	f->root = "relay.localhost";
	open_table(f);
	assert_int_equal(hostname_hash(span_str("app.localhost"), hash, NULL), ERR_OK);
	snprintf(extra, sizeof(extra),
		",\"route_hostname\":\"ech-abc.localhost\",\"hostname_hash\":\"%s\","
		"\"ech_config_list\":\"AAEB\"",
		hash);
	registered(f, &f->alice, "app", extra);
	r = route_find_by_host(f->r.routes, "ech-abc.relay.localhost");
	assert_non_null(r);
	assert_string_equal(r->public_host, "app.relay.localhost");
	route_unref(r);
	ask(f, "GET", "/tunnel/status?hostname=app.localhost", "");
	assert_true(says(f->call, "\"hostname\":\"app.localhost\",\"registered\":true"));
	expect_code(enrol(f, &f->bob, "app", EXTRA_NONE), 409, "hostname_conflict");
}

static void test_the_order_in_which_a_challenge_is_refused(void **state)
{
	static const struct {
		const char *extra;
		unsigned status;
		const char *code;
	} rows[] = {
		{ ",\"hop_token\":\"x\",\"ech_config_list\":\"!\"", 503,
			"feature_unavailable" },
		{ ",\"udp_enabled\":true,\"ech_config_list\":\"!\"", 503,
			"feature_unavailable" },
		{ ",\"ech_config_list\":\"!\"", 400, "invalid_request" },
		{ ",\"ech_config_list\":\"AAA=\"", 400, "invalid_request" },
		{ ",\"ech_config_list\":\"AAIBAgM=\"", 400, "invalid_request" },
	};
	struct fixture *f = *state;
	struct message_challenge c;

	for (size_t i = 0; i < mem_count(rows); i++)
		expect_code(challenge(f, &f->alice, "app", rows[i].extra, &c),
			rows[i].status, rows[i].code);
	expect_code(challenge(f, &f->alice, "..", EXTRA_NONE, &c), 400,
		"invalid_request");
	expect_code(ask(f, "POST", "/sdk/register/challenge", "{"), 400, "invalid_json");
	expect_code(ask(f, "POST", "/sdk/register/challenge",
			    "{\"identity\":{\"name\":\"a\",\"address\":\"0x12\"}}"),
		400, "invalid_request");
	f->r.options.has_tcp = false;
	expect_code(challenge(f, &f->alice, "app", EXTRA_TCP, &c), 503,
		"feature_unavailable");
	assert_int_equal(challenge(f, &f->alice, "app", EXTRA_ROUTE, &c)->status, 201);
}

static void test_challenges_are_limited_for_each_client(void **state)
{
	struct fixture *f = *state;
	struct message_challenge c;

	for (int i = 0; i < CHALLENGES_PER_CLIENT; i++)
		assert_int_equal(challenge(f, &f->alice, "a", EXTRA_NONE, &c)->status,
			201);
	expect_code(challenge(f, &f->alice, "a", EXTRA_NONE, &c), 429, "rate_limited");
	clock_advance(120001);
	assert_int_equal(challenge(f, &f->alice, "a", EXTRA_NONE, &c)->status, 201);
}

/* ---- register ---- */

static void test_a_lease_is_registered(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "My App", EXTRA_ROUTE);
	struct route *r = route_find_by_host(f->r.routes, "my-app." ROOT);

	assert_string_equal(l.identity.name, "my-app");
	assert_string_equal(l.identity.address, f->alice.address);
	assert_int_equal(l.expires_at.s, T0_MS / 1000 + 120);
	assert_int_equal(l.expires_at.ns, 0);
	assert_int_equal(l.sni_port, 443);
	assert_false(l.tcp_enabled);
	assert_non_null(r);
	assert_string_equal(r->host, "ech-abc." ROOT);
	route_unref(r);
	assert_int_equal(ask(f, "GET", "/tunnel/status?hostname=MY-APP." ROOT, "")
				 ->status,
		200);
	assert_true(says(f->call, "\"registered\":true,\"service_alive\":false"));
}

static void test_one_network_does_not_fill_the_table(void **state)
{
	struct fixture *f = *state;

	lease_table_set_bounds(f->r.table, 2, NULL);
	(void)registered(f, &f->alice, "one", EXTRA_NONE);
	(void)registered(f, &f->alice, "two", EXTRA_ROUTE);
	(void)registered(f, &f->alice, "two", EXTRA_NONE);
	expect_code(enrol(f, &f->alice, "more", EXTRA_NONE), 429, "rate_limited");
	expect_code(enrol(f, &f->bob, "more", EXTRA_NONE), 429, "rate_limited");
	lease_table_set_bounds(f->r.table, 0, NULL);
	(void)registered(f, &f->bob, "more", EXTRA_NONE);
}

static void test_a_lease_with_a_port(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "app", EXTRA_TCP);

	assert_true(l.tcp_enabled);
	assert_memory_equal(l.tcp_addr, ROOT ":327", sizeof(ROOT) + 3);
}

static void test_a_wrong_response_keeps_the_challenge(void **state)
{
	struct fixture *f = *state;
	struct message_challenge c, other;
	struct buf body;

	assert_int_equal(challenge(f, &f->alice, "app", EXTRA_NONE, &c)->status, 201);
	expect_code(redeem(f, &f->bob, &c), 403, "unauthorized");
	other = c;
	other.siwe_message[0] ^= 1;
	expect_code(redeem(f, &f->alice, &other), 400, "invalid_request");
	other = c;
	other.challenge_id[4] = 'x';
	expect_code(redeem(f, &f->alice, &other), 400, "invalid_request");
	expect_code(ask(f, "POST", "/sdk/register", "[]"), 400, "invalid_json");
	assert_int_equal(redeem(f, &f->alice, &c)->status, 201);
	expect_code(redeem(f, &f->alice, &c), 400, "invalid_request");
	assert_int_equal(challenge(f, &f->alice, "app", EXTRA_NONE, &c)->status, 201);
	sign(&f->alice, &c, &body);
	clock_advance(120001);
	expect_code(ask(f, "POST", "/sdk/register", (const char *)buf_front(&body)), 400,
		"invalid_request");
	buf_fini(&body);
}

static void test_invalid_routes_are_refused(void **state)
{
	static const struct {
		const char *extra;
		unsigned status;
		const char *code;
	} rows[] = {
		{ ",\"route_hostname\":\"ech-x.example.org\"", 400, "invalid_request" },
		{ ",\"route_hostname\":\"a.b." ROOT "\"", 400, "invalid_request" },
		{ ",\"route_hostname\":\"" ROOT "\"", 400, "invalid_request" },
		{ ",\"route_hostname\":\"-a." ROOT "\"", 400, "invalid_request" },
		{ ",\"route_hostname\":\"*." ROOT "\"", 400, "invalid_request" },
		{ ",\"hostname_hash\":\"x\"", 400, "invalid_request" },
		{ ",\"ech_config_list\":\"AAEB\"", 400, "invalid_request" },
		{ EXTRA_ROUTE ",\"hostname_hash\":\"x\"", 400, "invalid_request" },
		{ EXTRA_ROUTE EXTRA_TCP, 409, "transport_mismatch" },
	};
	struct fixture *f = *state;
	char hash[HOSTNAME_HASH_SIZE], extra[256];

	for (size_t i = 0; i < mem_count(rows); i++)
		expect_code(enrol(f, &f->alice, "app", rows[i].extra), rows[i].status,
			rows[i].code);
	assert_int_equal(hostname_hash(span_str("app." ROOT), hash, NULL), ERR_OK);
	snprintf(extra, sizeof(extra),
		EXTRA_ROUTE ",\"hostname_hash\":\"%s\",\"ech_config_list\":\"AAEB\"",
		hash);
	assert_int_equal(enrol(f, &f->alice, "app", extra)->status, 201);
}

static void test_a_second_holder_is_refused(void **state)
{
	struct fixture *f = *state;

	registered(f, &f->alice, "app", EXTRA_ROUTE);
	expect_code(enrol(f, &f->bob, "app", EXTRA_NONE), 409, "hostname_conflict");
	expect_code(enrol(f, &f->bob, "other", EXTRA_ROUTE), 409, "hostname_conflict");
	registered(f, &f->alice, "app", EXTRA_NONE);
	registered(f, &f->bob, "other", EXTRA_ROUTE);
	clock_advance(120000);
	registered(f, &f->bob, "app", EXTRA_NONE);
}

static void reserve(struct fixture *f, char **names, unsigned n)
{
	f->r.options.reserved_names = (struct field_list){ .v = names, .n = n };
}

static void test_reserved_names_are_refused(void **state)
{
	static const struct {
		const char *name, *extra;
		bool is_free;
	} rows[] = {
		{ "www", EXTRA_NONE, false },
		{ "WWW!", EXTRA_NONE, false }, /* the same name */
		{ "www2", EXTRA_NONE, true },
		{ "ww", EXTRA_NONE, true },
		{ "b\u00fccher", EXTRA_NONE, false },
		{ "xn--bcher-kva", EXTRA_NONE, false },
		{ "xn-", EXTRA_NONE, true },
		{ "app", ",\"route_hostname\":\"www." ROOT "\"", false },
		{ "app", ",\"route_hostname\":\"xn--bcher-kva." ROOT "\"", false },
		{ "app", EXTRA_ROUTE, true },
	};
	struct fixture *f = *state;
	char www[] = "www", idn[] = "xn--*", *names[] = { www, idn };
	struct message_challenge c;

	reserve(f, names, 2);
	for (size_t i = 0; i < mem_count(rows); i++) {
		const struct api_call *call = challenge(f, &f->alice, rows[i].name,
			rows[i].extra, &c);

		if (call->status == 201)
			call = redeem(f, &f->alice, &c);
		if ((call->status == 201) != rows[i].is_free)
			fail_msg("%s%s: %u", rows[i].name, rows[i].extra, call->status);
		if (!rows[i].is_free)
			expect_code(call, 409, "hostname_conflict");
	}
}

static void test_policy_decides_about_ports(void **state)
{
	struct fixture *f = *state;
	char name[16];
	unsigned n = 0;

	settings.tcp_enabled = false;
	expect_code(enrol(f, &f->alice, "app", EXTRA_TCP), 403, "tcp_port_disabled");
	settings.tcp_enabled = true;
	settings.tcp_max_leases = 1;
	registered(f, &f->alice, "app", EXTRA_TCP);
	expect_code(enrol(f, &f->bob, "other", EXTRA_TCP), 503,
		"tcp_port_capacity_exceeded");
	registered(f, &f->alice, "app", EXTRA_TCP);
	settings.tcp_max_leases = 0;
	do
		snprintf(name, sizeof(name), "n%u", n++);
	while (enrol(f, &f->bob, name, EXTRA_TCP)->status == 201);
	expect_code(f->call, 503, "tcp_port_exhausted");
}

static void test_a_lease_without_a_worker_is_ended(void **state)
{
	struct fixture *f = *state;

	begins = false;
	expect_code(enrol(f, &f->alice, "app", EXTRA_NONE), 500, "internal");
	assert_true(list_is_empty(lease_table_all(f->r.table)));
}

static void test_an_identity_without_approval_may_register(void **state)
{
	struct fixture *f = *state;
	struct route *r;

	is_routable = false;
	registered(f, &f->alice, "app", EXTRA_NONE);
	r = route_find_by_host(f->r.routes, "app." ROOT);
	assert_non_null(r);
	assert_false(route_is_live(r, T0_MS));
	route_unref(r);
}

/* ---- renew, unregister ---- */

static void test_a_lease_is_renewed(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "app", EXTRA_NONE);
	struct message_renewal again = { .expires_at.s = 0 };
	const struct api_call *call;

	clock_advance(90000);
	call = with_token(f, "/sdk/renew", l.access_token,
		",\"ttl\":60,\"metadata\":{\"hide\":true}");
	assert_int_equal(call->status, 200);
	assert_int_equal(message_read_reply(200, buf_span(&call->answer),
				 &message_renewal_fields, &again, NULL, NULL),
		ERR_OK);
	assert_int_equal(again.expires_at.s, T0_MS / 1000 + 150);
	assert_int_equal(again.expires_at.ns, 500000000);
	/* Old tokens stay valid until they expire; new ones are valid for longer. */
	assert_int_equal(with_token(f, "/sdk/renew", l.access_token, "")->status, 200);
	clock_advance(31000);
	expect_code(with_token(f, "/sdk/renew", l.access_token, ""), 403, "unauthorized");
	assert_int_equal(with_token(f, "/sdk/renew", again.access_token, "")->status,
		200);
}

/* For any requested time: agents renew long before. */
static void test_a_lease_lasts_an_hour_at_most(void **state)
{
	struct fixture *f = *state;
	struct message_renewal again = { .expires_at.s = 0 };
	struct message_lease l;
	char body[512];

	snprintf(body, sizeof(body),
		"{\"identity\":{\"name\":\"app\",\"address\":\"%s\"},"
		"\"ttl\":1000000000000}",
		f->alice.address);
	ask(f, "POST", "/sdk/register/challenge", body);
	l = registered_with(f, &f->alice);
	assert_int_equal(l.expires_at.s, T0_MS / 1000 + LEASE_TTL_MAX_S);
	with_token(f, "/sdk/renew", l.access_token, ",\"ttl\":3601");
	assert_int_equal(message_read_reply(f->call->status, buf_span(&f->call->answer),
				 &message_renewal_fields, &again, NULL, NULL),
		ERR_OK);
	assert_int_equal(again.expires_at.s, T0_MS / 1000 + LEASE_TTL_MAX_S);
	clock_advance(LEASE_TTL_MAX_S * 1000 - 1000);
	assert_int_equal(with_token(f, "/sdk/renew", l.access_token, "")->status, 200);
}

static void test_a_lease_is_unregistered(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "app", EXTRA_NONE);

	assert_int_equal(with_token(f, "/sdk/unregister", l.access_token, "")->status,
		200);
	assert_true(says(f->call, "{\"data\":{},\"ok\":true}\n"));
	expect_code(with_token(f, "/sdk/unregister", l.access_token, ""), 404,
		"lease_not_found");
	expect_code(with_token(f, "/sdk/renew", l.access_token, ""), 404,
		"lease_not_found");
	assert_int_equal(ask(f, "GET", "/tunnel/status?hostname=app." ROOT, "")->status,
		200);
	assert_true(says(f->call, "\"registered\":false"));
}

static struct lease *first_lease(struct fixture *f)
{
	return list_first(lease_table_all(f->r.table), struct lease, in_table);
}

/* As after a restart: the table is empty, and names are as stored. */
static void forget_all(struct fixture *f)
{
	clock_advance(1000);
	close_table(f);
	open_table(f);
}

/* A lease that has it keeps it until the renewal, which is refused. */
static void test_a_name_that_is_reserved_later_is_not_renewed(void **state)
{
	struct fixture *f = *state;
	char www[] = "www", *names[] = { www };
	struct message_lease l = registered(f, &f->alice, "www", EXTRA_NONE);

	assert_int_equal(with_token(f, "/sdk/renew", l.access_token, "")->status, 200);
	reserve(f, names, 1);
	assert_false(list_is_empty(lease_table_all(f->r.table)));
	expect_code(with_token(f, "/sdk/renew", l.access_token, ""), 409,
		"hostname_conflict");
	assert_true(says(f->call, "the name www is reserved at this relay"));
	assert_true(list_is_empty(lease_table_all(f->r.table)));
	forget_all(f);
	expect_code(revive(f, l.access_token), 404, "lease_not_found");
	expect_code(enrol(f, &f->alice, "www", EXTRA_ROUTE), 409, "hostname_conflict");
}

static void test_a_token_restores_a_lease_after_a_restart(void **state)
{
	static const char *const extras[] = { EXTRA_NONE, EXTRA_ROUTE, EXTRA_TCP };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(extras); i++) {
		struct message_lease other = { .sni_port = 0 },
				     l = registered(f, &f->alice, "app", extras[i]);
		struct lease *lease;

		if (l.tcp_enabled) { /* not the lowest, so that it has to be remembered */
			other = registered(f, &f->bob, "other", EXTRA_TCP);
			l = registered(f, &f->alice, "app", EXTRA_TCP);
		}
		forget_all(f);
		assert_int_equal(revive(f, l.access_token)->status, 200);
		assert_int_equal(f->call->answer.n, 0);
		lease = first_lease(f);
		assert_string_equal(lease->route->name, "app");
		assert_string_equal(lease->route->host,
			i == 1 ? "ech-abc." ROOT : "app." ROOT);
		assert_int_equal(atomic_load(&lease->route->until_ms) / 1000,
			l.expires_at.s);
		if (l.tcp_enabled)
			assert_int_equal(lease->route->tcp_port,
				atoi(strrchr(l.tcp_addr, ':') + 1));
		/* Another session of the same: the lease stays as it is. */
		assert_int_equal(revive(f, l.access_token)->status, 200);
		assert_ptr_equal(first_lease(f), lease);
		assert_int_equal(with_token(f, "/sdk/unregister", l.access_token, "")
					 ->status,
			200);
		(void)other;
	}
}

/* Two agents with one identity: the one that registered last has the lease. */
static void test_an_older_registration_ends_nothing(void **state)
{
	struct fixture *f = *state;
	struct message_lease older = registered(f, &f->alice, "app", EXTRA_NONE),
			     newer = registered(f, &f->alice, "app", EXTRA_NONE);

	for (int is_after_restart = 0; is_after_restart < 2; is_after_restart++) {
		if (is_after_restart) {
			forget_all(f);
			assert_int_equal(revive(f, older.access_token)->status, 200);
			assert_int_equal(revive(f, newer.access_token)->status, 200);
		}
		expect_code(with_token(f, "/sdk/renew", older.access_token,
				    ",\"ttl\":120"),
			409, "hostname_conflict");
		assert_int_equal(with_token(f, "/sdk/unregister", older.access_token, "")
					 ->status,
			200);
		assert_string_equal(first_lease(f)->route->name, "app");
		assert_int_equal(with_token(f, "/sdk/renew", newer.access_token,
					 ",\"ttl\":120")
					 ->status,
			200);
	}
}

static void test_a_token_restores_no_lease_that_has_ended(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "app", EXTRA_NONE);

	/* Unregistered, with a token from after the start. */
	assert_int_equal(with_token(f, "/sdk/unregister", l.access_token, "")->status,
		200);
	expect_code(revive(f, l.access_token), 404, "lease_not_found");

	/* Another identity has it, since the store was lost. */
	l = registered(f, &f->alice, "app", EXTRA_NONE);
	close_table(f);
	test_store_remove(&f->kept);
	f->kept.dir[0] = '\0';
	clock_advance(1000);
	open_table(f);
	registered(f, &f->bob, "app", EXTRA_NONE);
	expect_code(revive(f, l.access_token), 404, "lease_not_found");
	expect_code(revive(f, "none"), 403, "unauthorized");
	clock_advance(200000);
	expect_code(revive(f, l.access_token), 403, "unauthorized");
}

/* In any order and number of requests, the name stays with its holder. */
static void test_names_stay_with_their_holders_after_a_restart(void **state)
{
	static const char *const extras[] = { EXTRA_NONE, EXTRA_ROUTE };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(extras); i++) {
		struct message_lease l = registered(f, &f->alice, "app", extras[i]);

		for (int again = 0; again < 3; again++) {
			forget_all(f);
			expect_code(enrol(f, &f->bob, "app", EXTRA_NONE), 409,
				"hostname_conflict");
			expect_code(enrol(f, &f->bob, "other",
					    ",\"route_hostname\":\"app." ROOT "\""),
				409, "hostname_conflict");
			assert_int_equal(revive(f, l.access_token)->status, 200);
			expect_code(enrol(f, &f->bob, "app", EXTRA_NONE), 409,
				"hostname_conflict");
		}
		forget_all(f); /* and with the same identity but no token */
		l = registered(f, &f->alice, "app", extras[i]);
		expect_code(enrol(f, &f->bob, "app", EXTRA_NONE), 409,
			"hostname_conflict");
		with_token(f, "/sdk/unregister", l.access_token, "");
		l = registered(f, &f->bob, "app", EXTRA_NONE);
		with_token(f, "/sdk/unregister", l.access_token, "");
	}
}

/* They have no registration number. */
static void test_tokens_of_a_stock_relay_are_valid_while_the_name_is_free(void **state)
{
	struct fixture *f = *state;
	struct access_token t = {
		.issuer = URL,
		.id = "tok_1",
		.name = "app",
		.issued_at_s = T0_MS / 1000 - 60,
		.expires_at_s = T0_MS / 1000 + 366 * 86400,
	};
	struct buf text;

	str_copy(t.address, sizeof(t.address), f->alice.address);
	buf_init(&text, 4096);
	assert_int_equal(access_token_print(&t, f->r.identity.secret, &text), ERR_OK);
	buf_put_u8(&text, '\0');
	assert_int_equal(revive(f, (const char *)buf_front(&text))->status, 200);
	assert_string_equal(first_lease(f)->address, f->alice.address);
	assert_int_equal(atomic_load(&first_lease(f)->route->until_ms),
		T0_MS + LEASE_TTL_MAX_S * UINT64_C(1000)); /* no longer than others */
	lease_end(f->r.table, first_lease(f), LEASE_UNREGISTERED);
	registered(f, &f->bob, "app", EXTRA_NONE);
	expect_code(revive(f, (const char *)buf_front(&text)), 404, "lease_not_found");
	buf_fini(&text);
}

static void test_tokens_of_other_relays_are_refused(void **state)
{
	struct fixture *f = *state;
	struct message_lease l = registered(f, &f->alice, "app", EXTRA_NONE);

	expect_code(with_token(f, "/sdk/renew", "", ""), 403, "unauthorized");
	expect_code(with_token(f, "/sdk/renew", "a.b.c", ""), 403, "unauthorized");
	identity_generate(IDENTITY_RELAY, &f->r.identity);
	expect_code(with_token(f, "/sdk/renew", l.access_token, ""), 403, "unauthorized");
	expect_code(with_token(f, "/sdk/unregister", l.access_token, ""), 403,
		"unauthorized");
}

static void test_status_needs_a_host(void **state)
{
	static const char *const rows[] = { "/tunnel/status",
		"/tunnel/status?hostname=", "/tunnel/status?hostname=%zz",
		"/tunnel/status?hostname=%", "/tunnel/status?hostname=%00",
		"/tunnel/status?xhostname=a", "/tunnel/status?a&b=&hostname" };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(rows); i++)
		expect_code(ask(f, "GET", rows[i], ""), 400, "invalid_request");
	assert_int_equal(ask(f, "GET", "/tunnel/status?a=b&hostname=%61.b", "")->status,
		200);
	assert_true(says(f->call, "{\"hostname\":\"a.b\",\"registered\":false"));
}

/* ---- the page ---- */

static void test_the_page_lists_public_leases(void **state)
{
	struct fixture *f = *state;
	const struct api_call *call;

	settings.has_landing_page = true;
	registered(f, &f->alice, "app", EXTRA_NONE);
	call = ask(f, "GET", "/", "");
	assert_int_equal(call->status, 200);
	assert_non_null(strstr(call->headers, "Content-Type: text/html; charset=utf-8"));
	assert_non_null(
		strstr(call->headers, "Content-Security-Policy: default-src 'none'"));
	assert_null(strstr(call->headers, "unsafe"));
	assert_true(says(call,
		"<a rel=\"noopener noreferrer\" href=\"https://app." ROOT "/\">app</a>"));
	assert_true(says(call, "a &lt;b&gt;"));
	assert_false(says(call, "a <b>"));
	assert_true(says(call,
		"<script id=\"__SSR_DATA__\" type=\"application/json\">[{\"name\":\"app\","
		"\"ExpiresAt\":"));
	assert_true(says(call, "\"description\":\"a \\u003cb\\u003e\""));
	assert_true(says(call, "\"Ready\":0}]</script>"));
	assert_true(says(call, "adit expose 3000 --name myapp --relays " URL "<"));
	assert_true(says(call, "This is a relay"));
	assert_true(says(call, "data-landing-page=\"true\""));
}

/* Without the landing page there is only the list. */
static void test_the_landing_page_is_a_setting(void **state)
{
	struct fixture *f = *state;
	const struct api_call *call;

	registered(f, &f->alice, "app", EXTRA_NONE);
	call = ask(f, "GET", "/", "");
	assert_int_equal(call->status, 200);
	assert_true(says(call, "https://app." ROOT "/"));
	assert_true(says(call, "data-landing-page=\"false\""));
	assert_false(says(call, "This is a relay"));
	assert_false(says(call, "adit expose"));
}

/* A page is in memory while a client reads it, and any client may read slowly. */
static void test_all_clients_share_one_page(void **state)
{
	struct fixture *f = *state;
	struct api_text *first, *second;

	ask(f, "GET", "/", "");
	first = api_text_ref(f->call->text);
	registered(f, &f->alice, "app", EXTRA_NONE);
	clock_advance(5000);
	assert_ptr_equal(ask(f, "GET", "/", "")->text, first);
	clock_advance(5000);
	second = ask(f, "GET", "/", "")->text;
	assert_ptr_not_equal(second, first);
	assert_true(says(f->call, "app." ROOT));
	clock_advance(999);
	assert_ptr_equal(ask(f, "GET", "/app", "")->text, second);
	clock_advance(1);
	registered(f, &f->alice, "more", EXTRA_NONE);
	assert_true(
		says(ask(f, "GET", "/", ""), "more." ROOT)); /* no client reads it now */
	api_text_unref(first);
}

static void test_the_page_hides_leases_that_are_not_public(void **state)
{
	struct fixture *f = *state;
	struct lease *l;

	registered(f, &f->alice, "app", EXTRA_NONE);
	l = first_lease(f);
	l->metadata.hide = true;
	assert_true(says(ask(f, "GET", "/", ""), ">[]</script>"));
	l->metadata.hide = false;
	assert_true(says(ask(f, "GET", "/", ""), ">[]</script>")); /* the same page */
	clock_advance(1000);
	assert_true(says(ask(f, "GET", "/", ""), "\"Hostname\":\"app." ROOT));
	atomic_store(&l->route->is_routable, false);
	clock_advance(1000);
	assert_true(says(ask(f, "GET", "/", ""), ">[]</script>"));
	atomic_store(&l->route->is_routable, true);
	atomic_store(&l->route->until_ms, T0_MS + 3600000);
	clock_advance(3 * 60 * 1000);
	assert_true(says(ask(f, "GET", "/", ""), ">[]</script>")); /* stale */
	atomic_store(&l->route->present, 1);
	clock_advance(1000);
	assert_true(says(ask(f, "GET", "/", ""), "\"Ready\":1"));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_unknown_paths_and_methods_are_refused),
		ROW(test_the_domain_is_described),
		ROW(test_multi_hop_routes_are_refused),
		ROW(test_a_banned_address_is_refused),
		ROW(test_a_challenge_is_issued),
		ROW(test_the_domain_is_the_host_of_the_request),
		ROW(test_a_local_relay_accepts_names_under_localhost),
		ROW(test_the_order_in_which_a_challenge_is_refused),
		ROW(test_challenges_are_limited_for_each_client),
		ROW(test_a_lease_is_registered),
		ROW(test_one_network_does_not_fill_the_table),
		ROW(test_a_lease_with_a_port),
		ROW(test_a_wrong_response_keeps_the_challenge),
		ROW(test_invalid_routes_are_refused),
		ROW(test_a_second_holder_is_refused),
		ROW(test_reserved_names_are_refused),
		ROW(test_a_name_that_is_reserved_later_is_not_renewed),
		ROW(test_policy_decides_about_ports),
		ROW(test_a_lease_without_a_worker_is_ended),
		ROW(test_an_identity_without_approval_may_register),
		ROW(test_a_lease_is_renewed),
		ROW(test_a_lease_lasts_an_hour_at_most),
		ROW(test_a_lease_is_unregistered),
		ROW(test_a_token_restores_a_lease_after_a_restart),
		ROW(test_an_older_registration_ends_nothing),
		ROW(test_a_token_restores_no_lease_that_has_ended),
		ROW(test_names_stay_with_their_holders_after_a_restart),
		ROW(test_tokens_of_a_stock_relay_are_valid_while_the_name_is_free),
		ROW(test_tokens_of_other_relays_are_refused),
		ROW(test_status_needs_a_host),
		ROW(test_the_page_lists_public_leases),
		ROW(test_the_landing_page_is_a_setting),
		ROW(test_all_clients_share_one_page),
		ROW(test_the_page_hides_leases_that_are_not_public),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
