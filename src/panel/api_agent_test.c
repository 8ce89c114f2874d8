/* Agents in the panel's API: tokens, enrolment, rights, revocation. */
#include "panel/panel_fixture_test.h"

#include <jansson.h>
#include <sys/stat.h>

#include "crypto/authority.h"
#include "crypto/p12.h"

/* A member of the last answer that is a text. Returns @to. */
static const char *member(struct fixture *f, const char *key, char *to, size_t size)
{
	json_t *root = json_loadb((const char *)buf_front(&f->call->answer),
		f->call->answer.n, 0, NULL);
	const char *text = json_string_value(json_object_get(root, key));

	assert_non_null(text);
	str_copy(to, size, text);
	json_decref(root);
	return to;
}

/* A token for @label. */
static const char *make_token(struct fixture *f, const char *label, char token[80])
{
	char body[128];

	snprintf(body, sizeof(body), "{\"label\":\"%s\"}", label);
	says(ask(f, "POST", "/api/certs/agent/enroll", body), 200, "\"ok\":true");
	return member(f, "token", token, 80);
}

static const struct api_call *enrol_with(struct fixture *f, const char *token,
	const char *csr)
{
	json_t *body = json_pack("{ss ss}", "token", token, "csr", csr);
	char *text = json_dumps(body, JSON_COMPACT);

	ask(f, "POST", "/api/enroll", text);
	free(text);
	json_decref(body);
	return f->call;
}

/* A request with a key of its own. */
static void make_csr(char csr[2048])
{
	struct buf text, key;

	buf_init(&text, 2047);
	buf_init(&key, 4096);
	assert_int_equal(authority_make_csr("anything", &text, &key), ERR_OK);
	snprintf(csr, 2048, "%.*s", (int)text.n, (const char *)buf_front(&text));
	buf_fini(&text);
	buf_wipe(&key);
}

static const struct api_call *enrol(struct fixture *f, const char *token)
{
	char csr[2048];

	make_csr(csr);
	return enrol_with(f, token, csr);
}

/* Enrols @label, and calls as it from now on. */
static void become(struct fixture *f, const char *label, char name[80], char serial[80])
{
	char token[80];

	says(enrol(f, make_token(f, label, token)), 200, "\"ok\":true");
	member(f, "serial", serial, 80);
	snprintf(name, 80, "agent:%s", label);
	f->name = name;
	f->serial = serial;
}

