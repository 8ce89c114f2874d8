/*
 * Sign-in with a wallet: a challenge is signed, and what comes back is a session that a
 * browser has as a cookie. portal-protocol 15.6; for the relay's administrators and for
 * the agent's control API alike.
 *
 * Challenges and sessions are in memory only, and bounded: of too many sessions the
 * oldest goes. A challenge ends with a success, or after two minutes; a session after a
 * day, or when its address may not come in any more.
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
	bool is_open;  /* an empty list of addresses lets everybody in, else nobody */
};

enum err wallet_new(const struct wallet_options *o, struct wallet **out) MUST_USE;
void wallet_free(struct wallet *w); /* NULL is fine */

/*
 * Who may come in from now on, instead of who might before. Addresses are in form, or are
 * brought into it. Who may not has no session any more.
 * ERR_SYNTAX: one is no address.  ERR_NOMEM.  The old list stays then.
 */
enum err wallet_allow(struct wallet *w, const char *const *addresses, unsigned count,
	struct why *why) MUST_USE;

/* ---- messages; the answer to the first is message_challenge_fields's ---- */

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
 * @domain is the host that is signed in to, with its port; @client for whose bounds it
 * counts.
 * ERR_SYNTAX: no address, or no host.  ERR_DENIED: not on the list.  ERR_LIMIT: that
 * client has too many challenges.  ERR_NOMEM.
 */
enum err wallet_challenge(struct wallet *w, const struct wallet_challenge_request *req,
	const char *domain, const struct addr *client, struct message_challenge *out,
	struct why *why) MUST_USE;

struct wallet_login {
	char address[ADDRESS_TEXT_SIZE];
	char cookie[WALLET_COOKIE_MAX]; /* the value of Set-Cookie */
};

/*
 * ERR_NOENT: no such challenge, or too late.  ERR_CRYPTO: not signed by that address, or
 * another text.  ERR_DENIED: not on the list any more.
 */
enum err wallet_login(struct wallet *w, const struct wallet_login_request *req,
	struct wallet_login *out, struct why *why) MUST_USE;

/* Who has a session, by the header Cookie; NULL: nobody. Good until the next call. */
const char *wallet_who(struct wallet *w, const char *cookies);

/* Ends that session, if there is one. @cookie is the value of Set-Cookie that says so. */
void wallet_logout(struct wallet *w, const char *cookies, char cookie[WALLET_COOKIE_MAX]);

/* Drops what is over. Now and then. */
void wallet_sweep(struct wallet *w);

#endif
