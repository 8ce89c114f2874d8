/* One direction of a proxied exchange. */
#include "http/passage.h"

#include <stdio.h>

#define CHUNK_HEAD_MAX 10 /* "1234abcd\r\n" */
#define CHUNK_TAIL "\r\n"
#define LAST_CHUNK "0\r\n"

void passage_init(struct passage *p, struct pool *pool, size_t head_max,
	enum passage_state state)
{
	*p = (struct passage){ .pool = pool, .state = state };
	buf_init(&p->head, head_max);
}

static void passage_drop_block(struct passage *p)
{
	pool_give(p->pool, p->block);
	p->block = NULL;
}

void passage_fini(struct passage *p)
{
	if (p->block != NULL)
		passage_drop_block(p);
	buf_fini(&p->head);
}

enum err passage_lend(struct passage *p, struct mspan *out)
{
	if (p->block == NULL)
		p->block = pool_take(p->pool);
	if (p->block == NULL)
		return ERR_NOMEM;
	out->p = p->block + CHUNK_HEAD_MAX;
	out->n = p->pool->block_bytes - CHUNK_HEAD_MAX - strlen(CHUNK_TAIL);
	return ERR_OK;
}

/* Chunk head and tail go around the piece, where there was room left for them. */
static void passage_frame(struct passage *p)
{
	char head[CHUNK_HEAD_MAX + 1];
	size_t n = (size_t)snprintf(head, sizeof(head), "%zx\r\n", p->n);

	memcpy(p->block + p->at + p->n, CHUNK_TAIL, strlen(CHUNK_TAIL));
	p->at -= n;
	memcpy(p->block + p->at, head, n);
	p->n += n + strlen(CHUNK_TAIL);
}

void passage_commit(struct passage *p, size_t n)
{
	if (n == 0) {
		passage_drop_block(p);
		return;
	}
	p->at = CHUNK_HEAD_MAX;
	p->n = n;
	if (p->is_chunked)
		passage_frame(p);
	p->state = PASSAGE_WRITING;
}

enum err passage_finish(struct passage *p, struct span trailers)
{
	p->state = p->is_chunked ? PASSAGE_LAST_WRITING : PASSAGE_ENDED;
	if (!p->is_chunked)
		return ERR_OK;
	buf_put_str(&p->head, LAST_CHUNK);
	buf_put_span(&p->head, trailers);
	buf_put_str(&p->head, CHUNK_TAIL);
	return p->head.failed;
}

static enum err passage_write_head(struct passage *p)
{
	size_t put;
	enum err rc;

	while (p->head.n > 0) {
		rc = stream_put(p->to, buf_span(&p->head).p, p->head.n, &put);
		if (rc != ERR_OK)
			return rc;
		buf_consume(&p->head, put);
	}
	return ERR_OK;
}

static enum err passage_write_block(struct passage *p)
{
	size_t put;
	enum err rc;

	while (p->n > 0) {
		rc = stream_put(p->to, p->block + p->at, p->n, &put);
		if (rc != ERR_OK)
			return rc;
		p->at += put;
		p->n -= put;
	}
	if (p->block != NULL)
		passage_drop_block(p);
	return ERR_OK;
}

enum err passage_write(struct passage *p)
{
	enum err rc = passage_write_head(p);

	if (rc == ERR_OK)
		rc = passage_write_block(p);
	if (rc == ERR_OK)
		p->state = p->state == PASSAGE_WRITING ? PASSAGE_READING : PASSAGE_ENDED;
	return rc;
}
