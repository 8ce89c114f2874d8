/*
 * Changes through the control API that are no edits of the file: relays of tunnels until
 * the next start, and the end of the agent. portal-protocol 15.5.
 */
#include "agent/control_priv.h"

#include <string.h>
#include <strings.h>

#include "agent/config_edit.h"
#include "base/str.h"

/* ---- bodies ---- */

struct accepted {
	bool is_accepted;
};

static const struct field accepted_rows[] = {
	{ "accepted", FIELD_BOOL, FIELD_AT(struct accepted, is_accepted) },
};
const struct field_table control_accepted_fields = FIELD_TABLE_OF(struct accepted,
	accepted_rows);

struct relay_name {
	char *url;
};

static const struct field relay_rows[] = {
	{ "relay_url", FIELD_TEXT, FIELD_AT(struct relay_name, url),
		.text_max = URL_TEXT_MAX },
};
static const struct field_table relay_fields = FIELD_TABLE_OF(struct relay_name,
	relay_rows);

struct hops {
	struct field_list relays;
};

static const struct field hops_rows[] = {
	{ "relays", FIELD_LIST, FIELD_AT(struct hops, relays), .text_max = URL_TEXT_MAX,
		.max = RELAY_URLS_MAX },
};
static const struct field_table hops_fields = FIELD_TABLE_OF(struct hops, hops_rows);

/* ---- what changes have in common ---- */

void control_finish(struct api_call *call, enum err rc, const struct why *why)
{
	const struct accepted accepted = { .is_accepted = true };
	struct why words;

	if (rc == ERR_OK) {
		api_reply(call, &accepted);
		return;
	}
	err_set(&words, rc, "%s", err_text(rc, why));
	control_refuse(call, &words);
}

struct agent_tunnel *control_tunnel(struct control *c, struct api_call *call,
	char id[AGENT_ID_MAX])
{
	struct agent_tunnel *t = NULL;
	char shown[2 * AGENT_ID_MAX];
	struct why why;

	if (!api_decode(call->parts[0], API_PATH, id, AGENT_ID_MAX) ||
		names_trim(span_str(id)).n == 0) {
		err_set(&why, ERR_SYNTAX, "invalid tunnel id");
		control_refuse(call, &why);
		return NULL;
	}
	if (strchr(id, '/') != NULL) { /* it is no part of a path */
		call->envelope->refuse(call, API_NOT_FOUND, ERR_NOENT, NULL);
		return NULL;
	}
	t = agent_find_tunnel(c->agent, id);
	if (t == NULL) {
		err_set(&why, ERR_NOENT, "tunnel \"%s\" not found",
			str_quote(shown, sizeof(shown), span_str(id)));
		control_refuse(call, &why);
	}
	return t;
}

/* ---- relays ---- */

/* The first two texts are those of a stock agent. */
enum err control_relay(const char *text, char url[URL_TEXT_MAX], struct why *why)
{
	static const char plain[] = "http://";
	char shown[80];
	enum err rc;

	if (text == NULL || names_trim(span_str(text)).n == 0)
		return err_set(why, ERR_SYNTAX, "relay url is empty");
	if (strncasecmp(text, plain, sizeof(plain) - 1) == 0)
		return err_set(why, ERR_SYNTAX, "relay url must use https: \"%s\"",
			str_quote(shown, sizeof(shown), span_str(text)));
	rc = relay_url_parse(span_str(text), url, why);
	return rc == ERR_OK ? relay_url_check_host(url, why) : rc;
}

static void connect_relay(void *context, struct api_call *call)
{
	const struct relay_name *asked = call->request;
	char id[AGENT_ID_MAX];
	struct agent_tunnel *t = control_tunnel(context, call, id);
	char url[URL_TEXT_MAX];
	struct why why = { "" };
	enum err rc;

	if (t == NULL)
		return;
	rc = control_relay(asked->url, url, &why);
	if (rc == ERR_OK)
		rc = tunnel_connect(t->tunnel, url, &why);
	control_finish(call, rc, &why);
}

static bool is_hop(const struct field_list *hops, const char *url)
{
	char hop[URL_TEXT_MAX];

	for (unsigned i = 0; i < hops->n; i++)
		if (relay_url_parse(span_str(hops->v[i]), hop, NULL) == ERR_OK &&
			strcmp(hop, url) == 0)
			return true;
	return false;
}

static void disconnect_relay(void *context, struct api_call *call)
{
	const struct relay_name *asked = call->request;
	char id[AGENT_ID_MAX];
	struct agent_tunnel *t = control_tunnel(context, call, id);
	char url[URL_TEXT_MAX];
	struct why why = { "" };
	enum err rc;

	if (t == NULL)
		return;
	rc = control_relay(asked->url, url, &why);
	if (rc == ERR_OK && is_hop(&agent_tunnel_config(t)->lease.multi_hop, url))
		rc = err_set(&why, ERR_DENIED,
			"relay is part of the multi-hop route; clear multi-hop first");
	if (rc == ERR_OK)
		rc = tunnel_disconnect(t->tunnel, url, &why);
	control_finish(call, rc, &why);
}

