/*
 * The relay's API: a table of operations over calls that data workers have read.
 * portal-protocol 2. All of it is on the control worker.
 */
#ifndef RELAY_API_H
#define RELAY_API_H

#include "relay/api_call.h"
#include "tunnel/portal/message.h"

#define API_ANSWER_MAX (8u << 20)
#define API_PARTS_MAX 4

struct relay;

/* Answers @call, whatever it asks for, from the relay's tables. */
void api_handle(struct relay *r, struct api_call *call);

struct api_operation {
	const char *method; /* NULL: any; HEAD is a GET */

	/*
	 * "/tunnel/status". A segment "*" is any one, and comes as the next of @parts, as
	 * the call has it; a last "**" is whatever follows. With a '/' at its end the
	 * path may be asked for with or without that.
	 */
	const char *path;

	/* Answers the call, with one of those below. */
	void (*fn)(struct relay *r, struct api_call *call, const struct span *parts);
};

struct api_table {
	const struct api_operation *rows;
	unsigned count;

	/* Asked when no table has the operation. True: it has answered. May be NULL. */
	bool (*refuses)(struct relay *r, struct api_call *call);
};

#define API_TABLE_OF(array) \
	{ \
		.rows = (array), .count = sizeof(array) / sizeof((array)[0]) \
	}

extern const struct api_table api_lease_table; /* api_lease.c */
extern const struct api_table api_about_table; /* api_about.c */
extern const struct api_table api_page_table;  /* api_page.c */

/* ---- what is asked ---- */

/* Reads the body as @fields has it. False: it is none, and the call is answered. */
bool api_read(struct api_call *call, const struct field_table *fields,
	void *out) MUST_USE;

/*
 * A piece of a path or a query, "%2f" and in a query '+' being what they stand for.
 * False: too long, or not so.
 */
enum api_part { API_PATH, API_QUERY };
bool api_decode(struct span text, enum api_part part, char *to, size_t size) MUST_USE;

/* The value of @key in the query, decoded. False: it is not there, or too long. */
bool api_query(const struct api_call *call, const char *key, char *to,
	size_t size) MUST_USE;

/* ---- answers ---- */

/* An envelope with @object in it, as @fields has it; both may be NULL. */
void api_reply(struct api_call *call, unsigned status, const struct field_table *fields,
	const void *object);

/* The same for what no fields describes: one value is put between the two. */
void api_open_reply(struct api_call *call, struct json_writer *w);
void api_close_reply(struct api_call *call, unsigned status, struct json_writer *w);

void api_refuse(struct api_call *call, enum message_error error, const char *text);

/* No envelope. @text is copied. */
void api_reply_text(struct api_call *call, unsigned status, const char *type,
	struct span text);

/* The same, and @text is not copied: the call has a reference. */
void api_reply_shared(struct api_call *call, unsigned status, const char *type,
	struct api_text *text);

/* Adds a line to the answer's head; it has no CRLF in it. Before or after the answer. */
void api_add_header(struct api_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The site that a wallet is asked to sign in to: the host that was asked for. */
const char *api_domain(const struct relay *r, const struct api_call *call);

#endif
