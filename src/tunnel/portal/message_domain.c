/* What a relay says of itself and of a tunnel. */
#include "tunnel/portal/message_domain.h"

static const struct shape_field ens_fields[] = {
	{ "enabled", SHAPE_FLAG, SHAPE_AT(struct message_ens, enabled) },
	{ "verified", SHAPE_FLAG, SHAPE_AT(struct message_ens, verified) },
};

static const struct shape ens_shape = SHAPE_OF(struct message_ens, ens_fields);

static const struct shape_field domain_fields[] = {
	{ "protocol_version", SHAPE_TEXT,
		SHAPE_AT(struct message_domain, protocol_version) },
	{ "release_version", SHAPE_TEXT,
		SHAPE_AT(struct message_domain, release_version) },
	{ "ens", SHAPE_OBJECT, SHAPE_AT(struct message_domain, ens), .of = &ens_shape },
};

const struct shape message_domain_shape = SHAPE_OF(struct message_domain, domain_fields);

static const struct shape_field status_fields[] = {
	{ "hostname", SHAPE_TEXT, SHAPE_AT(struct message_tunnel_status, hostname) },
	{ "registered", SHAPE_FLAG, SHAPE_AT(struct message_tunnel_status, registered) },
	{ "service_alive", SHAPE_FLAG,
		SHAPE_AT(struct message_tunnel_status, service_alive) },
};

const struct shape message_tunnel_status_shape = SHAPE_OF(struct message_tunnel_status,
	status_fields);
