/* One request on a fresh stream, and the head of its answer. */
#include "http/handshake.h"

void http_handshake_init(struct http_handshake *h, size_t request_max)
{
	buf_init(&h->request, request_max);
	http1_reader_init_response(&h->answer, &http1_response_limits, span_str("GET"));
}

void http_handshake_fini(struct http_handshake *h)
{
	buf_wipe(&h->request); /* a token or password may be in it */
	http1_reader_fini(&h->answer);
}

enum err http_handshake_step(struct http_handshake *h, struct stream *stream,
	struct mspan room, struct span *read, struct span *rest, struct why *why)
{
	struct http1_event ev;
	size_t n;
	enum err rc = ERR_OK;

	*read = *rest = span_of(NULL, 0);
	while (rc == ERR_OK && h->request.n > 0) {
		rc = stream_put(stream, buf_span(&h->request).p, h->request.n, &n);
		if (rc == ERR_OK)
			buf_consume(&h->request, n);
		if (h->request.n == 0)
			buf_wipe(&h->request);
	}
	while (rc == ERR_OK) {
		*read = span_of(NULL, 0);
		rc = stream_read(stream, room.p, room.n, &n);
		if (rc != ERR_OK)
			break;
		*read = *rest = span_of(room.p, n);
		rc = http1_next(&h->answer, rest, &ev, why);
		if (rc != ERR_AGAIN)
			return rc;
		rc = ERR_OK;
	}
	if (rc == ERR_AGAIN)
		stream_want(stream, h->request.n > 0 ? LOOP_WRITE : LOOP_READ);
	return rc == ERR_EOF ? ERR_CLOSED : rc;
}
