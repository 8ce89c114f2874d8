/* SipHash-2-4. */
#include "base/siphash.h"

#include "base/rand.h"

void siphash_key_make(struct siphash_key *key)
{
	rand_bytes(key->bytes, sizeof(key->bytes));
}

/* At most 8 bytes, the first being the lowest. */
static uint64_t read_word(const uint8_t *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

static uint64_t turn_left(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static void mix(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = turn_left(v[1], 13) ^ v[0];
		v[3] = turn_left(v[3], 16) ^ v[2];
		v[0] = turn_left(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = turn_left(v[1], 17) ^ v[2];
		v[3] = turn_left(v[3], 21) ^ v[0];
		v[2] = turn_left(v[2], 32);
	}
}

static void take_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	mix(v, 2);
	v[0] ^= word;
}

uint64_t siphash(const struct siphash_key *key, struct span in)
{
	uint64_t k0 = read_word(key->bytes, 8), k1 = read_word(key->bytes + 8, 8);
	uint64_t length = (uint64_t)in.n << 56;
	uint64_t v[4] = {
		k0 ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes" */
		k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573,
	};

	for (; in.n >= 8; in = span_of(in.p + 8, in.n - 8))
		take_word(v, read_word(in.p, 8));
	take_word(v, length | read_word(in.p, in.n));
	v[2] ^= 0xff;
	mix(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
