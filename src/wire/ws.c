/* WebSocket frames, RFC 6455. */
#include "wire/ws.h"

#include <ctype.h>
#include <string.h>

#include "crypto/hash.h"
#include "text/base64.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY_BYTES 16
#define WS_KEY_CHARS (BASE64_TEXT_SIZE(WS_KEY_BYTES) - 1)

#define BIT_FINAL 0x80
#define BITS_RESERVED 0x70
#define BITS_OPCODE 0x0f
#define BIT_MASKED 0x80
#define LENGTH_IS_U16 126
#define LENGTH_IS_U64 127

#define CLOSE_NONE_GIVEN 1005

struct ws_header {
	uint8_t opcode;
	bool is_final, is_masked;
	uint64_t n;
	uint8_t mask[4];
};

void ws_reader_init(struct ws_reader *r, enum ws_role role)
{
	*r = (struct ws_reader){ .role = role };
}

static bool opcode_is_control(uint8_t opcode)
{
	return (opcode & WS_CLOSE) != 0;
}

static bool opcode_is_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* Checks the first two bytes before waiting for the others. */
static enum err header_check(const struct ws_reader *r, const struct ws_header *h,
	uint8_t length)
{
	if (!opcode_is_known(h->opcode))
		return ERR_PROTO;
	if (h->is_masked != (r->role == WS_SERVER)) /* RFC 6455 5.1 */
		return ERR_PROTO;
	if (opcode_is_control(h->opcode))
		return h->is_final && length <= WS_CONTROL_MAX ? ERR_OK : ERR_PROTO;
	if ((h->opcode == WS_CONTINUATION) != r->is_in_message)
		return ERR_PROTO;
	return ERR_OK;
}

/* The length in its shortest form, as RFC 6455 5.2 demands. */
static enum err length_read(struct span *in, uint8_t first, uint64_t *out)
{
	uint16_t small;
	uint32_t high, low;

	if (first < LENGTH_IS_U16) {
		*out = first;
		return ERR_OK;
	}
	if (first == LENGTH_IS_U16) {
		if (!span_u16(in, &small))
			return ERR_AGAIN;
		*out = small;
		return small < LENGTH_IS_U16 ? ERR_PROTO : ERR_OK;
	}
	if (!span_u32(in, &high))
		return ERR_AGAIN;
	if (high > INT32_MAX)
		return ERR_PROTO;
	if (!span_u32(in, &low))
		return ERR_AGAIN;
	*out = (uint64_t)high << 32 | low;
	return *out <= UINT16_MAX ? ERR_PROTO : ERR_OK;
}

static enum err header_read(const struct ws_reader *r, struct span *in,
	struct ws_header *h)
{
	struct span mask;
	uint8_t first, second, length;
	enum err rc;

	if (!span_u8(in, &first))
		return ERR_AGAIN;
	if ((first & BITS_RESERVED) != 0)
		return ERR_PROTO;
	if (!span_u8(in, &second))
		return ERR_AGAIN;
	length = (uint8_t)(second & ~BIT_MASKED);
	h->opcode = first & BITS_OPCODE;
	h->is_final = (first & BIT_FINAL) != 0;
	h->is_masked = (second & BIT_MASKED) != 0;
	rc = header_check(r, h, length);
	if (rc == ERR_OK)
		rc = length_read(in, length, &h->n);
	if (rc != ERR_OK)
		return rc;
	if (r->frame_max > 0 && h->n > r->frame_max && !opcode_is_control(h->opcode))
		return ERR_LIMIT;
	if (h->is_masked) {
		if (!span_cut(in, sizeof(h->mask), &mask))
			return ERR_AGAIN;
		memcpy(h->mask, mask.p, sizeof(h->mask));
	}
	return ERR_OK;
}

static void frame_begin(struct ws_reader *r, const struct ws_header *h)
{
	r->opcode = h->opcode;
	r->is_final = h->is_final;
	r->is_masked = h->is_masked;
	memcpy(r->mask, h->mask, sizeof(r->mask));
	r->left = h->n;
	r->mask_at = 0;
	r->control_n = 0;
	if (!opcode_is_control(h->opcode))
		r->is_in_message = !h->is_final;
}

/* Takes the received part of the frame's payload and unmasks it in place. */
static struct mspan payload_take(struct ws_reader *r, struct mspan *in)
{
	size_t n = in->n < r->left ? in->n : (size_t)r->left;
	struct mspan piece = { .p = in->p, .n = n };

	if (r->is_masked)
		ws_mask(piece.p, n, r->mask, r->mask_at);
	r->mask_at += n;
	r->left -= n;
	in->p += n;
	in->n -= n;
	return piece;
}

/* Codes that may be sent: RFC 6455 7.4 and the registry that it opens. */
static bool close_code_is_good(uint16_t code)
{
	if (code >= 3000)
		return code <= 4999;
	return code >= 1000 && code <= 1014 && code != 1004 && code != CLOSE_NONE_GIVEN &&
		code != 1006;
}

static enum err close_code_read(const struct ws_reader *r, uint16_t *out)
{
	struct span in = span_of(r->control, r->control_n);
	uint16_t code = CLOSE_NONE_GIVEN;

