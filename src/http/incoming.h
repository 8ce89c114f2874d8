/*
 * The receiving half of a connection that carries HTTP/1 messages: heads and bodies are
 * read from a stream, and bytes of a later message are kept for it. For http/ only.
 */
#ifndef HTTP_INCOMING_H
#define HTTP_INCOMING_H

#include "net/stream.h"
#include "wire/http1.h"

#define INCOMING_PIECE 16384 /* bytes read at once where they might be too many */

struct incoming {
	struct stream *stream; /* borrowed: the connection's, which embeds us */
	struct buf rest;       /* read, but of a later part or message */
};

void incoming_init(struct incoming *in, struct stream *stream);
void incoming_fini(struct incoming *in);

/*
 * Makes sure that there is a rest. Errors are those of the stream.
 * ERR_AGAIN: want LOOP_READ.
 */
enum err incoming_fill(struct incoming *in) MUST_USE;

/*
 * Reads until @r has its head. Errors are those of http1_next() and of the stream.
 * ERR_AGAIN: want LOOP_READ.  ERR_EOF: the peer ended where a message might begin.
 */
enum err incoming_read_head(struct incoming *in, struct http1_reader *r,
	struct why *why) MUST_USE;

/*
 * Reads at least one byte of the body of @r's message into @to, without framing.
 * ERR_AGAIN: want LOOP_READ.  ERR_EOF: the message is complete.
 */
enum err incoming_read_body(struct incoming *in, struct http1_reader *r, struct mspan to,
	size_t *got, struct why *why) MUST_USE;

/* True if nothing more has to be read to know that the message is over. */
bool incoming_is_over(const struct http1_reader *r);

/*
 * True if the next read yields something although no stream becomes ready for it: bytes
 * that wait in the rest, or the end of the message. A reader must not wait for the
 * stream while this is true.
 */
bool incoming_has_more(const struct incoming *in, const struct http1_reader *r);

/*
 * Of an idle connection: false if it has ended, or if bytes came without a request; then
 * it cannot be used.
 */
bool incoming_is_silent(struct stream *stream);

#endif
