/*
 * The gob stream of UDP packets. Only the content of such a stream is supported: the
 * definition of a struct of a string Src and bytes Payload, and its values.
 */
#include "wire/gob.h"

#include "base/mem.h"

#define TYPE_BYTES 5
#define TYPE_STRING 6
#define WIRE_TYPE_STRUCT 2 /* the field of a type definition for a struct */
#define FIELDS_MAX 2
#define UINT_BYTES_MAX 8

/* clang-format off */
static const uint8_t definition[] = {
	/* 42 bytes, type -64, a struct, its name and id */
	0x2a, 0x7f, 0x03, 0x01,
	0x01, 0x09, 'u', 'd', 'p', 'P', 'a', 'c', 'k', 'e', 't', 0x01, 0xff, 0x80, 0x00,
	/* two fields */
	0x01, 0x02,
	0x01, 0x03, 'S', 'r', 'c', 0x01, 2 * TYPE_STRING, 0x00,
	0x01, 0x07, 'P', 'a', 'y', 'l', 'o', 'a', 'd', 0x01, 2 * TYPE_BYTES, 0x00,
	0x00, 0x00,
};
/* clang-format on */
static const uint8_t value_type[] = { 0xff, 0x80 }; /* 64, signed */

void gob_reader_init(struct gob_reader *r)
{
	*r = (struct gob_reader){ .src_field = -1, .payload_field = -1 };
}

/* A number below 128 is its own byte; otherwise the byte count comes first, negated. */
static enum err gob_uint(struct span *in, uint64_t *out)
{
	struct span rest = *in, bytes;
	uint64_t v = 0;
	uint8_t first;

	if (!span_u8(&rest, &first))
		return ERR_AGAIN;
	if (first < 0x80) {
		*out = first;
		*in = rest;
		return ERR_OK;
	}
	if (0x100 - first > UINT_BYTES_MAX)
		return ERR_SYNTAX;
	if (!span_cut(&rest, 0x100U - first, &bytes))
		return ERR_AGAIN;
	for (size_t i = 0; i < bytes.n; i++)
		v = v << 8 | bytes.p[i];
	*out = v;
	*in = rest;
	return ERR_OK;
}

/* The readers below read a complete message: missing bytes are an error. */

static enum err gob_int(struct span *in, int64_t *out)
{
	uint64_t v;

	if (gob_uint(in, &v) != ERR_OK)
		return ERR_SYNTAX;
	*out = (v & 1) != 0 ? ~(int64_t)(v >> 1) : (int64_t)(v >> 1);
	return ERR_OK;
}

static enum err gob_bytes(struct span *in, struct span *out)
{
	uint64_t n;

	if (gob_uint(in, &n) != ERR_OK || n > in->n || !span_cut(in, (size_t)n, out))
		return ERR_SYNTAX;
	return ERR_OK;
}

/* Moves @field, -1 at first, to the next field of a struct. ERR_EOF: there is none. */
static enum err gob_field(struct span *in, int *field)
{
	uint64_t delta;

	if (gob_uint(in, &delta) != ERR_OK)
		return ERR_SYNTAX;
	if (delta == 0)
		return ERR_EOF;
	if (delta > WIRE_TYPE_STRUCT + 1 || *field > WIRE_TYPE_STRUCT)
		return ERR_SYNTAX;
	*field += (int)delta;
	return ERR_OK;
}

/* A struct of a name and an id; types and their fields are described by such structs. */
static enum err read_named_id(struct span *in, struct span *name, int64_t *id)
{
	int field = -1;
	enum err rc;

	*name = span_of(NULL, 0);
	*id = 0;
	while ((rc = gob_field(in, &field)) == ERR_OK) {
		if (field == 0)
			rc = gob_bytes(in, name);
		else if (field == 1)
			rc = gob_int(in, id);
		else
			rc = ERR_SYNTAX;
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_EOF ? ERR_OK : rc;
}

/* One field of the packet, at @position. */
static enum err read_member(struct span *in, int position, struct gob_reader *r)
{
	struct span name;
	int64_t type;
	enum err rc = read_named_id(in, &name, &type);

	if (rc != ERR_OK)
		return rc;
	if (span_is(name, "Src") && type == TYPE_STRING && r->src_field < 0)
		r->src_field = position;
	else if (span_is(name, "Payload") && type == TYPE_BYTES && r->payload_field < 0)
		r->payload_field = position;
	else
		return ERR_SYNTAX;
	return ERR_OK;
}

static enum err read_members(struct span *in, struct gob_reader *r)
{
	uint64_t count;
	enum err rc = ERR_OK;

	if (gob_uint(in, &count) != ERR_OK || count > FIELDS_MAX)
		return ERR_SYNTAX;
	for (int i = 0; i < (int)count && rc == ERR_OK; i++)
		rc = read_member(in, i, r);
	return rc;
}

static enum err read_struct_type(struct span *in, struct gob_reader *r)
{
	struct span name;
	int64_t id;
	int field = -1;
	enum err rc;

