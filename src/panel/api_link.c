/*
 * What a stock Chisel client needs to serve the tunnels of an agent: its arguments, and a
 * launchd property list with them. A credential of that agent is among them, by which it
 * opens the ports of its own tunnels only.
 */
#include <stdio.h>

#include "base/str.h"
#include "panel/panel_api_priv.h"
#include "tunnel/chisel/remote.h"

#define PLIST_NAME "com.portlama.chisel"
#define PLIST_MAX ((size_t)1 << 20)
#define ARGUMENT_SIZE 512

/* ---- the arguments ---- */

/* Whose arguments: the agent's that asks, or ?agent=LABEL, or the only one there is.
 * NULL: the tunnels of all, without a credential. */
static const struct panel_agent *agent_of(const struct panel *p,
	const struct api_call *call)
{
	const struct panel_agent *only = NULL;
	char label[PANEL_LABEL_SIZE];
	unsigned n = 0;

	if (call->holder != NULL)
		return call->holder;
	if (api_query(call, "agent", label, sizeof(label))) {
		only = panel_find_agent(p, label);
		return panel_agent_is_good(only) ? only : NULL;
	}
	for (const struct panel_agent *a = panel_next_agent(p, NULL); a != NULL;
		a = panel_next_agent(p, a))
		if (panel_agent_is_good(a)) {
			only = a;
			n++;
		}
	return n == 1 ? only : NULL;
}

/* A Unix socket is beyond a stock client. */
static bool is_served_by(const struct panel_tunnel *t, const struct panel_agent *a)
{
	return t->spec.is_enabled &&
		(t->spec.target == NULL || !str_has_prefix(t->spec.target, "unix:")) &&
		(a == NULL || strcmp(t->spec.agent, a->label) == 0);
}

/* Arguments one by one. */
struct arguments {
	const struct panel *panel;
	const struct panel_agent *agent; /* NULL: of all */
	const struct panel_tunnel *at;
	unsigned next;
	char text[ARGUMENT_SIZE];
};

static const char *next_remote(struct arguments *a)
{
	char target[PANEL_TARGET_SIZE];

	do {
		a->at = panel_next(a->panel, a->at);
	} while (a->at != NULL && !is_served_by(a->at, a->agent));
	if (a->at == NULL)
		return NULL;
	snprintf(a->text, sizeof(a->text), "R:%u:%s%s", a->at->spec.port,
		panel_tunnel_target(a->at, target),
		panel_tunnel_kind(a->at) == PANEL_UDP ? "/udp" : "");
	return a->text;
}

static const char *next_argument(struct arguments *a)
{
	static const char *const first[] = { "client", "--keepalive", "25s" };
	unsigned n = a->next++;

	if (n < mem_count(first))
		return first[n];
	n -= (unsigned)mem_count(first);
	if (a->agent != NULL && n < 2) {
		snprintf(a->text, sizeof(a->text), "%s:%s", a->agent->label,
			a->agent->secret);
		return n == 0 ? "--auth" : a->text;
	}
	if (n == (a->agent != NULL ? 2 : 0))
		return panel_link_url(a->panel);
	return next_remote(a);
}

/* ---- agent-config ---- */

static void put_arguments(struct json_writer *w, struct arguments *a)
{
	const char *text;

	json_put_open_list(w);
	while ((text = next_argument(a)) != NULL)
		json_put_text(w, span_str(text));
	json_put_close_list(w);
}

static void put_tunnels(struct json_writer *w, const struct panel *p,
	const struct panel_agent *agent)
{
	json_put_open_list(w);
	for (const struct panel_tunnel *t = panel_next(p, NULL); t != NULL;
		t = panel_next(p, t)) {
		if (!is_served_by(t, agent))
			continue;
		json_put_open(w);
		json_put_key(w, "port");
		json_put_int(w, t->spec.port);
		json_put_key(w, "subdomain");
		json_put_text(w, span_str(t->spec.subdomain));
		json_put_close(w);
	}
	json_put_close_list(w);
}

static void get_config(void *panel, struct api_call *call)
{
	const struct panel_agent *agent = agent_of(panel, call);
	struct arguments arguments = { .panel = panel, .agent = agent };
	char url[ARGUMENT_SIZE];
	struct json_writer w;

	snprintf(url, sizeof(url), "%s%s", panel_link_url(panel),
		strchr(panel_link_url(panel) + strlen("https://"), ':') == NULL ? ":443" :
										  "");
	json_writer_init(&w, &call->answer);
	json_put_open(&w);
	json_put_key(&w, "domain");
	json_put_text(&w, span_str(panel_domain(panel)));
	json_put_key(&w, "chiselServerUrl");
	json_put_text(&w, span_str(url));
	json_put_key(&w, "chiselArgs");
	put_arguments(&w, &arguments);
	json_put_key(&w, "tunnels");
	put_tunnels(&w, panel, agent);
	json_put_close(&w);
	api_reply_json(call, 200, call->answer.failed);
}

