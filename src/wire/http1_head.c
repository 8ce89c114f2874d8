/* The head of an HTTP/1 message: its first line, and what follows from its fields. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "wire/http1_priv.h"

#define VERSION "HTTP/1."
#define LENGTH_DIGITS_MAX 18

/* ---- the first line ---- */

/* Versions above 1.1 are treated as 1.1 (RFC 9110 2.5). */
static bool version_read(struct span *in, unsigned *minor)
{
	struct span text, digit;

	if (!span_cut(in, strlen(VERSION), &text) || !span_is(text, VERSION) ||
		!span_cut(in, 1, &digit) || !isdigit(digit.p[0]))
		return false;
	*minor = digit.p[0] == '0' ? 0 : 1;
	return true;
}

/* Takes what is before the next space, and that. False: there is none. */
static bool word_next(struct span *in, struct span *word)
{
	const uint8_t *end = in->n > 0 ? memchr(in->p, ' ', in->n) : NULL;

	if (end == NULL)
		return false;
	*word = span_of(in->p, (size_t)(end - in->p));
	in->p += word->n + 1;
	in->n -= word->n + 1;
	return true;
}

/* Exactly "method SP target SP version". */
static enum err request_line_read(struct http1_head *head, struct span line,
	struct why *why)
{
	if (!word_next(&line, &head->method) || !word_next(&line, &head->target) ||
		!http1_is_token(head->method) || head->target.n == 0)
		return err_set(why, ERR_SYNTAX, "the request line is malformed");
	if (!version_read(&line, &head->minor) || line.n > 0)
		return err_set(why, ERR_SYNTAX, "not HTTP/1.0 or HTTP/1.1");
	return ERR_OK;
}

/* "version SP 3DIGIT", then SP and the reason, or nothing. */
static enum err status_line_read(struct http1_head *head, struct span line,
	struct why *why)
{
	struct span code;

	if (!version_read(&line, &head->minor))
		return err_set(why, ERR_SYNTAX, "the server does not speak HTTP/1");
	if (line.n == 0 || line.p[0] != ' ')
		return err_set(why, ERR_SYNTAX, "the status line is malformed");
	line = span_trim(line);
	if (!span_cut(&line, 3, &code) || !isdigit(code.p[0]) || !isdigit(code.p[1]) ||
		!isdigit(code.p[2]) || code.p[0] == '0' ||
		(line.n > 0 && line.p[0] != ' '))
		return err_set(why, ERR_SYNTAX, "the status line is malformed");
	head->status = (unsigned)((code.p[0] - '0') * 100 + (code.p[1] - '0') * 10 +
		(code.p[2] - '0'));
	head->reason = span_trim(line);
	return ERR_OK;
}

enum err http1_check_first_line(bool is_request, struct span line, struct why *why)
{
	struct http1_head head;

	return is_request ? request_line_read(&head, line, why) :
			    status_line_read(&head, line, why);
}

/* ---- the target and Host ---- */

struct span http1_path(const struct http1_head *head)
{
	struct span path = head->target;
	const uint8_t *query = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;

	if (query != NULL)
		path.n = (size_t)(query - path.p);
	return path;
}

/* What may stand in a Host header and in the authority of a target:
 * RFC 3986 3.2.2, 3.2.3. */
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
		return err_set(why, ERR_SYNTAX, "the Host header is missing");
	if (host != NULL && !authority_is_good(host->value))
		return err_set(why, ERR_SYNTAX, "Host is malformed");
	return ERR_OK;
}

/* RFC 9112 3.2.2: the authority of the target counts, whatever Host says. */
static void set_host(struct http1_head *head, struct span authority)
{
	unsigned i;

	for (i = 0; i < head->headers_n; i++) {
		if (span_is_nocase(head->headers[i].name, "Host"))
			break;
	}
	if (i == head->headers_n)
		head->headers[head->headers_n++].name = span_str("Host");
	head->headers[i].value = authority;
}

/*
 * An absolute target becomes one in origin form. If it has no path, the slash takes the
 * place of the authority's last byte, and the authority moves over the "//" in front of
 * it.
 */
