/* The outbox is what a session has to send; one block is one WebSocket message. */
#include "tunnel/chisel/outbox.h"

#include "base/rand.h"

#define OUTBOX_IOV_MAX 16

/* Less room than this at the end of a message is left empty when bulk data is to come. */
#define OUTBOX_SCRAP_BYTES 8192

/*
 * A block's memory starts with this, room for the frame's header follows, then the
 * payload. The header is written last, when the size is known, so that it ends where the
 * payload begins.
 */
struct outblock {
	struct list in_box;
	uint32_t from,
		to; /* of the frame in bytes[]; while it is filled, of the payload */
	uint8_t bytes[];
};

_Static_assert(sizeof(struct outblock) + WS_HEADER_MAX + WS_MESSAGE_MAX <=
		WORKER_BLOCK_BYTES,
	"a message fits a block");

static struct outblock *outbox_add_block(struct outbox *box)
{
	struct outblock *block = pool_take(box->pool);

	if (block == NULL)
		return NULL;
	block->from = block->to = WS_HEADER_MAX;
	list_init(&block->in_box);
	list_add(&box->blocks, &block->in_box);
	box->open = block;
	return block;
}

static const uint8_t *outbox_next_mask(struct outbox *box)
{
	if (box->masks_left == 0) {
		rand_bytes(box->masks, sizeof(box->masks));
		box->masks_left = sizeof(box->masks);
	}
	box->masks_left -= 4;
	return box->masks + box->masks_left;
}

/* Makes a frame of the payload: masks it and puts the header before it. */
static void outbox_seal(struct outbox *box, enum ws_opcode opcode)
{
	struct outblock *block = box->open;
	const uint8_t *mask = NULL;
	size_t header, n = block->to - block->from;

	if (box->role == WS_CLIENT) {
		mask = outbox_next_mask(box);
		ws_mask(block->bytes + block->from, n, mask, 0);
	}
	header = ws_header_before(block->bytes + block->from, opcode, n, mask);
	block->from -= (uint32_t)header;
	box->open = NULL;
	box->queued_bytes += header;
}

static void outbox_drop(struct outbox *box, struct outblock *block)
{
	list_remove(&block->in_box);
	pool_give(box->pool, block);
}

static enum err outbox_reserve(struct sink *s, size_t min, size_t max, struct mspan *out)
{
	struct outbox *box = mem_container(s, struct outbox, sink);
	struct outblock *block = box->open;
	size_t wanted = max < OUTBOX_SCRAP_BYTES ? max : OUTBOX_SCRAP_BYTES;
	size_t room;

	if (box->queued_bytes + min > OUTBOX_BYTES_MAX || min > WS_MESSAGE_MAX)
		return ERR_LIMIT;
	if (wanted < min)
		wanted = min;
	if (block != NULL && WS_MESSAGE_MAX - (block->to - block->from) < wanted) {
		outbox_seal(box, WS_BINARY);
		block = NULL;
	}
	if (block == NULL)
		block = outbox_add_block(box);
	if (block == NULL)
		return ERR_NOMEM;
	room = WS_MESSAGE_MAX - (block->to - block->from);
	*out = (struct mspan){ .p = block->bytes + block->to,
		.n = max < room ? max : room };
	return ERR_OK;
}

static void outbox_commit(struct sink *s, size_t n)
{
	struct outbox *box = mem_container(s, struct outbox, sink);
	struct outblock *block = box->open;

	block->to += (uint32_t)n;
	box->queued_bytes += n;
	if (block->to == block->from) {
		outbox_drop(box, block); /* nothing came of the loan */
		box->open = NULL;
	}
}

void outbox_init(struct outbox *box, struct pool *pool, enum ws_role role)
{
	*box = (struct outbox){
		.sink = { .reserve = outbox_reserve, .commit = outbox_commit },
		.pool = pool,
		.role = role,
	};
	list_init(&box->blocks);
}

void outbox_fini(struct outbox *box)
{
	struct list *it, *next;

	list_each(it, next, &box->blocks)
		outbox_drop(box, list_object(it, struct outblock, in_box));
	box->open = NULL;
	box->queued_bytes = 0;
}

/* Makes the open block, which is empty, a control frame. */
static void outbox_fill_control(struct outbox *box, enum ws_opcode opcode,
	struct span data)
{
	struct outblock *block = box->open;

	if (data.n > 0)
		memcpy(block->bytes + block->to, data.p, data.n);
	block->to += (uint32_t)data.n;
	box->queued_bytes += data.n;
	outbox_seal(box, opcode);
}

enum err outbox_put_control(struct outbox *box, enum ws_opcode opcode, struct span data)
{
	if (data.n > WS_CONTROL_MAX || box->queued_bytes + data.n > OUTBOX_BYTES_MAX)
		return ERR_LIMIT;
	if (box->open != NULL)
		outbox_seal(box, WS_BINARY);
	if (outbox_add_block(box) == NULL)
		return ERR_NOMEM;
	outbox_fill_control(box, opcode, data);
	return ERR_OK;
}

/*
 * A flood of pings would otherwise take a block for each. What is first in the box may
 * have been shown to the stream already, and stays as it is.
 */
enum err outbox_put_pong(struct outbox *box, struct span data)
{
	struct outblock *pong = box->pong, *open = box->open;
	enum err rc;

	if (pong == NULL || box->blocks.next == &pong->in_box) {
		rc = outbox_put_control(box, WS_PONG, data);
		if (rc == ERR_OK)
			box->pong = list_object(box->blocks.prev, struct outblock,
				in_box);
		return rc;
	}
	if (data.n > WS_CONTROL_MAX)
		return ERR_LIMIT;
	box->queued_bytes -= pong->to - pong->from;
	pong->from = pong->to = WS_HEADER_MAX;
	box->open = pong;
	outbox_fill_control(box, WS_PONG, data);
	box->open = open;
	return ERR_OK;
}

static int outbox_gather(const struct outbox *box, struct iovec iov[OUTBOX_IOV_MAX])
{
	struct list *it, *next;
	int count = 0;

	list_each(it, next, &box->blocks) {
		struct outblock *block = list_object(it, struct outblock, in_box);

		if (count == OUTBOX_IOV_MAX)
			break;
		iov[count++] = (struct iovec){
			.iov_base = block->bytes + block->from,
			.iov_len = block->to - block->from,
		};
	}
	return count;
}

static void outbox_taken(struct outbox *box, size_t n)
{
	while (n > 0) {
		struct outblock *block = list_object(box->blocks.next, struct outblock,
			in_box);
		size_t part = block->to - block->from;

		if (part > n)
			part = n;
		if (block == box->pong)
			box->pong = NULL;
		block->from += (uint32_t)part;
		n -= part;
		box->queued_bytes -= part;
		if (block->from == block->to)
			outbox_drop(box, block);
	}
}

enum err outbox_flush(struct outbox *box, struct stream *stream)
{
	struct iovec iov[OUTBOX_IOV_MAX];
	size_t put;
	enum err rc;
	int count;

	if (box->open != NULL)
		outbox_seal(box, WS_BINARY);
	while ((count = outbox_gather(box, iov)) > 0) {
		rc = stream_write(stream, iov, count, &put);
		if (rc != ERR_OK)
			return rc;
		outbox_taken(box, put);
	}
	return ERR_OK;
}
