/* A gob stream from a stranger: the first byte says how fast it comes. */
#include <stdlib.h>

#include "wire/gob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, and is then read as the same. */
static void check_packet(const struct gob_packet *packet)
{
	struct gob_packet again;
	struct gob_reader r;
	struct span in;
	struct buf b;

	if (packet->src.n > GOB_SRC_MAX || packet->payload.n > GOB_PAYLOAD_MAX)
		abort();
	buf_init(&b, 2 * GOB_MESSAGE_MAX);
	gob_reader_init(&r);
	if (gob_write_definition(&b) != ERR_OK || gob_write(&b, packet) != ERR_OK)
		abort();
	in = buf_span(&b);
	if (gob_read(&r, &in, &again) != ERR_OK || in.n > 0)
		abort();
	if (!span_eq(again.src, packet->src) || !span_eq(again.payload, packet->payload))
		abort();
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gob_packet packet;
	struct gob_reader r;
	size_t begin = 1, end = 1;
	enum err rc = ERR_AGAIN;

	gob_reader_init(&r);
	while (rc == ERR_AGAIN && end < size) {
		struct span in;

		end = size - end > data[0] ? end + data[0] + 1 : size;
		in = span_of(data + begin, end - begin);
		while ((rc = gob_read(&r, &in, &packet)) == ERR_OK)
			check_packet(&packet);
		begin = end - in.n;
	}
	return 0;
}
