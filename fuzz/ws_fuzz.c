/* WebSocket frames from a stranger: the first byte says which role reads them, and how
 * fast. */
#include <stdlib.h>

#include "wire/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct ws_event *e)
{
	if (e->opcode == WS_BINARY ? e->data.n == 0 : e->data.n > WS_CONTROL_MAX)
		abort();
	if (e->data.n > 0)
		e->data.p[0] ^= 1; /* it is ours, to its last byte */
	if (e->data.n > 0)
		e->data.p[e->data.n - 1] ^= 1;
}

static void read_all(uint8_t *p, size_t n, enum ws_role role, size_t step)
{
	struct ws_reader r;
	struct ws_event e;
	struct mspan rest;
	size_t begin = 0, end = 0;
	enum err rc = ERR_AGAIN;

	ws_reader_init(&r, role);
	r.frame_max = 1 << 19;
	while (rc == ERR_AGAIN && end < n) {
		end = n - end > step ? end + step : n;
		rest = (struct mspan){ .p = p + begin, .n = end - begin };
		while ((rc = ws_next(&r, &rest, &e)) == ERR_OK)
			check_event(&e);
		begin = end - rest.n;
		if (rc == ERR_AGAIN && rest.n >= WS_HEADER_MAX)
			abort(); /* nothing longer than a head waits for more */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, size - 1);
	read_all(copy, size - 1, data[0] & 1 ? WS_SERVER : WS_CLIENT,
		(size_t)(data[0] >> 1) + 1);
	free(copy);
	return 0;
}
