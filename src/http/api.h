/*
 * An API: a table of operations, and calls of them. A request is matched with a row of
 * the table; the authority of its caller is checked; its body is read by the row's field
 * table; then the row's function answers it. A row has everything about its operation.
 * http/openapi.h describes the table to programs.
 *
 * Some operations are answered by the thread that has read the request, others by
 * another thread, to which the API's owner sends calls.
 */
#ifndef HTTP_API_H
#define HTTP_API_H

#include <stdatomic.h>

#include "base/buf.h"
#include "http/server.h"
#include "loop/loop.h"
#include "text/field_json.h"

#define API_ANSWER_MAX (8u << 20)
#define API_BODY_MAX ((size_t)256 * 1024) /* of an operation without its own bound */
#define API_CALLS_MAX 4096                /* at the other thread at one time */
#define API_HEADERS_MAX 1024
#define API_PARTS_MAX 4

struct api_call;

/* The right that a caller of an operation needs. */
struct api_authority {
	const char *name;
	const char *meaning; /* the required credential, for the description */
	/* The place of the credential, "header" or "cookie", and its name. NULL: there is
	 * none. */
	const char *in, *key;
	/* False: the call has been refused and answered. */
	bool (*check)(void *context, struct api_call *call);
	/* Releases the call's holder after a successful check; or NULL. */
	void (*release)(struct api_call *call);
};

extern const struct api_authority api_anyone;

/* Faults of a call that are found before its function is called. */
enum api_fault {
	API_NOT_FOUND,
	API_METHOD_NOT_ALLOWED,
	API_BODY_TOO_LONG,
	API_BODY_MALFORMED, /* the error says more */
	API_BUSY,
	API_NO_ROOM, /* for the response */
};

/* The common form of an API's responses. */
struct api_envelope {
	/* Writes @object, a struct of @fields; both may be NULL. */
	enum err (*put)(const struct field_table *fields, const void *object,
		struct buf *out);
	/* Answers the call with an error. */
	void (*refuse)(struct api_call *call, enum api_fault fault, enum err rc,
		const struct why *why);
	/* The member that has the object, beside "ok"; NULL: the object has no
	 * envelope. */
	const char *member;
};

struct api_operation {
	const char *method; /* NULL: any; HEAD is a GET */

	/*
	 * Such as "/tunnel/status". A segment "*" matches any segment, which becomes the
	 * next of the call's parts, not decoded. A last segment "**" matches any rest. A
	 * path that ends in '/' also matches without that '/'.
	 */
	const char *path;
	const struct api_authority *authority; /* without one, the API does not open */

	/* Answers the call. If @is_at_once, it may do so later. */
	void (*fn)(void *context, struct api_call *call);

	/* Called before the body is read. False: the call has been refused and
	 * answered. Or NULL. */
	bool (*check)(void *context, struct api_call *call);

	const struct field_table *request, *response; /* NULL: no body; of no fields */
	const char *summary;                          /* NULL: not in the description */
	const char *query; /* the name of the parameter; or NULL */
	size_t body_max;   /* 0: API_BODY_MAX */
	const char *type;  /* of the response; NULL: the envelope's JSON */
	const struct api_envelope *envelope; /* NULL: the API's */
	unsigned status;                     /* of success; 0: 200 */
	bool is_at_once;  /* answered by the thread that has read the request */
	bool takes_over;  /* it takes the connection, so HEAD is not accepted */
	bool is_any_host; /* the Host of the request is not checked */
	bool is_own;      /* adit's own, not a part of Portal's protocol */
	/* The function reads the JSON in read_from, and refuses it; @request describes
	 * it. */
	bool reads_body;
	bool is_query_optional;
};

struct api_table {
	const struct api_operation *rows;
	unsigned count;
};

#define API_TABLE_OF(array) \
	{ \
		.rows = (array), .count = sizeof(array) / sizeof((array)[0]) \
	}

/* A body that is the same for all callers: const, and counted. Any thread. */
struct api_text {
	atomic_uint refs;
	struct buf text;
};

struct api_text *api_text_new(size_t max); /* NULL: out of memory */
struct api_text *api_text_ref(struct api_text *t);
void api_text_unref(struct api_text *t); /* NULL is fine */

/*
 * A call. A call for another thread is allocated, and owned by the thread that has
 * it. A call that is answered at once is good until its function returns.
 */
