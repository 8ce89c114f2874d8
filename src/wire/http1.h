/*
 * HTTP/1 messages, RFC 9110 and 9112, read without I/O: a head, a body and trailers.
 *
 * There is one reader with two sets of rules. Requests are untrusted, and may have passed
 * other proxies. Anything that two readers might understand differently is refused: a
 * bare CR or LF, a folded line, white space before a colon, more than one Content-Length
 * or Host, a length beside a Transfer-Encoding, and any coding but "chunked". Responses
 * come from servers that the user chose, and are accepted as long as their meaning is
 * clear: a bare LF ends a line, folded lines are joined, white space before a colon is
 * dropped, control characters become spaces. Ambiguous framing is decided by RFC 9112 6.3
 * and marked.
 *
 * Heads are reported in one canonical form, which is the form to forward.
 */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define HTTP1_CHUNK_LINE_MAX 4096 /* bytes of the line before a chunk */

/* Bounds of a head; trailers have the same bounds. */
struct http1_limits {
	size_t head_bytes_max; /* up to the end of its empty line */
	unsigned fields_max;
};

#define HTTP1_FIELDS_MAX 1000
#define HTTP1_REQUEST_HEAD_MAX 65536
#define HTTP1_RESPONSE_HEAD_MAX 262144

/* The default bounds. */
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

/* A head, with the facts derived from it. The reader owns its memory. */
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
	/* a Content-Length has @length, although there may be no body */
	bool has_length;
	uint64_t length;  /* HTTP1_LENGTH */
	bool keeps_alive; /* another message may follow on the connection */
	/* framed in two ways; @body is right, and the connection ends */
	bool is_ambiguous;
	/* requests, or switches to, another protocol than HTTP */
	bool wants_upgrade;
};

/* The first header of that name, in any case of letters, or NULL. */
const struct http1_header *http1_head_find(const struct http1_head *head,
	const char *name);

/* The next header with the name of @last, or NULL. */
const struct http1_header *http1_head_next(const struct http1_head *head,
	const struct http1_header *last);

/* The value of the first header of that name; empty if there is none. */
struct span http1_head_value(const struct http1_head *head, const char *name);

/* True if one of the headers of that name has the token. */
bool http1_head_has_token(const struct http1_head *head, const char *name,
	const char *token);

/* True if the comma-separated @value has @token, in any case of letters. */
bool http1_has_token(struct span value, const char *token);

/* Takes the next element of a comma-separated list, trimmed; empty ones are skipped. */
bool http1_list_next(struct span *list, struct span *element);

/* True if @name is a token (RFC 9110 5.6.2), as a header's name must be. */
bool http1_is_token(struct span name);

/* True if an Upgrade header's @protocol is HTTP/2, which is not supported. */
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
	HTTP1_CHUNK_BLANK, /* white space after the size */
	HTTP1_CHUNK_EXTENSION,
	HTTP1_CHUNK_DATA,
	HTTP1_CHUNK_DATA_END, /* the end of the line after the data */
	HTTP1_CHUNK_TRAILERS,
};

/* Reads one message; the next message on the connection needs a new reader. It must
 * not be moved. */
struct http1_reader {
	struct http1_head head; /* good from the HEAD event until http1_reader_fini() */
	struct http1_header *trailers; /* good from the END event, likewise */
	unsigned trailers_n;

	enum http1_state state;
	struct http1_limits limits;
	bool is_without_body; /* a response without a body, whatever its headers say */
	uint64_t left;        /* missing bytes of the body, or of the chunk */

	struct buf bytes;    /* the head */
	struct buf trailing; /* the trailers */
	unsigned lines_n;    /* complete lines of either */
	size_t line_n;       /* bytes of the line being read, without its end */
	size_t blank_n;      /* bytes of empty lines before a head */
	bool is_after_cr;

	enum http1_chunk_state chunk;
	unsigned digits_n;   /* of the chunk's size */
	size_t chunk_line_n; /* bytes of the line before the chunk */
};

enum http1_event_kind {
	HTTP1_HEAD, /* reader.head is complete */
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
 * Reads a response by the lenient rules. @method is that of the request: with HEAD or
 * CONNECT the response has no body.
 */
void http1_reader_init_response(struct http1_reader *r, const struct http1_limits *limits,
	struct span method);
void http1_reader_fini(struct http1_reader *r);

/* True if no byte of the message has been read; empty lines before it do not count. */
bool http1_reader_is_fresh(const struct http1_reader *r);

/*
 * Takes bytes from the front of @in up to the next event; no byte after the message is
 * taken. After an error the connection cannot be read any further.
 *
 * ERR_AGAIN: all of @in was taken, and more bytes are needed.  ERR_SYNTAX: malformed, or
 * ambiguous.
 * ERR_LIMIT: longer than the limits, or too many fields.  ERR_NOMEM.
 */
enum err http1_next(struct http1_reader *r, struct span *in, struct http1_event *out,
	struct why *why) MUST_USE;

/*
 * The peer has closed its side. ERR_OK: that is the end of the body; the message is
 * complete.  ERR_EOF: there was no message.  ERR_SYNTAX: the message is incomplete.
 */
enum err http1_finish(struct http1_reader *r, struct why *why) MUST_USE;

#endif
