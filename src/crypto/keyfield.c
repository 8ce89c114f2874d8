/* Fields of SSH keys. */
#include "crypto/keyfield.h"

bool keyfield_string(struct span *in, struct span *out)
{
	struct span rest = *in;
	uint32_t n;

	if (!span_u32(&rest, &n) || !span_cut(&rest, n, out))
		return false;
	*in = rest;
	return true;
}

bool keyfield_mpint(struct span *in, struct span *out)
{
	struct span rest = *in;
	struct span number;

	if (!keyfield_string(&rest, &number) || number.n == 0 || number.p[0] > 0x7f)
		return false;
	if (number.p[0] == 0) {
		/* A zero stands there only to keep the next byte from being a sign. */
		if (number.n == 1 || number.p[1] <= 0x7f)
			return false;
		number = span_of(number.p + 1, number.n - 1);
	}
	*out = number;
	*in = rest;
	return true;
}

enum err keyfield_put_string(struct buf *out, struct span s)
{
	enum err rc = s.n <= UINT32_MAX ? ERR_OK : ERR_LIMIT;

	if (rc == ERR_OK)
		rc = buf_put_u32(out, (uint32_t)s.n);
	if (rc == ERR_OK)
		rc = buf_put_span(out, s);
	return rc;
}

enum err keyfield_put_mpint(struct buf *out, struct span magnitude)
{
	bool needs_zero;
	enum err rc;

	while (magnitude.n > 0 && magnitude.p[0] == 0)
		magnitude = span_of(magnitude.p + 1, magnitude.n - 1);
	needs_zero = magnitude.n > 0 && magnitude.p[0] > 0x7f;
	if (magnitude.n >= UINT32_MAX)
		return ERR_LIMIT;

	rc = buf_put_u32(out, (uint32_t)magnitude.n + needs_zero);
	if (rc == ERR_OK && needs_zero)
		rc = buf_put_u8(out, 0);
	if (rc == ERR_OK)
		rc = buf_put_span(out, magnitude);
	return rc;
}
