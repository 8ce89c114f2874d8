/* The panel's API: its envelope, its authorities, and bodies. */
#include "panel/panel_api.h"

#include <stdio.h>
#include <strings.h>

#include "base/str.h"
#include "panel/panel_api_priv.h"

const struct api_table *const panel_tables[] = {
	&panel_link_table, /* before "/api/tunnels" with an id */
	&panel_tunnel_table,
	&panel_agent_table,
	&panel_system_table,
	NULL,
};

/* ---- the envelope ---- */

static enum err put(const struct field_table *fields, const void *object, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	if (fields != NULL) {
		field_put_json(fields, object, &w);
		return out->failed;
	}
	json_put_open(&w);
	json_put_key(&w, "ok");
	json_put_flag(&w, true);
	json_put_close(&w);
	return out->failed;
}

static void begin_refusal(struct api_call *call, struct json_writer *w, const char *error)
{
	buf_reset(&call->answer);
	json_writer_init(w, &call->answer);
	json_put_open(w);
	json_put_key(w, "error");
	json_put_text(w, span_str(error));
}

void panel_refuse(struct api_call *call, unsigned status, const char *error,
	const char *details)
{
	struct json_writer w;

	begin_refusal(call, &w, error);
	if (details != NULL && details[0] != '\0') {
		json_put_key(&w, "details");
		json_put_text(&w, span_str(details));
	}
	json_put_close(&w);
	api_reply_json(call, status, call->answer.failed);
}

static void refuse_fault(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	static const struct {
		unsigned status;
		const char *error;
	} faults[] = {
		[API_NOT_FOUND] = { 404, "Not found" },
		[API_METHOD_NOT_ALLOWED] = { 405, "Method not allowed" },
		[API_BODY_TOO_LONG] = { 413, "The body is too long" },
		[API_BODY_MALFORMED] = { 400, "Invalid request" },
		[API_BUSY] = { 503, "The relay is busy: try again" },
		[API_NO_ROOM] = { 500, "There is no room for the answer" },
	};

	panel_refuse(call, faults[fault].status, faults[fault].error,
		fault == API_BODY_MALFORMED ? err_text(rc, why) : NULL);
}

const struct api_envelope panel_envelope = {
	.put = put,
	.refuse = refuse_fault,
};

void panel_refuse_why(struct api_call *call, enum err rc, const struct why *why,
	const char *failed)
{
	switch (rc) {
	case ERR_USAGE:
	case ERR_SYNTAX:
	case ERR_EXISTS:
	case ERR_LIMIT:
		panel_refuse(call, 400, err_text(rc, why), NULL);
		break;
	case ERR_DENIED:
		panel_refuse(call, 403, err_text(rc, why), NULL);
		break;
	case ERR_NOENT:
		panel_refuse(call, 404, err_text(rc, why), NULL);
		break;
	default:
		panel_refuse(call, 500, failed, err_text(rc, why));
		break;
	}
}

/* ---- bodies ---- */

bool panel_read(struct api_call *call, struct panel_body *body, void *object,
	struct panel_issues *issues)
{
	struct why why = { "" };
	enum err rc = panel_body_read(body, call->row->request, call->read_from, object,
		issues, &why);

	if (rc == ERR_OK)
		return true;
	if (rc == ERR_SYNTAX)
		panel_refuse(call, 400, "Invalid JSON", why.text);
	else
		panel_refuse(call, 500, "Out of memory", NULL);
	return false;
}

bool panel_refuse_issues(struct api_call *call, const struct panel_issues *issues)
{
	struct json_writer w;

	if (issues->count == 0)
		return false;
	begin_refusal(call, &w, "Validation failed");
	json_put_key(&w, "details");
	json_put_open(&w);
	json_put_key(&w, "issues");
	json_put_open_list(&w);
	buf_put_span(&call->answer, buf_span(&issues->text));
	json_put_close_list(&w);
	json_put_close(&w);
	json_put_close(&w);
	api_reply_json(call, 400, call->answer.failed);
	return true;
}

/* ---- who calls ---- */

struct panel_caller panel_caller_of(const struct api_call *call)
{
	return (struct panel_caller){ .name = call->caller, .agent = call->holder };
}

