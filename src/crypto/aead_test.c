/* Packet protection: what is sealed opens once, in order, and only unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "crypto/aead.h"

#define BODY 48

struct fixture {
	uint8_t key[AEAD_KEY_MAX];
	uint8_t iv[AEAD_IV_BYTES];
	uint8_t packet[AEAD_LENGTH_BYTES + BODY + AEAD_TAG_BYTES];
	struct aead *sealing, *opening;
};

static void setup(struct fixture *f, enum aead_kind kind)
{
	rand_bytes(f->key, sizeof(f->key));
	memset(f->iv, 0xff, sizeof(f->iv)); /* so that the counter carries over */
	memset(f->packet, 'x', sizeof(f->packet));
	memcpy(f->packet, "\0\0\0\x30", AEAD_LENGTH_BYTES);
	assert_int_equal(aead_new(kind, f->key, f->iv, true, &f->sealing), ERR_OK);
	assert_int_equal(aead_new(kind, f->key, f->iv, false, &f->opening), ERR_OK);
}

static void teardown(struct fixture *f)
{
	aead_free(f->sealing);
	aead_free(f->opening);
}

static void test_a_packet_opens_as_it_was(void **state)
{
	struct fixture f;
	uint32_t length;

	(void)state;
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		setup(&f, kind);
		for (uint32_t seq = 0; seq < 300; seq++) {
			memset(f.packet + AEAD_LENGTH_BYTES, (int)seq, BODY);
			memcpy(f.packet, "\0\0\0\x30", AEAD_LENGTH_BYTES);
			assert_int_equal(aead_seal(f.sealing, seq, f.packet, BODY),
				ERR_OK);
			assert_int_equal(aead_length(f.opening, seq, f.packet, &length),
				ERR_OK);
			assert_int_equal(length, BODY);
			assert_int_equal(aead_open(f.opening, seq, f.packet, BODY),
				ERR_OK);
			assert_int_equal(f.packet[AEAD_LENGTH_BYTES], seq & 0xff);
			assert_int_equal(f.packet[AEAD_LENGTH_BYTES + BODY - 1],
				seq & 0xff);
		}
		teardown(&f);
	}
}

static void test_a_changed_bit_is_noticed(void **state)
{
	struct fixture f;
	struct aead *opening;
	uint8_t copy[sizeof(f.packet)];

	(void)state;
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		setup(&f, kind);
		assert_int_equal(aead_seal(f.sealing, 7, f.packet, BODY), ERR_OK);
		for (size_t i = 0; i < sizeof(copy); i++) {
			memcpy(copy, f.packet, sizeof(copy));
			copy[i] ^= 0x10;
			assert_int_equal(aead_new(kind, f.key, f.iv, false, &opening),
				ERR_OK);
			assert_int_equal(aead_open(opening, 7, copy, BODY), ERR_CRYPTO);
			aead_free(opening);
		}
		teardown(&f);
	}
}

static void test_a_packet_does_not_open_twice(void **state)
{
	struct fixture f;
	uint8_t copy[sizeof(f.packet)];

	(void)state;
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		setup(&f, kind);
		assert_int_equal(aead_seal(f.sealing, 0, f.packet, BODY), ERR_OK);
		memcpy(copy, f.packet, sizeof(copy));
		assert_int_equal(aead_open(f.opening, 0, f.packet, BODY), ERR_OK);
		assert_int_equal(aead_open(f.opening, 1, copy, BODY), ERR_CRYPTO);
		teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_packet_opens_as_it_was),
		cmocka_unit_test(test_a_changed_bit_is_noticed),
		cmocka_unit_test(test_a_packet_does_not_open_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
