/* The WebSocket handshake. */
#include "http/websocket.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "text/base64.h"
#include "wire/ws.h"

#define HEADERS_MAX 32
#define NAME_MAX_CHARS 64
#define USER_AGENT "Go-http-client/1.1"

/* ---- the server ---- */

unsigned websocket_check_request(const struct http1_head *head)
{
	if (!http1_head_has_token(head, "Connection", "upgrade"))
		return 400;
	if (!http1_head_has_token(head, "Upgrade", "websocket"))
		return 400;
	if (!span_is(head->method, "GET"))
		return 405;
	if (!http1_head_has_token(head, "Sec-WebSocket-Version", "13"))
		return 400;
	if (!ws_key_is_good(http1_head_value(head, "Sec-WebSocket-Key")))
		return 400;
	return 101;
}

const char *websocket_print_answer(const struct http1_head *head,
	char to[WEBSOCKET_ANSWER_MAX])
{
	char accept[WS_ACCEPT_CHARS + 1];

	ws_accept(http1_head_value(head, "Sec-WebSocket-Key"), accept);
	snprintf(to, WEBSOCKET_ANSWER_MAX,
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n",
		accept);
	return to;
}

/* ---- the client: its headers ---- */

struct line {
	char name[NAME_MAX_CHARS];
	const char *value; /* borrowed: the request's */
};

/* All lines of the head except Host and User-Agent, which come first. */
struct lines {
	struct line line[HEADERS_MAX + 5];
	size_t n;
	const char *host, *user_agent; /* borrowed: the request's */
};

/* "x-forwarded-FOR" becomes "X-Forwarded-For", as Go writes names. */
static void name_make_canonical(char *name)
{
	bool is_first = true;

	for (; *name != '\0'; name++) {
		*name = (char)(is_first ? toupper((unsigned char)*name) :
					  tolower((unsigned char)*name));
		is_first = *name == '-';
	}
}

static bool name_is_ours(const char *name)
{
	static const char *const ours[] = {
		"Upgrade",
		"Connection",
		"Sec-Websocket-Key",
		"Sec-Websocket-Version",
		"Sec-Websocket-Extensions",
		"Sec-Websocket-Protocol",
	};

	for (size_t i = 0; i < mem_count(ours); i++) {
		if (strcmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

/* They describe a body, and the request has none. */
static bool name_is_of_body(const char *name)
{
	return strcmp(name, "Content-Length") == 0 ||
		strcmp(name, "Transfer-Encoding") == 0 || strcmp(name, "Trailer") == 0;
}

static bool value_is_good(const char *value)
{
	for (; *value != '\0'; value++) {
		if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
			return false;
	}
	return true;
}

static void lines_set(struct lines *lines, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < lines->n && strcmp(lines->line[i].name, name) != 0; i++)
		;
	str_copy(lines->line[i].name, sizeof(lines->line[i].name), name);
	lines->line[i].value = value;
	if (i == lines->n)
		lines->n++;
}

static enum err lines_add_custom(struct lines *lines, const struct websocket_header *h,
	struct why *why)
{
	char name[NAME_MAX_CHARS];
	char quoted[NAME_MAX_CHARS * 2];

	if (!str_copy(name, sizeof(name), h->name) || !http1_is_token(span_str(name)) ||
		!value_is_good(h->value))
		return err_set(why, ERR_USAGE, "malformed header \"%s\"",
			str_quote(quoted, sizeof(quoted), span_str(h->name)));
	name_make_canonical(name);
	if (name_is_ours(name))
		return err_set(why, ERR_USAGE, "duplicate header not allowed: %s", name);
	if (name_is_of_body(name))
		return err_set(why, ERR_USAGE, "header not allowed: %s", name);
	if (strcmp(name, "Host") == 0)
		lines->host = h->value;
	else if (strcmp(name, "User-Agent") == 0)
		lines->user_agent = h->value;
	else
		lines_set(lines, name, h->value);
	return ERR_OK;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static enum err lines_gather(struct lines *lines, const struct websocket_request *req,
	struct why *why)
{
	enum err rc = ERR_OK;

	if (req->headers_n > HEADERS_MAX)
		return err_set(why, ERR_LIMIT, "more than %d headers", HEADERS_MAX);
	lines->host = req->host;
	lines->user_agent = USER_AGENT;
	lines_set(lines, "Connection", "Upgrade");
	lines_set(lines, "Sec-WebSocket-Key", req->key);
	lines_set(lines, "Sec-WebSocket-Protocol", req->protocol);
	lines_set(lines, "Sec-WebSocket-Version", "13");
	lines_set(lines, "Upgrade", "websocket");
	for (size_t i = 0; i < req->headers_n && rc == ERR_OK; i++)
		rc = lines_add_custom(lines, &req->headers[i], why);
	qsort(lines->line, lines->n, sizeof(lines->line[0]), compare_lines);
	return rc;
}

/* ---- the client: its request and the response ---- */

void websocket_make_key(char out[WEBSOCKET_KEY_CHARS + 1])
{
	uint8_t bytes[16];

	rand_bytes(bytes, sizeof(bytes));
	base64_encode(BASE64_PADDED, span_of(bytes, sizeof(bytes)), out);
}

enum err websocket_request_write(const struct websocket_request *req, struct buf *out,
	struct why *why)
{
	struct lines lines = { .user_agent = "" };
	enum err rc = lines_gather(&lines, req, why);

	if (rc != ERR_OK)
		return rc;
	buf_printf(out, "GET %s HTTP/1.1\r\nHost: %s\r\n",
		req->target[0] != '\0' ? req->target : "/", lines.host);
	if (lines.user_agent[0] != '\0')
		buf_printf(out, "User-Agent: %s\r\n", lines.user_agent);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(out, "%s: %s\r\n", lines.line[i].name, lines.line[i].value);
	buf_put_str(out, "\r\n");
	return out->failed == ERR_OK ?
		ERR_OK :
		err_set(why, out->failed, "no room for the request");
}

enum err websocket_check_answer(const struct http1_head *head, const char *key,
	struct why *why)
{
	char accept[WS_ACCEPT_CHARS + 1];

	ws_accept(span_str(key), accept);
	if (head->status == 101 && http1_head_has_token(head, "Upgrade", "websocket") &&
		http1_head_has_token(head, "Connection", "upgrade") &&
		span_is(http1_head_value(head, "Sec-WebSocket-Accept"), accept) &&
		http1_head_find(head, "Sec-WebSocket-Extensions") == NULL)
		return ERR_OK;
	return err_set(why, ERR_PROTO, "websocket: bad handshake");
}
