/* Keccak-256: the permutation Keccak-f[1600] in a sponge of rate 136. */
#include "crypto/keccak.h"

#define ROUNDS 24

/* What each round adds, so that no two rounds are alike. */
static const uint64_t round_constants[ROUNDS] = {
	0x0000000000000001,
	0x0000000000008082,
	0x800000000000808a,
	0x8000000080008000,
	0x000000000000808b,
	0x0000000080000001,
	0x8000000080008081,
	0x8000000000008009,
	0x000000000000008a,
	0x0000000000000088,
	0x0000000080008009,
	0x000000008000000a,
	0x000000008000808b,
	0x800000000000008b,
	0x8000000000008089,
	0x8000000000008003,
	0x8000000000008002,
	0x8000000000000080,
	0x000000000000800a,
	0x800000008000000a,
	0x8000000080008081,
	0x8000000000008080,
	0x0000000080000001,
	0x8000000080008008,
};

/* @n is 1 to 63. */
static uint64_t turn_left(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

/* theta: every lane takes in the parity of two columns. */
static void mix_columns(uint64_t a[25])
{
	uint64_t parity[5];

	for (size_t x = 0; x < 5; x++)
		parity[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	for (size_t i = 0; i < 25; i++)
		a[i] ^= parity[(i + 4) % 5] ^ turn_left(parity[(i + 1) % 5], 1);
}

/* rho and pi: lanes turn and change places, along one long cycle (FIPS 202, 3.2.2). */
static void move_lanes(uint64_t a[25])
{
	uint64_t held = a[1];
	unsigned x = 1, y = 0, old_x;

	for (unsigned t = 0; t < 24; t++) {
		uint64_t turned = turn_left(held, (t + 1) * (t + 2) / 2 % 64);

		old_x = x;
		x = y;
		y = (2 * old_x + 3 * y) % 5;
		held = a[x + 5 * y];
		a[x + 5 * y] = turned;
	}
}

/* chi: the only step that is not linear. */
static void mix_rows(uint64_t a[25])
{
	for (size_t y = 0; y < 25; y += 5) {
		uint64_t row[5];

		memcpy(row, a + y, sizeof(row));
		for (size_t x = 0; x < 5; x++)
			a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
	}
}

static void permute(uint64_t a[25])
{
	for (size_t i = 0; i < ROUNDS; i++) {
		mix_columns(a);
		move_lanes(a);
		mix_rows(a);
		a[0] ^= round_constants[i];
	}
}

/* Lanes are little endian, whatever the machine is. */
static void add_byte(struct keccak *k, size_t at, uint8_t v)
{
	k->lanes[at / 8] ^= (uint64_t)v << (at % 8 * 8);
}

void keccak_init(struct keccak *k)
{
	*k = (struct keccak){ .at = 0 };
}

void keccak_put(struct keccak *k, struct span in)
{
	for (size_t i = 0; i < in.n; i++) {
		add_byte(k, k->at++, in.p[i]);
		if (k->at == KECCAK_RATE) {
			permute(k->lanes);
			k->at = 0;
		}
	}
}

void keccak_finish(struct keccak *k, uint8_t out[KECCAK_BYTES])
{
	add_byte(k, k->at, 0x01);
	add_byte(k, KECCAK_RATE - 1, 0x80);
	permute(k->lanes);
	for (size_t i = 0; i < KECCAK_BYTES; i++)
		out[i] = (uint8_t)(k->lanes[i / 8] >> (i % 8 * 8));
}

void keccak_256(struct span in, uint8_t out[KECCAK_BYTES])
{
	struct keccak k;

	keccak_init(&k);
	keccak_put(&k, in);
	keccak_finish(&k, out);
}
