/* The parts of an agent's control API. */
#ifndef AGENT_CONTROL_PRIV_H
#define AGENT_CONTROL_PRIV_H

#include "agent/agent_priv.h"
#include "agent/control.h"
#include "http/api.h"
#include "tunnel/portal/wallet.h"

#define CONTROL_COOKIE "portal_agent"
#define CONTROL_BODY_MAX 8192 /* portal-protocol 15.4 */

struct control {
	struct agent *agent; /* borrowed: it owns us */
	struct api api, local_api;
	struct http_server *http, *local_http;
	struct local_socket *socket;
	struct wallet *wallet;
	struct addr at; /* where it listens */
	char token[CONTROL_TOKEN_MAX];
	struct buf removed;     /* the text of the tunnel that was removed last */
	unsigned removed_index; /* where it was */
	char *endpoint;         /* the path of the file; NULL before it exists */
};

/* Requests with the token, or from the Unix socket. */
extern const struct api_authority control_bearer;
/* The same, or a session of a wallet, which is the call's caller. */
extern const struct api_authority control_reader;
extern const struct api_envelope control_envelope;

/* The tables of operations: signing in, reading, and changing. */
extern const struct api_table control_auth_table, control_status_table,
	control_edit_table, control_relays_table, control_links_table, control_log_table,
	control_metrics_table;

/* Refuses with 400 invalid_request. */
void control_refuse(struct api_call *call, const struct why *why);

/* ---- operations that change something ---- */

/* The response of them all. */
extern const struct field_table control_accepted_fields;

/* The first members of their rows. */
#define CONTROL_CHANGE(method, path, function, words) \
	method, "/v1/agent/" path, &control_bearer, function, \
		.response = &control_accepted_fields, .summary = words, .status = 202, \
		.body_max = CONTROL_BODY_MAX, .is_at_once = true

/* Answers: it is accepted, or refused with @why. */
void control_finish(struct api_call *call, enum err rc, const struct why *why);

/* Is @text the URL of a relay, which goes to @url? ERR_SYNTAX, ERR_LIMIT. */
enum err control_relay(const char *text, char url[URL_TEXT_MAX],
	struct why *why) MUST_USE;

/* The tunnel in the path, whose id goes to @id. NULL: the call was refused. */
struct agent_tunnel *control_tunnel(struct control *c, struct api_call *call,
	char id[AGENT_ID_MAX]);

#endif
