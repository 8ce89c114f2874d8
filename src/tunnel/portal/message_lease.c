/* The life of a lease in messages. */
#include "tunnel/portal/message_lease.h"

#define DESCRIPTION_MAX 4096
#define OWNER_MAX 1024
#define THUMBNAIL_MAX 65536 /* an address, or the picture itself as one */
#define TAG_MAX 128
#define TAGS_MAX 64

#define AT(type, member) FIELD_AT(struct message_##type, member)

static const struct field identity_rows[] = {
	{ "name", FIELD_CHARS, AT(identity, name) },
	{ "address", FIELD_CHARS, AT(identity, address) },
};

static const struct field_table identity_fields = FIELD_TABLE_OF(struct message_identity,
	identity_rows);

static const struct field metadata_rows[] = {
	{ "description", FIELD_TEXT, true, AT(metadata, description),
		.text_max = DESCRIPTION_MAX },
	{ "owner", FIELD_TEXT, true, AT(metadata, owner), .text_max = OWNER_MAX },
	{ "thumbnail", FIELD_TEXT, true, AT(metadata, thumbnail),
		.text_max = THUMBNAIL_MAX },
	{ "tags", FIELD_LIST, true, AT(metadata, tags), .text_max = TAG_MAX,
		.max = TAGS_MAX },
	{ "hide", FIELD_BOOL, true, AT(metadata, hide) },
};

const struct field_table message_metadata_fields = FIELD_TABLE_OF(struct message_metadata,
	metadata_rows);

static const struct field challenge_request_rows[] = {
	{ "identity", FIELD_TABLE, AT(challenge_request, identity),
		.of = &identity_fields },
	{ "metadata", FIELD_TABLE, AT(challenge_request, metadata),
		.of = &message_metadata_fields },
	{ "ttl", FIELD_NUMBER, true, AT(challenge_request, ttl_s) },
	{ "udp_enabled", FIELD_BOOL, true, AT(challenge_request, udp_enabled) },
	{ "tcp_enabled", FIELD_BOOL, true, AT(challenge_request, tcp_enabled) },
	{ "hop_token", FIELD_CHARS, true, AT(challenge_request, hop_token) },
	{ "route_hostname", FIELD_CHARS, true, AT(challenge_request, route_hostname) },
	{ "hostname_hash", FIELD_CHARS, true, AT(challenge_request, hostname_hash) },
	{ "ech_config_list", FIELD_CHARS, true, AT(challenge_request, ech_config_list) },
};

const struct field_table message_challenge_request_fields =
	FIELD_TABLE_OF(struct message_challenge_request, challenge_request_rows);

static const struct field challenge_rows[] = {
	{ "challenge_id", FIELD_CHARS, AT(challenge, challenge_id) },
	{ "expires_at", FIELD_TIME, AT(challenge, expires_at) },
	{ "siwe_message", FIELD_CHARS, AT(challenge, siwe_message) },
};

const struct field_table message_challenge_fields =
	FIELD_TABLE_OF(struct message_challenge, challenge_rows);

static const struct field register_rows[] = {
	{ "challenge_id", FIELD_CHARS, AT(register_request, challenge_id) },
	{ "siwe_message", FIELD_CHARS, AT(register_request, siwe_message) },
	{ "siwe_signature", FIELD_CHARS, AT(register_request, siwe_signature) },
	{ "reported_ip", FIELD_CHARS, true, AT(register_request, reported_ip) },
};

const struct field_table message_register_request_fields =
	FIELD_TABLE_OF(struct message_register_request, register_rows);

static const struct field lease_rows[] = {
	{ "identity", FIELD_TABLE, AT(lease, identity), .of = &identity_fields },
	{ "expires_at", FIELD_TIME, AT(lease, expires_at) },
	{ "access_token", FIELD_CHARS, AT(lease, access_token) },
	{ "sni_port", FIELD_NUMBER, true, AT(lease, sni_port) },
	{ "udp_enabled", FIELD_BOOL, true, AT(lease, udp_enabled) },
	{ "udp_addr", FIELD_CHARS, true, AT(lease, udp_addr) },
	{ "tcp_enabled", FIELD_BOOL, true, AT(lease, tcp_enabled) },
	{ "tcp_addr", FIELD_CHARS, true, AT(lease, tcp_addr) },
};

const struct field_table message_lease_fields = FIELD_TABLE_OF(struct message_lease,
	lease_rows);

static const struct field renew_rows[] = {
	{ "access_token", FIELD_CHARS, AT(renew_request, access_token) },
	{ "ttl", FIELD_NUMBER, true, AT(renew_request, ttl_s) },
	{ "reported_ip", FIELD_CHARS, true, AT(renew_request, reported_ip) },
	{ "metadata", FIELD_TABLE, AT(renew_request, metadata),
		.of = &message_metadata_fields },
};

const struct field_table message_renew_request_fields =
	FIELD_TABLE_OF(struct message_renew_request, renew_rows);

static const struct field renewal_rows[] = {
	{ "expires_at", FIELD_TIME, AT(renewal, expires_at) },
	{ "access_token", FIELD_CHARS, AT(renewal, access_token) },
};

const struct field_table message_renewal_fields = FIELD_TABLE_OF(struct message_renewal,
	renewal_rows);

static const struct field unregister_rows[] = {
	{ "access_token", FIELD_CHARS, AT(unregister_request, access_token) },
};

const struct field_table message_unregister_request_fields =
	FIELD_TABLE_OF(struct message_unregister_request, unregister_rows);
