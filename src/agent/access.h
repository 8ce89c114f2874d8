/*
 * Who may use a tunnel: visitors with a password (HTTP Basic, RFC 7617) or a token
 * (Bearer, RFC 6750). Then the tunnel speaks HTTP only. The credential is not forwarded.
 */
#ifndef AGENT_ACCESS_H
#define AGENT_ACCESS_H

#include "base/buf.h"
#include "text/field.h"

#define ACCESS_TEXT_MAX 512

/* Both may be given: one of them is enough then. Owned texts, NULL when not given. */
struct access {
	char *basic;  /* "name:password" */
	char *bearer; /* a token */
};

/* Of a struct access: as a table, and with longer names among others. */
extern const struct field_table access_fields, access_flag_fields;

/* Is a credential needed? */
bool access_is_set(const struct access *a);

/* True: the value of Authorization has one of the credentials. */
bool access_admits(const struct access *a, struct span authorization);

/* Appends the header lines of a 401, for a tunnel called @name, which is a host. */
void access_put_challenge(const struct access *a, const char *name, struct buf *out);

/* ERR_NOMEM: @to is empty. access_fini() it. */
enum err access_copy(const struct access *from, struct access *to) MUST_USE;
void access_fini(struct access *a);

#endif
