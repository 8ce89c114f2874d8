/*
 * The head of an HTTP/1 message: llhttp finds its parts, and what it lets pass in one of its
 * versions or builds is checked again here, so that all of them are equally strict.
 */
#include "wire/http1_head.h"

#include <ctype.h>
#include <llhttp.h>

#include "base/mem.h"

#define VERSION_CHARS 8 /* "HTTP/1.1" */
#define LENGTH_DIGITS_MAX 18

/* ---- looking things up ---- */

static struct span trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static const struct http1_header *find_from(const struct http1_head *head, unsigned i,
	const char *name, size_t n)
{
	for (; i < head->headers_n; i++) {
		struct span have = head->headers[i].name;

		if (have.n == n && strncasecmp((const char *)have.p, name, n) == 0)
			return &head->headers[i];
	}
	return NULL;
}

const struct http1_header *http1_head_find(const struct http1_head *head,
	const char *name)
{
	return find_from(head, 0, name, strlen(name));
}

const struct http1_header *http1_head_next(const struct http1_head *head,
	const struct http1_header *last)
{
	return find_from(head, (unsigned)(last - head->headers) + 1,
		(const char *)last->name.p, last->name.n);
}

struct span http1_head_value(const struct http1_head *head, const char *name)
{
	const struct http1_header *h = http1_head_find(head, name);

	return h != NULL ? h->value : span_of(NULL, 0);
}

bool http1_list_next(struct span *list, struct span *element)
{
	const uint8_t *comma;
	struct span first;

	while (list->n > 0) {
		comma = memchr(list->p, ',', list->n);
		first = span_of(list->p,
			comma != NULL ? (size_t)(comma - list->p) : list->n);
		list->p += first.n + (comma != NULL);
		list->n -= first.n + (comma != NULL);
		*element = trim(first);
		if (element->n > 0)
			return true;
	}
	return false;
}

bool http1_has_token(struct span value, const char *token)
{
	struct span element;

	while (http1_list_next(&value, &element)) {
		if (span_is_nocase(element, token))
			return true;
	}
	return false;
}

bool http1_head_has_token(const struct http1_head *head, const char *name,
	const char *token)
{
	const struct http1_header *h;

	for (h = http1_head_find(head, name); h != NULL; h = http1_head_next(head, h)) {
		if (http1_has_token(h->value, token))
			return true;
	}
	return false;
}

bool http1_is_token(struct span name)
{
	size_t i;

	for (i = 0; i < name.n; i++) {
		if (!isalnum(name.p[i]) &&
			(name.p[i] == '\0' ||
				strchr("!#$%&'*+-.^_`|~", name.p[i]) == NULL))
			return false;
	}
	return name.n > 0;
}

/* Cuts "http://authority" off an absolute target. False: it is in another form. */
static bool target_split_absolute(struct span *target, struct span *authority)
{
	static const char *const schemes[] = { "http://", "https://" };
	struct span rest;
	size_t i, n;

	for (i = 0; i < mem_count(schemes); i++) {
		n = strlen(schemes[i]);
		if (target->n < n ||
			strncasecmp((const char *)target->p, schemes[i], n) != 0)
			continue;
		rest = span_of(target->p + n, target->n - n);
		for (n = 0; n < rest.n && rest.p[n] != '/' && rest.p[n] != '?'; n++)
			;
		*authority = span_of(rest.p, n);
		*target = span_of(rest.p + n, rest.n - n);
		return true;
	}
	return false;
}

struct span http1_path(const struct http1_head *head)
{
	struct span path = head->target;
	struct span authority;
	const uint8_t *query;

	target_split_absolute(&path, &authority);
	query = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
	if (query != NULL)
		path.n = (size_t)(query - path.p);
	return path;
}

/* ---- the parts, by llhttp ---- */

struct parts {
	struct http1_head *head;
	bool is_line_open; /* the newest header still grows */
};

/* llhttp may report one thing in several pieces, which touch. */
static int span_grow(struct span *s, const char *at, size_t n)
{
	if (s->n == 0)
		s->p = (const uint8_t *)at;
	s->n += n;
	return 0;
}

static struct http1_head *parts_head(llhttp_t *parser)
{
	return ((struct parts *)parser->data)->head;
}

static int on_method(llhttp_t *parser, const char *at, size_t n)
{
	return span_grow(&parts_head(parser)->method, at, n);
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
	return span_grow(&parts_head(parser)->target, at, n);
}