	while ((rc = gob_field(in, &field)) == ERR_OK) {
		if (field == 0)
			rc = read_named_id(in, &name, &id);
		else if (field == 1)
			rc = read_members(in, r);
		else
			rc = ERR_SYNTAX;
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_EOF ? ERR_OK : rc;
}

/* Follows a negative id: the new definition of type @type_id. */
static enum err read_definition(struct span in, int64_t type_id, struct gob_reader *r)
{
	struct gob_reader fresh;
	int field = -1;

	gob_reader_init(&fresh);
	if (gob_field(&in, &field) != ERR_OK || field != WIRE_TYPE_STRUCT)
		return ERR_SYNTAX;
	if (read_struct_type(&in, &fresh) != ERR_OK)
		return ERR_SYNTAX;
	if (gob_field(&in, &field) != ERR_EOF || in.n > 0)
		return ERR_SYNTAX;
	fresh.has_definition = true;
	fresh.type_id = type_id;
	*r = fresh;
	return ERR_OK;
}

static enum err read_value(struct span in, const struct gob_reader *r,
	struct gob_packet *out)
{
	struct gob_packet packet = { .src = span_of("", 0), .payload = span_of("", 0) };
	int field = -1;
	enum err rc;

	while ((rc = gob_field(&in, &field)) == ERR_OK) {
		if (field == r->src_field)
			rc = gob_bytes(&in, &packet.src);
		else if (field == r->payload_field)
			rc = gob_bytes(&in, &packet.payload);
		else
			rc = ERR_SYNTAX;
		if (rc != ERR_OK)
			return rc;
	}
	if (rc != ERR_EOF || in.n > 0)
		return ERR_SYNTAX;
	if (packet.src.n > GOB_SRC_MAX || packet.payload.n > GOB_PAYLOAD_MAX)
		return ERR_LIMIT;
	*out = packet;
	return ERR_OK;
}

/* Cuts the next message, without its length, from the front of @in. */
static enum err cut_message(struct span *in, struct span *body)
{
	struct span rest = *in;
	uint64_t n;
	enum err rc = gob_uint(&rest, &n);

	if (rc != ERR_OK)
		return rc;
	if (n > GOB_MESSAGE_MAX)
		return ERR_LIMIT;
	if (!span_cut(&rest, (size_t)n, body))
		return ERR_AGAIN;
	*in = rest;
	return ERR_OK;
}

enum err gob_read(struct gob_reader *r, struct span *in, struct gob_packet *out)
{
	struct span rest = *in, body;
	int64_t id;
	enum err rc;

	while ((rc = cut_message(&rest, &body)) == ERR_OK) {
		if (gob_int(&body, &id) != ERR_OK || id < -INT32_MAX)
			return ERR_SYNTAX;
		if (id < 0) {
			rc = read_definition(body, -id, r);
			if (rc != ERR_OK)
				return rc;
			*in = rest; /* consumed, even if an error follows */
			continue;
		}
		if (!r->has_definition || id != r->type_id)
			return ERR_SYNTAX;
		rc = read_value(body, r, out);
		if (rc == ERR_OK)
			*in = rest;
		return rc;
	}
	return rc;
}

enum err gob_write_definition(struct buf *out)
{
	return buf_put(out, definition, sizeof(definition));
}

static size_t uint_size(size_t v)
{
	size_t n = 1;

	if (v < 0x80)
		return 1;
	for (; v > 0; v >>= 8)
		n++;
	return n;
}

static uint8_t *write_uint(uint8_t *to, size_t v)
{
	size_t n = uint_size(v) - 1;

	if (n == 0) {
		*to++ = (uint8_t)v;
		return to;
	}
	*to++ = (uint8_t)(0x100 - n);
	while (n-- > 0)
		*to++ = (uint8_t)(v >> 8 * n);
	return to;
}

/* The length of a field; an empty one is omitted. */
static size_t field_size(struct span s)
{
	return s.n == 0 ? 0 : 1 + uint_size(s.n) + s.n;
}

static uint8_t *write_field(uint8_t *to, uint8_t delta, struct span s)
{
	if (s.n == 0)
		return to;
	*to++ = delta;
	to = write_uint(to, s.n);
	return mem_put(to, s.p, s.n);
}

enum err gob_write(struct buf *out, const struct gob_packet *packet)
{
	struct span src = packet->src, payload = packet->payload;
	size_t n = sizeof(value_type) + field_size(src) + field_size(payload) + 1;
	uint8_t *to;
	enum err rc;

	if (src.n > GOB_SRC_MAX || payload.n > GOB_PAYLOAD_MAX)
		return ERR_LIMIT;
	rc = buf_reserve(out, uint_size(n) + n, &to);
	if (rc != ERR_OK)
		return rc;
	to = write_uint(to, n);
	to = mem_put(to, value_type, sizeof(value_type));
	to = write_field(to, 1, src);
	to = write_field(to, src.n == 0 ? 2 : 1, payload);
	*to = 0;
	buf_commit(out, uint_size(n) + n);
	return ERR_OK;
}