struct api_call {
	struct mail mail;        /* first */
	void *sender;            /* the owner's: gets the call back */
	struct http_exchange *x; /* of the thread that has read the request */
	void *context;           /* of the API on this thread */
	const struct api_operation *row;
	const struct api_envelope *envelope;
	struct span parts[API_PARTS_MAX];
	char allow[64]; /* methods of operations that have the path */

	/* Owned; "" if missing; the target is not decoded. NULL in a call that is
	 * answered at once, which uses http_request(). */
	char *method, *target, *host, *cookie, *origin;
	struct addr client; /* also behind a trusted proxy */
	bool is_banned;     /* the client's address is banned */
	bool is_local;      /* received on the socket for local administrators */
	bool is_again;      /* it was sent to another thread before */
	/* Common name and serial number (hexadecimal, upper case) of the client's
	 * certificate, which was checked; "": it has none. Set by admit(). */
	char client_name[65], client_serial[41];
	struct buf body; /* of a call for another thread */

	void *request;         /* a struct of the row's fields; NULL: none */
	struct span read_from; /* its JSON; good until the function returns */
	/* Set by the authority's check: the caller's name, borrowed; an object. */
	const char *caller;
	void *holder;

	unsigned status;               /* 0: not answered */
	char headers[API_HEADERS_MAX]; /* lines ending in CRLF, besides Content-Length */
	struct buf answer;
	struct api_text *text; /* a reference: the body instead of @answer; or NULL */
};

void api_call_free(struct api_call *call); /* NULL is fine */

struct api_options {
	const struct api_table *const *tables; /* the last is NULL */
	const struct api_envelope *envelope;
	void *context;       /* for functions that are called on this thread */
	const char *headers; /* lines of all responses; or NULL */

	/* Sets the client's address in @call. False: the call has been refused and
	 * answered. NULL: all are admitted. */
	bool (*admit)(void *context, struct api_call *call);

	/*
	 * Sends @call to the thread that answers it with api_answer(), and back to
	 * api_on_answer(). NULL: this thread answers it.
	 */
	void (*send)(void *context, struct api_call *call);
};

/* An API on one thread. */
struct api {
	struct api_options o;
	unsigned calls; /* at the other thread */
};

/* ERR_USAGE: an operation has no authority. */
enum err api_init(struct api *api, const struct api_options *o, struct why *why) MUST_USE;

/* For struct http_server_options; @api is a struct api. */
void api_on_request(void *api, struct http_exchange *x);

/* Calls the function of @call; matches a row first, if it has none. */
void api_answer(const struct api *api, struct api_call *call);

/* A call has come back: sends its response to the client. The caller still owns @call. */
void api_on_answer(struct api *api, struct api_call *call);

/* ---- for functions that answer at once ---- */

/* Makes a call for @x, matches and admits it. False: it has been answered. */
bool api_begin(struct api *api, struct http_exchange *x, struct api_call *call) MUST_USE;

/* Runs it, without a body. */
void api_run(struct api *api, struct api_call *call);

/* Sends the response in @call: for functions that answer later. */
void api_end(struct api *api, struct api_call *call);

/* Sends a copy of @call to the other thread, as a call of @row, with @body. If that is
 * not possible, @call is refused. */
void api_send(struct api *api, struct api_call *call, const struct api_operation *row,
	struct span body);

/* ---- for all functions: the request ---- */

/*
 * Decodes percent-escapes of a part of a path or a query, and '+' in a query. False: too
 * long, or malformed.
 */
enum api_part { API_PATH, API_QUERY };
bool api_decode(struct span text, enum api_part part, char *to, size_t size) MUST_USE;

/* The value of @key in the query, decoded. False: it is not there, or too long. */
bool api_query(const struct api_call *call, const char *key, char *to,
	size_t size) MUST_USE;

/* ---- responses ---- */

/* Answers with the row's status, and @object, a struct of its response fields; or
 * NULL. */
void api_reply(struct api_call *call, const void *object);

/* Answers with the JSON in @call->answer. @rc: an error if there was no room for it. */
void api_reply_json(struct api_call *call, unsigned status, enum err rc);

/* Answers with a copy of @text, without an envelope. The row has its type. */
void api_reply_text(struct api_call *call, struct span text);

/* The same without a copy of @text: the call takes a reference. */
void api_reply_shared(struct api_call *call, struct api_text *text);

/* Adds a line without CRLF to the head, before or after the call is answered. */
void api_add_header(struct api_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Answers that the path is unknown, or has other methods. The function of a row "**" that
 * follows all other rows of an authority. */
void api_refuse_unknown(void *context, struct api_call *call);

#endif
