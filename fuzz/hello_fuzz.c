/*
 * ClientHellos, and the markers that go before one on a reverse session: what was read
 * from more bytes is never taken back, and names are fit for a C string.
 */
#include <stdlib.h>

#include "wire/hello.h"
#include "wire/marker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(struct span host)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] <= ' ' || host.p[i] >= 0x7f)
			abort();
}

static void check_hello(struct span in, enum err rc, const struct hello *h)
{
	if (rc == ERR_AGAIN && in.n >= HELLO_BYTES_MAX)
		abort();
	if (rc != ERR_OK)
		return;
	check_host(h->host);
}

static void run_marker(struct span in)
{
	enum marker got;
	enum err rc = marker_read(&in, &got);

	if (rc == ERR_AGAIN && in.n > 0)
		abort();
	if (rc == ERR_OK && got == MARKER_KEEPALIVE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t scratch[HELLO_MESSAGE_MAX];
	struct hello h;
	struct span in;
	enum err part, all;

	if (size < 1)
		return 0;
	in = span_of(data + 1, size - 1);
	run_marker(in);
	part = hello_read(span_of(in.p, in.n * data[0] / 256), scratch, &h);
	all = hello_read(in, scratch, &h);
	check_hello(in, all, &h);
	if (part != ERR_AGAIN && part != all)
		abort();
	return 0;
}
