/*
 * Messages between a client and a relay: JSON in the bodies of HTTP. A request is an
 * object; a reply is in an envelope that has either its data or an error with a code.
 * Replies to /v1/sign are in no envelope.
 *
 * Tables (text/field_json.h) describe the structs. Strings are as they were received:
 * the receiver normalises and checks them.
 */
#ifndef TUNNEL_PORTAL_MESSAGE_H
#define TUNNEL_PORTAL_MESSAGE_H

#include "crypto/sign_key.h"
#include "text/base64.h"
#include "text/field_json.h"

#define MESSAGE_PROTOCOL "7" /* both sides must send the same */

/*
 * Bodies are bounded before they are read. Stock relays take requests of 4 MiB; the
 * bounds of the members leave no use for that, and parsing costs memory.
 */
#define MESSAGE_BODY_MAX (256 * 1024)
#define MESSAGE_SIGN_BODY_MAX 4096
#define MESSAGE_REFUSAL_BODY_MAX 8192 /* the rest is ignored */

#define MESSAGE_HOST_MAX 256
#define MESSAGE_ADDR_MAX (MESSAGE_HOST_MAX + 8) /* host:port */
#define MESSAGE_TOKEN_MAX 4096
#define MESSAGE_TTL_S 120 /* also when a request has none, or 0 or less */
#define MESSAGE_ID_MAX 64
#define MESSAGE_SIWE_MAX 4096
#define MESSAGE_SIGNATURE_MAX 160
#define MESSAGE_ECH_BYTES_MAX 4096
#define MESSAGE_RELEASE_MAX 64
#define MESSAGE_RELEASE_ADIT "adit/"  /* begins the release of an adit relay */
#define MESSAGE_SIGN_KEY "relay-cert" /* the only key */
#define MESSAGE_SIGN_SKEW_S 30
#define MESSAGE_SIGN_NONCE_BYTES 16

/* ---- error codes ---- */

enum message_error {
	MESSAGE_INVALID_JSON,
	MESSAGE_INVALID_REQUEST,
	MESSAGE_INVALID_MODE,
	MESSAGE_INVALID_ADDRESS,
	MESSAGE_INVALID_IP,
	MESSAGE_SIGNED_OUT,   /* "unauthorized", 401: sign in first */
	MESSAGE_UNAUTHORIZED, /* "unauthorized", 403: a bad token or signature */
	MESSAGE_IP_BANNED,
	MESSAGE_LEASE_REJECTED,
	MESSAGE_UDP_DISABLED,
	MESSAGE_TCP_PORT_DISABLED,
	MESSAGE_NOT_FOUND,
	MESSAGE_LEASE_NOT_FOUND,
	MESSAGE_METHOD_NOT_ALLOWED,
	MESSAGE_HOSTNAME_CONFLICT,
	MESSAGE_TRANSPORT_MISMATCH,
	MESSAGE_RATE_LIMITED,
	MESSAGE_INTERNAL,
	MESSAGE_HIJACK_UNSUPPORTED,
	MESSAGE_HIJACK_FAILED,
	MESSAGE_FEATURE_UNAVAILABLE,
	MESSAGE_UDP_CAPACITY_EXCEEDED,
	MESSAGE_TCP_PORT_CAPACITY_EXCEEDED,
	MESSAGE_UDP_PORT_EXHAUSTED,
	MESSAGE_TCP_PORT_EXHAUSTED,
	MESSAGE_HTTP11_ONLY,
};

const char *message_error_code(enum message_error error);
unsigned message_error_status(enum message_error error);

/* True: a client that registers does not try again after a refusal with @code. */
bool message_error_is_final(const char *code);

/* ---- requests ---- */

/*
 * Reads @body into @out, a struct of @fields. ERR_SYNTAX, ERR_LIMIT: @why is for the
 * sender.
 */
enum err message_read_request(const struct field_table *fields, struct span body,
	void *out, struct why *why) MUST_USE;

enum err message_put_request(const struct field_table *fields, const void *object,
	struct buf *out) MUST_USE;

/* ---- replies ---- */

/* Why a relay refuses, in its own words: to be quoted before it is shown. */
struct message_refusal {
	unsigned status;
	char code[64]; /* "" when the body was no envelope */
	char text[512];
};

/* @fields may be NULL: the data is an empty object. */
enum err message_put_reply(const struct field_table *fields, const void *object,
	struct buf *out) MUST_USE;

/* The body for the status message_error_status(@error). */
enum err message_put_refusal(enum message_error error, const char *text,
	struct buf *out) MUST_USE;

