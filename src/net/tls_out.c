/*
 * The records of TLS, on their way to the stream below.
 *
 * Small output is coalesced, because each send costs more than its data: TLS holds it
 * until the callback to its owner returns, or until the end of the loop's turn if the
 * owner is TLS again. If TLS runs over TLS, each inner record fits into one outer record,
 * and large records are passed down without a copy.
 */
#include "net/tls_priv.h"

#include <string.h>

#define OUT_MAX (192 * 1024)         /* one write, and what the protocol adds */
#define HELD_MAX 4096                /* so many bytes may wait for more */
#define CARRIED_HELD_MAX (56 * 1024) /* the same, if the owner is TLS */
#define DIRECT_MIN 4096              /* data, not a record of a handshake */

void tls_out_init(struct tls_out *out, struct stream *below)
{
	buf_init(&out->records, OUT_MAX);
	out->below = below;
}

enum err tls_out_put(struct tls_out *out, const char *p, size_t n, bool is_data)
{
	size_t passed = 0;
	enum err rc;

	/* An error of the stream below is found when the rest is sent. */
	if (is_data && out->is_carried && n >= DIRECT_MIN && out->records.n == 0 &&
		stream_put(out->below, p, n, &passed) != ERR_OK)
		passed = 0;
	rc = buf_put(&out->records, p + passed, n - passed);
	out->records.failed = ERR_OK;
	return rc;
}

void tls_out_reserve(struct tls_out *out, size_t n)
{
	size_t most = out->carries_tls ? CARRIED_HELD_MAX + n : n;
	uint8_t *unused;

	if (n < DIRECT_MIN || out->records.n > 0 || out->is_carried)
		return;
	if (most > TLS_WRITE_MAX)
		most = TLS_WRITE_MAX;
	if (buf_reserve(&out->records, most + 8 * TLS_RECORD_ADDS, &unused) != ERR_OK)
		out->records.failed = ERR_OK; /* the put that needs it reports it */
}

bool tls_out_is_small(const struct tls_out *out)
{
	size_t most = out->carries_tls ? CARRIED_HELD_MAX : HELD_MAX;

	return out->records.n > 0 && out->records.n <= most && !out->is_blocked;
}

enum err tls_out_flush(struct tls_out *out)
{
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && out->records.n > 0) {
		struct span s = buf_span(&out->records);

		rc = stream_put(out->below, s.p, s.n, &put);
		if (rc == ERR_OK)
			buf_consume(&out->records, put);
	}
	out->is_blocked = rc == ERR_AGAIN;
	if (rc != ERR_AGAIN)
		buf_reset(&out->records);
	return rc;
}

void tls_pieces_skip(struct tls_pieces *p, size_t n)
{
	p->at += n;
	while (p->count > 0 && p->at >= p->iov->iov_len) {
		p->at -= p->iov->iov_len;
		p->iov++;
		p->count--;
	}
}

struct span tls_pieces_for_record(struct tls_pieces p, uint8_t room[TLS_RECORD_BYTES])
{
	size_t n = 0;

	if (p.count == 1 || p.iov->iov_len - p.at >= TLS_RECORD_BYTES)
		return span_of((const uint8_t *)p.iov->iov_base + p.at,
			p.iov->iov_len - p.at);
	while (p.count > 0 && n < TLS_RECORD_BYTES) {
		size_t here = p.iov->iov_len - p.at;

		if (here > TLS_RECORD_BYTES - n)
			here = TLS_RECORD_BYTES - n;
		memcpy(room + n, (const uint8_t *)p.iov->iov_base + p.at, here);
		n += here;
		tls_pieces_skip(&p, here);
	}
	return span_of(room, n);
}