/* ---- routes through several ---- */

static enum err edit_clear_hops(void *arg, const struct toml *t, struct buf *out,
	struct why *why)
{
	struct config_edit e;

	config_edit_open(&e, t, arg, why);
	config_edit_list(&e, "multi_hop", &(struct field_list){ .n = 0 });
	config_edit_number(&e, "multi_hop_depth", 0);
	return config_edit_close(&e, out);
}

static void clear_hops(void *context, struct api_call *call)
{
	struct control *c = context;
	char id[AGENT_ID_MAX];
	const struct agent_tunnel *t = control_tunnel(c, call, id);
	struct why why = { "" };
	enum err rc = ERR_OK;

	if (t == NULL)
		return;
	if (agent_tunnel_config(t)->lease.multi_hop.n > 0 ||
		agent_tunnel_config(t)->lease.multi_hop_depth > 0)
		rc = agent_edit(c->agent, edit_clear_hops, id, &why);
	control_finish(call, rc, &why);
}

static enum err check_hops(const struct tunnel_config *t, const struct field_list *relays,
	struct why *why)
{
	struct relay_urls urls = { .count = 0 };
	char url[URL_TEXT_MAX];
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < relays->n && rc == ERR_OK; i++) {
		rc = control_relay(relays->v[i], url, why);
		if (rc == ERR_OK)
			rc = relay_urls_add(&urls, span_str(url), why);
	}
	if (rc == ERR_OK && relays->n < 2)
		rc = err_set(why, ERR_USAGE,
			"multi-hop requires at least entry and exit relay urls");
	else if (rc == ERR_OK && urls.count < relays->n)
		rc = err_set(why, ERR_USAGE, "multi-hop relay url repeated");
	else if (rc == ERR_OK && (t->lease.has_udp || t->lease.has_tcp))
		rc = err_set(why, ERR_USAGE,
			"tunnel \"%.60s\" multi-hop supports only the default stream"
			" transport",
			t->id);
	else if (rc == ERR_OK)
		rc = err_set(why, ERR_USAGE,
			"multi-hop: publishing through several relays is not supported yet");
	relay_urls_fini(&urls);
	return rc;
}

/* A route that cannot be built is refused, and nothing is closed. */
static void set_hops(void *context, struct api_call *call)
{
	const struct hops *asked = call->request;
	char id[AGENT_ID_MAX];
	const struct agent_tunnel *t;
	struct why why = { "" };
	enum err rc;

	if (asked->relays.n == 0) {
		clear_hops(context, call);
		return;
	}
	t = control_tunnel(context, call, id);
	if (t == NULL)
		return;
	rc = check_hops(agent_tunnel_config(t), &asked->relays, &why);
	control_finish(call, rc, &why);
}

/* ---- the end ---- */

static void shut_down(void *context, struct api_call *call)
{
	struct control *c = context;

	control_finish(call, ERR_OK, NULL);
	log_info(&c->agent->log, "stopping: the control API was asked to");
	agent_leave(c->agent);
}

/* "/v1/agent/tunnels/" has an empty id. */
static void refuse_id(void *context, struct api_call *call)
{
	const struct http1_head *head = http_request(call->x);
	struct span path = http1_path(head);
	struct why why;

	if (path.n == 0 || path.p[path.n - 1] != '/') {
		api_refuse_unknown(context, call);
		return;
	}
	err_set(&why, ERR_SYNTAX, "invalid tunnel id");
	control_refuse(call, &why);
}

#define ROW CONTROL_CHANGE

static const struct api_operation rows[] = {
	{ ROW("POST", "shutdown", shut_down, "stop the agent") },
	{ ROW("POST", "tunnels/*/relays", connect_relay,
		  "connect a relay until the next start"),
		.request = &relay_fields },
	{ ROW("DELETE", "tunnels/*/relays", disconnect_relay,
		  "disconnect a relay until the next start"),
		.request = &relay_fields },
	{ ROW("POST", "tunnels/*/multi-hop", set_hops,
		  "publish through several relays in a row"),
		.request = &hops_fields },
	{ ROW("DELETE", "tunnels/*/multi-hop", clear_hops,
		"publish through one relay at a time") },
	{ .path = "/v1/agent/tunnels/",
		.authority = &control_bearer,
		.fn = refuse_id,
		.is_at_once = true },
};

const struct api_table control_relays_table = API_TABLE_OF(rows);