/* ---- the property list ---- */

static void put_xml(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '&')
			buf_put_str(out, "&amp;");
		else if (*text == '<')
			buf_put_str(out, "&lt;");
		else if (*text == '>')
			buf_put_str(out, "&gt;");
		else
			buf_put_u8(out, (uint8_t)*text);
	}
}

static void put_string(struct buf *out, const char *indent, const char *text)
{
	buf_printf(out, "%s<string>", indent);
	put_xml(out, text);
	buf_put_str(out, "</string>\n");
}

static void put_plist(struct buf *out, struct arguments *arguments)
{
	const char *text;

	buf_put_str(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
		" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<plist version=\"1.0\">\n<dict>\n"
		"\t<key>Label</key>\n\t<string>" PLIST_NAME "</string>\n"
		"\t<key>ProgramArguments</key>\n\t<array>\n");
	put_string(out, "\t\t", "/usr/local/bin/chisel");
	while ((text = next_argument(arguments)) != NULL)
		put_string(out, "\t\t", text);
	buf_put_str(out,
		"\t</array>\n"
		"\t<key>KeepAlive</key>\n\t<true/>\n"
		"\t<key>RunAtLoad</key>\n\t<true/>\n"
		"\t<key>StandardOutPath</key>\n"
		"\t<string>/usr/local/var/log/chisel.log</string>\n"
		"\t<key>StandardErrorPath</key>\n"
		"\t<string>/usr/local/var/log/chisel.error.log</string>\n"
		"\t<key>EnvironmentVariables</key>\n\t<dict>\n"
		"\t\t<key>PATH</key>\n"
		"\t\t<string>/usr/local/bin:/usr/bin:/bin</string>\n"
		"\t</dict>\n</dict>\n</plist>\n");
}

/* With the plist, and what to do with it. */
static void reply_with_instructions(struct api_call *call, struct span plist)
{
	static const char *const steps[][2] = {
		{ "download",
			"Save it as ~/Library/LaunchAgents/" PLIST_NAME ".plist; it has a"
			" password: chmod 600 it." },
		{ "install",
			"launchctl load ~/Library/LaunchAgents/" PLIST_NAME ".plist" },
		{ "uninstall",
			"launchctl unload ~/Library/LaunchAgents/" PLIST_NAME ".plist" },
		{ "logs", "tail -f /usr/local/var/log/chisel.error.log" },
		{ "status", "launchctl list | grep portlama" },
		{ "prerequisite",
			"Chisel at /usr/local/bin/chisel: brew install chisel" },
	};
	struct json_writer w;

	json_writer_init(&w, &call->answer);
	json_put_open(&w);
	json_put_key(&w, "plist");
	json_put_text(&w, plist);
	json_put_key(&w, "instructions");
	json_put_open(&w);
	for (size_t i = 0; i < mem_count(steps); i++) {
		json_put_key(&w, steps[i][0]);
		json_put_text(&w, span_str(steps[i][1]));
	}
	json_put_close(&w);
	json_put_close(&w);
	api_reply_json(call, 200, call->answer.failed);
}

static void get_plist(void *panel, struct api_call *call)
{
	struct arguments arguments = { .panel = panel, .agent = agent_of(panel, call) };
	struct buf plist;
	char format[8];

	buf_init(&plist, PLIST_MAX);
	put_plist(&plist, &arguments);
	if (plist.failed != ERR_OK) {
		panel_refuse(call, 500, "There is no room for the property list", NULL);
	} else if (api_query(call, "format", format, sizeof(format)) &&
		strcmp(format, "json") == 0) {
		reply_with_instructions(call, buf_span(&plist));
	} else {
		api_reply_text(call, buf_span(&plist));
		api_add_header(call, "Content-Type: application/x-plist");
		api_add_header(call,
			"Content-Disposition: attachment; filename=\"" PLIST_NAME
			".plist\"");
		api_add_header(call, "Cache-Control: no-store");
	}
	buf_wipe(&plist);
}

static const struct api_operation rows[] = {
	{ "GET", "/api/tunnels/agent-config/", &panel_reader, get_config,
		.type = "application/json", .query = "agent", .is_query_optional = true,
		.summary = "Returns the arguments of a stock client for an agent." },
	{ "GET", "/api/tunnels/mac-plist/", &panel_any, get_plist, .query = "format",
		.is_query_optional = true,
		.summary = "Returns a launchd property list with these arguments." },
};

const struct api_table panel_link_table = API_TABLE_OF(rows);