static void test_a_token_enrols_one_agent_once(void **state)
{
	struct fixture *f = *state;
	char token[80], text[256], cert[4096];
	struct authority_identity of;
	const struct authority *authority;
	struct stat st;

	make_token(f, "nas", token);
	assert_int_equal(strlen(token), 64);
	snprintf(text, sizeof(text),
		"\"command\":\"adit agent setup --relay https://tunnel.example.com --token"
		" %s\"",
		token);
	says(f->call, 200, text);
	says(f->call, 200, "\"expiresAt\":\"2026-06-01T12:10:00.500Z\"");
	says(ask(f, "GET", "/api/certs/agent", ""), 200,
		"{\"agents\":[],\"tokens\":[{\"label\":\"nas\"");
	says(enrol(f, token), 200, "\"label\":\"nas\"");
	member(f, "cert", cert, sizeof(cert));
	assert_int_equal(f->agents_changed, 1);
	assert_int_equal(panel_authority(f->p, &authority, NULL), ERR_OK);
	assert_int_equal(authority_check(authority, span_str(cert),
				 (int64_t)(T0_MS / 1000), &of, NULL),
		ERR_OK);
	assert_string_equal(of.name, "agent:nas");
	assert_string_equal(panel_find_agent(f->p, "nas")->serial, of.serial);
	says(enrol(f, token), 401, "was used");
	says(ask(f, "GET", "/api/certs/agent", ""), 200,
		"\"enrollmentMethod\":\"hardware");
	says(f->call, 200, "\"tokens\":[]");
	snprintf(text, sizeof(text), "%s/pki/ca.key", f->store.dir);
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_tokens_that_are_not_good(void **state)
{
	struct fixture *f = *state;
	char first[80], second[80];

	says(enrol(f, "ab"), 401, "unknown");
	make_token(f, "nas", first);
	make_token(f, "nas", second);
	says(enrol(f, first), 401, "unknown");
	clock_advance(PANEL_TOKEN_MS);
	says(enrol(f, second), 401, "older than 10 minutes");
	make_token(f, "nas", first);
	says(ask(f, "DELETE", "/api/certs/agent/enroll/nas", ""), 200,
		"{\"ok\":true,\"revoked\":true}");
	says(ask(f, "DELETE", "/api/certs/agent/enroll/nas", ""), 404, "no token");
	says(enrol(f, first), 401, "unknown");
	assert_int_equal(f->agents_changed, 0);
}

static void test_a_bad_request_does_not_use_up_the_token(void **state)
{
	struct fixture *f = *state;
	char token[80];

	make_token(f, "nas", token);
	says(enrol_with(f, token, "nonsense"), 400, "\"error\":");
	says(ask(f, "POST", "/api/enroll", "{\"token\":\"x\"}"), 400, "[\"csr\"]");
	says(enrol(f, token), 200, "\"ok\":true");
}

static void test_a_token_survives_a_restart_and_is_not_stored(void **state)
{
	struct fixture *f = *state;
	char token[80], path[128], text[65536];
	size_t n;
	FILE *file;

	make_token(f, "nas", token);
	snprintf(path, sizeof(path), "%s/" STORE_FILE "-wal", f->store.dir);
	file = fopen(path, "rb");
	assert_non_null(file);
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_null(memmem(text, n, token, 64));
	panel_close(f->p);
	fixture_open_panel(f);
	says(enrol(f, token), 200, "\"ok\":true");
	panel_close(f->p);
	fixture_open_panel(f);
	says(enrol(f, token), 401, "unknown");
	assert_true(panel_agent_is_good(panel_find_agent(f->p, "nas")));
}

static void test_labels_and_rights_that_cannot_be_given(void **state)
{
	struct fixture *f = *state;
	char token[80];

	says(ask(f, "POST", "/api/certs/agent/enroll", "{}"), 400, "[\"label\"]");
	says(ask(f, "POST", "/api/certs/agent/enroll", "{\"label\":\"N_S\"}"), 400,
		"[\"label\"]");
	says(ask(f, "POST", "/api/certs/agent/enroll",
		     "{\"label\":\"nas\",\"capabilities\":[\"all\"]}"),
		400, "all is not a capability");
	says(ask(f, "POST", "/api/certs/agent/enroll",
		     "{\"label\":\"nas\",\"allowedSites\":[\"a,b\"]}"),
		400, "[\"allowedSites\"]");
	says(enrol(f, make_token(f, "nas", token)), 200, "ok");
	says(ask(f, "POST", "/api/certs/agent/enroll", "{\"label\":\"nas\"}"), 409,
		"revoke it first");
}

static void test_rights_of_an_agent(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80];

	become(f, "nas", name, serial);
	says(ask(f, "GET", "/api/tunnels", ""), 200, "tunnels");
	says(ask(f, "GET", "/api/certs/agent", ""), 403,
		"\"details\":{\"required\":\"admin\",\"current\":\"agent\"}");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"web\",\"port\":3000}"), 403,
		"\"details\":{\"required\":\"tunnels:write\",\"granted\":[\"tunnels:read\"]}");
	f->name = NULL;
	says(ask(f, "PATCH", "/api/certs/agent/nas/capabilities",
		     "{\"capabilities\":[\"tunnels:write\"]}"),
		200, "{\"ok\":true}");
	says(ask(f, "PATCH", "/api/certs/agent/other/capabilities",
		     "{\"capabilities\":[]}"),
		404, "no agent");
	f->name = name;
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"web\",\"port\":3000}"), 201,
		"\"agent\":\"nas\"");
	says(ask(f, "POST", "/api/tunnels",
		     "{\"subdomain\":\"w2\",\"port\":3001,\"accessMode\":\"public\"}"),
		403, "only an administrator can make a tunnel public");
	says(ask(f, "GET", "/api/tunnels/agent-config", ""), 200, "\"--auth\",\"nas:");
	says(f->call, 200, "\"R:3000:localhost:3000\"");
}