static int on_status(llhttp_t *parser, const char *at, size_t n)
{
	return span_grow(&parts_head(parser)->reason, at, n);
}

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
	struct parts *parts = parser->data;
	struct http1_head *head = parts->head;

	if (!parts->is_line_open) {
		if (head->headers_n == HTTP1_HEADERS_MAX)
			return HPE_USER;
		head->headers[head->headers_n++] = (struct http1_header){ 0 };
		parts->is_line_open = true;
	}
	return span_grow(&head->headers[head->headers_n - 1].name, at, n);
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
	struct http1_head *head = parts_head(parser);

	return span_grow(&head->headers[head->headers_n - 1].value, at, n);
}

static int on_value_complete(llhttp_t *parser)
{
	struct parts *parts = parser->data;

	parts->is_line_open = false;
	return HPE_OK;
}

static int on_headers_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_method = on_method,
	.on_url = on_url,
	.on_status = on_status,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
};

static enum err parts_read(struct http1_head *head, struct span raw, struct why *why)
{
	struct parts parts = { .head = head };
	llhttp_t parser;
	llhttp_errno_t rc;

	llhttp_init(&parser, head->is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	parser.data = &parts;
	rc = llhttp_execute(&parser, (const char *)raw.p, raw.n);
	if (rc == HPE_USER)
		return err_set(why, ERR_LIMIT, "too many headers");
	if (rc != HPE_PAUSED)
		return err_set(why, ERR_SYNTAX, "the head is malformed: %s",
			rc == HPE_OK ? "it ends early" :
				       llhttp_get_error_reason(&parser));
	head->status = head->is_request ? 0 : (unsigned)parser.status_code;
	return ERR_OK;
}

/* ---- the first line ---- */

static bool version_read(struct span raw, unsigned *minor)
{
	if (raw.n < VERSION_CHARS || memcmp(raw.p, "HTTP/1.", VERSION_CHARS - 1) != 0)
		return false;
	*minor = (unsigned)raw.p[VERSION_CHARS - 1] - '0';
	return *minor <= 1;
}

/* Exactly "method SP target SP version CRLF": llhttp may skip what is between. */
static enum err check_request_line(struct http1_head *head, struct span raw,
	struct why *why)
{
	size_t at = head->method.n;

	if (head->method.p != raw.p || raw.p[at] != ' ' ||
		head->target.p != raw.p + at + 1)
		return err_set(why, ERR_SYNTAX, "the request line is malformed");
	at += 1 + head->target.n;
	if (raw.p[at] != ' ')
		return err_set(why, ERR_SYNTAX, "the request line is malformed");
	raw.p += at + 1;
	raw.n -= at + 1;
	if (!version_read(raw, &head->minor) || raw.p[VERSION_CHARS] != '\r')
		return err_set(why, ERR_SYNTAX, "not HTTP/1.0 or HTTP/1.1");
	return ERR_OK;
}

/* "version SP 3DIGIT", then SP and the reason, or nothing. */
static enum err check_status_line(struct http1_head *head, struct span raw,
	struct why *why)
{
	const uint8_t *p = raw.p + VERSION_CHARS;

	if (!version_read(raw, &head->minor))
		return err_set(why, ERR_SYNTAX, "not HTTP/1.0 or HTTP/1.1");
	if (p[0] != ' ' || !isdigit(p[1]) || !isdigit(p[2]) || !isdigit(p[3]) ||
		(p[4] != ' ' && p[4] != '\r') || head->status < 100 || head->status > 599)
		return err_set(why, ERR_SYNTAX, "the status line is malformed");
	return ERR_OK;
}

/* What may stand in a Host header and in the authority of a target: RFC 3986 3.2.2, 3.2.3. */
static bool authority_is_good(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (!isalnum(s.p[i]) &&
			(s.p[i] == '\0' || strchr("-._~%!$&'()*+;=:[]", s.p[i]) == NULL))
			return false;
	}
	return true;
}

