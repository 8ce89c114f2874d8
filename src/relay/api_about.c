/* Health, domain and the status of a tunnel. portal-protocol 2.5. */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/relay_priv.h"
#include "serve/lease/lease_route.h"
#include "serve/own_host.h"
#include "tunnel/portal/envelope.h"
#include "tunnel/portal/message.h"

struct health {
	char status[8];
};

static const struct field health_rows[] = {
	{ "status", FIELD_CHARS, FIELD_AT(struct health, status) },
};

static const struct field_table health_fields = FIELD_TABLE_OF(struct health,
	health_rows);

static void about_health(void *context, struct api_call *call)
{
	static const struct health health = { .status = "ok" };

	(void)context;
	api_reply(call, &health);
}

static void about_domain(void *context, struct api_call *call)
{
	static const struct message_domain domain = {
		.protocol_version = MESSAGE_PROTOCOL,
		.release_version = MESSAGE_RELEASE_ADIT ADIT_VERSION,
	};

	(void)context;
	api_add_header(call, "Access-Control-Allow-Origin: *");
	api_reply(call, &domain);
}

static void about_tunnel(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct message_tunnel_status status = { .registered = false };
	char text[NAMES_INPUT_MAX], host[NAMES_HOST_MAX + 1];
	struct route *route;

	if (!api_query(call, "hostname", text, sizeof(text)) ||
		names_parse_host(span_str(text), host, NULL) != ERR_OK) {
		envelope_refuse(call, MESSAGE_INVALID_REQUEST, "hostname is required");
		return;
	}
	str_copy(status.hostname, sizeof(status.hostname), host);
	own_host_unify(r->options.root, host);
	route = route_find_by_host(r->routes, host);
	if (route != NULL && lease_route_is(route)) {
		status.registered = atomic_load(&route->until_ms) > clock_wall_ms();
		status.service_alive = status.registered &&
			atomic_load(&route->present) > 0;
	}
	route_unref(route);
	api_reply(call, &status);
}

static const struct api_operation rows[] = {
	{
		.path = "/healthz",
		.authority = &api_anyone,
		.fn = about_health,
		.response = &health_fields,
		.is_any_host = true,
		.summary = "Returns ok while the relay runs.",
	},
	{ "GET", "/sdk/domain", &api_anyone, about_domain,
		.response = &message_domain_fields,
		.summary = "Returns the protocol and release of the relay." },
	{ "GET", "/tunnel/status", &api_anyone, about_tunnel, .query = "hostname",
		.response = &message_tunnel_status_fields,
		.summary =
			"Returns whether a host has a lease, and whether it is served." },
};

const struct api_table api_about_table = API_TABLE_OF(rows);
