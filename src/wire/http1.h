/*
 * HTTP/1 messages, RFC 9110 and 9112, read without I/O: one head and its body, strictly.
 *
 * Whatever two readers might understand in two ways is refused: a bare CR or LF, folded
 * lines, white space before a colon, more than one Content-Length or Host, a length beside
 * a Transfer-Encoding, any coding but "chunked". Everything found lies in the bytes as they
 * came, so that what was decided on is what is forwarded.
 */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define HTTP1_HEAD_MAX 16384  /* bytes of a head, to the end of its empty line */
#define HTTP1_HEADERS_MAX 100 /* lines in it */
#define HTTP1_FRAMING_MAX \
	4096 /* bytes between two pieces of a chunked body, and of trailers */

struct http1_header {
	struct span name, value; /* the value without white space around it */
};

enum http1_body {
	HTTP1_NO_BODY,
	HTTP1_LENGTH,
	HTTP1_CHUNKED,
	HTTP1_UNTIL_CLOSE,
};

/* A head, with what follows from it. Its spans lie in the reader that read it. */
struct http1_head {
	bool is_request;
	struct span method, target; /* of a request */
	struct span reason;         /* of a response; may be empty */
	unsigned status;
	unsigned minor; /* 0 or 1, of the version */
	struct http1_header headers[HTTP1_HEADERS_MAX];
	unsigned headers_n;

	enum http1_body body;
	uint64_t length;  /* HTTP1_LENGTH */
	bool keeps_alive; /* another message may follow on the connection */
	bool wants_upgrade; /* a request for, or an answer with, another protocol; never h2c */
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

/* Takes the next element off a comma-separated list, trimmed; empty ones are passed over. */
bool http1_list_next(struct span *list, struct span *element);

/* True if @name is one or more characters that a header's name may have. */
bool http1_is_token(struct span name);

/* The path of a request's target, without its query; "*" and authorities are as they came. */
struct span http1_path(const struct http1_head *head);

enum http1_state {
	HTTP1_IN_HEAD,
	HTTP1_IN_BODY,
	HTTP1_ENDED,
};

struct llhttp__internal_s;

/* Reads one message. For the next one on the connection, make a new one. Must not move. */
struct http1_reader {
	struct http1_head head; /* good from the HEAD event until http1_reader_fini() */
	enum http1_state state;
	bool is_without_body; /* a response that has none whatever its headers say */
	uint64_t left;        /* HTTP1_LENGTH: bytes still to come */

	struct buf bytes; /* the head */
	size_t line_n;    /* bytes of the line being read, its CRLF not counted */
	bool is_after_cr; /* the next byte must be LF */

	struct llhttp__internal_s
		*chunks;   /* owned: reads a chunked body, NULL before it */
	size_t framing_n;  /* bytes of chunk lines since the last data */
	struct span piece; /* data that the parser found in this call */
	bool is_last_chunk, is_body_whole;
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

void http1_reader_init_request(struct http1_reader *r);

/* @method is that of the request that is answered: it decides whether there is a body. */
void http1_reader_init_response(struct http1_reader *r, struct span method);
void http1_reader_fini(struct http1_reader *r);

/* True if not a byte of the message has come yet. */
bool http1_reader_is_fresh(const struct http1_reader *r);

/*
 * Takes bytes from the front of @in up to the next event; nothing behind the message is
 * taken. After an error the connection cannot be read any further.
 *
 * ERR_AGAIN: all of @in was taken, and more is needed.  ERR_SYNTAX: malformed, or ambiguous.
 * ERR_LIMIT: a head or a chunk's line is too long, or has too many headers.  ERR_NOMEM.
 */
enum err http1_next(struct http1_reader *r, struct span *in, struct http1_event *out,
	struct why *why) MUST_USE;

/*
 * The peer has sent its last byte. ERR_OK: that ended a body, the message is complete.
 * ERR_EOF: there was no message.  ERR_SYNTAX: it was cut short.
 */
enum err http1_finish(struct http1_reader *r, struct why *why) MUST_USE;

#endif
