/* An API: matching requests with operations, and the steps before and after a
 * function. */
#include "http/api.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "text/hex.h"
#include "text/names.h"

/* ---- paths ---- */

/* Takes a segment and the slash before it. False: there are no more segments. */
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
			return want.n == 0 && path.n == 0; /* an optional '/' */
		if (span_is(want, "*") && have.n > 0 && n < API_PARTS_MAX)
			parts[n++] = have;
		else if (!span_eq(want, have))
			return false;
	}
	return path.n == 0;
}

static bool method_matches(const struct api_operation *row, struct span asked)
{
	return row->method == NULL || span_is(asked, row->method) ||
		(strcmp(row->method, "GET") == 0 && span_is(asked, "HEAD") &&
			!row->takes_over);
}

static const struct api_operation unknown = {
	.authority = &api_anyone,
	.fn = api_refuse_unknown,
	.is_at_once = true,
};

/* Sets the row, the parts and the allowed methods. */
static void call_match(const struct api *api, struct api_call *call, struct span method,
	struct span target)
{
	const uint8_t *query = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
	const struct api_table *const *table;

	if (query != NULL)
		target.n = (size_t)(query - target.p);
	call->row = NULL;
	for (table = api->o.tables; *table != NULL && call->row == NULL; table++) {
		for (unsigned i = 0; i < (*table)->count && call->row == NULL; i++) {
			const struct api_operation *row = &(*table)->rows[i];
			struct span parts[API_PARTS_MAX] = { { NULL, 0 } };
			size_t n = strlen(call->allow);

			if (!path_matches(row->path, target, parts))
				continue;
			if (method_matches(row, method)) {
				call->row = row;
				memcpy(call->parts, parts, sizeof(parts));
			} else if (strstr(call->allow, row->method) == NULL) {
				snprintf(call->allow + n, sizeof(call->allow) - n, "%s%s",
					n > 0 ? ", " : "", row->method);
			}
		}
	}
	if (call->row == NULL)
		call->row = &unknown;
	call->envelope = call->row->envelope != NULL ? call->row->envelope :
						       api->o.envelope;
}

/* ---- life ---- */

enum err api_init(struct api *api, const struct api_options *o, struct why *why)
{
	for (const struct api_table *const *t = o->tables; *t != NULL; t++)
		for (unsigned i = 0; i < (*t)->count; i++)
			if ((*t)->rows[i].authority == NULL)
				return err_set(why, ERR_USAGE, "API: %s has no authority",
					(*t)->rows[i].path);
	*api = (struct api){ .o = *o };
	return ERR_OK;
}

struct api_text *api_text_new(size_t max)
{
	struct api_text *t = mem_new(t);

	if (t == NULL)
		return NULL;
	atomic_init(&t->refs, 1);
	buf_init(&t->text, max);
	return t;
}

