/*
 * The life of a lease in messages: a challenge is asked for and signed, which registers
 * it; it is renewed, and unregistered.
 *
 * Strings are as they came: whoever acts on them normalises and checks them first.
 */
#ifndef TUNNEL_PORTAL_MESSAGE_LEASE_H
#define TUNNEL_PORTAL_MESSAGE_LEASE_H

#include "text/base64.h"
#include "tunnel/portal/message.h"

#define MESSAGE_TTL_S 120 /* also when a request says nothing, or nothing above 0 */
#define MESSAGE_ID_MAX 64
#define MESSAGE_SIWE_MAX 4096
#define MESSAGE_SIGNATURE_MAX 160
#define MESSAGE_ECH_BYTES_MAX 4096

struct message_identity {
	char name[MESSAGE_HOST_MAX];
	char address[64];
};

/* For people who look at a list of tunnels. Kept with the lease, hence not in arrays. */
struct message_metadata {
	char *description, *owner, *thumbnail; /* owned, NULL when empty */
	struct field_list tags;
	bool hide;
};

/* ---- /sdk/register/challenge ---- */

struct message_challenge_request {
	struct message_identity identity;
	struct message_metadata metadata;
	int64_t ttl_s;
	bool udp_enabled, tcp_enabled;
	char hop_token[128];
	char route_hostname[MESSAGE_HOST_MAX];
	char hostname_hash[64];
	char ech_config_list[BASE64_TEXT_SIZE(MESSAGE_ECH_BYTES_MAX)]; /* base64 */
};

struct message_challenge {
	char challenge_id[MESSAGE_ID_MAX];
	struct timestamp expires_at;
	char siwe_message[MESSAGE_SIWE_MAX];
};

/* ---- /sdk/register ---- */

struct message_register_request {
	char challenge_id[MESSAGE_ID_MAX];
	char siwe_message[MESSAGE_SIWE_MAX];
	char siwe_signature[MESSAGE_SIGNATURE_MAX];
	char reported_ip[MESSAGE_HOST_MAX]; /* ignored unless it is an address */
};

struct message_lease {
	struct message_identity identity;
	struct timestamp expires_at;
	char access_token[MESSAGE_TOKEN_MAX];
	int64_t sni_port; /* 0: not told */
	bool udp_enabled;
	char udp_addr[MESSAGE_ADDR_MAX];
	bool tcp_enabled;
	char tcp_addr[MESSAGE_ADDR_MAX];
};

/* ---- /sdk/renew, /sdk/unregister ---- */

struct message_renew_request {
	char access_token[MESSAGE_TOKEN_MAX];
	int64_t ttl_s;
	char reported_ip[MESSAGE_HOST_MAX];
	/* replaces what the lease has, even when empty */
	struct message_metadata metadata;
};

struct message_renewal {
	struct timestamp expires_at;
	char access_token[MESSAGE_TOKEN_MAX];
};

struct message_unregister_request {
	char access_token[MESSAGE_TOKEN_MAX];
};

/* Of the structs of the same name. What has metadata is freed with field_fini(). */
extern const struct field_table message_metadata_fields;
extern const struct field_table message_challenge_request_fields;
extern const struct field_table message_challenge_fields;
extern const struct field_table message_register_request_fields;
extern const struct field_table message_lease_fields;
extern const struct field_table message_renew_request_fields;
extern const struct field_table message_renewal_fields;
extern const struct field_table message_unregister_request_fields;

#endif
