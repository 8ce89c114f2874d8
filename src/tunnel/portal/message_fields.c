/* The tables of messages. */
#include "tunnel/portal/message.h"

#define DESCRIPTION_MAX 4096
#define OWNER_MAX 1024
#define THUMBNAIL_MAX 65536 /* an address, or the picture itself as one */
#define TAG_MAX 128
#define TAGS_MAX 64

#define AT(type, member) FIELD_AT(struct message_##type, member)
#define TABLE(type) FIELD_TABLE_OF(struct message_##type, type##_rows)

static const struct field ens_rows[] = {
	{ "enabled", FIELD_BOOL, AT(ens, enabled) },
	{ "verified", FIELD_BOOL, AT(ens, verified) },
};
static const struct field_table ens_fields = TABLE(ens);

static const struct field domain_rows[] = {
	{ "protocol_version", FIELD_CHARS, AT(domain, protocol_version) },
	{ "release_version", FIELD_CHARS, AT(domain, release_version) },
	{ "ens", FIELD_TABLE, AT(domain, ens), .of = &ens_fields },
};
const struct field_table message_domain_fields = TABLE(domain);

static const struct field tunnel_status_rows[] = {
	{ "hostname", FIELD_CHARS, AT(tunnel_status, hostname) },
	{ "registered", FIELD_BOOL, AT(tunnel_status, registered) },
	{ "service_alive", FIELD_BOOL, AT(tunnel_status, service_alive) },
};
const struct field_table message_tunnel_status_fields = TABLE(tunnel_status);

static const struct field identity_rows[] = {
	{ "name", FIELD_CHARS, AT(identity, name) },
	{ "address", FIELD_CHARS, AT(identity, address) },
};
static const struct field_table identity_fields = TABLE(identity);

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
const struct field_table message_metadata_fields = TABLE(metadata);

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
const struct field_table message_challenge_request_fields = TABLE(challenge_request);

static const struct field challenge_rows[] = {
	{ "challenge_id", FIELD_CHARS, AT(challenge, challenge_id) },
	{ "expires_at", FIELD_TIME, AT(challenge, expires_at) },
	{ "siwe_message", FIELD_CHARS, AT(challenge, siwe_message) },
};
const struct field_table message_challenge_fields = TABLE(challenge);

static const struct field register_request_rows[] = {
	{ "challenge_id", FIELD_CHARS, AT(register_request, challenge_id) },
	{ "siwe_message", FIELD_CHARS, AT(register_request, siwe_message) },
	{ "siwe_signature", FIELD_CHARS, AT(register_request, siwe_signature) },
	{ "reported_ip", FIELD_CHARS, true, AT(register_request, reported_ip) },
};
const struct field_table message_register_request_fields = TABLE(register_request);

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
const struct field_table message_lease_fields = TABLE(lease);

static const struct field renew_request_rows[] = {
	{ "access_token", FIELD_CHARS, AT(renew_request, access_token) },
	{ "ttl", FIELD_NUMBER, true, AT(renew_request, ttl_s) },
	{ "reported_ip", FIELD_CHARS, true, AT(renew_request, reported_ip) },
	{ "metadata", FIELD_TABLE, AT(renew_request, metadata),
		.of = &message_metadata_fields },
};
const struct field_table message_renew_request_fields = TABLE(renew_request);

static const struct field renewal_rows[] = {
	{ "expires_at", FIELD_TIME, AT(renewal, expires_at) },
	{ "access_token", FIELD_CHARS, AT(renewal, access_token) },
};
const struct field_table message_renewal_fields = TABLE(renewal);

static const struct field unregister_request_rows[] = {
	{ "access_token", FIELD_CHARS, AT(unregister_request, access_token) },
};
const struct field_table message_unregister_request_fields = TABLE(unregister_request);

static const struct field public_lease_rows[] = {
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
const struct field_table message_public_lease_fields = TABLE(public_lease);

static const struct field admin_lease_rows[] = {
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
const struct field_table message_admin_lease_fields = TABLE(admin_lease);

static const struct field sign_request_rows[] = {
	{ "key_id", FIELD_CHARS, AT(sign_request, key_id) },
	{ "algorithm", FIELD_CHARS, AT(sign_request, algorithm) },
	{ "digest", FIELD_CHARS, AT(sign_request, digest) },
	{ "timestamp_unix", FIELD_NUMBER, AT(sign_request, timestamp_unix) },
	{ "nonce", FIELD_CHARS, AT(sign_request, nonce) },
};
const struct field_table message_sign_request_fields = TABLE(sign_request);

static const struct field signature_rows[] = {
	{ "key_id", FIELD_CHARS, AT(signature, key_id) },
	{ "algorithm", FIELD_CHARS, AT(signature, algorithm) },
	{ "signature", FIELD_CHARS, AT(signature, signature) },
};
const struct field_table message_signature_fields = TABLE(signature);