/*
 * Reads what came with @status into @out, a struct of @fields; both may be NULL.
 * ERR_DENIED: the relay refuses; the reason is in @refusal, and in @why for a person.
 * ERR_SYNTAX, ERR_LIMIT: the body of a success is malformed or too long.
 */
enum err message_read_reply(unsigned status, struct span body,
	const struct field_table *fields, void *out, struct message_refusal *refusal,
	struct why *why) MUST_USE;

/* Reads the body of a failure, with or without an envelope. Returns ERR_DENIED. */
enum err message_read_refusal(unsigned status, struct span body,
	struct message_refusal *refusal, struct why *why);

/* ---- /sdk/domain and /tunnel/status ---- */

/* Only web pages use it. */
struct message_ens {
	bool enabled, verified;
};

struct message_domain {
	char protocol_version[16]; /* any but MESSAGE_PROTOCOL is an error */
	char release_version[MESSAGE_RELEASE_MAX];
	struct message_ens ens;
};

struct message_tunnel_status {
	char hostname[MESSAGE_HOST_MAX];
	bool registered;
	bool service_alive; /* there is an idle reverse session */
};

/* ---- leases ---- */

struct message_identity {
	char name[MESSAGE_HOST_MAX];
	char address[64];
};

/* Shown in lists of tunnels. It is kept with the lease, hence not in arrays. */
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
	int64_t sni_port; /* 0: unknown */
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

/* ---- lists of leases, with the keys that stock pages use ---- */

struct message_public_lease {
	char name[MESSAGE_HOST_MAX];
	struct timestamp expires_at, first_seen_at, last_seen_at;
	char hostname[MESSAGE_HOST_MAX];
	bool udp_enabled, tcp_enabled;
	char tcp_addr[MESSAGE_ADDR_MAX];
	struct message_metadata metadata; /* may be borrowed for writing */
	int64_t ready;                    /* idle reverse sessions */
};

struct message_admin_lease {
	struct message_public_lease lease;
	char identity_key[2 * MESSAGE_HOST_MAX];
	char address[64];
	int64_t bytes_per_s; /* 0: no limit */
	char client_ip[64];
	char reported_ip[64];
	bool is_approved, is_banned, is_denied, is_ip_banned;
};

/* ---- /v1/sign: the relay signs the digest of a visitor's handshake ---- */

struct message_sign_request {
	char key_id[64];
	char algorithm[32];
	char digest[BASE64_TEXT_SIZE(SIGN_DIGEST_MAX)];
	int64_t timestamp_unix;
	char nonce[128];
};

struct message_signature {
	char key_id[64];
	char algorithm[32];
	char signature[BASE64_TEXT_SIZE(SIGN_SIGNATURE_MAX)]; /* base64 */
};

/*
 * Checks a request against the clock. What is wrong is in @why, for the sender.
 * ERR_NOENT: there is no such key, status 403.  ERR_SYNTAX, ERR_TIMEOUT: status 400.
 */
enum err message_sign_request_check(const struct message_sign_request *request,
	int64_t now_unix, struct sign_order *out, struct why *why) MUST_USE;

/* Fills a request. @nonce is random. */
void message_sign_request_fill(const struct sign_order *order, int64_t now_unix,
	const uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES], struct message_sign_request *out);

/* ERR_LIMIT: @signature is longer than any algorithm makes. */
enum err message_put_signature(enum sign_algorithm algorithm, struct span signature,
	struct buf *out) MUST_USE;
enum err message_put_sign_refusal(const char *text, struct buf *out) MUST_USE;

/*
 * Reads the reply to @order; @n bytes of signature are written to @signature.
 * ERR_DENIED: refused, the reason is in @refusal and @why.  ERR_PROTO: made with another
 * key or algorithm.  ERR_SYNTAX, ERR_LIMIT: malformed, or too long.
 */
enum err message_read_signature(unsigned status, struct span body,
	const struct sign_order *order, struct mspan signature, size_t *n,
	struct message_refusal *refusal, struct why *why) MUST_USE;

/* Of the structs of the same name. What has metadata is freed with field_fini(). */
extern const struct field_table message_metadata_fields;
extern const struct field_table message_challenge_request_fields;
extern const struct field_table message_challenge_fields;
extern const struct field_table message_register_request_fields;
extern const struct field_table message_lease_fields;
extern const struct field_table message_renew_request_fields;
extern const struct field_table message_renewal_fields;
extern const struct field_table message_unregister_request_fields;
extern const struct field_table message_domain_fields;
extern const struct field_table message_tunnel_status_fields;
extern const struct field_table message_public_lease_fields;
extern const struct field_table message_admin_lease_fields;
extern const struct field_table message_sign_request_fields;
extern const struct field_table message_signature_fields;

#endif
