/* What the relay says of itself and of a tunnel. portal-protocol 2.5. */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/api.h"
#include "relay/own_host.h"
#include "relay/relay_inside.h"
#include "tunnel/portal/message_domain.h"

static void about_health(struct relay *r, struct api_call *call, const struct span *parts)
{
	struct json_writer w;

	(void)r;
	(void)parts;
	api_open_reply(call, &w);
	json_put_open(&w);
	json_put_key(&w, "status");
	json_put_text(&w, span_str("ok"));
	json_put_close(&w);
	api_close_reply(call, 200, &w);
}

static void about_domain(struct relay *r, struct api_call *call, const struct span *parts)
{
	static const struct message_domain domain = {
		.protocol_version = MESSAGE_PROTOCOL,
		.release_version = MESSAGE_RELEASE_ADIT ADIT_VERSION,
	};

	(void)r;
	(void)parts;
	api_add_header(call, "Access-Control-Allow-Origin: *");
	api_reply(call, 200, &message_domain_fields, &domain);
}

static void about_tunnel(struct relay *r, struct api_call *call, const struct span *parts)
{
	struct message_tunnel_status status = { .registered = false };
	char text[NAMES_INPUT_MAX], host[NAMES_HOST_MAX + 1];
	struct route *route;

	(void)parts;
	if (!api_query(call, "hostname", text, sizeof(text)) ||
		names_parse_host(span_str(text), host, NULL) != ERR_OK) {
		api_refuse(call, MESSAGE_INVALID_REQUEST, "hostname is required");
		return;
	}
	str_copy(status.hostname, sizeof(status.hostname), host);
	own_host_unify(r->options.root, host);
	route = route_find_by_host(r->routes, host);
	if (route != NULL) {
		status.registered = atomic_load(&route->until_ms) > clock_wall_ms();
		status.service_alive = status.registered &&
			atomic_load(&route->present) > 0;
	}
	route_unref(route);
	api_reply(call, 200, &message_tunnel_status_fields, &status);
}

static const struct api_operation rows[] = {
	{ NULL, "/healthz", about_health },
	{ "GET", "/sdk/domain", about_domain },
	{ "GET", "/tunnel/status", about_tunnel },
};

const struct api_table api_about_table = API_TABLE_OF(rows);
