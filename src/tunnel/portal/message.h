/*
 * Messages between a client and a relay: JSON in the bodies of HTTP. A request is the
 * bare object; the reply lies in an envelope that says whether all went well.
 *
 * What is in them is told by tables (text/field_json.h), one for each struct in
 * message_domain.h, message_lease.h, message_listing.h and message_sign.h.
 */
#ifndef TUNNEL_PORTAL_MESSAGE_H
#define TUNNEL_PORTAL_MESSAGE_H

#include "text/field_json.h"
#include "tunnel/portal/message_error.h"

#define MESSAGE_PROTOCOL "7" /* both sides must say the same */

/*
 * Bodies are bounded before they are read. Others take 4 MiB of a request; the bounds of
 * its members leave no use for that, and the tree that it becomes is a stranger's to
 * choose.
 */
#define MESSAGE_BODY_MAX (256 * 1024)
#define MESSAGE_SIGN_BODY_MAX 4096
#define MESSAGE_REFUSAL_BODY_MAX 8192 /* what follows is ignored */

#define MESSAGE_HOST_MAX 256
#define MESSAGE_ADDR_MAX (MESSAGE_HOST_MAX + 8) /* host:port */
#define MESSAGE_TOKEN_MAX 4096

/* ---- requests ---- */

/* Reads @body into @out, a struct of @fields. ERR_SYNTAX, ERR_LIMIT:
 * with @why for the sender. */
enum err message_read_request(const struct field_table *fields, struct span body,
	void *out, struct why *why) MUST_USE;

enum err message_put_request(const struct field_table *fields, const void *object,
	struct buf *out) MUST_USE;

/* ---- replies ---- */

/* Why a relay said no, in its own words: not fit for a terminal. */
struct message_refusal {
	unsigned status;
	char code[64]; /* "" when the body was no envelope */
	char text[512];
};

/* @fields may be NULL: the reply has nothing to say. */
enum err message_put_reply(const struct field_table *fields, const void *object,
	struct buf *out) MUST_USE;

/* For a reply that no fields describes: one value is put between the two. */
void message_open_reply(struct json_writer *w, struct buf *out);
enum err message_close_reply(struct json_writer *w) MUST_USE;

/* Goes with the status message_error_status(@error). */
enum err message_put_refusal(enum message_error error, const char *text,
	struct buf *out) MUST_USE;

/*
 * Reads what came with @status into @out, a struct of @fields; both may be NULL.
 * ERR_DENIED: the relay refuses, @refusal says why, and @why too, for a person.
 * ERR_SYNTAX, ERR_LIMIT: it does not, but its words make no sense.
 */
enum err message_read_reply(unsigned status, struct span body,
	const struct field_table *fields, void *out, struct message_refusal *refusal,
	struct why *why) MUST_USE;

/* For replies that are not in an envelope: ERR_DENIED, with the body of a failed one. */
enum err message_read_refusal(unsigned status, struct span body,
	struct message_refusal *refusal, struct why *why);

/* Says @refusal in @why. Returns ERR_DENIED. */
enum err message_refused(const struct message_refusal *refusal, struct why *why);

#endif