static bool span_eq_nocase(struct span a, struct span b)
{
	return a.n == b.n &&
		(a.n == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

/* One of the four forms of RFC 9112 3.2; an absolute one must agree with the Host header. */
static enum err check_target(const struct http1_head *head, struct why *why)
{
	struct span path = head->target;
	struct span authority;
	bool is_good;
	size_t i;

	for (i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '#')
			return err_set(why, ERR_SYNTAX, "a byte that no target may have");
	}
	if (span_is(head->method, "CONNECT"))
		is_good = path.n > 0 && authority_is_good(path);
	else if (target_split_absolute(&path, &authority))
		is_good = authority.n > 0 &&
			span_eq_nocase(authority, http1_head_value(head, "host"));
	else
		is_good = (path.n > 0 && path.p[0] == '/') ||
			(span_is(path, "*") && span_is(head->method, "OPTIONS"));
	return is_good ? ERR_OK : err_set(why, ERR_SYNTAX, "the target is malformed");
}

/* ---- the headers ---- */

static enum err check_headers(struct http1_head *head, struct why *why)
{
	unsigned i;

	for (i = 0; i < head->headers_n; i++) {
		struct http1_header *h = &head->headers[i];

		if (!http1_is_token(h->name))
			return err_set(why, ERR_SYNTAX,
				"the name of header %u is malformed", i + 1);
		h->value = trim(h->value);
	}
	return ERR_OK;
}

/* Sets *@out to the one header of that name, or to NULL. */
static enum err find_only(const struct http1_head *head, const char *name,
	const struct http1_header **out, struct why *why)
{
	*out = http1_head_find(head, name);
	if (*out != NULL && http1_head_next(head, *out) != NULL)
		return err_set(why, ERR_SYNTAX, "more than one %s", name);
	return ERR_OK;
}

static enum err check_host(const struct http1_head *head, struct why *why)
{
	const struct http1_header *host;
	enum err rc = find_only(head, "Host", &host, why);

	if (rc != ERR_OK)
		return rc;
	if (host == NULL && head->minor == 1)
		return err_set(why, ERR_SYNTAX, "no Host");
	if (host != NULL && !authority_is_good(host->value))
		return err_set(why, ERR_SYNTAX, "Host is malformed");
	return ERR_OK;
}

static enum err length_read(struct span value, uint64_t *out, struct why *why)
{
	uint64_t length = 0;
	size_t i;

	if (value.n == 0 || value.n > LENGTH_DIGITS_MAX)
		return err_set(why, ERR_SYNTAX, "Content-Length is malformed");
	for (i = 0; i < value.n; i++) {
		if (!isdigit(value.p[i]))
			return err_set(why, ERR_SYNTAX, "Content-Length is malformed");
		length = length * 10 + (uint64_t)(value.p[i] - '0');
	}
	*out = length;
	return ERR_OK;
}

/* How the body is framed, RFC 9112 6.3, where that is beyond doubt. */
static enum err find_body(struct http1_head *head, bool is_without_body, struct why *why)
{
	const struct http1_header *coding, *length;
	enum err rc = find_only(head, "Transfer-Encoding", &coding, why);

	if (rc == ERR_OK)
		rc = find_only(head, "Content-Length", &length, why);
	if (rc == ERR_OK && length != NULL)
		rc = length_read(length->value, &head->length, why);
	if (rc != ERR_OK)
		return rc;
	if (coding != NULL && length != NULL)
		return err_set(why, ERR_SYNTAX, "a length beside a coding");
	if (coding != NULL &&
		(head->minor == 0 || !span_is_nocase(coding->value, "chunked")))
		return err_set(why, ERR_SYNTAX,
			"Transfer-Encoding is not just \"chunked\"");

	if (is_without_body)
		head->body = HTTP1_NO_BODY;
	else if (coding != NULL)
		head->body = HTTP1_CHUNKED;
	else if (length != NULL)
		head->body = head->length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
	else
		head->body = head->is_request ? HTTP1_NO_BODY : HTTP1_UNTIL_CLOSE;
	return ERR_OK;
}

static bool status_has_no_body(unsigned status)
{
	return status / 100 == 1 || status == 204 || status == 304;
}

static bool find_keeps_alive(const struct http1_head *head)
{
	if (head->body == HTTP1_UNTIL_CLOSE ||
		http1_head_has_token(head, "Connection", "close"))
		return false;
	return head->minor == 1 || http1_head_has_token(head, "Connection", "keep-alive");
}

/* "h2c" is passed over: nobody here speaks it, and it has smuggled requests past proxies. */
static bool find_wants_upgrade(const struct http1_head *head)
{
	if (head->minor == 0 || (!head->is_request && head->status != 101))
		return false;
	return http1_head_find(head, "Upgrade") != NULL &&
		http1_head_has_token(head, "Connection", "upgrade") &&
		!http1_head_has_token(head, "Upgrade", "h2c");
}

enum err http1_head_read(struct http1_head *head, struct span raw, bool is_without_body,
	struct why *why)
{
	enum err rc = parts_read(head, raw, why);

	if (rc == ERR_OK)
		rc = head->is_request ? check_request_line(head, raw, why) :
					check_status_line(head, raw, why);
	if (rc == ERR_OK)
		rc = check_headers(head, why);
	if (rc == ERR_OK && head->is_request)
		rc = check_host(head, why);
	if (rc == ERR_OK && head->is_request)
		rc = check_target(head, why);
	if (rc == ERR_OK)
		rc = find_body(head, is_without_body || status_has_no_body(head->status),
			why);
	if (rc != ERR_OK)
		return rc;
	head->keeps_alive = find_keeps_alive(head);
	head->wants_upgrade = find_wants_upgrade(head);
	return ERR_OK;
}