	if (in.n > 0 && (!span_u16(&in, &code) || !close_code_is_good(code)))
		return ERR_PROTO;
	*out = code;
	return ERR_OK;
}

/* A control frame is buffered, because it is small and only reported as a whole. */
static enum err control_next(struct ws_reader *r, struct mspan *in, struct ws_event *out)
{
	struct mspan piece = payload_take(r, in);
	uint16_t code = 0;

	if (piece.n > 0)
		memcpy(r->control + r->control_n, piece.p, piece.n);
	r->control_n = (uint8_t)(r->control_n + piece.n);
	if (r->left > 0)
		return ERR_AGAIN;
	if (r->opcode == WS_CLOSE && close_code_read(r, &code) != ERR_OK)
		return ERR_PROTO;
	*out = (struct ws_event){
		.opcode = r->opcode,
		.data = { .p = r->control, .n = r->control_n },
		.close_code = code,
	};
	return ERR_OK;
}

static enum err frame_next(struct ws_reader *r, struct mspan *in)
{
	struct span rest = span_of(in->p, in->n);
	struct ws_header h = { .n = 0 };
	enum err rc = header_read(r, &rest, &h);

	if (rc != ERR_OK)
		return rc;
	frame_begin(r, &h);
	in->p += in->n - rest.n;
	in->n = rest.n;
	return ERR_OK;
}

enum err ws_next(struct ws_reader *r, struct mspan *in, struct ws_event *out)
{
	enum err rc;

	for (;;) {
		if (r->left == 0) {
			rc = frame_next(r, in);
			if (rc != ERR_OK)
				return rc;
		}
		if (opcode_is_control(r->opcode))
			return control_next(r, in, out);
		if (r->left > 0 && in->n == 0)
			return ERR_AGAIN;
		if (r->left > 0) {
			*out = (struct ws_event){
				.opcode = WS_BINARY,
				.data = payload_take(r, in),
			};
			return ERR_OK;
		}
	}
}

/* Writes @n big endian in @bytes bytes that end at @end. */
static uint8_t *length_before(uint8_t *end, uint64_t n, unsigned bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*--end = (uint8_t)n;
	return end;
}

size_t ws_header_before(uint8_t *end, enum ws_opcode opcode, uint64_t n,
	const uint8_t mask[4])
{
	uint8_t *p = end;
	uint8_t length;

	if (mask != NULL) {
		p -= 4;
		memcpy(p, mask, 4);
	}
	if (n < LENGTH_IS_U16) {
		length = (uint8_t)n;
	} else if (n <= UINT16_MAX) {
		length = LENGTH_IS_U16;
		p = length_before(p, n, 2);
	} else {
		length = LENGTH_IS_U64;
		p = length_before(p, n, 8);
	}
	*--p = (uint8_t)(length | (mask != NULL ? BIT_MASKED : 0));
	*--p = (uint8_t)(opcode | BIT_FINAL);
	return (size_t)(end - p);
}

/*
 * Vectors of the compiler, so that the loop is wide at -O2 too, where gcc does not
 * vectorise a loop of unknown length by itself. Four of them hide the latency of the
 * loads.
 */
typedef uint64_t mask_lane __attribute__((vector_size(16)));

void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at)
{
	mask_lane wide, lanes[4];
	uint8_t turned[sizeof(mask_lane)];
	size_t i;

	for (i = 0; i < sizeof(turned); i++)
		turned[i] = mask[(at + i) & 3];
	memcpy(&wide, turned, sizeof(wide));
	for (; n >= sizeof(lanes); n -= sizeof(lanes), p += sizeof(lanes)) {
		memcpy(lanes, p, sizeof(lanes));
		lanes[0] ^= wide;
		lanes[1] ^= wide;
		lanes[2] ^= wide;
		lanes[3] ^= wide;
		memcpy(p, lanes, sizeof(lanes));
	}
	for (i = 0; i < n; i++)
		p[i] ^= turned[i & 3];
}

void ws_accept(struct span key, char out[WS_ACCEPT_CHARS + 1])
{
	uint8_t text[WS_KEY_CHARS + sizeof(WS_GUID) - 1];
	uint8_t digest[HASH_SHA1_BYTES];
	size_t n = key.n < WS_KEY_CHARS ? key.n : WS_KEY_CHARS;

	out[0] = '\0';
	if (n > 0)
		memcpy(text, key.p, n);
	memcpy(text + n, WS_GUID, sizeof(WS_GUID) - 1);
	if (hash_sha1(span_of(text, n + sizeof(WS_GUID) - 1), digest) == ERR_OK)
		base64_encode(BASE64_PADDED, span_of(digest, sizeof(digest)), out);
}

/*
 * Not base64_decode(): it refuses stray bits behind the last byte, and other servers
 * accept them.
 */
bool ws_key_is_good(struct span key)
{
	size_t i;

	if (key.n != WS_KEY_CHARS || key.p[WS_KEY_CHARS - 2] != '=' ||
		key.p[WS_KEY_CHARS - 1] != '=')
		return false;
	for (i = 0; i < WS_KEY_CHARS - 2; i++) {
		if (!isalnum(key.p[i]) && key.p[i] != '+' && key.p[i] != '/')
			return false;
	}
	return true;
}
