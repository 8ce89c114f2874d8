/* The codes of refusals. */
#include "tunnel/portal/message_error.h"

#include <string.h>

#include "base/mem.h"

static const struct error_rule {
	const char *code;
	unsigned status;
	bool is_final;
} rules[] = {
	[MESSAGE_INVALID_JSON] = { "invalid_json", 400, false },
	[MESSAGE_INVALID_REQUEST] = { "invalid_request", 400, false },
	[MESSAGE_INVALID_MODE] = { "invalid_mode", 400, false },
	[MESSAGE_INVALID_ADDRESS] = { "invalid_address", 400, false },
	[MESSAGE_INVALID_IP] = { "invalid_ip", 400, false },
	[MESSAGE_SIGNED_OUT] = { "unauthorized", 401, false },
	[MESSAGE_UNAUTHORIZED] = { "unauthorized", 403, false },
	[MESSAGE_IP_BANNED] = { "ip_banned", 403, true },
	[MESSAGE_LEASE_REJECTED] = { "lease_rejected", 403, false },
	[MESSAGE_UDP_DISABLED] = { "udp_disabled", 403, false },
	[MESSAGE_TCP_PORT_DISABLED] = { "tcp_port_disabled", 403, false },
	[MESSAGE_NOT_FOUND] = { "not_found", 404, false },
	[MESSAGE_LEASE_NOT_FOUND] = { "lease_not_found", 404, false },
	[MESSAGE_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405, false },
	[MESSAGE_HOSTNAME_CONFLICT] = { "hostname_conflict", 409, true },
	[MESSAGE_TRANSPORT_MISMATCH] = { "transport_mismatch", 409, true },
	[MESSAGE_RATE_LIMITED] = { "rate_limited", 429, false },
	[MESSAGE_INTERNAL] = { "internal", 500, false },
	[MESSAGE_HIJACK_UNSUPPORTED] = { "hijack_unsupported", 500, false },
	[MESSAGE_HIJACK_FAILED] = { "hijack_failed", 500, false },
	[MESSAGE_FEATURE_UNAVAILABLE] = { "feature_unavailable", 503, true },
	[MESSAGE_UDP_CAPACITY_EXCEEDED] = { "udp_capacity_exceeded", 503, false },
	[MESSAGE_TCP_PORT_CAPACITY_EXCEEDED] = { "tcp_port_capacity_exceeded", 503,
		false },
	[MESSAGE_UDP_PORT_EXHAUSTED] = { "udp_port_exhausted", 503, false },
	[MESSAGE_TCP_PORT_EXHAUSTED] = { "tcp_port_exhausted", 503, false },
	[MESSAGE_HTTP11_ONLY] = { "http11_only", 505, false },
};

const char *message_error_code(enum message_error error)
{
	return rules[error].code;
}

unsigned message_error_status(enum message_error error)
{
	return rules[error].status;
}

bool message_error_is_final(const char *code)
{
	for (size_t i = 0; i < mem_count(rules); i++)
		if (strcmp(rules[i].code, code) == 0)
			return rules[i].is_final;
	return false;
}
