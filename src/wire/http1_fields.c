/* The fields of an HTTP/1 message: read from their lines, and found by name. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "wire/http1_priv.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* ---- finding ---- */

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
		*element = span_trim(first);
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

/* ---- reading ---- */

/* Takes a line off @in, without its end. */
static bool line_next(struct mspan *in, struct mspan *line)
{
	uint8_t *end = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;

	if (end == NULL)
		return false;
	*line = (struct mspan){ .p = in->p, .n = (size_t)(end - in->p) };
	in->p += line->n + 1;
	in->n -= line->n + 1;
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

/* RFC 9110 5.5: a CR or a NUL may be replaced by a space.
 * So are the other controls here. */
static void blank_controls(struct mspan line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] < ' ' || line.p[i] == 0x7f)
			line.p[i] = ' ';
	}
}

/* RFC 9112 5.2: a folded line continues the value, a space between them. */
static void value_join(struct span *value, uint8_t *end, struct mspan line)
{
	struct span more = span_trim(span_of(line.p, line.n));

	if (value->n == 0) {
		*value = more;
		return;
	}
	*end = ' ';
	memmove(end + 1, more.p, more.n);
	value->n += 1 + more.n;
	*value = span_trim(*value);
}

/* "Some Name: x" has no name that could be forwarded; it is left out, as others do. */
static bool name_is_words(struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] != ' ' && !http1_is_token(span_of(name.p + i, 1)))
			return false;
	}
	return name.n > 0;
}

/* ERR_AGAIN: the line is well-formed, but the field is to be left out. */
static enum err field_read(struct span line, bool is_strict, struct http1_header *out,
	struct why *why)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	struct span name;

	if (colon == NULL)
		return err_set(why, ERR_SYNTAX, "a header line without a colon");
	name = span_of(line.p, (size_t)(colon - line.p));
	out->value = span_trim(span_of(colon + 1, line.n - name.n - 1));
	out->name = is_strict ? name : span_trim(name);
	if (http1_is_token(out->name))
		return ERR_OK;
	if (!is_strict && name_is_words(out->name))
		return ERR_AGAIN;
	return err_set(why, ERR_SYNTAX, "a header name is malformed");
}

enum err http1_fields_read(struct mspan lines, bool is_strict, struct http1_header *out,
	unsigned *n, struct why *why)
{
	struct http1_header left_out, *last = NULL;
	uint8_t *base = lines.p;
	struct mspan line;
	enum err rc;

	*n = 0;
	while (line_next(&lines, &line) && line.n > 0) {
		if (!is_strict)
			blank_controls(line);
		if (is_blank(line.p[0])) {
			if (last == NULL)
				return err_set(why, ERR_SYNTAX,
					"the first header line is folded");
			value_join(&last->value,
				base + (last->value.p - base) + last->value.n, line);
			continue;
		}
		last = &out[*n];
		rc = field_read(span_of(line.p, line.n), is_strict, last, why);
		if (rc == ERR_OK) {
			++*n;
		} else if (rc == ERR_AGAIN) {
			left_out = *last;
			last = &left_out;
		} else {
			return rc;
		}
	}
	return ERR_OK;
}
