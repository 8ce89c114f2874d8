/* Agents in the panel's API: tokens, enrolment, rights, revocation. */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "crypto/p12.h"
#include "panel/panel_api_priv.h"
#include "panel/panel_priv.h"

#define SOON_DAYS 30
#define ENROL_PER_MINUTE 5
#define CAPABILITIES_MAX 32
#define SITES_MAX 100
#define SITE_SIZE 254

/* ---- bodies ---- */

struct agent_request {
	char label[PANEL_LABEL_SIZE];
	struct field_list capabilities, sites;
};

static enum err check_label(void *member, struct why *why)
{
	if (panel_label_is_good(member))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"write lower-case letters, digits and \"-\", at most 50");
}

static enum err check_capabilities(void *member, struct why *why)
{
	const struct field_list *list = member;
	char shown[64];

	for (unsigned i = 0; i < list->n; i++)
		if (!panel_capability_is_good(list->v[i]))
			return err_set(why, ERR_SYNTAX,
				"%s is not a capability; write some such as tunnels:read,"
				" tunnels:write",
				str_quote(shown, sizeof(shown), span_str(list->v[i])));
	return ERR_OK;
}

static enum err check_sites(void *member, struct why *why)
{
	const struct field_list *list = member;

	for (unsigned i = 0; i < list->n; i++)
		if (list->v[i][0] == '\0' ||
			list->v[i][strspn(list->v[i],
				"abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0')
			return err_set(why, ERR_SYNTAX,
				"write names of sites: lower-case letters, digits, \"-\" and"
				" dots");
	return ERR_OK;
}

#define AT(member) FIELD_AT(struct agent_request, member)

static const struct field request_rows[] = {
	{ "label", FIELD_CHARS, AT(label), .check = check_label },
	{ "capabilities", FIELD_LIST, AT(capabilities), .max = CAPABILITIES_MAX,
		.text_max = 64, .check = check_capabilities },
	{ "allowedSites", FIELD_LIST, AT(sites), .max = SITES_MAX, .text_max = SITE_SIZE,
		.check = check_sites },
};

static const struct field_table request_fields = FIELD_TABLE_OF(struct agent_request,
	request_rows);

struct enrol_request {
	char token[PANEL_TOKEN_CHARS + 1];
	char *csr;
};

#undef AT
#define AT(member) FIELD_AT(struct enrol_request, member)

static const struct field enrol_rows[] = {
	{ "token", FIELD_CHARS, AT(token) },
	{ "csr", FIELD_TEXT, AT(csr), .text_max = AUTHORITY_CSR_MAX + 1 },
};

static const struct field_table enrol_fields = FIELD_TABLE_OF(struct enrol_request,
	enrol_rows);
/* The second row alone. */
static const struct field_table csr_fields = {
	.bytes = sizeof(struct enrol_request),
	.rows = &enrol_rows[1],
	.count = 1,
};

/* Reads the body into @object. False: the call was refused. */
static bool read_body(struct api_call *call, void *object, const char *const *required)
{
	struct panel_body body = { NULL };
	struct panel_issues issues;
	bool ok;

	panel_issues_init(&issues);
	ok = panel_read(call, &body, object, &issues);
	for (; ok && *required != NULL && issues.count == 0; required++)
		if (!panel_body_has(&body, call->row->request, *required))
			panel_issues_add(&issues, *required, "it is missing");
	if (ok)
		ok = !panel_refuse_issues(call, &issues);
	panel_body_fini(&body);
	panel_issues_fini(&issues);
	return ok;
}

static void refuse(struct api_call *call, enum err rc, const struct why *why,
	const char *failed)
{
	if (rc == ERR_EXISTS)
		panel_refuse(call, 409, err_text(rc, why), NULL);
	else
		panel_refuse_why(call, rc, why, failed);
}

/* The label in the path. False: the call was refused. */
static bool label_of(struct api_call *call, char label[PANEL_LABEL_SIZE])
{
	if (api_decode(call->parts[0], API_PATH, label, PANEL_LABEL_SIZE) &&
		panel_label_is_good(label))
		return true;
	panel_refuse(call, 404, "Agent not found", NULL);
	return false;
}

/* ---- the list ---- */

struct agent_view {
	const char *label, *serial;
	struct field_list capabilities, sites; /* borrowed */
	const char *method;
	char created[PANEL_TIME_SIZE], expires[PANEL_TIME_SIZE];
	bool is_revoked;
	char revoked[PANEL_TIME_SIZE];
	bool is_expiring, is_connected;
	char since[PANEL_TIME_SIZE];
	const char *address;
	uint32_t rtt_ms, tunnels;
};

#undef AT
#define AT(member) FIELD_AT(struct agent_view, member)

static const struct field agent_rows[] = {
	{ "label", FIELD_TEXT, AT(label) },
	{ "serial", FIELD_TEXT, AT(serial) },
	{ "capabilities", FIELD_LIST, AT(capabilities) },
	{ "allowedSites", FIELD_LIST, AT(sites) },
	{ "enrollmentMethod", FIELD_TEXT, AT(method) },
	{ "createdAt", FIELD_CHARS, AT(created) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
	{ "revoked", FIELD_BOOL, AT(is_revoked) },
	{ "revokedAt", FIELD_CHARS, .is_optional = true, AT(revoked) },
	{ "expiringSoon", FIELD_BOOL, AT(is_expiring) },
	{ "connected", FIELD_BOOL, AT(is_connected) },
	{ "connectedSince", FIELD_CHARS, .is_nullable = true, AT(since) },
	{ "address", FIELD_TEXT, .is_nullable = true, AT(address) },
	{ "rttMs", FIELD_COUNT, .is_nullable = true, AT(rtt_ms) },
	{ "tunnels", FIELD_COUNT, AT(tunnels) },
};

static const struct field_table agent_fields = FIELD_TABLE_OF(struct agent_view,
	agent_rows);

struct agent_series {
	struct field_series series;
	const struct panel *panel;
	const struct panel_agent *at;
	struct path_agent status;
	struct agent_view view;
};

static uint32_t count_tunnels(const struct panel *p, const char *label)
{
	uint32_t n = 0;

	for (const struct panel_tunnel *t = panel_next(p, NULL); t != NULL;
		t = panel_next(p, t))
		n += strcmp(t->spec.agent, label) == 0;
	return n;
}

static const void *next_agent(struct field_series *series)
{
	struct agent_series *s = mem_container(series, struct agent_series, series);
	const struct panel_options *o = &s->panel->o;
	const struct panel_agent *a = s->at = panel_next_agent(s->panel, s->at);

	if (a == NULL)
		return NULL;
	s->status = (struct path_agent){ .state = PATH_AGENT_UNKNOWN };
	if (a->revoked_ms == 0 && o->hooks->agent_of != NULL)
		o->hooks->agent_of(o->owner, a->label, &s->status);
	s->view = (struct agent_view){
		.label = a->label,
		.serial = a->serial,
		.capabilities = a->capabilities,
		.sites = a->sites,
		.method = a->method,
		.is_revoked = a->revoked_ms != 0,
		.is_expiring = a->expires_ms <=
			clock_wall_ms() + SOON_DAYS * UINT64_C(86400000),
		.is_connected = s->status.state == PATH_AGENT_CONNECTED,
		.address = s->status.address[0] != '\0' ? s->status.address : NULL,
		.rtt_ms = s->status.rtt_ms,
		.tunnels = count_tunnels(s->panel, a->label),
	};
	panel_print_time(a->created_ms, s->view.created);
	panel_print_time(a->expires_ms, s->view.expires);
	panel_print_time(a->revoked_ms, s->view.revoked);
	panel_print_time(s->view.is_connected ? s->status.since_ms : 0, s->view.since);
	return &s->view;
}

/* Tokens that wait for their machine. */
struct token_view {
	const char *label;
	char created[PANEL_TIME_SIZE], expires[PANEL_TIME_SIZE];
};

#undef AT
#define AT(member) FIELD_AT(struct token_view, member)

static const struct field token_rows[] = {
	{ "label", FIELD_TEXT, AT(label) },
	{ "createdAt", FIELD_CHARS, AT(created) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
};

static const struct field_table token_fields = FIELD_TABLE_OF(struct token_view,
	token_rows);

struct token_series {
	struct field_series series;
	const struct panel *panel;
	const struct panel_token *at;
	struct token_view view;
};

static const void *next_token(struct field_series *series)
{
	struct token_series *s = mem_container(series, struct token_series, series);

	do {
		s->at = panel_next_token(s->panel, s->at);
	} while (s->at != NULL && s->at->expires_ms <= clock_wall_ms());
	if (s->at == NULL)
		return NULL;
	s->view.label = s->at->label;
	panel_print_time(s->at->created_ms, s->view.created);
	panel_print_time(s->at->expires_ms, s->view.expires);
	return &s->view;
}

struct agent_list {
	struct field_series *agents, *tokens;
};

#undef AT
#define AT(member) FIELD_AT(struct agent_list, member)

static const struct field list_rows[] = {
	{ "agents", FIELD_SERIES, AT(agents), .of = &agent_fields },
	{ "tokens", FIELD_SERIES, AT(tokens), .of = &token_fields },
};

static const struct field_table list_fields = FIELD_TABLE_OF(struct agent_list,
	list_rows);

static void list_agents(void *panel, struct api_call *call)
{
	struct agent_series agents = { .series.next = next_agent, .panel = panel };
	struct token_series tokens = { .series.next = next_token, .panel = panel };
	const struct agent_list list = { &agents.series, &tokens.series };

	api_reply(call, &list);
}

/* ---- tokens ---- */

struct token_reply {
	bool is_ok;
	char token[PANEL_TOKEN_CHARS + 1];
	const char *label;
	char expires[PANEL_TIME_SIZE];
	char command[512];
};

#undef AT
#define AT(member) FIELD_AT(struct token_reply, member)

static const struct field token_reply_rows[] = {
	{ "ok", FIELD_BOOL, AT(is_ok) },
	{ "token", FIELD_CHARS, AT(token) },
	{ "label", FIELD_TEXT, AT(label) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
	{ "command", FIELD_CHARS, AT(command) },
};

static const struct field_table token_reply_fields = FIELD_TABLE_OF(struct token_reply,
	token_reply_rows);

static void make_token(struct panel *p, struct api_call *call,
	const struct agent_request *req)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_rights rights = { &req->capabilities, &req->sites };
	struct token_reply reply = { .is_ok = true, .label = req->label };
	struct why why = { "" };
	uint64_t expires_ms = 0;
	enum err rc = panel_make_token(p, &caller, req->label, &rights, reply.token,
		&expires_ms, &why);

	if (rc != ERR_OK) {
		refuse(call, rc, &why, "The token was not made");
		return;
	}
	panel_print_time(expires_ms, reply.expires);
	snprintf(reply.command, sizeof(reply.command),
		"adit agent setup --relay %s --token %s%s%s", panel_link_url(p),
		reply.token, panel_link_fingerprint(p) != NULL ? " --fingerprint " : "",
		panel_link_fingerprint(p) != NULL ? panel_link_fingerprint(p) : "");
	api_reply(call, &reply);
	mem_wipe(&reply, sizeof(reply));
}

static void post_token(void *panel, struct api_call *call)
{
	static const char *const required[] = { "label", NULL };
	struct agent_request req = { .label = "" };

	if (read_body(call, &req, required))
		make_token(panel, call, &req);
	field_fini(&request_fields, &req);
}

static void delete_token(void *panel, struct api_call *call)
{
	const struct panel_caller caller = panel_caller_of(call);
	char label[PANEL_LABEL_SIZE];
	struct why why = { "" };
	enum err rc;

	if (!label_of(call, label))
		return;
	rc = panel_drop_token(panel, &caller, label, &why);
	if (rc != ERR_OK) {
		refuse(call, rc, &why, "The token was not removed");
		return;
	}
	buf_put_str(&call->answer, "{\"ok\":true,\"revoked\":true}");
	api_reply_json(call, 200, call->answer.failed);
}

/* ---- enrolment ---- */

struct enrol_reply {
	bool is_ok;
	char *cert, *ca, *label, *serial; /* borrowed, but for the CA */
	char expires[PANEL_TIME_SIZE];
	const char *domain, *link_url, *fingerprint;
};

#undef AT
#define AT(member) FIELD_AT(struct enrol_reply, member)

static const struct field enrol_reply_rows[] = {
	{ "ok", FIELD_BOOL, AT(is_ok) },
	{ "cert", FIELD_TEXT, AT(cert) },
	{ "caCert", FIELD_TEXT, AT(ca) },
	{ "label", FIELD_TEXT, AT(label) },
	{ "serial", FIELD_TEXT, AT(serial) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
	{ "domain", FIELD_TEXT, AT(domain) },
	{ "tunnelUrl", FIELD_TEXT, AT(link_url) },
	{ "fingerprint", FIELD_TEXT, AT(fingerprint) },
};

static const struct field_table enrol_reply_fields = FIELD_TABLE_OF(struct enrol_reply,
	enrol_reply_rows);

static void reply_certificate(struct panel *p, struct api_call *call,
	const struct panel_agent *a)
{
	struct enrol_reply reply = {
		.is_ok = true,
		.cert = a->certificate,
		.label = (char *)(uintptr_t)a->label,
		.serial = (char *)(uintptr_t)a->serial,
		.domain = panel_domain(p),
		.link_url = panel_link_url(p),
		.fingerprint = panel_link_fingerprint(p),
	};
	const struct authority *authority;
	struct buf ca;
	enum err rc = panel_authority(p, &authority, NULL);

	buf_init(&ca, AUTHORITY_FILE_MAX + 1);
	if (rc == ERR_OK)
		rc = authority_put(authority, &ca, NULL);
	if (rc == ERR_OK)
		rc = buf_put_u8(&ca, '\0');
	reply.ca = (char *)buf_front(&ca);
	panel_print_time(a->expires_ms, reply.expires);
	if (rc == ERR_OK)
		api_reply(call, &reply);
	else
		panel_refuse(call, 500, "The certificate of the CA cannot be read", NULL);
	buf_fini(&ca);
}

/* The entry of the client, or the one that was quiet longest. */
static struct panel_attempts *attempts_of(struct panel *p, const char *client)
{
	struct panel_attempts *oldest = &p->attempts[0];

	for (unsigned i = 0; i < PANEL_CLIENTS_MAX; i++) {
		struct panel_attempts *a = &p->attempts[i];

		if (a->began_ms != 0 && strcmp(a->client, client) == 0)
			return a;
		if (a->began_ms < oldest->began_ms)
			oldest = a;
	}
	*oldest = (struct panel_attempts){ .began_ms = 0 };
	str_copy(oldest->client, sizeof(oldest->client), client);
	return oldest;
}

static bool check_rate(void *panel, struct api_call *call)
{
	const uint64_t now_ms = clock_now_ms();
	char client[ADDR_TEXT_MAX];
	struct panel_attempts *a;

	if (call->is_local)
		return true;
	a = attempts_of(panel, addr_print_ip(&call->client, client));
	if (a->began_ms == 0 || now_ms - a->began_ms >= 60000) {
		a->began_ms = now_ms;
		a->count = 0;
	}
	if (a->count++ < ENROL_PER_MINUTE)
		return true;
	api_add_header(call, "Retry-After: 60");
	panel_refuse(call, 429, "Too many attempts from this address: wait a minute",
		NULL);
	return false;
}

static void post_enrol(void *panel, struct api_call *call)
{
	static const char *const required[] = { "token", "csr", NULL };
	struct enrol_request req = { .csr = NULL };
	const struct panel_agent *a;
	struct why why = { "" };
	enum err rc;

	if (read_body(call, &req, required)) {
		rc = panel_enrol(panel, req.token,
			span_str(req.csr != NULL ? req.csr : ""), &a, &why);
		if (rc == ERR_OK)
			reply_certificate(panel, call, a);
		else if (rc == ERR_DENIED)
			panel_refuse(call, 401, err_text(rc, &why), NULL);
		else if (rc == ERR_CRYPTO)
			panel_refuse(call, 400, err_text(rc, &why), NULL);
		else
			refuse(call, rc, &why, "Enrolment failed");
	}
	field_fini(&enrol_fields, &req);
}

static void post_renewal(void *panel, struct api_call *call)
{
	static const char *const required[] = { "csr", NULL };
	struct enrol_request req = { .csr = NULL };
	const struct panel_agent *a = call->holder;
	struct why why = { "" };
	enum err rc;

	if (a == NULL) {
		panel_refuse(call, 400, "This needs the certificate of an agent", NULL);
	} else if (read_body(call, &req, required)) {
		rc = panel_renew(panel, a, span_str(req.csr != NULL ? req.csr : ""), &a,
			&why);
		if (rc == ERR_OK)
			reply_certificate(panel, call, a);
		else if (rc == ERR_CRYPTO)
			panel_refuse(call, 400, err_text(rc, &why), NULL);
		else
			refuse(call, rc, &why, "Renewal failed");
	}
	field_fini(&enrol_fields, &req);
}

/* ---- rights and revocation ---- */

static void set_rights(struct panel *p, struct api_call *call, bool is_sites)
{
	const char *const required[] = { is_sites ? "allowedSites" : "capabilities",
		NULL };
	const struct panel_caller caller = panel_caller_of(call);
	struct agent_request req = { .label = "" };
	struct panel_rights rights = { NULL, NULL };
	char label[PANEL_LABEL_SIZE];
	struct why why = { "" };
	enum err rc;

	if (!label_of(call, label))
		return;
	if (read_body(call, &req, required)) {
		if (is_sites)
			rights.sites = &req.sites;
		else
			rights.capabilities = &req.capabilities;
		rc = panel_set_rights(p, &caller, label, &rights, &why);
		if (rc == ERR_OK)
			api_reply(call, NULL);
		else
			refuse(call, rc, &why, "The rights were not changed");
	}
	field_fini(&request_fields, &req);
}

static void patch_capabilities(void *panel, struct api_call *call)
{
	set_rights(panel, call, false);
}

static void patch_sites(void *panel, struct api_call *call)
{
	set_rights(panel, call, true);
}

static void delete_agent(void *panel, struct api_call *call)
{
	const struct panel_caller caller = panel_caller_of(call);
	char label[PANEL_LABEL_SIZE];
	struct why why = { "" };
	enum err rc;

	if (!label_of(call, label))
		return;
	rc = panel_revoke(panel, &caller, label, &why);
	if (rc == ERR_OK)
		api_reply(call, NULL);
	else
		refuse(call, rc, &why, "The agent was not revoked");
}

/* ---- agents whose key the relay makes ---- */

struct p12_reply {
	bool is_ok;
	const char *label;
	char password[PANEL_P12_PASSWORD_SIZE];
	const char *serial;
	char expires[PANEL_TIME_SIZE];
};

#undef AT
#define AT(member) FIELD_AT(struct p12_reply, member)

static const struct field p12_rows[] = {
	{ "ok", FIELD_BOOL, AT(is_ok) },
	{ "label", FIELD_TEXT, AT(label) },
	{ "p12Password", FIELD_CHARS, AT(password) },
	{ "serial", FIELD_TEXT, AT(serial) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
};

static const struct field_table p12_fields = FIELD_TABLE_OF(struct p12_reply, p12_rows);

static void make_p12(struct panel *p, struct api_call *call,
	const struct agent_request *req)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_rights rights = { &req->capabilities, &req->sites };
	struct p12_reply reply = { .is_ok = true, .label = req->label };
	const struct panel_agent *a;
	struct why why = { "" };
	enum err rc = panel_make_p12(p, &caller, req->label, &rights, reply.password, &a,
		&why);

	if (rc != ERR_OK) {
		refuse(call, rc, &why, "The certificate was not made");
		return;
	}
	reply.serial = a->serial;
	panel_print_time(a->expires_ms, reply.expires);
	api_reply(call, &reply);
	mem_wipe(&reply, sizeof(reply));
}

static void post_agent(void *panel, struct api_call *call)
{
	static const char *const required[] = { "label", NULL };
	struct agent_request req = { .label = "" };

	if (read_body(call, &req, required))
		make_p12(panel, call, &req);
	field_fini(&request_fields, &req);
}

static void get_p12(void *panel, struct api_call *call)
{
	char label[PANEL_LABEL_SIZE];
	struct why why = { "" };
	struct buf file;
	enum err rc;

	if (!label_of(call, label))
		return;
	buf_init(&file, P12_FILE_MAX);
	rc = panel_read_p12(panel, label, &file, &why);
	if (rc == ERR_OK) {
		api_reply_text(call, buf_span(&file));
		api_add_header(call,
			"Content-Disposition: attachment; filename=\"%s.p12\"", label);
		api_add_header(call, "Cache-Control: no-store");
	} else {
		refuse(call, rc, &why, "The file cannot be read");
	}
	buf_wipe(&file);
}

#define BODY(fields) .request = (fields), .reads_body = true, .body_max = PANEL_BODY_MAX
#define AGENTS "/api/certs/agent/"

static const struct api_operation rows[] = {
	{ "POST", "/api/enroll/", &api_anyone, post_enrol, BODY(&enrol_fields),
		.check = check_rate, .response = &enrol_reply_fields,
		.summary = "Enrols an agent with a token." },
	{ "GET", AGENTS, &panel_admin, list_agents, .response = &list_fields,
		.summary = "Lists agents, and tokens that wait for one." },
	{ "POST", AGENTS, &panel_admin, post_agent, BODY(&request_fields),
		.response = &p12_fields,
		.summary = "Enrols an agent with a key that the relay makes." },
	{ "GET", AGENTS "*/download/", &panel_admin, get_p12,
		.type = "application/x-pkcs12",
		.summary = "Returns key and certificate of such an agent." },
	{ "POST", AGENTS "enroll/", &panel_admin, post_token, BODY(&request_fields),
		.response = &token_reply_fields, .summary = "Makes a token to enrol." },
	{ "DELETE", AGENTS "enroll/*/", &panel_admin, delete_token,
		.summary = "Removes the token for a label." },
	{ "POST", AGENTS "upgrade-cert/", &panel_any, post_renewal, BODY(&csr_fields),
		.response = &enrol_reply_fields,
		.summary = "Renews the certificate of the agent that asks." },
	{ "PATCH", AGENTS "*/capabilities/", &panel_admin, patch_capabilities,
		BODY(&request_fields),
		.summary = "Replaces the capabilities of an agent." },
	{ "PATCH", AGENTS "*/allowed-sites/", &panel_admin, patch_sites,
		BODY(&request_fields), .summary = "Replaces the sites of an agent." },
	{ "DELETE", AGENTS "*/", &panel_admin, delete_agent,
		.summary = "Revokes an agent." },
};

const struct api_table panel_agent_table = API_TABLE_OF(rows);
