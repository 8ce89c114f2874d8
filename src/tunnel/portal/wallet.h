/*
 * Sign-in with a wallet: a browser signs a challenge and gets a session, as a cookie.
 * portal-protocol 15.6.
 *
 * Challenges and sessions are in memory only, and bounded: the oldest session is replaced
 * by a new one. A challenge ends with a success, or after two minutes; a session after a
 * day, or when its address is not allowed any more.
 */
#ifndef TUNNEL_PORTAL_WALLET_H
#define TUNNEL_PORTAL_WALLET_H

#include "net/addr.h"
#include "tunnel/portal/address.h"
#include "tunnel/portal/message.h"

#define WALLET_SESSIONS_MAX 64
#define WALLET_SESSION_S 86400
#define WALLET_COOKIE_MAX 256

struct wallet;

/* Strings are borrowed: they outlive the wallet. */
struct wallet_options {
	const char *statement, *path; /* of the texts that are signed */
	const char *cookie_name, *cookie_path;
	bool is_plain; /* served by http, not https */
	bool is_open;  /* an empty list of addresses allows all, else none */
};

enum err wallet_new(const struct wallet_options *o, struct wallet **out) MUST_USE;
void wallet_free(struct wallet *w); /* NULL is fine */

/*
 * Replaces the list of allowed addresses; sessions of others end. Addresses need not be
 * canonical. ERR_SYNTAX: one is not an address.  ERR_NOMEM.  The old list stays then.
 */
enum err wallet_allow(struct wallet *w, const char *const *addresses, unsigned count,
	struct why *why) MUST_USE;

/* ---- messages; the reply to the first is a message_challenge ---- */

struct wallet_challenge_request {
	char address[64];
};

struct wallet_login_request {
	char challenge_id[MESSAGE_ID_MAX];
	char siwe_message[MESSAGE_SIWE_MAX];
	char siwe_signature[MESSAGE_SIGNATURE_MAX];
};

extern const struct field_table wallet_challenge_request_fields;
extern const struct field_table wallet_login_request_fields;

/*
 * @domain is the host that is signed in to, with its port; bounds are for each @client.
 * ERR_SYNTAX: not an address, or not a host.  ERR_DENIED: not on the list.
 * ERR_LIMIT: that client has too many challenges.  ERR_NOMEM.
 */
enum err wallet_challenge(struct wallet *w, const struct wallet_challenge_request *req,
	const char *domain, const struct addr *client, struct message_challenge *out,
	struct why *why) MUST_USE;

struct wallet_login {
	char address[ADDRESS_TEXT_SIZE];
	char cookie[WALLET_COOKIE_MAX]; /* the value of Set-Cookie */
};

/*
 * ERR_NOENT: the challenge is unknown or has expired.  ERR_CRYPTO: not signed by its
 * address, or another text.  ERR_DENIED: not on the list any more.
 */
enum err wallet_login(struct wallet *w, const struct wallet_login_request *req,
	struct wallet_login *out, struct why *why) MUST_USE;

/* The address of the session in the header Cookie, or NULL. Good until the next call. */
const char *wallet_address(struct wallet *w, const char *cookies);

/* Ends that session, if there is one. @cookie is the value of Set-Cookie for it. */
void wallet_logout(struct wallet *w, const char *cookies, char cookie[WALLET_COOKIE_MAX]);

/* Drops what has expired; to be called from time to time. */
void wallet_sweep(struct wallet *w);

#endif
