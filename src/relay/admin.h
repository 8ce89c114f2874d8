/*
 * The API for administrators: they sign in with a wallet, list all leases, and set
 * policy. portal-protocol 16.3. The page /admin does so in a browser.
 *
 * A change needs a session, and a page of this relay: a call with the Origin of another
 * site is refused. The relay's own address is always an administrator. A call over the
 * admin socket (relay/admin_socket.h) needs no session; its administrator is ADMIN_LOCAL.
 */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

#include "tunnel/portal/envelope.h"
#include "tunnel/portal/identity.h"

struct relay;

#define ADMIN_BODY_MAX 65536
#define ADMIN_COOKIE "portal_admin"
#define ADMIN_LOCAL "local administrator"

/* Makes r->wallet; wallet_free() ends it. ERR_SYNTAX: an address in the options is
 * malformed. */
enum err admin_open(struct relay *r, struct why *why) MUST_USE;

/* The options have changed. An error leaves the previous list. */
enum err admin_reload(struct relay *r, struct why *why) MUST_USE;

extern const struct api_table admin_table;         /* admin.c: signing in, the page */
extern const struct api_table admin_rule_table;    /* admin_rule.c: leases and policy */
extern const struct api_table admin_status_table;  /* admin_status.c */
extern const struct api_table admin_unknown_table; /* admin.c: all other paths: last */

#define ADMIN_TABLES \
	&admin_table, &admin_rule_table, &admin_status_table, &admin_unknown_table

/* ---- for the operations ---- */

#define ADMIN_WITH_BODY .envelope = &admin_envelope, .body_max = ADMIN_BODY_MAX

/* The call's caller is the administrator's name. */
extern const struct api_authority administrator;
extern const struct api_envelope admin_envelope;

/* The identity in the first two parts of the path. False: malformed; @call is refused. */
bool admin_parse_identity(struct api_call *call, char key[IDENTITY_KEY_SIZE]) MUST_USE;

#endif
