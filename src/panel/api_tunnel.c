/* Tunnels in the panel's API. */
#include <stdio.h>

#include "base/str.h"
#include "panel/panel_api_priv.h"

/* ---- a tunnel as JSON; texts are borrowed ---- */

struct tunnel_view {
	const char *id, *subdomain, *fqdn;
	uint16_t port;
	const char *description, *kind, *access;
	bool is_enabled;
	char created[PANEL_TIME_SIZE];
	const char *agent;
	char target[PANEL_TARGET_SIZE];
	char paused[PANEL_TIME_SIZE];
	const char *paused_by;
	struct panel_edge edge;
	const char *status;
};

#define AT(member) FIELD_AT(struct tunnel_view, member)
#define NULLABLE .is_nullable = true

static const struct field tunnel_rows[] = {
	{ "id", FIELD_TEXT, AT(id) },
	{ "subdomain", FIELD_TEXT, AT(subdomain) },
	{ "fqdn", FIELD_TEXT, AT(fqdn) },
	{ "port", FIELD_PORT, AT(port) },
	{ "description", FIELD_TEXT, NULLABLE, AT(description) },
	{ "type", FIELD_TEXT, AT(kind) },
	{ "accessMode", FIELD_TEXT, AT(access) },
	{ "enabled", FIELD_BOOL, AT(is_enabled) },
	{ "createdAt", FIELD_CHARS, AT(created) },
	{ "agent", FIELD_TEXT, NULLABLE, AT(agent) },
	{ "target", FIELD_CHARS, AT(target) },
	{ "pausedAt", FIELD_CHARS, NULLABLE, AT(paused) },
	{ "pausedBy", FIELD_TEXT, NULLABLE, AT(paused_by) },
	{ .kind = FIELD_TABLE, AT(edge), .of = &panel_edge_fields },
	{ "status", FIELD_TEXT, AT(status) },
};

static const struct field_table tunnel_fields = FIELD_TABLE_OF(struct tunnel_view,
	tunnel_rows);

static const char *text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void view(const struct panel *p, const struct panel_tunnel *t,
	struct tunnel_view *out)
{
	struct path path;

	panel_path(p, t, &path);
	*out = (struct tunnel_view){
		.id = t->id,
		.subdomain = t->spec.subdomain,
		.fqdn = t->fqdn,
		.port = t->spec.port,
		.description = t->spec.description,
		.kind = t->spec.kind,
		.access = t->spec.access,
		.is_enabled = t->spec.is_enabled,
		.agent = text_or_null(t->spec.agent),
		.paused_by = text_or_null(t->paused_by),
		.edge = t->spec.edge,
		.status = path.status,
	};
	panel_print_time(t->created_ms, out->created);
	panel_print_time(t->paused_ms, out->paused);
	panel_tunnel_target(t, out->target);
}

struct tunnel_reply {
	bool is_ok;
	struct tunnel_view tunnel;
	char warning[200];
};

#undef AT
#define AT(member) FIELD_AT(struct tunnel_reply, member)

static const struct field reply_rows[] = {
	{ "ok", FIELD_BOOL, AT(is_ok) },
	{ "tunnel", FIELD_TABLE, AT(tunnel), .of = &tunnel_fields },
	{ "warning", FIELD_CHARS, .is_optional = true, AT(warning) },
};

static const struct field_table reply_fields = FIELD_TABLE_OF(struct tunnel_reply,
	reply_rows);

/* ---- lists ---- */

struct tunnel_series {
	struct field_series series;
	const struct panel *panel;
	struct panel_caller caller;
	const struct panel_tunnel *at;
	const char *name; /* only this one; "": all */
	struct tunnel_view view;
};

static const void *next_tunnel(struct field_series *series)
{
	struct tunnel_series *s = mem_container(series, struct tunnel_series, series);

	do {
		s->at = panel_previous(s->panel, s->at);
	} while (s->at != NULL &&
		(!panel_may(&s->caller, s->at) ||
			(s->name[0] != '\0' &&
				strcmp(s->name, s->at->spec.subdomain) != 0)));
	if (s->at == NULL)
		return NULL;
	view(s->panel, s->at, &s->view);
	return &s->view;
}

