/*
 * The gob stream of UDP packets inside a channel: {Src, Payload}. chisel-protocol 6.6.1.
 */
#ifndef WIRE_GOB_H
#define WIRE_GOB_H

#include <stdbool.h>

#include "base/buf.h"

#define GOB_MESSAGE_MAX 70000
#define GOB_PAYLOAD_MAX 65507
#define GOB_SRC_MAX 256

struct gob_packet {
	struct span src;
	struct span payload;
};

/* Embedded. Knows the type id and field order that the peer defined. */
struct gob_reader {
	bool has_definition;
	int64_t type_id;
	int src_field, payload_field; /* positions in the definition; -1: missing */
};

void gob_reader_init(struct gob_reader *r);

/*
 * Takes messages from the front of @in up to the next packet, whose spans lie in @in.
 * ERR_AGAIN: more bytes are needed. ERR_SYNTAX, ERR_LIMIT: the stream cannot be read any
 * further.
 */
enum err gob_read(struct gob_reader *r, struct span *in, struct gob_packet *out) MUST_USE;

/* The type definition that comes first in each direction of a channel. */
enum err gob_write_definition(struct buf *out) MUST_USE;
enum err gob_write(struct buf *out, const struct gob_packet *packet) MUST_USE;

#endif