static void test_another_agents_tunnels_are_not_seen(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80], token[80], path[128];

	says(enrol(f, make_token(f, "laptop", token)), 200, "ok");
	become(f, "nas", name, serial);
	f->name = NULL;
	says(ask(f, "POST", "/api/tunnels",
		     "{\"subdomain\":\"web\",\"port\":3000,\"agent\":\"laptop\"}"),
		201, "\"agent\":\"laptop\"");
	snprintf(path, sizeof(path), "/api/tunnels/%s", panel_find_name(f->p, "web")->id);
	f->name = name;
	says(ask(f, "GET", "/api/tunnels", ""), 200, "{\"tunnels\":[]}");
	says(ask(f, "GET", path, ""), 404, "not found");
	says(ask(f, "GET", "/api/tunnels/agent-config", ""), 200, "\"tunnels\":[]");
}

static void test_a_revoked_agent_gets_nothing(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80], token[80];

	become(f, "nas", name, serial);
	f->name = NULL;
	says(ask(f, "DELETE", "/api/certs/agent/nas", ""), 200, "{\"ok\":true}");
	assert_int_equal(f->agents_changed, 2);
	says(ask(f, "DELETE", "/api/certs/agent/nas", ""), 404, "no agent");
	says(ask(f, "GET", "/api/certs/agent", ""), 200,
		"\"revoked\":true,\"revokedAt\":\"2026-06-01");
	f->name = name;
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
	panel_close(f->p);
	fixture_open_panel(f);
	assert_true(panel_is_revoked(f->p, serial));
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
	f->name = NULL;
	says(enrol(f, make_token(f, "nas", token)), 200, "ok");
	f->name = name; /* with the old certificate */
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
}

static void test_a_renewed_certificate_replaces_the_old_one(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80], old[80], csr[2048];
	json_t *body;
	char *text;

	become(f, "nas", name, serial);
	strcpy(old, serial);
	make_csr(csr);
	body = json_pack("{ss}", "csr", csr);
	text = json_dumps(body, JSON_COMPACT);
	says(ask(f, "POST", "/api/certs/agent/upgrade-cert", text), 200, "\"ok\":true");
	member(f, "serial", serial, sizeof(serial));
	assert_string_not_equal(serial, old);
	says(ask(f, "GET", "/api/tunnels", ""), 200, "tunnels");
	f->serial = old;
	says(ask(f, "GET", "/api/tunnels", ""), 403, "not valid here");
	f->name = NULL;
	says(ask(f, "POST", "/api/certs/agent/upgrade-cert", text), 400,
		"needs the certificate of an agent");
	free(text);
	json_decref(body);
}

static void test_the_first_agent_gets_the_tunnels_without_an_owner(void **state)
{
	struct fixture *f = *state;
	char token[80];

	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"a\",\"port\":3000}"), 201,
		"\"agent\":null");
	make_token(f, "nas", token);
	f->is_failing = true;
	says(enrol(f, token), 500, "Nginx configuration failed");
	assert_string_equal(panel_find_name(f->p, "a")->spec.agent, "");
	says(enrol(f, token), 200, "ok");
	assert_string_equal(panel_find_name(f->p, "a")->spec.agent, "nas");
	says(ask(f, "POST", "/api/tunnels", "{\"subdomain\":\"b\",\"port\":3001}"), 201,
		"\"agent\":\"nas\"");
	says(ask(f, "POST", "/api/tunnels",
		     "{\"subdomain\":\"c\",\"port\":3002,\"agent\":null}"),
		201, "\"agent\":null");
	says(enrol(f, make_token(f, "laptop", token)), 200, "ok");
	assert_string_equal(panel_find_name(f->p, "c")->spec.agent, "");
	says(ask(f, "GET", "/api/certs/agent", ""), 200, "\"tunnels\":2");
}

static void test_enrolment_is_limited_for_each_address(void **state)
{
	struct fixture *f = *state;

	f->name = "";
	f->serial = "";
	for (unsigned i = 0; i < 5; i++)
		says(enrol(f, "ab"), 401, "unknown");
	says(enrol(f, "ab"), 429, "wait a minute");
	f->client = "192.0.2.2";
	says(enrol(f, "ab"), 401, "unknown");
	f->client = NULL;
	clock_advance(60000);
	says(enrol(f, "ab"), 401, "unknown");
	f->name = NULL;
	for (unsigned i = 0; i < 10; i++)
		says(enrol(f, "ab"), 401, "unknown");
}