struct tunnel_list {
	struct field_series *tunnels;
};

#undef AT
#define AT(member) FIELD_AT(struct tunnel_list, member)

static const struct field list_rows[] = {
	{ "tunnels", FIELD_SERIES, AT(tunnels), .of = &tunnel_fields },
};

static const struct field_table list_fields = FIELD_TABLE_OF(struct tunnel_list,
	list_rows);

static void list_tunnels(void *panel, struct api_call *call)
{
	char name[NAMES_LABEL_MAX + 1] = "";
	struct tunnel_series all = {
		.series.next = next_tunnel,
		.panel = panel,
		.caller = panel_caller_of(call),
		.name = name,
	};
	const struct tunnel_list list = { &all.series };

	if (!api_query(call, "name", name, sizeof(name)))
		name[0] = '\0';
	api_reply(call, &list);
}

/* ---- one tunnel ---- */

static bool is_id(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	bool ok = strlen(text) == sizeof(form) - 1;

	for (size_t i = 0; ok && i < sizeof(form) - 1; i++)
		ok = form[i] == '-' ? text[i] == '-' :
				      strchr("0123456789abcdef", text[i]) != NULL;
	return ok;
}

/* NULL: the call was refused. A tunnel of another agent is not there for an agent. */
static const struct panel_tunnel *tunnel_of(struct panel *p, struct api_call *call)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_tunnel *t;
	struct panel_issues issues;
	char id[PANEL_ID_SIZE];

	if (!api_decode(call->parts[0], API_PATH, id, sizeof(id)))
		id[0] = '\0';
	str_lower(id);
	if (!is_id(id)) {
		panel_issues_init(&issues);
		panel_issues_add(&issues, "id",
			"write the id of a tunnel, as the list has it");
		panel_refuse_issues(call, &issues);
		panel_issues_fini(&issues);
		return NULL;
	}
	t = panel_find(p, id);
	if (t != NULL && panel_may(&caller, t))
		return t;
	panel_refuse(call, 404, "Tunnel not found", NULL);
	return NULL;
}

static void reply_tunnel(struct panel *p, struct api_call *call,
	const struct panel_tunnel *t)
{
	struct tunnel_reply reply = { .is_ok = true };

	view(p, t, &reply.tunnel);
	if (!panel_is_served(p, t))
		snprintf(reply.warning, sizeof(reply.warning),
			"accessMode is %s and this relay has no sign-in yet: visitors see a"
			" page that says so until it is public",
			t->spec.access);
	api_reply(call, &reply);
}

static void get_tunnel(void *panel, struct api_call *call)
{
	const struct panel_tunnel *t = tunnel_of(panel, call);

	if (t != NULL)
		reply_tunnel(panel, call, t);
}

/* ---- changes ---- */