/* A page of another site makes a browser send its certificate, too (RFC 6454, 7). */
static bool is_foreign(const struct api_call *call)
{
	static const char scheme[] = "https://";

	return call->origin[0] != '\0' && strcmp(call->method, "GET") != 0 &&
		strcmp(call->method, "HEAD") != 0 &&
		(strncasecmp(call->origin, scheme, sizeof(scheme) - 1) != 0 ||
			strcasecmp(call->origin + sizeof(scheme) - 1, call->host) != 0);
}

/* Sets the caller, and its agent as the holder. False: there is none. */
static bool identify(const struct panel *p, struct api_call *call)
{
	static const char *const admins[] = { "admin", "Portlama Client" };
	const struct panel_agent *a;

	call->caller = NULL;
	call->holder = NULL;
	if (call->is_local) {
		call->caller = PANEL_LOCAL;
		return true;
	}
	if (call->client_serial[0] == '\0' || panel_is_revoked(p, call->client_serial))
		return false;
	for (size_t i = 0; i < mem_count(admins); i++)
		if (strcmp(call->client_name, admins[i]) == 0)
			call->caller = call->client_name;
	if (call->caller != NULL || !str_has_prefix(call->client_name, "agent:"))
		return call->caller != NULL;
	a = panel_find_agent(p, call->client_name + strlen("agent:"));
	if (!panel_agent_is_good(a) || strcmp(a->serial, call->client_serial) != 0)
		return false;
	call->caller = call->client_name;
	call->holder = (void *)(uintptr_t)a;
	return true;
}

/* "required", and what the caller is or has. */
static void refuse_rights(struct api_call *call, const char *required,
	const struct field_list *granted)
{
	struct json_writer w;

	begin_refusal(call, &w, "Insufficient permissions");
	json_put_key(&w, "details");
	json_put_open(&w);
	json_put_key(&w, "required");
	json_put_text(&w, span_str(required));
	json_put_key(&w, granted != NULL ? "granted" : "current");
	if (granted != NULL) {
		json_put_open_list(&w);
		for (unsigned i = 0; i < granted->n; i++)
			json_put_text(&w, span_str(granted->v[i]));
		json_put_close_list(&w);
	} else {
		json_put_text(&w, span_str("agent"));
	}
	json_put_close(&w);
	json_put_close(&w);
	api_reply_json(call, 403, call->answer.failed);
}

/* @capability NULL: administrators only; "": any agent. */
static bool check_rights(struct panel *p, struct api_call *call, const char *capability)
{
	const struct panel_agent *a;

	if (is_foreign(call)) {
		panel_refuse(call, 403, "The request is from a page of another site",
			NULL);
		return false;
	}
	if (!identify(p, call)) {
		panel_refuse(call, 403, "A client certificate is required",
			call->client_serial[0] != '\0' ? "This one is not valid here." :
							 NULL);
		return false;
	}
	a = call->holder;
	if (a == NULL || (capability != NULL && capability[0] == '\0') ||
		(capability != NULL && panel_agent_has(a, capability)))
		return true;
	refuse_rights(call, capability != NULL ? capability : "admin",
		capability != NULL ? &a->capabilities : NULL);
	return false;
}

static bool check_admin(void *panel, struct api_call *call)
{
	return check_rights(panel, call, NULL);
}

static bool check_any(void *panel, struct api_call *call)
{
	return check_rights(panel, call, "");
}

static bool check_reader(void *panel, struct api_call *call)
{
	return check_rights(panel, call, "tunnels:read");
}

static bool check_writer(void *panel, struct api_call *call)
{
	return check_rights(panel, call, "tunnels:write");
}

static bool check_monitor(void *panel, struct api_call *call)
{
	return check_rights(panel, call, "system:read");
}

const struct api_authority panel_admin = {
	.name = "panel-administrator",
	.meaning = "an administrator's certificate, or the admin socket",
	.check = check_admin,
};

const struct api_authority panel_any = {
	.name = "agent",
	.meaning = "an agent's certificate, or as an administrator",
	.check = check_any,
};

const struct api_authority panel_reader = {
	.name = "agent with tunnels:read",
	.meaning = "an agent's certificate with that capability, or as an administrator",
	.check = check_reader,
};

const struct api_authority panel_writer = {
	.name = "agent with tunnels:write",
	.meaning = "an agent's certificate with that capability, or as an administrator",
	.check = check_writer,
};

const struct api_authority panel_monitor = {
	.name = "agent with system:read",
	.meaning = "an agent's certificate with that capability, or as an administrator",
	.check = check_monitor,
};
