/*
 * The outbox holds what a session has to send: SSH packets, built and sealed in the
 * memory that goes to the connection. One block of the pool is one WebSocket message.
 */
#ifndef TUNNEL_CHISEL_OUTBOX_H
#define TUNNEL_CHISEL_OUTBOX_H

#include "base/list.h"
#include "base/sink.h"
#include "loop/worker.h"
#include "net/stream.h"
#include "wire/ws.h"

#define OUTBOX_BYTES_MAX (8u << 20) /* control packets to a peer that reads nothing */

struct outblock;

struct outbox {
	struct sink sink;  /* where packets are put */
	struct pool *pool; /* borrowed: the worker's */
	enum ws_role role;
	struct list blocks;    /* oldest first */
	struct outblock *open; /* borrowed: the last of them while it is filled */
	struct outblock *pong; /* borrowed: of an answer that waits, or NULL */
	size_t queued_bytes;   /* not written yet */
	uint8_t masks[64];     /* of a client: random, made for several frames at once */
	unsigned masks_left;   /* bytes of them */
};

void outbox_init(struct outbox *box, struct pool *pool, enum ws_role role);
void outbox_fini(struct outbox *box);

/* A control frame, after everything that is in the box. */
enum err outbox_put_control(struct outbox *box, enum ws_opcode opcode,
	struct span data) MUST_USE;

/* The answer to a ping. Of those that wait only the last is sent, RFC 6455 5.5.3. */
enum err outbox_put_pong(struct outbox *box, struct span data) MUST_USE;

/*
 * Writes to @stream as much as it takes, closing the message that was being filled.
 * ERR_OK: all; ERR_AGAIN: the stream is full: call again when it is writable and not
 * before, or there would be many small messages.  Anything else: it is broken.
 */
enum err outbox_flush(struct outbox *box, struct stream *stream) MUST_USE;

#endif