static bool is_anyway(const struct api_call *call)
{
	char value[8];

	return api_query(call, "anyway", value, sizeof(value)) &&
		(strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

static void check_required(const struct panel_body *body, struct panel_issues *issues)
{
	if (body->root == NULL || issues->count > 0)
		return;
	if (!panel_body_has(body, &panel_spec_fields, "subdomain"))
		panel_issues_add(issues, "subdomain",
			"it is missing: write a name such as my-app");
	if (!panel_body_has(body, &panel_spec_fields, "port"))
		panel_issues_add(issues, "port",
			"it is missing: write the port of the app, from %d to 65535",
			PANEL_PORT_MIN);
}

/* Without an owner a tunnel goes to the agent that asks, or to the only one there is. */
static void choose_agent(const struct panel *p, const struct panel_caller *caller,
	struct panel_spec *spec)
{
	const struct panel_agent *only = NULL;
	unsigned n = 0;

	if (caller->agent != NULL)
		str_copy(spec->agent, sizeof(spec->agent), caller->agent->label);
	if (spec->agent[0] != '\0')
		return;
	for (const struct panel_agent *a = panel_next_agent(p, NULL); a != NULL;
		a = panel_next_agent(p, a))
		if (panel_agent_is_good(a)) {
			only = a;
			n++;
		}
	if (n == 1)
		str_copy(spec->agent, sizeof(spec->agent), only->label);
}

static void create(struct panel *p, struct api_call *call, struct panel_spec *spec,
	bool has_agent)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_request req = {
		.caller = &caller,
		.spec = spec,
		.is_anyway = is_anyway(call),
	};
	const struct panel_tunnel *t;
	struct why why = { "" };
	char details[320];
	enum err rc;

	if (!has_agent)
		choose_agent(p, &caller, spec);
	rc = panel_create(p, &req, &t, &why);
	if (rc == ERR_OK) {
		reply_tunnel(p, call, t);
	} else if (rc == ERR_PROTO) {
		snprintf(details, sizeof(details), "Certificate issuance failed: %s",
			why.text);
		panel_refuse(call, 500, "Tunnel creation failed", details);
	} else {
		panel_refuse_why(call, rc, &why, "Tunnel creation failed");
	}
}

static void post_tunnel(void *panel, struct api_call *call)
{
	struct panel_spec spec = { .port = 0 };
	struct panel_body body = { NULL };
	struct panel_issues issues;

	panel_issues_init(&issues);
	if (field_defaults(&panel_spec_fields, &spec, NULL) != ERR_OK) {
		panel_refuse(call, 500, "Out of memory", NULL);
	} else if (panel_read(call, &body, &spec, &issues)) {
		check_required(&body, &issues);
		if (!panel_refuse_issues(call, &issues))
			create(panel, call, &spec,
				panel_body_has(&body, &panel_spec_fields, "agent"));
	}
	panel_body_fini(&body);
	panel_issues_fini(&issues);
	field_fini(&panel_spec_fields, &spec);
}

static void check_any_change(const struct panel_body *body, struct panel_issues *issues)
{
	struct field_cursor c;

	for (field_first(&c, &panel_spec_fields); c.row != NULL; field_next(&c))
		if (panel_body_has(body, &panel_spec_fields, c.row->name))
			return;
	if (issues->count == 0)
		panel_issues_add(issues, "enabled",
			"it is missing: write enabled, or another member to change");
}

static void change(struct panel *p, struct api_call *call, const struct panel_tunnel *t,
	struct panel_spec *spec)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_request req = {
		.caller = &caller,
		.spec = spec,
		.is_anyway = is_anyway(call),
	};
	struct why why = { "" };
	enum err rc = panel_change(p, t, &req, &t, &why);

	if (rc == ERR_OK)
		reply_tunnel(p, call, t);
	else
		panel_refuse_why(call, rc, &why, "Tunnel change failed");
}

static void patch_tunnel(void *panel, struct api_call *call)
{
	const struct panel_tunnel *t = tunnel_of(panel, call);
	struct panel_spec spec = { .port = 0 };
	struct panel_body body = { NULL };
	struct panel_issues issues;

	if (t == NULL)
		return;
	panel_issues_init(&issues);
	if (panel_spec_copy(&t->spec, &spec) != ERR_OK) {
		panel_refuse(call, 500, "Out of memory", NULL);
	} else if (panel_read(call, &body, &spec, &issues)) {
		check_any_change(&body, &issues);
		if (!panel_refuse_issues(call, &issues))
			change(panel, call, t, &spec);
	}
	panel_body_fini(&body);
	panel_issues_fini(&issues);
	field_fini(&panel_spec_fields, &spec);
}

static void delete_tunnel(void *panel, struct api_call *call)
{
	const struct panel_caller caller = panel_caller_of(call);
	const struct panel_tunnel *t = tunnel_of(panel, call);
	struct why why = { "" };
	enum err rc;

	if (t == NULL)
		return;
	rc = panel_remove(panel, t, &caller, &why);
	if (rc == ERR_OK)
		api_reply(call, NULL);
	else
		panel_refuse_why(call, rc, &why, "Tunnel removal failed");
}

