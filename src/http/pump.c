/* One direction of a proxy. */
#include "http/pump.h"

#include <stdio.h>
#include <string.h>

#include "http/proxy_head.h"

#define CHUNK_HEAD_MAX 10 /* "1234abcd\r\n" */
#define CHUNK_TAIL "\r\n"

static void pump_drop_block(struct pump *p)
{
	if (p->block != NULL)
		pool_give(p->pool, p->block);
	p->block = NULL;
}

void pump_fini(struct pump *p)
{
	pump_drop_block(p);
	buf_fini(&p->head);
}

/* Chunk head and tail go around the piece, where there was room left for them. */
static void pump_frame(struct pump *p)
{
	char head[CHUNK_HEAD_MAX + 1];
	size_t n = (size_t)snprintf(head, sizeof(head), "%zx\r\n", p->n);

	memcpy(p->block + p->at + p->n, CHUNK_TAIL, strlen(CHUNK_TAIL));
	p->at -= n;
	memcpy(p->block + p->at, head, n);
	p->n += n + strlen(CHUNK_TAIL);
}

static enum err pump_finish(struct pump *p)
{
	enum err rc;

	p->state = p->is_chunked ? PUMP_LAST_WRITING : PUMP_ENDED;
	if (!p->is_chunked)
		return ERR_OK;
	buf_put_str(&p->head, "0\r\n");
	rc = proxy_put_trailers(&p->head, p->reader);
	buf_put_str(&p->head, "\r\n");
	return rc != ERR_OK ? rc : p->head.failed;
}

enum err pump_read(struct pump *p, struct why *why)
{
	struct mspan room;
	enum err rc;

	if (p->block == NULL)
		p->block = pool_take(p->pool);
	if (p->block == NULL)
		return ERR_NOMEM;
	room.p = p->block + CHUNK_HEAD_MAX;
	room.n = p->pool->block_bytes - CHUNK_HEAD_MAX - strlen(CHUNK_TAIL);
	rc = incoming_read_body(p->in, p->reader, room, &p->n, why);
	if (rc != ERR_OK) {
		p->n = 0;
		pump_drop_block(p);
		return rc == ERR_EOF ? pump_finish(p) : rc;
	}
	p->at = CHUNK_HEAD_MAX;
	p->body_n += p->n;
	p->is_too_long = p->body_max > 0 && p->body_n > p->body_max;
	if (p->is_too_long)
		return ERR_LIMIT;
	if (p->is_chunked)
		pump_frame(p);
	p->state = PUMP_WRITING;
	return ERR_OK;
}

enum err pump_write(struct pump *p)
{
	size_t put;
	enum err rc;

	while (p->head.n > 0) {
		rc = stream_put(p->to, buf_span(&p->head).p, p->head.n, &put);
		if (rc != ERR_OK)
			return rc;
		buf_consume(&p->head, put);
	}
	while (p->n > 0) {
		rc = stream_put(p->to, p->block + p->at, p->n, &put);
		if (rc != ERR_OK)
			return rc;
		p->at += put;
		p->n -= put;
	}
	pump_drop_block(p);
	p->state = p->state == PUMP_WRITING ? PUMP_READING : PUMP_ENDED;
	return ERR_OK;
}
