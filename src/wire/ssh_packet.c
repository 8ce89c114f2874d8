/* SSH packets: framing, padding, protection and sequence numbers. */
#include "wire/ssh_packet_priv.h"

#include "base/mem.h"

#define PADDING_MIN 4
#define PLAIN_BLOCK 16 /* the standard asks for 8; like Chisel */
#define PACKET_MIN 12  /* RFC 4253 6: 16 bytes with the length */

void ssh_cipher_fini(struct ssh_cipher *c)
{
	aead_free(c->aead);
	c->aead = NULL;
}

void ssh_cipher_switch(struct ssh_cipher *c, struct aead *aead, bool is_strict)
{
	ssh_cipher_fini(c);
	*c = (struct ssh_cipher){
		.aead = aead,
		.seq = is_strict ? 0 : c->seq,
		.rekey_bytes = aead_spec_of(aead)->rekey_bytes,
	};
}

static size_t block_of(const struct ssh_cipher *c)
{
	return c->aead == NULL ? PLAIN_BLOCK : aead_spec_of(c->aead)->block;
}

/* The length field is part of what is padded only in plain packets. */
static size_t padding_for(const struct ssh_cipher *c, size_t n)
{
	size_t block = block_of(c);
	size_t used = (c->aead == NULL ? SSH_PACKET_HEADER : 1) + n;
	size_t padding = block - used % block;

	return padding < PADDING_MIN ? padding + block : padding;
}

size_t ssh_packet_size(const struct ssh_cipher *c, size_t n)
{
	return SSH_PACKET_HEADER + n + padding_for(c, n) +
		(c->aead == NULL ? 0 : AEAD_TAG_BYTES);
}

static void count(struct ssh_cipher *c, size_t n)
{
	c->seq++;
	c->packets++;
	c->bytes += n;
}

/*
 * The padding is zeros. Random bytes, as the standard would like, hide nothing that these
 * ciphers do not hide, and would cost more than the encryption of a small packet.
 */
enum err ssh_packet_seal(struct ssh_cipher *c, uint8_t *packet, size_t n)
{
	size_t padding = padding_for(c, n);
	size_t length = 1 + n + padding;
	enum err rc = ERR_OK;

	if (c->packets > UINT32_MAX)
		return ERR_LIMIT; /* a nonce must not come twice */
	mem_put_u32(packet, (uint32_t)length);
	packet[4] = (uint8_t)padding;
	memset(packet + SSH_PACKET_HEADER + n, 0, padding);
	if (c->aead != NULL)
		rc = aead_seal(c->aead, c->seq, packet, length);
	count(c, length);
	return rc;
}

static enum err read_length(struct ssh_cipher *c, struct mspan in, uint32_t *out)
{
	struct span clear = span_of(in.p, in.n);

	if (in.n < AEAD_LENGTH_BYTES)
		return ERR_AGAIN;
	if (c->aead != NULL)
		return aead_length(c->aead, c->seq, in.p, out);
	return span_u32(&clear, out) ? ERR_OK : ERR_AGAIN;
}

/* RFC 4253 asks for multiples of 8 in plain packets, whatever we send ourselves. */
static bool length_is_good(const struct ssh_cipher *c, uint32_t length)
{
	if (c->aead == NULL)
		return length >= PACKET_MIN && (AEAD_LENGTH_BYTES + length) % 8 == 0;
	return length >= block_of(c) && length % block_of(c) == 0;
}

static enum err strip(struct span body, struct span *payload)
{
	uint8_t padding;

	if (!span_u8(&body, &padding) || padding < PADDING_MIN || body.n <= padding)
		return ERR_SYNTAX;
	*payload = span_of(body.p, body.n - padding);
	return ERR_OK;
}

enum err ssh_packet_open(struct ssh_cipher *c, struct mspan *in, size_t max,
	struct span *payload)
{
	size_t tag = c->aead == NULL ? 0 : AEAD_TAG_BYTES;
	uint32_t length;
	enum err rc = read_length(c, *in, &length);

	if (rc != ERR_OK)
		return rc;
	if (length > max || c->packets > UINT32_MAX)
		return ERR_LIMIT;
	if (!length_is_good(c, length))
		return ERR_SYNTAX;
	if (in->n - AEAD_LENGTH_BYTES < length + tag)
		return ERR_AGAIN;
	if (c->aead != NULL)
		rc = aead_open(c->aead, c->seq, in->p, length);
	if (rc == ERR_OK)
		rc = strip(span_of(in->p + AEAD_LENGTH_BYTES, length), payload);
	if (rc != ERR_OK)
		return rc;

	count(c, length);
	in->p += AEAD_LENGTH_BYTES + length + tag;
	in->n -= AEAD_LENGTH_BYTES + length + tag;
	return ERR_OK;
}
