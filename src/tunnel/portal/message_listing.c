/* Leases as lists show them. */
#include "tunnel/portal/message_listing.h"

/* The administrator's list has the members of the public one, and its own behind them. */
#define PUBLIC_FIELDS(type, prefix) \
	{ "name", SHAPE_TEXT, SHAPE_AT(type, prefix name) }, \
		{ "ExpiresAt", SHAPE_TIME, SHAPE_AT(type, prefix expires_at) }, \
		{ "FirstSeenAt", SHAPE_TIME, SHAPE_AT(type, prefix first_seen_at) }, \
		{ "LastSeenAt", SHAPE_TIME, SHAPE_AT(type, prefix last_seen_at) }, \
		{ "Hostname", SHAPE_TEXT, SHAPE_AT(type, prefix hostname) }, \
		{ "UDPEnabled", SHAPE_FLAG, SHAPE_AT(type, prefix udp_enabled) }, \
		{ "TCPEnabled", SHAPE_FLAG, SHAPE_AT(type, prefix tcp_enabled) }, \
		{ "TCPAddr", SHAPE_TEXT, SHAPE_AT(type, prefix tcp_addr) }, \
		{ "Metadata", SHAPE_OBJECT, SHAPE_AT(type, prefix metadata), \
			.of = &message_metadata_shape }, \
	{ \
		"Ready", SHAPE_NUMBER, SHAPE_AT(type, prefix ready) \
	}

static const struct shape_field public_fields[] = {
	PUBLIC_FIELDS(struct message_public_lease, ),
};

const struct shape message_public_lease_shape = SHAPE_OF(struct message_public_lease,
	public_fields);

static const struct shape_field admin_fields[] = {
	PUBLIC_FIELDS(struct message_admin_lease, lease.),
	{ "identity_key", SHAPE_TEXT,
		SHAPE_AT(struct message_admin_lease, identity_key) },
	{ "address", SHAPE_TEXT, SHAPE_AT(struct message_admin_lease, address) },
	{ "BPS", SHAPE_NUMBER, SHAPE_AT(struct message_admin_lease, bytes_per_s) },
	{ "ClientIP", SHAPE_TEXT, SHAPE_AT(struct message_admin_lease, client_ip) },
	{ "ReportedIP", SHAPE_TEXT, SHAPE_AT(struct message_admin_lease, reported_ip) },
	{ "IsApproved", SHAPE_FLAG, SHAPE_AT(struct message_admin_lease, is_approved) },
	{ "IsBanned", SHAPE_FLAG, SHAPE_AT(struct message_admin_lease, is_banned) },
	{ "IsDenied", SHAPE_FLAG, SHAPE_AT(struct message_admin_lease, is_denied) },
	{ "IsIPBanned", SHAPE_FLAG, SHAPE_AT(struct message_admin_lease, is_ip_banned) },
};

const struct shape message_admin_lease_shape = SHAPE_OF(struct message_admin_lease,
	admin_fields);
