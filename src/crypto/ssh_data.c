/* The data types of SSH. */
#include "crypto/ssh_data.h"

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

bool ssh_get_mpint(struct span *in, struct span *out)
{
	struct span rest = *in;
	struct span number;

	if (!ssh_get_string(&rest, &number) || number.n == 0 || number.p[0] > 0x7f)
		return false;
	if (number.p[0] == 0) {
		/* A zero is there only if the next byte would be taken for a sign. */
		if (number.n == 1 || number.p[1] <= 0x7f)
			return false;
		number = span_of(number.p + 1, number.n - 1);
	}
	*out = number;
	*in = rest;
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

void ssh_put_mpint(struct buf *b, struct span magnitude)
{
	bool needs_zero;

	while (magnitude.n > 0 && magnitude.p[0] == 0)
		magnitude = span_of(magnitude.p + 1, magnitude.n - 1);
	needs_zero = magnitude.n > 0 && magnitude.p[0] > 0x7f;
	(void)buf_put_u32(b, (uint32_t)magnitude.n + needs_zero);
	if (needs_zero)
		(void)buf_put_u8(b, 0);
	(void)buf_put_span(b, magnitude);
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
