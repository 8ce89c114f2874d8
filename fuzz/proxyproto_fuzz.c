/* A PROXY protocol header; what is read is written, and read again. */
#include <stdlib.h>

#include "wire/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct proxyproto *a, const struct proxyproto *b)
{
	if (a->family != b->family || a->is_local != b->is_local)
		abort();
	if (a->family != PROXYPROTO_UNKNOWN &&
		(memcmp(&a->source, &b->source, sizeof(a->source)) != 0 ||
			memcmp(&a->destination, &b->destination,
				sizeof(a->destination)) != 0))
		abort();
}

static void check_again(const struct proxyproto *p)
{
	struct proxyproto again;
	struct span in;
	struct buf out;

	buf_init(&out, PROXYPROTO_MAX);
	if (proxyproto_write_v2(p, &out) != ERR_OK)
		abort();
	in = buf_span(&out);
	if (proxyproto_read(&in, &again, NULL) != ERR_OK || in.n > 0)
		abort();
	check_same(p, &again);
	if (p->family != PROXYPROTO_UNKNOWN &&
		(!span_eq(p->authority, again.authority) ||
			!span_eq(p->alpn, again.alpn) || p->is_tls != again.is_tls))
		abort();
	buf_reset(&out);
	if (proxyproto_write_v1(p, &out) != ERR_OK || out.n > PROXYPROTO_V1_MAX)
		abort();
	in = buf_span(&out);
	if (proxyproto_read(&in, &again, NULL) != ERR_OK || in.n > 0)
		abort();
	again.is_local = p->is_local; /* version 1 cannot say that */
	check_same(p, &again);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size), part;
	struct proxyproto p;
	struct why why = { "" };
	enum err rc = proxyproto_read(&in, &p, &why);

	if (rc == ERR_AGAIN && size >= PROXYPROTO_MAX)
		abort(); /* it would wait for ever */
	if (rc != ERR_OK && rc != ERR_AGAIN && why.text[0] == '\0')
		abort();
	if (rc != ERR_OK) {
		if (in.p != data || in.n != size)
			abort();
		return 0;
	}
	/* A byte less is not enough. */
	part = span_of(data, size - in.n - 1);
	if (proxyproto_read(&part, &p, NULL) != ERR_AGAIN)
		abort();
	in = span_of(data, size);
	if (proxyproto_read(&in, &p, NULL) != ERR_OK)
		abort();
	check_again(&p);
	return 0;
}
