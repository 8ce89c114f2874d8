/* The codes with which a relay refuses, and the HTTP status that goes with each. */
#ifndef TUNNEL_PORTAL_MESSAGE_ERROR_H
#define TUNNEL_PORTAL_MESSAGE_ERROR_H

#include <stdbool.h>

enum message_error {
	MESSAGE_INVALID_JSON,
	MESSAGE_INVALID_REQUEST,
	MESSAGE_INVALID_MODE,
	MESSAGE_INVALID_ADDRESS,
	MESSAGE_INVALID_IP,
	MESSAGE_SIGNED_OUT,   /* "unauthorized", 401: sign in first */
	MESSAGE_UNAUTHORIZED, /* "unauthorized", 403: a bad token or signature */
	MESSAGE_IP_BANNED,
	MESSAGE_LEASE_REJECTED,
	MESSAGE_UDP_DISABLED,
	MESSAGE_TCP_PORT_DISABLED,
	MESSAGE_NOT_FOUND,
	MESSAGE_LEASE_NOT_FOUND,
	MESSAGE_METHOD_NOT_ALLOWED,
	MESSAGE_HOSTNAME_CONFLICT,
	MESSAGE_TRANSPORT_MISMATCH,
	MESSAGE_RATE_LIMITED,
	MESSAGE_INTERNAL,
	MESSAGE_HIJACK_UNSUPPORTED,
	MESSAGE_HIJACK_FAILED,
	MESSAGE_FEATURE_UNAVAILABLE,
	MESSAGE_UDP_CAPACITY_EXCEEDED,
	MESSAGE_TCP_PORT_CAPACITY_EXCEEDED,
	MESSAGE_UDP_PORT_EXHAUSTED,
	MESSAGE_TCP_PORT_EXHAUSTED,
	MESSAGE_HTTP11_ONLY,
};

const char *message_error_code(enum message_error error);
unsigned message_error_status(enum message_error error);

/* A client that registers gives the relay up when it hears @code; else it tries again. */
bool message_error_is_final(const char *code);

#endif
