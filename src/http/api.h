/*
 * An API: a table of operations, and calls of them. A request is matched with a row of
 * the table; the authority of its caller is checked; its body is read as the row's fields
 * have it; then the row's function answers it. All that is to be known of an operation is
 * in its row. http/openapi.h describes the table to programs.
 *
 * Some operations are answered by the thread that has read the request, others by the
 * thread that the API's owner sends calls to.
 */
#ifndef HTTP_API_H
#define HTTP_API_H

#include <stdatomic.h>

#include "base/buf.h"
#include "http/server.h"
#include "loop/loop.h"
#include "text/field_json.h"

#define API_ANSWER_MAX (8u << 20)
#define API_BODY_MAX ((size_t)256 * 1024) /* of an operation that has no bound itself */
#define API_CALLS_MAX 4096                /* with the other thread at a time */
#define API_HEADERS_MAX 1024
#define API_PARTS_MAX 4

struct api_call;

/* The right that a caller of an operation needs. */
struct api_authority {
	const char *name;
	const char *meaning; /* what a caller must have */
	/* Where the credential is: "header" or "cookie", and its name. NULL: there is
	 * none. */
	const char *in, *key;
	/* False: the call is refused, and answered. */
	bool (*check)(void *context, struct api_call *call);
	/* Releases the call's holder, after a check that was true; or NULL. */
	void (*release)(struct api_call *call);
};

extern const struct api_authority api_anyone;

/* What is wrong with a call before its function sees it. */
enum api_fault {
	API_NOT_FOUND,
	API_METHOD_NOT_ALLOWED,
	API_BODY_TOO_LONG,
	API_BODY_MALFORMED, /* the error says how */
	API_BUSY,
	API_NO_ROOM, /* for the answer */
};

/* What an API's answers are wrapped in. */
struct api_envelope {
	/* Writes @object, a struct of @fields; both may be NULL. */
	enum err (*put)(const struct field_table *fields, const void *object,
		struct buf *out);
	/* Answers. */
	void (*refuse)(struct api_call *call, enum api_fault fault, enum err rc,
		const struct why *why);
	/* The member that has the object, beside "ok"; NULL: the object stands alone. */
	const char *member;
};

struct api_operation {
	const char *method; /* NULL: any; HEAD is a GET */

	/*
	 * "/tunnel/status". A segment "*" is any one, and comes as the next of the call's
	 * parts, as it was written; a last "**" is whatever follows. With a '/' at its
	 * end the path may be asked for with or without that.
	 */
	const char *path;
	const struct api_authority *authority; /* without one, the API does not open */

	/* Answers the call; an operation that is answered at once may do so later. */
	void (*fn)(void *context, struct api_call *call);

	/* What must be right before the body is looked at. False: the call is refused,
	 * and answered. Or NULL. */
	bool (*check)(void *context, struct api_call *call);

	const struct field_table *request, *response; /* NULL: no body; of no fields */
	const char *summary;                          /* NULL: it is not described */
	const char *query; /* the name of its parameter; or NULL */
	size_t body_max;   /* 0: API_BODY_MAX */
	const char *type;  /* of the answer; NULL: the envelope's JSON */
	const struct api_envelope *envelope; /* NULL: the API's */
	unsigned status;                     /* of success; 0: 200 */
	bool is_at_once;  /* answered by the thread that has read the request */
	bool takes_over;  /* it keeps the connection, so that HEAD is no GET */
	bool is_any_host; /* the Host of the request does not matter */
	bool is_own;      /* adit's, and no other program's protocol */
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
 * A call. One that goes to another thread is allocated, and owned by the thread that has
 * it; one that is answered at once is good until its function returns.
 */
struct api_call {
	struct mail mail;        /* first */
	void *sender;            /* the owner's: where the answer goes */
	struct http_exchange *x; /* of the thread that has read it */
	void *context;           /* of the API on this thread */
	const struct api_operation *row;
	const struct api_envelope *envelope;
	struct span parts[API_PARTS_MAX];
	char allow[64]; /* methods of operations that have the path */

	/* Owned, "" for what was missing; the target is as it came. NULL in a call that
	 * is answered at once: it has http_request(). */
	char *method, *target, *host, *cookie, *origin;
	struct addr client; /* behind a trusted proxy too */
	bool is_banned;     /* the client's address is */
	bool is_local;      /* it came over a socket for local administrators */
	bool is_again;      /* it has been sent to another thread before */
	struct buf body;    /* of a call that went to another thread */

	void *request; /* a struct of the row's fields; NULL: none */
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
	const struct api_table *const *tables; /* the last is NULL. Const, as all here */
	const struct api_envelope *envelope;
	void *context;       /* of the functions that are answered on this thread */
	const char *headers; /* lines that all answers get; or NULL */

	/* Fills in the client's address in @call. False: it is not for this API, and
	 * answered. NULL: all are. */
	bool (*admit)(void *context, struct api_call *call);

	/*
	 * Takes @call to the thread that answers it with api_answer(), and back to
	 * api_on_answer(). NULL: this is that thread.
	 */
	void (*send)(void *context, struct api_call *call);
};

/* An API on one thread. */
struct api {
	struct api_options o;
	unsigned calls; /* with the other thread */
};

/* ERR_USAGE: an operation has no authority. */
enum err api_init(struct api *api, const struct api_options *o, struct why *why) MUST_USE;

/* For struct http_server_options; @api is a struct api. */
void api_on_request(void *api, struct http_exchange *x);

/* Calls the function of @call, which has its row or is matched now. */
void api_answer(const struct api *api, struct api_call *call);

/* A call has come back: its answer goes to the client. @call is the caller's. */
void api_on_answer(struct api *api, struct api_call *call);

/* ---- for functions that answer at once ---- */

/* A call for @x, which is matched and admitted. False: it has been answered. */
bool api_begin(struct api *api, struct http_exchange *x, struct api_call *call) MUST_USE;

/* Runs it, without a body. */
void api_run(struct api *api, struct api_call *call);

/* Sends the answer that @call has: for functions that answer later. */
void api_end(struct api *api, struct api_call *call);

/* Sends a copy of @call to the other thread, as one of @row, with @body. If that cannot
 * be, @call is refused. */
void api_send(struct api *api, struct api_call *call, const struct api_operation *row,
	struct span body);

/* ---- for all functions: the request ---- */

/*
 * Decodes percent-escapes of a piece of a path or a query, and '+' in a query. False: too
 * long, or malformed.
 */
enum api_part { API_PATH, API_QUERY };
bool api_decode(struct span text, enum api_part part, char *to, size_t size) MUST_USE;

/* The value of @key in the query, decoded. False: it is not there, or too long. */
bool api_query(const struct api_call *call, const char *key, char *to,
	size_t size) MUST_USE;

/* ---- answers ---- */

/* The row's status, and @object, a struct of the row's response fields; or NULL. */
void api_reply(struct api_call *call, const void *object);

/* The JSON in @call->answer, unless @rc says that there was no room for it. */
void api_reply_json(struct api_call *call, unsigned status, enum err rc);

/* @text is copied, and no envelope is put around it. The row has its type. */
void api_reply_text(struct api_call *call, struct span text);

/* The same, and @text is not copied: the call has a reference. */
void api_reply_shared(struct api_call *call, struct api_text *text);

/* Adds a line to the answer's head; it has no CRLF in it. Before or after the answer. */
void api_add_header(struct api_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The path is unknown, or has other methods: the function of the row that is behind all
 * others of an authority. */
void api_refuse_unknown(void *context, struct api_call *call);

#endif
