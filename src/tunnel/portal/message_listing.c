/* Leases as lists show them. */
#include "tunnel/portal/message_listing.h"

#define AT(type, member) FIELD_AT(struct message_##type, member)

static const struct field public_rows[] = {
	{ "name", FIELD_CHARS, AT(public_lease, name) },
	{ "ExpiresAt", FIELD_TIME, AT(public_lease, expires_at) },
	{ "FirstSeenAt", FIELD_TIME, AT(public_lease, first_seen_at) },
	{ "LastSeenAt", FIELD_TIME, AT(public_lease, last_seen_at) },
	{ "Hostname", FIELD_CHARS, AT(public_lease, hostname) },
	{ "UDPEnabled", FIELD_BOOL, AT(public_lease, udp_enabled) },
	{ "TCPEnabled", FIELD_BOOL, AT(public_lease, tcp_enabled) },
	{ "TCPAddr", FIELD_CHARS, AT(public_lease, tcp_addr) },
	{ "Metadata", FIELD_TABLE, AT(public_lease, metadata),
		.of = &message_metadata_fields },
	{ "Ready", FIELD_NUMBER, AT(public_lease, ready) },
};

const struct field_table message_public_lease_fields =
	FIELD_TABLE_OF(struct message_public_lease, public_rows);

static const struct field admin_rows[] = {
	{ .kind = FIELD_TABLE,
		AT(admin_lease, lease),
		.of = &message_public_lease_fields },
	{ "identity_key", FIELD_CHARS, AT(admin_lease, identity_key) },
	{ "address", FIELD_CHARS, AT(admin_lease, address) },
	{ "BPS", FIELD_NUMBER, AT(admin_lease, bytes_per_s) },
	{ "ClientIP", FIELD_CHARS, AT(admin_lease, client_ip) },
	{ "ReportedIP", FIELD_CHARS, AT(admin_lease, reported_ip) },
	{ "IsApproved", FIELD_BOOL, AT(admin_lease, is_approved) },
	{ "IsBanned", FIELD_BOOL, AT(admin_lease, is_banned) },
	{ "IsDenied", FIELD_BOOL, AT(admin_lease, is_denied) },
	{ "IsIPBanned", FIELD_BOOL, AT(admin_lease, is_ip_banned) },
};

const struct field_table message_admin_lease_fields =
	FIELD_TABLE_OF(struct message_admin_lease, admin_rows);
