/* Leases as lists show them. */
#include "tunnel/portal/message_listing.h"

/* The administrator's list has the members of the public one, and its own behind them. */
#define PUBLIC_FIELDS(type, prefix) \
	{ "name", FIELD_CHARS, FIELD_AT(type, prefix name) }, \
		{ "ExpiresAt", FIELD_TIME, FIELD_AT(type, prefix expires_at) }, \
		{ "FirstSeenAt", FIELD_TIME, FIELD_AT(type, prefix first_seen_at) }, \
		{ "LastSeenAt", FIELD_TIME, FIELD_AT(type, prefix last_seen_at) }, \
		{ "Hostname", FIELD_CHARS, FIELD_AT(type, prefix hostname) }, \
		{ "UDPEnabled", FIELD_BOOL, FIELD_AT(type, prefix udp_enabled) }, \
		{ "TCPEnabled", FIELD_BOOL, FIELD_AT(type, prefix tcp_enabled) }, \
		{ "TCPAddr", FIELD_CHARS, FIELD_AT(type, prefix tcp_addr) }, \
		{ "Metadata", FIELD_TABLE, FIELD_AT(type, prefix metadata), \
			.of = &message_metadata_fields }, \
	{ \
		"Ready", FIELD_NUMBER, FIELD_AT(type, prefix ready) \
	}

static const struct field public_rows[] = {
	PUBLIC_FIELDS(struct message_public_lease, ),
};

const struct field_table message_public_lease_fields =
	FIELD_TABLE_OF(struct message_public_lease, public_rows);

static const struct field admin_rows[] = {
	PUBLIC_FIELDS(struct message_admin_lease, lease.),
	{ "identity_key", FIELD_CHARS,
		FIELD_AT(struct message_admin_lease, identity_key) },
	{ "address", FIELD_CHARS, FIELD_AT(struct message_admin_lease, address) },
	{ "BPS", FIELD_NUMBER, FIELD_AT(struct message_admin_lease, bytes_per_s) },
	{ "ClientIP", FIELD_CHARS, FIELD_AT(struct message_admin_lease, client_ip) },
	{ "ReportedIP", FIELD_CHARS, FIELD_AT(struct message_admin_lease, reported_ip) },
	{ "IsApproved", FIELD_BOOL, FIELD_AT(struct message_admin_lease, is_approved) },
	{ "IsBanned", FIELD_BOOL, FIELD_AT(struct message_admin_lease, is_banned) },
	{ "IsDenied", FIELD_BOOL, FIELD_AT(struct message_admin_lease, is_denied) },
	{ "IsIPBanned", FIELD_BOOL, FIELD_AT(struct message_admin_lease, is_ip_banned) },
};

const struct field_table message_admin_lease_fields =
	FIELD_TABLE_OF(struct message_admin_lease, admin_rows);
