/*
 * HTTP/1 messages, RFC 9110 and 9112, read without I/O: a head, a body and trailers.
 *
 * There is one reader with two sets of rules. Requests are untrusted, and may have passed
 * other proxies: what two readers might understand in two ways is refused: a bare CR or
 * LF, a folded line, white space before a colon, more than one Content-Length or Host, a
 * length beside a Transfer-Encoding, and any coding but "chunked". Responses come from
 * servers that the user chose, and are accepted as long as their meaning is clear: a bare
 * LF ends a line, folded lines are joined, white space before a colon is dropped, control
 * characters become spaces. Ambiguous framing is decided by RFC 9112 6.3 and marked.
 *
 * Heads come out in one form: what was decided on is what can be forwarded.
 */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define HTTP1_CHUNK_LINE_MAX 4096 /* bytes of the line before a chunk */

/* Bounds on a head; trailers have the same ones. */
struct http1_limits {
	size_t head_bytes_max; /* up to the end of its empty line */
	unsigned fields_max;
};

#define HTTP1_FIELDS_MAX 1000
#define HTTP1_REQUEST_HEAD_MAX 65536
#define HTTP1_RESPONSE_HEAD_MAX 262144

/* What is used where there is no reason for other bounds. */
extern const struct http1_limits http1_request_limits, http1_response_limits;

/* A field line. */
struct http1_header {
	struct span name, value; /* the value without white space around it */
};

enum http1_body {
	HTTP1_NO_BODY,
	HTTP1_LENGTH,
	HTTP1_CHUNKED,
	HTTP1_UNTIL_CLOSE,
};

/* A head, with what follows from it. Its memory is the reader's. */
struct http1_head {
	bool is_request;
	/*
	 * Of a request. An absolute target is split: the authority is the value of Host,
	 * and @target is in origin form (RFC 9112 3.2.2). Only CONNECT has another form.
	 */
	struct span method, target;
	struct span reason; /* of a response; may be empty */
	unsigned status;
	unsigned minor; /* 0 or 1: versions above 1.1 are read as 1.1 */
	struct http1_header *headers;
	unsigned headers_n;

	enum http1_body body;
	/* a Content-Length says @length, although there may be no body */
	bool has_length;
	uint64_t length;  /* HTTP1_LENGTH */
	bool keeps_alive; /* another message may follow on the connection */
	/* framed in two ways; @body is right, and the connection ends */
	bool is_ambiguous;
	/* asks for, or switches to, another protocol that is not HTTP/2 */
	bool wants_upgrade;
};

/* The first header of that name, in any case of letters, or NULL. */
const struct http1_header *http1_head_find(const struct http1_head *head,
	const char *name);

/* The one of the same name that comes after @last, or NULL. */
const struct http1_header *http1_head_next(const struct http1_head *head,
	const struct http1_header *last);

/* The value of the first header of that name; empty if there is none. */
struct span http1_head_value(const struct http1_head *head, const char *name);

/* True if one of the headers of that name has the token. */
bool http1_head_has_token(const struct http1_head *head, const char *name,
	const char *token);

/* True if the comma-separated @value has @token, in any case of letters. */
bool http1_has_token(struct span value, const char *token);

/* Takes the next element off a comma-separated list, trimmed;
 * empty ones are passed over. */
bool http1_list_next(struct span *list, struct span *element);

/* True if @name is one or more characters that a header's name may have. */
bool http1_is_token(struct span name);

/* True if an Upgrade header's @protocol is HTTP/2, which nothing here speaks. */
bool http1_is_http2(struct span protocol);

/* A request's target without its query. */
struct span http1_path(const struct http1_head *head);

enum http1_state {
	HTTP1_IN_HEAD,
	HTTP1_IN_BODY,
	HTTP1_ENDED,
};

enum http1_chunk_state {
	HTTP1_CHUNK_SIZE,
	HTTP1_CHUNK_BLANK, /* white space behind the size */
	HTTP1_CHUNK_EXTENSION,
	HTTP1_CHUNK_DATA,
	HTTP1_CHUNK_DATA_END, /* the end of the line behind the data */
	HTTP1_CHUNK_TRAILERS,
};

/* Reads one message. For the next one on the connection, make a new one.
 * Must not move. */
struct http1_reader {
	struct http1_head head; /* good from the HEAD event until http1_reader_fini() */
	struct http1_header *trailers; /* good from the END event, likewise */
	unsigned trailers_n;

	enum http1_state state;
	struct http1_limits limits;
	bool is_without_body; /* a response that has none whatever its headers say */
	uint64_t left;        /* bytes still to come: of the body, or of the chunk */

	struct buf bytes;    /* the head */
	struct buf trailing; /* the trailers */
	unsigned lines_n;    /* whole lines of either */
	size_t line_n;       /* bytes of the line being read, without its end */
	size_t blank_n;      /* bytes of empty lines before a head */
	bool is_after_cr;

	enum http1_chunk_state chunk;
	unsigned digits_n;   /* of the chunk's size */
	size_t chunk_line_n; /* bytes of the line before the chunk */
};

enum http1_event_kind {
	HTTP1_HEAD, /* reader.head is there */
	HTTP1_DATA, /* a piece of the body, without framing */
	HTTP1_END,  /* the message is complete; reported once */
};

struct http1_event {
	enum http1_event_kind kind;
	struct span data; /* HTTP1_DATA: lies in the input */
};

/* Reads a request by the strict rules. @limits are copied. */
void http1_reader_init_request(struct http1_reader *r, const struct http1_limits *limits);

/*
 * Reads a response by the lenient rules. @method is that of the request that is answered:
 * it decides whether there is a body.
 */
void http1_reader_init_response(struct http1_reader *r, const struct http1_limits *limits,
	struct span method);
void http1_reader_fini(struct http1_reader *r);

/* True if nothing of the message has come yet; empty lines in front do not count. */
bool http1_reader_is_fresh(const struct http1_reader *r);

/*
 * Takes bytes from the front of @in up to the next event; nothing behind the message is
 * taken. After an error the connection cannot be read any further.
 *
 * ERR_AGAIN: all of @in was taken, and more is needed.  ERR_SYNTAX: malformed, or
 * ambiguous.
 * ERR_LIMIT: longer than the limits, or too many fields.  ERR_NOMEM.
 */
enum err http1_next(struct http1_reader *r, struct span *in, struct http1_event *out,
	struct why *why) MUST_USE;

/*
 * The peer has sent its last byte. ERR_OK: that ended a body, the message is complete.
 * ERR_EOF: there was no message.  ERR_SYNTAX: it was cut short.
 */
enum err http1_finish(struct http1_reader *r, struct why *why) MUST_USE;

#endif
