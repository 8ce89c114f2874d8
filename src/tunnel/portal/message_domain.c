/* What a relay says of itself and of a tunnel. */
#include "tunnel/portal/message_domain.h"

static const struct field ens_rows[] = {
	{ "enabled", FIELD_BOOL, FIELD_AT(struct message_ens, enabled) },
	{ "verified", FIELD_BOOL, FIELD_AT(struct message_ens, verified) },
};

static const struct field_table ens_fields = FIELD_TABLE_OF(struct message_ens, ens_rows);

static const struct field domain_rows[] = {
	{ "protocol_version", FIELD_CHARS,
		FIELD_AT(struct message_domain, protocol_version) },
	{ "release_version", FIELD_CHARS,
		FIELD_AT(struct message_domain, release_version) },
	{ "ens", FIELD_TABLE, FIELD_AT(struct message_domain, ens), .of = &ens_fields },
};

const struct field_table message_domain_fields = FIELD_TABLE_OF(struct message_domain,
	domain_rows);

static const struct field status_rows[] = {
	{ "hostname", FIELD_CHARS, FIELD_AT(struct message_tunnel_status, hostname) },
	{ "registered", FIELD_BOOL, FIELD_AT(struct message_tunnel_status, registered) },
	{ "service_alive", FIELD_BOOL,
		FIELD_AT(struct message_tunnel_status, service_alive) },
};

const struct field_table message_tunnel_status_fields =
	FIELD_TABLE_OF(struct message_tunnel_status, status_rows);