static void test_an_agent_whose_key_the_relay_makes(void **state)
{
	struct fixture *f = *state;
	char password[80], path[128];
	struct p12 p12 = { .cert.n = 0 };
	struct authority_identity of;

	says(ask(f, "POST", "/api/certs/agent", "{\"label\":\"mac\"}"), 200,
		"{\"ok\":true,\"label\":\"mac\",\"p12Password\":\"");
	member(f, "p12Password", password, sizeof(password));
	assert_int_equal(strlen(password), 32);
	says(ask(f, "POST", "/api/certs/agent", "{\"label\":\"mac\"}"), 409, "revoke");
	says(ask(f, "GET", "/api/certs/agent/mac/download", ""), 200, "");
	assert_non_null(strstr(f->call->headers, "Content-Type: application/x-pkcs12"));
	assert_int_equal(p12_read(buf_span(&f->call->answer), password, &p12, NULL),
		ERR_OK);
	assert_int_equal(authority_read(buf_span(&p12.cert), &of, NULL), ERR_OK);
	assert_string_equal(of.name, "agent:mac");
	p12_wipe(&p12);
	says(ask(f, "GET", "/api/certs/agent", ""), 200, "\"enrollmentMethod\":\"p12\"");
	says(ask(f, "DELETE", "/api/certs/agent/mac", ""), 200, "ok");
	says(ask(f, "GET", "/api/certs/agent/mac/download", ""), 404, "no file");
	snprintf(path, sizeof(path), "%s/pki/agents", f->store.dir);
	assert_int_equal(rmdir(path), 0); /* it is empty */
}

static void test_certificates_and_the_machine(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80];

	says(ask(f, "GET", "/api/certs", ""), 200, "{\"certs\":[]}");
	become(f, "nas", name, serial);
	says(ask(f, "GET", "/api/system/stats", ""), 403, "\"required\":\"system:read\"");
	f->name = NULL;
	says(ask(f, "GET", "/api/certs", ""), 200,
		"{\"certs\":[{\"type\":\"mtls-ca\",\"domain\":null,"
		"\"expiresAt\":\"2036-05-");
	says(f->call, 200, "\"expiringSoon\":false}]}");
	says(ask(f, "GET", "/api/system/stats", ""), 200, "{\"cpu\":{\"usage\":");
	says(f->call, 200, "\"memory\":{\"total\":");
	says(f->call, 200, "\"uptime\":");
}

static void test_the_status_of_an_agent(void **state)
{
	struct fixture *f = *state;
	char name[80], serial[80];

	become(f, "nas", name, serial);
	f->name = NULL;
	says(ask(f, "GET", "/api/certs/agent", ""), 200,
		"\"connected\":false,\"connectedSince\":null,\"address\":null,"
		"\"rttMs\":null,\"tunnels\":0}");
	f->agent = (struct path_agent){ PATH_AGENT_CONNECTED, T0_MS, 12, "192.0.2.7",
		"" };
	says(ask(f, "GET", "/api/certs/agent", ""), 200,
		"\"connected\":true,\"connectedSince\":\"2026-06-01T12:00:00.500Z\","
		"\"address\":\"192.0.2.7\",\"rttMs\":12");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_token_enrols_one_agent_once),
		TEST(test_tokens_that_are_not_good),
		TEST(test_a_bad_request_does_not_use_up_the_token),
		TEST(test_a_token_survives_a_restart_and_is_not_stored),
		TEST(test_labels_and_rights_that_cannot_be_given),
		TEST(test_rights_of_an_agent),
		TEST(test_another_agents_tunnels_are_not_seen),
		TEST(test_a_revoked_agent_gets_nothing),
		TEST(test_a_renewed_certificate_replaces_the_old_one),
		TEST(test_the_first_agent_gets_the_tunnels_without_an_owner),
		TEST(test_enrolment_is_limited_for_each_address),
		TEST(test_an_agent_whose_key_the_relay_makes),
		TEST(test_certificates_and_the_machine),
		TEST(test_the_status_of_an_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
