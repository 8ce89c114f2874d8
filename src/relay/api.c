/* The relay's API: which operation a call is for, and how answers look. */
#include "relay/api.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "relay/relay_inside.h"
#include "text/hex.h"
#include "text/names.h"

/* ---- paths ---- */

/* Takes a segment and the slash before it. False: there is none left. */
static bool cut_segment(struct span *path, struct span *segment)
{
	struct span rest = *path;
	const uint8_t *end;

	if (rest.n == 0 || rest.p[0] != '/')
		return false;
	rest = span_of(rest.p + 1, rest.n - 1);
	end = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
	if (!span_cut(&rest, end != NULL ? (size_t)(end - rest.p) : rest.n, segment))
		return false;
	*path = rest;
	return true;
}

static bool path_matches(const char *pattern, struct span path, struct span *parts)
{
	struct span rest = span_str(pattern), want, have;
	unsigned n = 0;

	if (path.n == 0)
		return false;
	while (cut_segment(&rest, &want)) {
		bool is_there = cut_segment(&path, &have);

		if (span_is(want, "**"))
			return is_there;
		if (!is_there)
			return want.n == 0 && path.n == 0; /* the '/' at the end */
		if (span_is(want, "*") && have.n > 0 && n < API_PARTS_MAX)
			parts[n++] = have;
		else if (!span_eq(want, have))
			return false;
	}
	return path.n == 0;
}

