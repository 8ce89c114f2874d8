/* What the relay's API wraps its answers in: {"ok":true,"data":…}. portal-protocol 2. */
#ifndef RELAY_ENVELOPE_H
#define RELAY_ENVELOPE_H

#include "http/api.h"
#include "tunnel/portal/message.h"

/* To the older of two agents that have one identity. */
#define ENVELOPE_REPLACED "another agent has registered with the same identity since"

struct relay;

extern const struct api_envelope relay_envelope;

void envelope_refuse(struct api_call *call, enum message_error error, const char *text);

/* For an answer that no fields describe: one value is put between the two. */
void envelope_open(struct api_call *call, struct json_writer *w);
void envelope_close(struct api_call *call, struct json_writer *w);

/* The site that a wallet is asked to sign in to: the host that was asked for. */
const char *envelope_domain(const struct relay *r, const struct api_call *call);

/* ---- the tables of operations ---- */

extern const struct api_table relay_connect_table; /* relay_request.c */
extern const struct api_table signing_table;       /* signing.c */
extern const struct api_table api_lease_table;     /* api_lease.c */
extern const struct api_table api_about_table;     /* api_about.c */
extern const struct api_table api_page_table;      /* api_page.c */

/* All of them, and the administrators'; the last is NULL. relay_request.c. */
extern const struct api_table *const relay_tables[];

/*
 * No operation of the table: a data worker sends it as a call when a reverse session has
 * come with a token whose lease it does not know. Its body is the token, and status 200
 * says that there is a lease now. api_lease.c.
 */
extern const struct api_operation lease_revival;

#endif
