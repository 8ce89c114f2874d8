/* The administrators' API on a Unix socket. */
#include "relay/admin_socket.h"

#include <stdlib.h>

#include "http/local_socket.h"
#include "http/server.h"
#include "panel/panel_api.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"

#define CONNECTIONS_MAX 256 /* scripts may ask in parallel */

struct admin_socket {
	struct api api, panel;
	bool has_panel;
	struct http_server *http;
	struct local_socket *socket;
};

static void refuse_panel(void *context, struct api_call *call)
{
	(void)context;
	panel_refuse(call, 404, "This relay has no panel",
		"Set domain to the name that its tunnels end in, such as example.com.");
}

static const struct api_operation no_panel_rows[] = {
	{ .path = "/api/**", .authority = &api_anyone, .fn = refuse_panel },
};

static const struct api_table no_panel_table = API_TABLE_OF(no_panel_rows);

/* For administrators only: agents and browsers use the API's port. */
static const struct api_table *const tables[] = { &no_panel_table, ADMIN_TABLES, NULL };

static bool admit(void *context, struct api_call *call)
{
	(void)context;
	call->is_local = true;
	return true;
}

static void on_request(void *arg, struct http_exchange *x)
{
	static const char start[] = "/api/";
	struct admin_socket *s = arg;
	struct span target = http_request(x)->target;
	const bool is_of_panel = target.n >= sizeof(start) - 1 &&
		memcmp(target.p, start, sizeof(start) - 1) == 0;

	api_on_request(is_of_panel && s->has_panel ? &s->panel : &s->api, x);
}

static enum err open_parts(struct admin_socket *s, struct relay *r, struct why *why)
{
	struct http_server_options server = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.connections_max = CONNECTIONS_MAX,
		.on_request = on_request,
		.arg = s,
	};
	const struct api_options api = {
		.tables = tables,
		.envelope = &relay_envelope,
		.context = r,
		.admit = admit,
	};
	const struct api_options panel = {
		.tables = panel_tables,
		.envelope = &panel_envelope,
		.context = r->panel,
		.admit = admit,
	};
	struct local_socket_options socket = {
		.loop = r->control->loop,
		.directory = r->options.state_dir,
		.file = ADMIN_SOCKET_FILE,
		.log = &r->log,
	};
	enum err rc = api_init(&s->api, &api, why);

	if (rc == ERR_OK)
		rc = api_init(&s->panel, &panel, why);
	s->has_panel = r->panel != NULL;
	if (rc == ERR_OK)
		rc = http_server_new(&server, &s->http);
	socket.server = s->http;
	return rc == ERR_OK ? local_socket_open(&socket, &s->socket, why) : rc;
}

enum err admin_socket_open(struct relay *r, struct admin_socket **out, struct why *why)
{
	struct admin_socket *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = open_parts(s, r, why);
	if (rc == ERR_OK)
		*out = s;
	else
		admin_socket_close(s);
	return rc;
}

void admin_socket_close(struct admin_socket *s)
{
	if (s == NULL)
		return;
	local_socket_close(s->socket);
	http_server_free(s->http);
	free(s);
}