static bool method_matches(const char *method, const char *asked)
{
	return method == NULL || strcmp(method, asked) == 0 ||
		(strcmp(method, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

/* ---- operations ---- */

/* What has been found for a call so far. */
struct search {
	const struct api_operation *hit;
	struct span parts[API_PARTS_MAX];
	char allow[64]; /* methods of operations that have the path */
};

static void search_allow(struct search *s, const char *method)
{
	size_t n = strlen(s->allow);

	if (strstr(s->allow, method) == NULL)
		snprintf(s->allow + n, sizeof(s->allow) - n, "%s%s", n > 0 ? ", " : "",
			method);
}

static void search_table(struct search *s, const struct api_table *table,
	const struct api_call *call, struct span path)
{
	struct span parts[API_PARTS_MAX] = { { NULL, 0 } };

	for (unsigned i = 0; i < table->count && s->hit == NULL; i++) {
		const struct api_operation *row = &table->rows[i];

		if (!path_matches(row->path, path, parts))
			continue;
		if (method_matches(row->method, call->method)) {
			memcpy(s->parts, parts, sizeof(parts));
			s->hit = row;
		} else {
			search_allow(s, row->method);
		}
	}
}

static struct span call_path(const struct api_call *call)
{
	return span_of(call->target, strcspn(call->target, "?"));
}

static bool api_has_refused(struct relay *r, struct api_call *call)
{
	for (unsigned i = 0; r->tables[i] != NULL; i++)
		if (r->tables[i]->refuses != NULL && r->tables[i]->refuses(r, call))
			return true;
	return false;
}

void api_handle(struct relay *r, struct api_call *call)
{
	struct search s = { .hit = NULL };

	call->status = 0;
	call->headers[0] = '\0';
	buf_fini(&call->answer);
	buf_init(&call->answer, API_ANSWER_MAX);
	for (unsigned i = 0; r->tables[i] != NULL && s.hit == NULL; i++)
		search_table(&s, r->tables[i], call, call_path(call));
	if (s.hit != NULL) {
		s.hit->fn(r, call, s.parts);
		assert(call->status != 0);
	} else if (api_has_refused(r, call)) {
		assert(call->status != 0);
	} else if (s.allow[0] != '\0') {
		api_add_header(call, "Allow: %s", s.allow);
		api_refuse(call, MESSAGE_METHOD_NOT_ALLOWED, "method not allowed");
	} else {
		api_reply_text(call, 404, "text/plain; charset=utf-8",
			span_str("404 page not found\n"));
	}
}

/* ---- what is asked ---- */

bool api_read(struct api_call *call, const struct field_table *fields, void *out)
{
	struct why why = { "" };
	enum err rc = message_read_request(fields, buf_span(&call->body), out, &why);

	if (rc == ERR_OK)
		return true;
	if (rc == ERR_NOMEM)
		api_refuse(call, MESSAGE_INTERNAL, "out of memory");
	else
		api_refuse(call,
			rc == ERR_SYNTAX ? MESSAGE_INVALID_JSON : MESSAGE_INVALID_REQUEST,
			err_text(rc, &why));
	return false;
}

bool api_decode(struct span text, enum api_part part, char *to, size_t size)
{
	size_t n = 0, got;
	uint8_t byte;

	while (text.n > 0) {
		size_t taken = 1;

		byte = text.p[0] == '+' && part == API_QUERY ? ' ' : text.p[0];
		if (byte == '%') {
			taken = 3;
			if (text.n < 3 ||
				hex_decode(span_of(text.p + 1, 2), &byte, 1, &got) !=
					ERR_OK)
				return false;
		}
		if (n + 1 >= size || byte == '\0')
			return false;
		to[n++] = (char)byte;
		text = span_of(text.p + taken, text.n - taken);
	}
	to[n] = '\0';
	return true;
}

bool api_query(const struct api_call *call, const char *key, char *to, size_t size)
{
	const char *at = call->target + call_path(call).n;
	size_t key_n = strlen(key);

	while (*at != '\0') {
		size_t n = strcspn(++at, "&"); /* behind the '?' or the '&' */

		if (n > key_n && memcmp(at, key, key_n) == 0 && at[key_n] == '=')
			return api_decode(span_of(at + key_n + 1, n - key_n - 1),
				API_QUERY, to, size);
		at += n;
	}
	return false;
}

/* Its worker has looked that the host is one of ours. */
const char *api_domain(const struct relay *r, const struct api_call *call)
{
	return call->host[0] != '\0' ? call->host : r->options.root;
}

/* ---- answers ---- */

void api_add_header(struct api_call *call, const char *fmt, ...)
{
	size_t n = strlen(call->headers), room = sizeof(call->headers) - n;
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(call->headers + n, room, fmt, args);
	va_end(args);
	assert(length >= 0 && (size_t)length + 3 <= room);
	memcpy(call->headers + n + (size_t)length, "\r\n", 3);
}

/* An answer that found no room is another answer. */
static void api_finish(struct api_call *call, unsigned status, enum err rc)
{
	call->status = status;
	api_add_header(call, "Content-Type: application/json");
	api_add_header(call, "Cache-Control: no-store");
	if (rc == ERR_OK)
		return;
	buf_reset(&call->answer);
	call->status = 500;
	if (message_put_refusal(MESSAGE_INTERNAL, "no room for the answer",
		    &call->answer) != ERR_OK)
		buf_reset(&call->answer);
}

void api_reply(struct api_call *call, unsigned status, const struct field_table *fields,
	const void *object)
{
	api_finish(call, status, message_put_reply(fields, object, &call->answer));
}

void api_open_reply(struct api_call *call, struct json_writer *w)
{
	message_open_reply(w, &call->answer);
}

void api_close_reply(struct api_call *call, unsigned status, struct json_writer *w)
{
	api_finish(call, status, message_close_reply(w));
}

void api_refuse(struct api_call *call, enum message_error error, const char *text)
{
	api_finish(call, message_error_status(error),
		message_put_refusal(error, text, &call->answer));
}

void api_reply_shared(struct api_call *call, unsigned status, const char *type,
	struct api_text *text)
{
	call->text = api_text_ref(text);
	api_reply_text(call, status, type, span_of(NULL, 0));
}

void api_reply_text(struct api_call *call, unsigned status, const char *type,
	struct span text)
{
	call->status = status;
	api_add_header(call, "Content-Type: %s", type);
	if (buf_put_span(&call->answer, text) != ERR_OK)
		api_finish(call, 500, call->answer.failed);
}
