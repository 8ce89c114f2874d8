/* The types of RFC 4251. */
#include "wire/ssh_wire.h"

bool ssh_get_string(struct span *in, struct span *out)
{
	struct span rest = *in;
	uint32_t n;

	if (!span_u32(&rest, &n) || !span_cut(&rest, n, out))
		return false;
	*in = rest;
	return true;
}

bool ssh_get_bool(struct span *in, bool *out)
{
	uint8_t v;

	if (!span_u8(in, &v))
		return false;
	*out = v != 0;
	return true;
}

void ssh_put_string(struct buf *b, struct span s)
{
	/* No buf takes 4 GiB: the length fits, or putting the bytes fails. */
	(void)buf_put_u32(b, (uint32_t)s.n);
	(void)buf_put_span(b, s);
}

void ssh_put_text(struct buf *b, const char *text)
{
	ssh_put_string(b, span_str(text));
}

void ssh_put_bool(struct buf *b, bool v)
{
	(void)buf_put_u8(b, v ? 1 : 0);
}

void ssh_put_mpint(struct buf *b, struct span s)
{
	bool is_padded;

	while (s.n > 0 && s.p[0] == 0) {
		s.p++;
		s.n--;
	}
	is_padded = s.n > 0 && (s.p[0] & 0x80) != 0;
	(void)buf_put_u32(b, (uint32_t)s.n + (is_padded ? 1 : 0));
	if (is_padded)
		(void)buf_put_u8(b, 0);
	(void)buf_put_span(b, s);
}

bool ssh_list_next(struct span *list, struct span *name)
{
	const uint8_t *comma;

	if (list->n == 0)
		return false;
	comma = memchr(list->p, ',', list->n);
	if (comma == NULL) {
		*name = *list;
		*list = span_of(list->p + list->n, 0);
		return true;
	}
	*name = span_of(list->p, (size_t)(comma - list->p));
	*list = span_of(comma + 1, list->n - name->n - 1);
	return true;
}

bool ssh_list_has(struct span list, struct span name)
{
	struct span one;

	while (ssh_list_next(&list, &one)) {
		if (span_eq(one, name))
			return true;
	}
	return false;
}

bool ssh_list_choose(struct span wanted, struct span offered, struct span *out)
{
	struct span name;

	while (ssh_list_next(&wanted, &name)) {
		if (name.n > 0 && ssh_list_has(offered, name)) {
			*out = name;
			return true;
		}
	}
	return false;
}
