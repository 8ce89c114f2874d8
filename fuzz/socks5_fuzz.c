/* Both sides of SOCKS5: the first byte says which, and where the input is split. */
#include <stdlib.h>

#include "wire/socks5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_target(const struct socks5_target *t)
{
	if (t->host[0] == '\0' || strnlen(t->host, SOCKS5_HOST_MAX) == SOCKS5_HOST_MAX)
		abort();
}

static void run_server(struct span in, size_t split)
{
	struct socks5_server s;
	struct socks5_target target;
	struct span part = span_of(in.p, split);
	struct buf out;
	enum err rc;

	buf_init(&out, 64);
	socks5_server_init(&s);
	rc = socks5_server_next(&s, &part, &out, &target);
	if (rc == ERR_AGAIN) {
		part.n += in.n - split;
		rc = socks5_server_next(&s, &part, &out, &target);
	}
	if (rc == ERR_OK)
		check_target(&target);
	if (out.failed != ERR_OK)
		abort(); /* answers are short */
	buf_fini(&out);
}

static void run_client(struct span in, size_t split, bool has_login)
{
	const struct socks5_target target = { .host = "example.com", .port = 443 };
	struct span part = span_of(in.p, split);
	struct socks5_client c;
	struct why why;
	struct buf out;

	buf_init(&out, 600);
	if (socks5_client_start(&c, &target, has_login ? "u" : NULL, "p", &out) != ERR_OK)
		abort();
	if (socks5_client_next(&c, &part, &out, &why) == ERR_AGAIN) {
		part.n += in.n - split;
		if (socks5_client_next(&c, &part, &out, &why) == ERR_OK &&
			c.state != SOCKS5_DONE)
			abort();
	}
	if (out.failed != ERR_OK)
		abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;
	size_t split;

	if (size < 1)
		return 0;
	in = span_of(data + 1, size - 1);
	split = (size_t)(data[0] >> 2) < in.n ? (size_t)(data[0] >> 2) : in.n;
	if ((data[0] & 1) != 0)
		run_client(in, split, (data[0] & 2) != 0);
	else
		run_server(in, split);
	return 0;
}
