/*
 * WebSocket frames, RFC 6455, without I/O. The payload of data messages is one stream of
 * bytes; message boundaries have no meaning (chisel-protocol 2).
 */
#ifndef WIRE_WS_H
#define WIRE_WS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define WS_HEADER_MAX 14     /* bytes before a payload, at most */
#define WS_MESSAGE_MAX 65535 /* the largest message that we send */
#define WS_CONTROL_MAX 125   /* payload of a control frame */
#define WS_ACCEPT_CHARS 28

enum ws_role { WS_CLIENT, WS_SERVER };

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

/* Reads the frames of the peer. An open struct, embedded; it owns no memory. */
struct ws_reader {
	enum ws_role role;  /* ours */
	bool is_in_message; /* a fragmented data message is not finished */
	uint8_t opcode;     /* of the frame being read */
	uint8_t mask[4];
	bool is_masked;
	uint64_t left;      /* payload bytes of the frame still to come */
	uint64_t mask_at;   /* position in the payload, for the mask */
	uint64_t frame_max; /* larger frames are ERR_LIMIT; 0: no bound */
	uint8_t control[WS_CONTROL_MAX];
	uint8_t control_n;
	bool is_final;
};

/*
 * A piece of a data message (WS_BINARY, with text and continuations reported as such), or
 * a whole control frame. Data lies in the input, unmasked in place.
 */
struct ws_event {
	enum ws_opcode opcode; /* WS_BINARY, WS_CLOSE, WS_PING or WS_PONG */
	struct mspan data;
	uint16_t close_code; /* WS_CLOSE: 1005 if the frame has none */
};

void ws_reader_init(struct ws_reader *r, enum ws_role role);

/*
 * Takes bytes from the front of @in up to the next event. Data is reported as it arrives,
 * without buffering; empty data is skipped.
 *
 * ERR_AGAIN: more bytes are needed; the rest of @in is the head of a frame, to be
 * given again.  ERR_PROTO: reserved bits or opcodes, a wrong mask, a bad control frame.
 * ERR_LIMIT: longer than frame_max.
 */
enum err ws_next(struct ws_reader *r, struct mspan *in, struct ws_event *out) MUST_USE;

/*
 * Writes the header of a final frame of @n bytes so that it ends at @end, and returns its
 * length: at most WS_HEADER_MAX bytes before @end are written. @mask is NULL for a
 * server.
 */
size_t ws_header_before(uint8_t *end, enum ws_opcode opcode, uint64_t n,
	const uint8_t mask[4]);

/* Masks or unmasks in place; @at is the position of @p in the payload. */
void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at);

/* The Sec-WebSocket-Accept of @key (base64 text), terminated. */
void ws_accept(struct span key, char out[WS_ACCEPT_CHARS + 1]);

/* True if @key is base64 of 16 bytes. */
bool ws_key_is_good(struct span key);

#endif
