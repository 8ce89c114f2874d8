/*
 * The WebSocket handshake, RFC 6455 4, for both sides: functions without I/O.
 * The order of headers and the statuses are those of chisel-protocol 1.3 and 1.4.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "base/buf.h"
#include "wire/http1.h"

#define WEBSOCKET_KEY_CHARS 24
#define WEBSOCKET_ANSWER_MAX 128

/* ---- the server ---- */

/* For http_reply() with the name of the status and a newline as body. */
#define WEBSOCKET_REFUSAL_HEADERS \
	"Sec-Websocket-Version: 13\r\n" \
	"X-Content-Type-Options: nosniff\r\n"

/* Returns 101 if the request may be upgraded, else the status of the refusal: 400 or
 * 405. */
unsigned websocket_check_request(const struct http1_head *head);

/* Prints the header lines of the response for http_upgrade(). Returns @to. */
const char *websocket_print_answer(const struct http1_head *head,
	char to[WEBSOCKET_ANSWER_MAX]);

/* ---- the client ---- */

struct websocket_header {
	const char *name, *value;
};

struct websocket_request {
	const char *target;   /* path and query; empty means "/" */
	const char *host;     /* "host:port", unless @headers has a Host */
	const char *key;      /* base64 of 16 random bytes */
	const char *protocol; /* Sec-WebSocket-Protocol */
	/* the user's; of several with one name the last is used */
	const struct websocket_header *headers;
	size_t headers_n;
};

/* Writes a new key of 16 random bytes, terminated. */
void websocket_make_key(char out[WEBSOCKET_KEY_CHARS + 1]);

/*
 * Writes the request's head.
 *
 * ERR_USAGE: a header may not be set, or is malformed.  ERR_LIMIT: more than 32 headers,
 * or no room.
 */
enum err websocket_request_write(const struct websocket_request *req, struct buf *out,
	struct why *why) MUST_USE;

/* ERR_PROTO: the response does not accept our request with @key. */
enum err websocket_check_answer(const struct http1_head *head, const char *key,
	struct why *why) MUST_USE;

#endif
