/* The control API of an agent: where it listens, who may use it, and how it answers. */
#include "agent/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/control_priv.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/head.h"
#include "http/local_socket.h"
#include "store/file.h"
#include "text/hex.h"
#include "tunnel/portal/envelope.h"

#define TOKEN_PREFIX "agent_"
#define TOKEN_BYTES 16
#define CONNECTIONS_MAX 256
#define HEAD_MS 5000
#define ENDPOINT_MAX 4096

/* ---- answers ---- */

void control_refuse(struct api_call *call, const struct why *why)
{
	envelope_refuse(call, MESSAGE_INVALID_REQUEST, why->text);
}

/* The codes and texts of portal-protocol 15.4. */
static void refuse_fault(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	switch (fault) {
	case API_NOT_FOUND:
		envelope_refuse(call, MESSAGE_NOT_FOUND, "not found");
		break;
	case API_METHOD_NOT_ALLOWED:
		envelope_refuse(call, MESSAGE_METHOD_NOT_ALLOWED, "method not allowed");
		break;
	case API_BODY_TOO_LONG:
		api_add_header(call, "Connection: close");
		envelope_refuse(call, MESSAGE_INVALID_JSON,
			"http: request body too large");
		break;
	case API_BODY_MALFORMED:
		envelope_refuse(call,
			rc == ERR_NOMEM ? MESSAGE_INTERNAL : MESSAGE_INVALID_JSON,
			err_text(rc, why));
		break;
	case API_BUSY:
	case API_NO_ROOM:
		envelope_refuse(call, MESSAGE_INTERNAL, "out of memory");
		break;
	}
}

const struct api_envelope control_envelope = {
	.put = message_put_reply,
	.refuse = refuse_fault,
	.member = "data",
};

/* ---- who may ---- */

static bool has_token(const struct control *c, const struct api_call *call)
{
	static const char scheme[] = "Bearer ";
	struct span value = http1_head_value(http_request(call->x), "Authorization");
	char token[CONTROL_TOKEN_MAX];

	if (call->is_local)
		return true;
	if (value.n < sizeof(scheme) || memcmp(value.p, scheme, sizeof(scheme) - 1) != 0)
		return false;
	value = span_trim(
		span_of(value.p + sizeof(scheme) - 1, value.n - (sizeof(scheme) - 1)));
	if (value.n >= sizeof(token))
		return false;
	memcpy(token, value.p, value.n);
	token[value.n] = '\0';
	return str_equal_secret(token, c->token);
}

static bool refuse_unauthorized(struct api_call *call)
{
	envelope_refuse(call, MESSAGE_SIGNED_OUT, "unauthorized");
	return false;
}

/* A session of a wallet; its address is the call's caller. */
static bool has_wallet(struct control *c, struct api_call *call)
{
	struct span value = http1_head_value(http_request(call->x), "Cookie");
	char *cookies = span_dup(value);

	if (cookies != NULL && value.n > 0)
		call->caller = wallet_address(c->wallet, cookies);
	mem_free_secret_str(cookies);
	return call->caller != NULL;
}

static bool bearer_check(void *context, struct api_call *call)
{
	return has_token(context, call) || refuse_unauthorized(call);
}

static bool reader_check(void *context, struct api_call *call)
{
	bool is_wallet = has_wallet(context, call);

	return is_wallet || has_token(context, call) || refuse_unauthorized(call);
}

const struct api_authority control_bearer = {
	.name = "bearer",
	.meaning = "the token in agent-endpoint.json, or the Unix socket",
	.in = "header",
	.key = "Authorization",
	.check = bearer_check,
};

const struct api_authority control_reader = {
	.name = "reader",
	.meaning = "the token in agent-endpoint.json, or the session of a wallet",
	.in = "cookie",
	.key = CONTROL_COOKIE,
	.check = reader_check,
};

/* A browser sends the origin of a page with requests of scripts and forms (RFC 6454,
 * 7). */
static bool is_of_other_site(const struct http1_head *head)
{
	static const char scheme[] = "http://";
	struct span origin = http1_head_value(head, "Origin");
	size_t n = sizeof(scheme) - 1;

	if (origin.n == 0)
		return false;
	return origin.n < n || memcmp(origin.p, scheme, n) != 0 ||
		!span_eq_nocase(span_of(origin.p + n, origin.n - n),
			http1_head_value(head, "Host"));
}

static bool admit(void *context, struct api_call *call)
{
	const struct http1_head *head = http_request(call->x);

	(void)context;
	if (!http_host_is_local(head, NULL)) {
		envelope_refuse(call, MESSAGE_UNAUTHORIZED,
			"unknown host: use a loopback address or localhost");
		return false;
	}
	if (is_of_other_site(head)) {
		envelope_refuse(call, MESSAGE_UNAUTHORIZED,
			"the request is from another site");
		return false;
	}
	return true;
}

static bool admit_local(void *context, struct api_call *call)
{
	(void)context;
	call->is_local = true;
	return true;
}

/* The last table: what is asked for without authority is not said to be missing. */
static const struct api_operation other_rows[] = {
	{ .path = "/**",
		.authority = &control_bearer,
		.fn = api_refuse_unknown,
		.is_at_once = true },
};
static const struct api_table other_table = API_TABLE_OF(other_rows);

static const struct api_table *const tables[] = { &control_auth_table,
	&control_status_table, &control_edit_table, &control_relays_table,
	&control_links_table, &control_log_table, &control_metrics_table, &other_table,
	NULL };

/* ---- the endpoint file ---- */

