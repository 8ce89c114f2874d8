/* The administrators' API on a Unix socket. */
#include "relay/admin_socket.h"

#include <stdlib.h>

#include "http/local_socket.h"
#include "http/server.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"

#define CONNECTIONS_MAX 16

struct admin_socket {
	struct api api;
	struct http_server *http;
	struct local_socket *socket;
};

/* For administrators only: agents and browsers use the API's port. */
static const struct api_table *const tables[] = { ADMIN_TABLES, NULL };

static bool admit(void *context, struct api_call *call)
{
	(void)context;
	call->is_local = true;
	return true;
}

static enum err open_parts(struct admin_socket *s, struct relay *r, struct why *why)
{
	struct http_server_options server = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.connections_max = CONNECTIONS_MAX,
		.on_request = api_on_request,
		.arg = &s->api,
	};
	const struct api_options api = {
		.tables = tables,
		.envelope = &relay_envelope,
		.context = r,
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
