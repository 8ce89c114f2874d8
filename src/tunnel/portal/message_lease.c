/* The life of a lease in messages. */
#include "tunnel/portal/message_lease.h"

#define DESCRIPTION_MAX 4096
#define OWNER_MAX 1024
#define THUMBNAIL_MAX 65536 /* an address, or the picture itself as one */
#define TAG_MAX 128
#define TAGS_MAX 64

static const struct shape_field identity_fields[] = {
	{ "name", SHAPE_TEXT, SHAPE_AT(struct message_identity, name) },
	{ "address", SHAPE_TEXT, SHAPE_AT(struct message_identity, address) },
};

static const struct shape identity_shape = SHAPE_OF(struct message_identity,
	identity_fields);

#define METADATA_AT(member) .at = offsetof(struct message_metadata, member)

static const struct shape_field metadata_fields[] = {
	{ "description", SHAPE_OWNED, true, METADATA_AT(description),
		.bytes = DESCRIPTION_MAX },
	{ "owner", SHAPE_OWNED, true, METADATA_AT(owner), .bytes = OWNER_MAX },
	{ "thumbnail", SHAPE_OWNED, true, METADATA_AT(thumbnail),
		.bytes = THUMBNAIL_MAX },
	{ "tags", SHAPE_LIST, true, METADATA_AT(tags), .bytes = TAG_MAX,
		.count = TAGS_MAX },
	{ "hide", SHAPE_FLAG, true, METADATA_AT(hide) },
};

const struct shape message_metadata_shape = SHAPE_OF(struct message_metadata,
	metadata_fields);

static const struct shape_field challenge_request_fields[] = {
	{ "identity", SHAPE_OBJECT, SHAPE_AT(struct message_challenge_request, identity),
		.of = &identity_shape },
	{ "metadata", SHAPE_OBJECT, SHAPE_AT(struct message_challenge_request, metadata),
		.of = &message_metadata_shape },
	{ "ttl", SHAPE_NUMBER, true, SHAPE_AT(struct message_challenge_request, ttl_s) },
	{ "udp_enabled", SHAPE_FLAG, true,
		SHAPE_AT(struct message_challenge_request, udp_enabled) },
	{ "tcp_enabled", SHAPE_FLAG, true,
		SHAPE_AT(struct message_challenge_request, tcp_enabled) },
	{ "hop_token", SHAPE_TEXT, true,
		SHAPE_AT(struct message_challenge_request, hop_token) },
	{ "route_hostname", SHAPE_TEXT, true,
		SHAPE_AT(struct message_challenge_request, route_hostname) },
	{ "hostname_hash", SHAPE_TEXT, true,
		SHAPE_AT(struct message_challenge_request, hostname_hash) },
	{ "ech_config_list", SHAPE_TEXT, true,
		SHAPE_AT(struct message_challenge_request, ech_config_list) },
};

const struct shape message_challenge_request_shape =
	SHAPE_OF(struct message_challenge_request, challenge_request_fields);

static const struct shape_field challenge_fields[] = {
	{ "challenge_id", SHAPE_TEXT, SHAPE_AT(struct message_challenge, challenge_id) },
	{ "expires_at", SHAPE_TIME, SHAPE_AT(struct message_challenge, expires_at) },
	{ "siwe_message", SHAPE_TEXT, SHAPE_AT(struct message_challenge, siwe_message) },
};

const struct shape message_challenge_shape = SHAPE_OF(struct message_challenge,
	challenge_fields);

static const struct shape_field register_fields[] = {
	{ "challenge_id", SHAPE_TEXT,
		SHAPE_AT(struct message_register_request, challenge_id) },
	{ "siwe_message", SHAPE_TEXT,
		SHAPE_AT(struct message_register_request, siwe_message) },
	{ "siwe_signature", SHAPE_TEXT,
		SHAPE_AT(struct message_register_request, siwe_signature) },
	{ "reported_ip", SHAPE_TEXT, true,
		SHAPE_AT(struct message_register_request, reported_ip) },
};

const struct shape message_register_request_shape =
	SHAPE_OF(struct message_register_request, register_fields);

static const struct shape_field lease_fields[] = {
	{ "identity", SHAPE_OBJECT, SHAPE_AT(struct message_lease, identity),
		.of = &identity_shape },
	{ "expires_at", SHAPE_TIME, SHAPE_AT(struct message_lease, expires_at) },
	{ "access_token", SHAPE_TEXT, SHAPE_AT(struct message_lease, access_token) },
	{ "sni_port", SHAPE_NUMBER, true, SHAPE_AT(struct message_lease, sni_port) },
	{ "udp_enabled", SHAPE_FLAG, true, SHAPE_AT(struct message_lease, udp_enabled) },
	{ "udp_addr", SHAPE_TEXT, true, SHAPE_AT(struct message_lease, udp_addr) },
	{ "tcp_enabled", SHAPE_FLAG, true, SHAPE_AT(struct message_lease, tcp_enabled) },
	{ "tcp_addr", SHAPE_TEXT, true, SHAPE_AT(struct message_lease, tcp_addr) },
};

const struct shape message_lease_shape = SHAPE_OF(struct message_lease, lease_fields);

static const struct shape_field renew_fields[] = {
	{ "access_token", SHAPE_TEXT,
		SHAPE_AT(struct message_renew_request, access_token) },
	{ "ttl", SHAPE_NUMBER, true, SHAPE_AT(struct message_renew_request, ttl_s) },
	{ "reported_ip", SHAPE_TEXT, true,
		SHAPE_AT(struct message_renew_request, reported_ip) },
	{ "metadata", SHAPE_OBJECT, SHAPE_AT(struct message_renew_request, metadata),
		.of = &message_metadata_shape },
};

const struct shape message_renew_request_shape = SHAPE_OF(struct message_renew_request,
	renew_fields);

static const struct shape_field renewal_fields[] = {
	{ "expires_at", SHAPE_TIME, SHAPE_AT(struct message_renewal, expires_at) },
	{ "access_token", SHAPE_TEXT, SHAPE_AT(struct message_renewal, access_token) },
};

const struct shape message_renewal_shape = SHAPE_OF(struct message_renewal,
	renewal_fields);

static const struct shape_field unregister_fields[] = {
	{ "access_token", SHAPE_TEXT,
		SHAPE_AT(struct message_unregister_request, access_token) },
};

const struct shape message_unregister_request_shape =
	SHAPE_OF(struct message_unregister_request, unregister_fields);
