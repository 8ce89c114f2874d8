/*
 * Keccak-256 with the padding of the original submission, as Ethereum has it: not
 * SHA3-256, which pads otherwise and gives other digests.
 *
 * The state is the caller's and needs no end; bytes may come in pieces.
 */
#ifndef CRYPTO_KECCAK_H
#define CRYPTO_KECCAK_H

#include "base/span.h"

#define KECCAK_BYTES 32
#define KECCAK_RATE 136 /* bytes that go in between two permutations */

struct keccak {
	uint64_t lanes[25];
	size_t at; /* bytes of the rate that are in, always below KECCAK_RATE */
};

void keccak_init(struct keccak *k);
void keccak_put(struct keccak *k, struct span in);

/* Ends the message. @k must be initialised before it is used again. */
void keccak_finish(struct keccak *k, uint8_t out[KECCAK_BYTES]);

/* The digest of bytes that are all there. */
void keccak_256(struct span in, uint8_t out[KECCAK_BYTES]);

#endif
