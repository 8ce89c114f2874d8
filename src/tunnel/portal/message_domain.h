/* What a relay says of itself and of a tunnel: /sdk/domain and /tunnel/status. */
#ifndef TUNNEL_PORTAL_MESSAGE_DOMAIN_H
#define TUNNEL_PORTAL_MESSAGE_DOMAIN_H

#include "tunnel/portal/message.h"

#define MESSAGE_RELEASE_ADIT "adit/" /* the release of a relay of ours begins so */

/* Its details are for web pages, and ignored. */
struct message_ens {
	bool enabled, verified;
};

struct message_domain {
	char protocol_version[16]; /* MESSAGE_PROTOCOL, or we cannot talk */
	char release_version[64];
	struct message_ens ens;
};

struct message_tunnel_status {
	char hostname[MESSAGE_HOST_MAX];
	bool registered;
	bool service_alive; /* there is an idle reverse session */
};

/* Of the structs of the same name. Nothing to free. */
extern const struct field_table message_domain_fields;
extern const struct field_table message_tunnel_status_fields;

#endif
