/* Pages from templates. */
#include "http/page.h"

#include <stdio.h>

static void put_html(struct buf *out, const char *text)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;",
		"&#39;" };

	for (;;) {
		size_t n = strcspn(text, special);

		buf_put(out, text, n);
		text += n;
		if (*text == '\0')
			return;
		buf_put_str(out, entities[strchr(special, *text++) - special]);
	}
}

static const struct page_value *value_find(const struct page_value *values,
	struct span name)
{
	while (values->name != NULL && !span_is(name, values->name))
		values++;
	return values;
}

/* Cuts what is before @mark, and the mark. False: there is none. */
static bool cut_before(struct span *text, struct span mark, struct span *before)
{
	const uint8_t *at = memmem(text->p, text->n, mark.p, mark.n);

	if (at == NULL)
		return false;
	*before = span_of(text->p, (size_t)(at - text->p));
	*text = span_of(at + mark.n, text->n - before->n - mark.n);
	return true;
}

void page_put(struct buf *out, struct span template, const struct page_value *values)
{
	struct span before, name, part;

	while (cut_before(&template, span_str("{{"), &before) &&
		cut_before(&template, span_str("}}"), &name)) {
		const bool is_section = name.n > 0 && name.p[0] == '#';
		const struct page_value *v;

		buf_put_span(out, before);
		if (name.n > 0 && name.p[0] == '/')
			continue;
		if (is_section)
			name = span_of(name.p + 1, name.n - 1);
		v = value_find(values, name);
		if (!is_section && v->text != NULL) {
			put_html(out, v->text);
		} else if (!is_section) {
			buf_put_span(out, v->raw);
		} else if (v->raw.n == 0 && (v->text == NULL || *v->text == '\0')) {
			char end[64];

			snprintf(end, sizeof(end), "{{/%.*s}}", (int)name.n,
				(const char *)name.p);
			(void)cut_before(&template, span_str(end), &part);
		}
	}
	buf_put_span(out, template);
}

const char *page_digest(struct span text, char to[PAGE_DIGEST_SIZE])
{
	uint8_t digest[HASH_SHA256_BYTES];

	to[0] = '\0';
	if (hash_sha256(text, digest) == ERR_OK)
		base64_encode(BASE64_PADDED, span_of(digest, sizeof(digest)), to);
	return to;
}