static void take_authority(struct http1_head *head, struct mspan raw,
	struct span authority, struct span rest)
{
	uint8_t *at = raw.p + (authority.p - raw.p);

	if (rest.n == 0 || rest.p[0] != '/') {
		memmove(at - 1, at, authority.n);
		at[authority.n - 1] = rest.n == 0 && span_is(head->method, "OPTIONS") ?
			'*' :
			'/';
		authority.p--;
		rest = span_of(at + authority.n - 1, rest.n + 1);
	}
	head->target = rest;
	set_host(head, authority);
}

static enum err target_read(struct http1_head *head, struct mspan raw, struct why *why)
{
	struct span rest = head->target;
	struct span authority;
	bool is_good;
	size_t i;

	for (i = 0; i < rest.n; i++) {
		if (rest.p[i] <= ' ' || rest.p[i] == 0x7f || rest.p[i] == '#')
			return err_set(why, ERR_SYNTAX,
				"the request target has a forbidden byte");
	}
	if (span_is(head->method, "CONNECT")) {
		is_good = authority_is_good(rest);
	} else if (target_split_absolute(&rest, &authority)) {
		is_good = authority.n > 0 && authority_is_good(authority);
		if (is_good)
			take_authority(head, raw, authority, rest);
	} else {
		is_good = rest.p[0] == '/' ||
			(span_is(rest, "*") && span_is(head->method, "OPTIONS"));
	}
	return is_good ? ERR_OK :
			 err_set(why, ERR_SYNTAX, "the request target is malformed");
}

/* ---- the body ---- */

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

/* One Content-Length, or several that say the same, or "5, 5". */
static enum err lengths_read(struct http1_head *head, struct why *why)
{
	const struct http1_header *h = http1_head_find(head, "Content-Length");
	struct span list, element;
	uint64_t length = 0;
	enum err rc;

	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		if (list.n == 0)
			return length_read(list, &length, why);
		while (http1_list_next(&list, &element)) {
			rc = length_read(element, &length, why);
			if (rc != ERR_OK)
				return rc;
			if (head->has_length && length != head->length)
				return err_set(why, ERR_SYNTAX,
					"two different values of Content-Length");
			head->length = length;
			head->has_length = true;
		}
	}
	return ERR_OK;
}

/* Only "chunked", once. "identity" is a way to say that there is no coding. */
static enum err codings_read(const struct http1_head *head, bool *is_chunked,
	struct why *why)
{
	const struct http1_header *h = http1_head_find(head, "Transfer-Encoding");
	struct span list, element;

	*is_chunked = false;
	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		while (http1_list_next(&list, &element)) {
			if (span_is_nocase(element, "identity"))
				continue;
			if (*is_chunked || !span_is_nocase(element, "chunked"))
				return err_set(why, ERR_SYNTAX,
					"Transfer-Encoding is not just \"chunked\"");
			*is_chunked = true;
		}
	}
	return ERR_OK;
}

/* A request is framed beyond doubt, or refused. */
static enum err request_framing_read(struct http1_head *head, bool *is_chunked,
	struct why *why)
{
	const struct http1_header *coding, *length;
	enum err rc = find_only(head, "Transfer-Encoding", &coding, why);

	if (rc == ERR_OK)
		rc = find_only(head, "Content-Length", &length, why);
	if (rc == ERR_OK && length != NULL)
		rc = length_read(length->value, &head->length, why);
	if (rc != ERR_OK)
		return rc;
	head->has_length = length != NULL;
	*is_chunked = coding != NULL;
	if (coding != NULL && length != NULL)
		return err_set(why, ERR_SYNTAX,
			"both Content-Length and Transfer-Encoding");
	if (coding != NULL &&
		(head->minor == 0 || !span_is_nocase(coding->value, "chunked")))
		return err_set(why, ERR_SYNTAX,
			"Transfer-Encoding is not just \"chunked\"");
	return ERR_OK;
}

