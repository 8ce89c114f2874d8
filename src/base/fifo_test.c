/* Behaviour of the fifo: what goes in comes out, in order, whatever the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/fifo.h"
#include "base/rand.h"

#define BYTES 300000

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 253);
}

static void test_an_empty_one_lends_nothing(void **state)
{
	struct fifo f;

	(void)state;
	fifo_init(&f);
	assert_int_equal(fifo_peek(&f).n, 0);
	fifo_consume(&f, 5);
	assert_int_equal(fifo_put(&f, (struct span){ 0 }), ERR_OK);
	assert_int_equal(f.n, 0);
	assert_null(f.head);
	fifo_fini(&f);
}

static void put(struct fifo *f, size_t at, size_t n)
{
	uint8_t bytes[8192];

	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(at + i);
	assert_int_equal(fifo_put(f, span_of(bytes, n)), ERR_OK);
}

/* Takes up to @n bytes and checks them; returns how many there were. */
static size_t take(struct fifo *f, size_t at, size_t n)
{
	size_t done = 0;

	while (done < n && f->n > 0) {
		struct span lent = fifo_peek(f);
		size_t part = lent.n < n - done ? lent.n : n - done;

		assert_true(lent.n > 0);
		for (size_t i = 0; i < part; i++)
			assert_int_equal(lent.p[i], byte_at(at + done + i));
		fifo_consume(f, part);
		done += part;
	}
	return done;
}

static void test_pieces_of_any_size_keep_their_order(void **state)
{
	struct fifo f;
	size_t in = 0, out = 0;
	uint64_t seed;

	(void)state;
	rand_bytes(&seed, sizeof(seed));
	printf("seed %llu\n", (unsigned long long)seed);
	rand_seed_for_tests(seed);
	fifo_init(&f);
	while (out < BYTES) {
		size_t n = rand_below(rand_below(8192) + 1);

		if (in + n <= BYTES) {
			put(&f, in, n);
			in += n;
		}
		out += take(&f, out, rand_below(9000));
		assert_int_equal(f.n, in - out);
	}
	assert_null(f.head);
	fifo_fini(&f);
}

static void test_a_fifo_with_bytes_may_be_freed(void **state)
{
	struct fifo f;

	(void)state;
	fifo_init(&f);
	for (size_t i = 0; i < 100; i++)
		put(&f, i * 100, 100);
	assert_int_equal(take(&f, 0, 50), 50);
	fifo_fini(&f);
	assert_int_equal(f.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_one_lends_nothing),
		cmocka_unit_test(test_pieces_of_any_size_keep_their_order),
		cmocka_unit_test(test_a_fifo_with_bytes_may_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