struct api_text *api_text_ref(struct api_text *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void api_text_unref(struct api_text *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	buf_fini(&t->text);
	free(t);
}

void api_call_free(struct api_call *call)
{
	if (call == NULL)
		return;
	free(call->method);
	free(call->target);
	free(call->host);
	mem_free_secret_str(call->cookie); /* it has sessions and tokens */
	free(call->origin);
	buf_wipe(&call->body);
	buf_wipe(&call->answer);
	mem_wipe(call->headers, sizeof(call->headers));
	api_text_unref(call->text);
	free(call);
}

/* ---- calls on this thread ---- */

static bool anyone_may(void *context, struct api_call *call)
{
	(void)context;
	(void)call;
	return true;
}

const struct api_authority api_anyone = {
	.name = "anyone",
	.check = anyone_may,
};

/* Reads @body by the row's fields to the call's request. null is an object without
 * members, as for Portal's programs; so are their words for a body that is missing. */
static enum err read_request(struct api_call *call, struct span body, struct why *why)
{
	const struct field_table *fields = call->row->request;

	call->request = calloc(1, fields->bytes);
	if (call->request == NULL)
		return ERR_NOMEM;
	if (names_trim(body).n == 0)
		return err_set(why, ERR_SYNTAX, "EOF");
	if (span_is(names_trim(body), "null"))
		body = span_str("{}");
	call->read_from = body;
	return field_read_json(fields, NULL, body, call->request, why);
}

/* Reads @body by the row's fields, and calls the function. */
static void call_function(const struct api *api, struct api_call *call, struct span body)
{
	const struct field_table *fields = call->row->reads_body ? NULL :
								   call->row->request;
	struct why why = { "" };
	enum err rc = fields != NULL ? read_request(call, body, &why) : ERR_OK;

	if (call->row->reads_body)
		call->read_from = body;

	if (rc == ERR_OK)
		call->row->fn(api->o.context, call);
	else
		call->envelope->refuse(call, API_BODY_MALFORMED, rc, &why);
	if (call->request != NULL)
		field_fini(fields, call->request);
	free(call->request);
	call->request = NULL;
}

/* The body could not be read. */
static void call_refuse_body(struct api_call *call, enum err rc)
{
	call->envelope->refuse(call, rc == ERR_LIMIT ? API_BODY_TOO_LONG : API_BUSY, rc,
		NULL);
}

static void call_run(const struct api *api, struct api_call *call, enum err rc,
	struct span body)
{
	if (!call->row->authority->check(api->o.context, call))
		return;
	if (call->row->check == NULL || call->row->check(api->o.context, call)) {
		if (rc == ERR_OK)
			call_function(api, call, body);
		else
			call_refuse_body(call, rc);
	}
	if (call->row->authority->release != NULL)
		call->row->authority->release(call);
}

void api_answer(const struct api *api, struct api_call *call)
{
	call->context = api->o.context;
	call->status = 0;
	call->headers[0] = '\0';
	buf_fini(&call->answer);
	buf_init(&call->answer, API_ANSWER_MAX);
	if (call->row == NULL)
		call_match(api, call, span_str(call->method), span_str(call->target));
	if (call->envelope == NULL)
		call->envelope = api->o.envelope;
	call_run(api, call, ERR_OK, buf_span(&call->body));
	assert(call->status != 0);
}

/* ---- calls for another thread ---- */

static struct api_call *call_dup(const struct api *api, const struct api_call *from,
	const struct api_operation *row, struct span body)
{
	const struct http1_head *head = http_request(from->x);
	struct api_call *call = mem_new(call);

	if (call == NULL)
		return NULL;
	call->x = from->x;
	call->client = from->client;
	call->is_banned = from->is_banned;
	call->is_local = from->is_local;
	memcpy(call->client_name, from->client_name, sizeof(call->client_name));
	memcpy(call->client_serial, from->client_serial, sizeof(call->client_serial));
	call->method = span_dup(head->method);
	call->target = span_dup(head->target);
	call->host = span_dup(http1_head_value(head, "Host"));
	call->cookie = span_dup(http1_head_value(head, "Cookie"));
	call->origin = span_dup(http1_head_value(head, "Origin"));
	buf_init(&call->body, API_BODY_MAX);
	buf_init(&call->answer, API_ANSWER_MAX);
	if (call->method == NULL || call->target == NULL || call->host == NULL ||
		call->cookie == NULL || call->origin == NULL ||
		buf_put_span(&call->body, body) != ERR_OK) {
		api_call_free(call);
		return NULL;
	}
	call_match(api, call, head->method,
		span_str(call->target)); /* parts of the copy */
	call->row = row;
	call->envelope = from->envelope;
	return call;
}

void api_send(struct api *api, struct api_call *from, const struct api_operation *row,
	struct span body)
{
	struct api_call *call = NULL;

	if (api->calls < API_CALLS_MAX)
		call = call_dup(api, from, row, body);
	if (call == NULL) {
		from->envelope->refuse(from, API_BUSY, ERR_NOMEM, NULL);
	} else if (api->o.send != NULL) {
		api->calls++;
		api->o.send(api->o.context, call);
	} else {
		api_answer(api, call);
		api_end(api, call);
		api_call_free(call);
	}
}

void api_on_answer(struct api *api, struct api_call *call)
{
	api->calls--;
	api_end(api, call);
}

/* ---- requests ---- */

bool api_begin(struct api *api, struct http_exchange *x, struct api_call *call)
{
	const struct http1_head *head = http_request(x);

	*call = (struct api_call){
		.x = x,
		.context = api->o.context,
		.client = *http_peer(x),
	};
	buf_init(&call->answer, API_ANSWER_MAX);
	call_match(api, call, head->method, head->target);
	if (api->o.admit == NULL || api->o.admit(api->o.context, call))
		return true;
	api_end(api, call);
	return false;
}

static void api_take(struct api *api, struct api_call *call, enum err rc,
	struct span body)
{
	if (call->row->is_at_once) {
		call_run(api, call, rc, body);
	} else if (rc == ERR_OK) {
		api_send(api, call, call->row, body);
	} else {
		call_refuse_body(call, rc);
	}
	if (call->status != 0)
		api_end(api, call);
}

void api_run(struct api *api, struct api_call *call)
{
	api_take(api, call, ERR_OK, span_of(NULL, 0));
}

static void api_on_body(void *arg, struct http_exchange *x, enum err rc, struct span body)
{
	struct api *api = arg;
	struct api_call call;

	if (api_begin(api, x, &call))
		api_take(api, &call, rc, body);
}

void api_on_request(void *arg, struct http_exchange *x)
{
	struct api *api = arg;
	struct api_call call;

	if (!api_begin(api, x, &call))
		return;
	if (call.row->request != NULL)
		http_read_body(x,
			call.row->body_max != 0 ? call.row->body_max : API_BODY_MAX,
			api_on_body, api);
	else
		api_run(api, &call);
}

/* ---- paths and queries ---- */

bool api_decode(struct span text, enum api_part part, char *to, size_t size)
{
	size_t n = 0;

	while (text.n > 0) {
		bool is_escape = text.p[0] == '%';
		int c = is_escape ? hex_escape(text) : text.p[0];

		if (c <= 0 || n + 1 >= size)
			return false;
		to[n++] = (char)(c == '+' && !is_escape && part == API_QUERY ? ' ' : c);
		text = span_of(text.p + (is_escape ? 3 : 1),
			text.n - (is_escape ? 3 : 1));
	}
	to[n] = '\0';
	return true;
}

bool api_query(const struct api_call *call, const char *key, char *to, size_t size)
{
	const char *at = call->target + strcspn(call->target, "?");
	size_t key_n = strlen(key);

	while (*at != '\0') {
		size_t n = strcspn(++at, "&"); /* after the '?' or the '&' */

		if (n > key_n && memcmp(at, key, key_n) == 0 && at[key_n] == '=')
			return api_decode(span_of(at + key_n + 1, n - key_n - 1),
				API_QUERY, to, size);
		at += n;
	}
	return false;
}

/* ---- responses ---- */

static void release_text(void *text)
{
	api_text_unref(text);
}

void api_end(struct api *api, struct api_call *call)
{
	struct http_shared body = { .release = release_text, .arg = call->text };
	char headers[2 * API_HEADERS_MAX];

	snprintf(headers, sizeof(headers), "%s%s",
		api->o.headers != NULL ? api->o.headers : "", call->headers);
	if (call->text == NULL) {
		http_reply(call->x, call->status, headers, buf_span(&call->answer));
	} else {
		body.bytes = buf_span(&call->text->text);
		call->text = NULL; /* the response has the reference now */
		http_reply_shared(call->x, call->status, headers, &body);
	}
	buf_wipe(&call->answer);
}

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

static unsigned call_status(const struct api_call *call)
{
	return call->row->status != 0 ? call->row->status : 200;
}

void api_reply_json(struct api_call *call, unsigned status, enum err rc)
{
	if (rc != ERR_OK)
		buf_reset(&call->answer);
	if (rc != ERR_OK && status != 500) {
		call->envelope->refuse(call, API_NO_ROOM, rc, NULL);
		return;
	}
	call->status = status;
	api_add_header(call, "Content-Type: application/json");
	api_add_header(call, "Cache-Control: no-store");
}

void api_reply(struct api_call *call, const void *object)
{
	const struct field_table *fields = object != NULL ? call->row->response : NULL;

	api_reply_json(call, call_status(call),
		call->envelope->put(fields, object, &call->answer));
}

void api_reply_text(struct api_call *call, struct span text)
{
	if (buf_put_span(&call->answer, text) != ERR_OK) {
		api_reply_json(call, 0, call->answer.failed);
		return;
	}
	call->status = call_status(call);
	if (call->row->type != NULL)
		api_add_header(call, "Content-Type: %s", call->row->type);
}

void api_reply_shared(struct api_call *call, struct api_text *text)
{
	call->text = api_text_ref(text);
	api_reply_text(call, span_of(NULL, 0));
}

void api_refuse_unknown(void *context, struct api_call *call)
{
	(void)context;
	if (call->allow[0] == '\0') {
		call->envelope->refuse(call, API_NOT_FOUND, ERR_NOENT, NULL);
		return;
	}
	api_add_header(call, "Allow: %s", call->allow);
	call->envelope->refuse(call, API_METHOD_NOT_ALLOWED, ERR_NOENT, NULL);
}