/* ---- the path ---- */

struct station_view {
	const char *name, *state, *text, *remedy;
	char since[PANEL_TIME_SIZE];
};

#undef AT
#define AT(member) FIELD_AT(struct station_view, member)

static const struct field station_rows[] = {
	{ "name", FIELD_TEXT, AT(name) },
	{ "state", FIELD_TEXT, AT(state) },
	{ "since", FIELD_CHARS, NULLABLE, AT(since) },
	{ "text", FIELD_TEXT, AT(text) },
	{ "remedy", FIELD_TEXT, NULLABLE, AT(remedy) },
};

static const struct field_table station_fields = FIELD_TABLE_OF(struct station_view,
	station_rows);

struct path_view {
	const char *status;
	char since[PANEL_TIME_SIZE];
	struct field_tables stations; /* borrowed */
};

#undef AT
#define AT(member) FIELD_AT(struct path_view, member)

static const struct field path_rows[] = {
	{ "status", FIELD_TEXT, AT(status) },
	{ "since", FIELD_CHARS, NULLABLE, AT(since) },
	{ "stations", FIELD_TABLES, AT(stations), .of = &station_fields },
};

static const struct field_table path_fields = FIELD_TABLE_OF(struct path_view, path_rows);

static void get_path(void *panel, struct api_call *call)
{
	const struct panel_tunnel *t = tunnel_of(panel, call);
	struct station_view stations[PATH_STATIONS];
	struct path_view out = { .stations = { stations, PATH_STATIONS } };
	struct path path;

	if (t == NULL)
		return;
	panel_path(panel, t, &path);
	for (unsigned i = 0; i < PATH_STATIONS; i++) {
		const struct path_station *s = &path.stations[i];

		stations[i] = (struct station_view){
			.name = s->name,
			.state = path_state_word(s->state),
			.text = s->text,
			.remedy = text_or_null(s->remedy),
		};
		panel_print_time(s->since_ms, stations[i].since);
	}
	out.status = path.status;
	panel_print_time(path.since_ms, out.since);
	api_reply(call, &out);
}

/* ---- health ---- */

struct health {
	const char *status, *version;
};

static const struct field health_rows[] = {
	{ "status", FIELD_TEXT, FIELD_AT(struct health, status) },
	{ "version", FIELD_TEXT, FIELD_AT(struct health, version) },
};

static const struct field_table health_fields = FIELD_TABLE_OF(struct health,
	health_rows);

static void get_health(void *panel, struct api_call *call)
{
	const struct health health = { "ok", ADIT_VERSION };

	(void)panel;
	api_reply(call, &health);
}

#define BODY \
	.request = &panel_spec_fields, .reads_body = true, .body_max = PANEL_BODY_MAX, \
	.response = &reply_fields, .query = "anyway", .is_query_optional = true
#define ONE "/api/tunnels/*/"

static const struct api_operation rows[] = {
	{ "GET", "/api/health/", &api_anyone, get_health, .response = &health_fields,
		.summary = "Says that the panel serves." },
	{ "GET", "/api/tunnels/", &panel_any, list_tunnels, .response = &list_fields,
		.query = "name", .is_query_optional = true,
		.summary = "Lists tunnels, the newest first." },
	{ "POST", "/api/tunnels/", &panel_writer, post_tunnel, BODY, .status = 201,
		.summary = "Creates a tunnel." },
	{ "GET", ONE, &panel_any, get_tunnel, .response = &reply_fields,
		.summary = "Returns a tunnel." },
	{ "PATCH", ONE, &panel_writer, patch_tunnel, BODY,
		.summary = "Changes members of a tunnel." },
	{ "DELETE", ONE, &panel_writer, delete_tunnel, .summary = "Removes a tunnel." },
	{ "GET", ONE "path/", &panel_any, get_path, .response = &path_fields,
		.summary = "Says where requests of a tunnel arrive, and where not." },
};

const struct api_table panel_tunnel_table = API_TABLE_OF(rows);