/* RFC 9112 6.3: the coding wins over a length, and both together end the connection. */
static enum err response_framing_read(struct http1_head *head, bool *is_chunked,
	struct why *why)
{
	enum err rc = codings_read(head, is_chunked, why);

	if (rc != ERR_OK || !*is_chunked)
		return rc == ERR_OK ? lengths_read(head, why) : rc;
	head->is_ambiguous = head->minor == 0 ||
		http1_head_find(head, "Content-Length") != NULL;
	return ERR_OK;
}

static enum err find_body(struct http1_head *head, bool is_without_body, struct why *why)
{
	bool is_chunked;
	enum err rc = head->is_request ? request_framing_read(head, &is_chunked, why) :
					 response_framing_read(head, &is_chunked, why);

	if (rc != ERR_OK)
		return rc;
	if (is_without_body) {
		head->body = HTTP1_NO_BODY;
		head->is_ambiguous = false;
	} else if (is_chunked) {
		head->body = HTTP1_CHUNKED;
	} else if (head->has_length) {
		head->body = head->length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
	} else {
		head->body = head->is_request ? HTTP1_NO_BODY : HTTP1_UNTIL_CLOSE;
	}
	return ERR_OK;
}

static bool status_has_no_body(unsigned status)
{
	return status / 100 == 1 || status == 204 || status == 304;
}

/* ---- the connection ---- */

static bool find_keeps_alive(const struct http1_head *head)
{
	if (head->body == HTTP1_UNTIL_CLOSE || head->is_ambiguous ||
		http1_head_has_token(head, "Connection", "close"))
		return false;
	return head->minor == 1 || http1_head_has_token(head, "Connection", "keep-alive");
}

bool http1_is_http2(struct span protocol)
{
	return span_is_nocase(protocol, "h2c") || span_is_nocase(protocol, "h2");
}

/* HTTP/2 is passed over: nothing here speaks it, and it has smuggled requests past
 * proxies. */
static bool find_wants_upgrade(const struct http1_head *head)
{
	const struct http1_header *h = http1_head_find(head, "Upgrade");
	struct span list, protocol;

	if (head->minor == 0 || (!head->is_request && head->status != 101) ||
		!http1_head_has_token(head, "Connection", "upgrade"))
		return false;
	for (; h != NULL; h = http1_head_next(head, h)) {
		list = h->value;
		while (http1_list_next(&list, &protocol)) {
			if (!http1_is_http2(protocol))
				return true;
		}
	}
	return false;
}

/* ---- the whole ---- */

static enum err first_line_read(struct http1_head *head, struct mspan *raw,
	struct why *why)
{
	const uint8_t *end = memchr(raw->p, '\n', raw->n);
	size_t n = (size_t)(end - raw->p);
	struct span line = span_of(raw->p, n > 0 && end[-1] == '\r' ? n - 1 : n);

	for (size_t i = 0; i < line.n; i++) {
		if (raw->p[i] < ' ' || raw->p[i] == 0x7f)
			raw->p[i] = ' '; /* only in a response, where it is harmless */
	}
	raw->p += n + 1;
	raw->n -= n + 1;
	return head->is_request ? request_line_read(head, line, why) :
				  status_line_read(head, line, why);
}

enum err http1_head_read(struct http1_head *head, struct mspan raw, bool is_without_body,
	struct why *why)
{
	struct mspan fields = raw;
	enum err rc = first_line_read(head, &fields, why);

	if (rc == ERR_OK)
		rc = http1_fields_read(fields, head->is_request, head->headers,
			&head->headers_n, why);
	if (rc == ERR_OK && head->is_request)
		rc = check_host(head, why);
	if (rc == ERR_OK && head->is_request)
		rc = target_read(head, raw, why);
	if (rc == ERR_OK)
		rc = find_body(head, is_without_body || status_has_no_body(head->status),
			why);
	if (rc != ERR_OK)
		return rc;
	head->keeps_alive = find_keeps_alive(head);
	head->wants_upgrade = find_wants_upgrade(head);
	return ERR_OK;
}