static const struct field endpoint_rows[] = {
	{ "control_addr", FIELD_CHARS, FIELD_AT(struct control_endpoint, addr) },
	{ "token", FIELD_CHARS, FIELD_AT(struct control_endpoint, token) },
	{ "pid", FIELD_NUMBER, FIELD_AT(struct control_endpoint, pid) },
};
static const struct field_table endpoint_fields = FIELD_TABLE_OF(struct control_endpoint,
	endpoint_rows);

enum err control_read_endpoint(const char *state_dir, struct control_endpoint *out,
	struct why *why)
{
	char *path = str_printf("%s/" CONTROL_ENDPOINT_FILE, state_dir);
	struct control_endpoint e = { .pid = 0 };
	struct why words = { "" };
	struct buf text;
	enum err rc;

	if (path == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	buf_init(&text, ENDPOINT_MAX);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK) {
		rc = field_read_json(&endpoint_fields, NULL, buf_span(&text), &e, &words);
		if (rc != ERR_OK)
			err_set(why, rc, "%.150s: %s", path, err_text(rc, &words));
	}
	if (rc == ERR_OK)
		*out = e;
	buf_wipe(&text);
	free(path);
	return rc;
}

long control_pid(const char *state_dir)
{
	struct control_endpoint e;

	return control_read_endpoint(state_dir, &e, NULL) == ERR_OK ? e.pid : 0;
}

static enum err write_endpoint(struct control *c, struct why *why)
{
	struct control_endpoint e = { .pid = getpid() };
	struct json_writer w;
	struct buf text;
	enum err rc;

	addr_print(&c->at, e.addr);
	str_copy(e.token, sizeof(e.token), c->token);
	c->endpoint = str_printf("%s/" CONTROL_ENDPOINT_FILE,
		c->agent->config->state_dir);
	if (c->endpoint == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	buf_init(&text, ENDPOINT_MAX);
	json_writer_init(&w, &text);
	field_put_json(&endpoint_fields, &e, &w);
	rc = text.failed;
	if (rc == ERR_OK)
		rc = file_replace(c->endpoint, 0600, buf_span(&text), why);
	buf_wipe(&text);
	return rc;
}

/* ---- life ---- */

enum err control_reload(struct control *c, struct why *why)
{
	const struct field_list *wallets = &c->agent->config->allowed_wallets;

	return wallet_allow(c->wallet, (const char *const *)wallets->v, wallets->n, why);
}

static enum err open_wallet(struct control *c, struct why *why)
{
	const struct wallet_options o = {
		.statement = "Sign in to Portal agent",
		.path = "/v1/agent/auth/login",
		.cookie_name = CONTROL_COOKIE,
		.cookie_path = "/v1/agent",
		.is_open = true,
	};
	enum err rc = wallet_new(&o, &c->wallet);

	return rc == ERR_OK ? control_reload(c, why) : rc;
}

static enum err open_server(struct control *c, struct api *api,
	bool (*admits)(void *context, struct api_call *call), struct http_server **out,
	struct why *why)
{
	struct worker *w = c->agent->o.worker;
	struct http_server_options server = {
		.loop = w->loop,
		.pool = &w->blocks,
		.head_ms = HEAD_MS,
		.connections_max = CONNECTIONS_MAX,
		.on_request = api_on_request,
		.arg = api,
	};
	const struct api_options o = {
		.tables = tables,
		.envelope = &control_envelope,
		.context = c,
		.admit = admits,
	};
	enum err rc = api_init(api, &o, why);

	return rc == ERR_OK ? http_server_new(&server, out) : rc;
}

static enum err listen_at(struct control *c, struct why *why)
{
	const struct addr *at = &c->agent->config->control;
	char host[ADDR_TEXT_MAX];
	enum err rc = http_server_listen(c->http, addr_print_ip(at, host), addr_port(at),
		&c->at, why);

	if (rc == ERR_EXISTS)
		err_set(why, rc,
			"the control address %.60s is in use, perhaps by another agent: stop"
			" that, or set another control_addr",
			c->agent->config->control_addr);
	return rc;
}

static enum err open_parts(struct control *c, struct why *why)
{
	struct local_socket_options socket = {
		.loop = c->agent->o.worker->loop,
		.directory = c->agent->config->state_dir,
		.file = CONTROL_SOCKET_FILE,
		.log = &c->agent->log,
	};
	enum err rc = open_wallet(c, why);

	if (rc == ERR_OK)
		rc = open_server(c, &c->api, admit, &c->http, why);
	if (rc == ERR_OK)
		rc = open_server(c, &c->local_api, admit_local, &c->local_http, why);
	if (rc == ERR_OK)
		rc = listen_at(c, why);
	socket.server = c->local_http;
	if (rc == ERR_OK)
		rc = local_socket_open(&socket, &c->socket, why);
	return rc == ERR_OK ? write_endpoint(c, why) : rc;
}

enum err control_open(struct agent *a, struct control **out, struct why *why)
{
	struct control *c = mem_new(c);
	char random[2 * TOKEN_BYTES + 1], shown[ADDR_TEXT_MAX];
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	c->agent = a;
	buf_init(&c->removed, TOML_BYTES_MAX);
	hex_random(TOKEN_BYTES, random);
	snprintf(c->token, sizeof(c->token), TOKEN_PREFIX "%s", random);
	rc = open_parts(c, why);
	if (rc != ERR_OK) {
		control_close(c);
		return rc;
	}
	log_info(&a->log, "control API on http://%s", addr_print(&c->at, shown));
	*out = c;
	return ERR_OK;
}

void control_close(struct control *c)
{
	if (c == NULL)
		return;
	if (c->endpoint != NULL)
		(void)unlink(c->endpoint);
	local_socket_close(c->socket);
	http_server_free(c->local_http);
	http_server_free(c->http);
	wallet_free(c->wallet);
	buf_wipe(&c->removed);
	free(c->endpoint);
	mem_free_secret(c, sizeof(*c));
}
