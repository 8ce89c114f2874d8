/*
 * The API for administrators: they sign in with a wallet, see all leases, and say who may
 * use the relay. portal-protocol 16.3. The page /admin does so
 * in a browser.
 *
 * Who changes something must have a session, and come from a page of ours: a call with
 * another site's Origin is refused. The relay's own address may always come in. A call
 * over the admin socket (relay/admin_socket.h) needs no session; its administrator is
 * ADMIN_LOCAL.
 */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

#include "serve/lease/envelope.h"

struct relay;

#define ADMIN_BODY_MAX 65536
#define ADMIN_COOKIE "portal_admin"
#define ADMIN_LOCAL "local administrator"

/* Makes r->wallet; wallet_free() ends it. ERR_SYNTAX:
 * an address in the options is none. */
enum err admin_open(struct relay *r, struct why *why) MUST_USE;

/* The options have changed. What is wrong leaves the old list. */
enum err admin_reload(struct relay *r, struct why *why) MUST_USE;

extern const struct api_table admin_table;         /* admin.c: signing in */
extern const struct api_table admin_rule_table;    /* admin_rule.c: what may be said */
extern const struct api_table admin_status_table;  /* admin_status.c: how the relay is */
extern const struct api_table admin_page_table;    /* admin_page.c: "/admin" */
extern const struct api_table admin_unknown_table; /* admin.c: the rest, so the last */

#define ADMIN_TABLES \
	&admin_table, &admin_rule_table, &admin_status_table, &admin_page_table, \
		&admin_unknown_table

/* ---- for the operations ---- */

#define ADMIN_WITH_BODY .envelope = &admin_envelope, .body_max = ADMIN_BODY_MAX

/* The call has the administrator's name. */
extern const struct api_authority administrator;
extern const struct api_envelope admin_envelope;

/* What an operation of policy came to; on success the answer is an empty object. */
void admin_end(struct api_call *call, enum err rc, const struct why *why);

/*
 * The identity that two pieces of a path name. False: they name none; @error and @text
 * say why.
 */
bool admin_parse_identity(const struct span *parts, char *key, size_t size,
	enum message_error *error, const char **text) MUST_USE;

#endif
