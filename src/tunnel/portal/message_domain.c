/* What a relay says of itself and of a tunnel. */
#include "tunnel/portal/message_domain.h"

#define AT(type, member) FIELD_AT(struct message_##type, member)

static const struct field ens_rows[] = {
	{ "enabled", FIELD_BOOL, AT(ens, enabled) },
	{ "verified", FIELD_BOOL, AT(ens, verified) },
};

static const struct field_table ens_fields = FIELD_TABLE_OF(struct message_ens, ens_rows);

static const struct field domain_rows[] = {
	{ "protocol_version", FIELD_CHARS, AT(domain, protocol_version) },
	{ "release_version", FIELD_CHARS, AT(domain, release_version) },
	{ "ens", FIELD_TABLE, AT(domain, ens), .of = &ens_fields },
};

const struct field_table message_domain_fields = FIELD_TABLE_OF(struct message_domain,
	domain_rows);

static const struct field status_rows[] = {
	{ "hostname", FIELD_CHARS, AT(tunnel_status, hostname) },
	{ "registered", FIELD_BOOL, AT(tunnel_status, registered) },
	{ "service_alive", FIELD_BOOL, AT(tunnel_status, service_alive) },
};

const struct field_table message_tunnel_status_fields =
	FIELD_TABLE_OF(struct message_tunnel_status, status_rows);
