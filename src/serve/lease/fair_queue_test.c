/* Fair queues: the order of service when there are too many requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/span.h"
#include "serve/lease/fair_queue.h"
#include "serve/lease/time_share.h"

struct waiting {
	struct fair_item item; /* first */
	char key[IDENTITY_KEY_SIZE];
	unsigned number;
};

static struct prefix network_of(unsigned number)
{
	struct prefix p;
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255,
		number & 255);
	assert_int_equal(prefix_parse(span_str(text), &p), ERR_OK);
	return p;
}

static struct waiting *add(struct fair_queue *q, unsigned network, const char *key,
	unsigned number, uint64_t until_ms)
{
	const struct prefix p = network_of(network);
	const struct fair_place place = { .network = &p, .identity_key = key };
	struct waiting *w = mem_new(w);
	struct fair_item *dropped;

	assert_non_null(w);
	snprintf(w->key, sizeof(w->key), "%s", key);
	w->number = number;
	assert_int_equal(fair_queue_add(q, &place, until_ms, &w->item, &dropped), ERR_OK);
	assert_null(dropped);
	return w;
}

static void expect_next(struct fair_queue *q, const char *key, unsigned number)
{
	struct waiting *w = (struct waiting *)fair_queue_next(q);

	assert_non_null(w);
	assert_string_equal(w->key, key);
	assert_int_equal(w->number, number);
	free(w);
}

static void empty(struct fair_queue *q)
{
	struct fair_item *item;

	while ((item = fair_queue_next(q)) != NULL)
		free(item);
	assert_int_equal(q->count, 0);
	assert_true(list_is_empty(&q->networks) && list_is_empty(&q->by_time));
}

static void test_a_lease_with_few_goes_before_one_with_many(void **state)
{
	struct fair_queue q;

	(void)state;
	fair_queue_init(&q, 100);
	assert_null(fair_queue_next(&q));
	for (unsigned i = 0; i < 16; i++)
		add(&q, 1, "many", i, 0);
	expect_next(&q, "many", 0);
	add(&q, 1, "few", 0, 0);
	expect_next(&q, "few", 0);
	expect_next(&q, "many", 1);
	expect_next(&q, "many", 2);
	add(&q, 1, "few", 1, 0);
	add(&q, 1, "few", 2, 0);
	expect_next(&q, "few", 1);
	expect_next(&q, "many", 3);
	expect_next(&q, "few", 2);
	empty(&q);
}

/* For any number of leases in the other network. */
static void test_a_network_with_few_leases_goes_before_one_with_many(void **state)
{
	struct fair_queue q;
	char key[16];

	(void)state;
	fair_queue_init(&q, 1000);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "many-%u", i % 100);
		add(&q, 1, key, i, 0);
	}
	for (unsigned i = 0; i < 5; i++)
		free(fair_queue_next(&q));
	add(&q, 2, "few", 0, 0);
	add(&q, 2, "few", 1, 0);
	expect_next(&q, "few", 0);
	expect_next(&q, "many-5", 5);
	expect_next(&q, "few", 1);
	expect_next(&q, "many-6", 6);
	empty(&q);
}

static void test_a_request_that_waits_too_long_is_reported(void **state)
{
	struct fair_queue q;
	struct waiting *w;

	(void)state;
	fair_queue_init(&q, 10);
	assert_true(fair_queue_expiry(&q) == UINT64_MAX);
	add(&q, 1, "a", 0, 2000);
	add(&q, 2, "b", 1, 2001);
	assert_int_equal(fair_queue_expiry(&q), 2000);
	assert_null(fair_queue_expire(&q, 1999));
	w = (struct waiting *)fair_queue_expire(&q, 2000);
	assert_int_equal(w->number, 0);
	free(w);
	assert_null(fair_queue_expire(&q, 2000));
	expect_next(&q, "b", 1);
	assert_null(fair_queue_expire(&q, UINT64_MAX));
	empty(&q);
}

static const char *drop_of(struct fair_queue *q, unsigned network, const char *key,
	unsigned number)
{
	const struct prefix p = network_of(network);
	const struct fair_place place = { .network = &p, .identity_key = key };
	struct waiting *w = mem_new(w);
	struct fair_item *dropped;
	static char text[IDENTITY_KEY_SIZE + 16];

	assert_non_null(w);
	snprintf(w->key, sizeof(w->key), "%s", key);
	w->number = number;
	assert_int_equal(fair_queue_add(q, &place, 0, &w->item, &dropped), ERR_OK);
	assert_non_null(dropped);
	w = (struct waiting *)dropped;
	snprintf(text, sizeof(text), "%s %u", w->key, w->number);
	free(w);
	return text;
}

static void test_when_full_the_client_with_most_requests_loses_its_newest(void **state)
{
	struct fair_queue q;

	(void)state;
	fair_queue_init(&q, 6);
	add(&q, 1, "a", 0, 0);
	add(&q, 1, "a", 1, 0);
	add(&q, 1, "a", 2, 0);
	add(&q, 1, "b", 0, 0);
	add(&q, 2, "c", 0, 0);
	add(&q, 2, "c", 1, 0);
	assert_string_equal(drop_of(&q, 3, "d", 0), "a 2");
	assert_string_equal(drop_of(&q, 1, "a", 3), "a 3"); /* itself */
	assert_string_equal(drop_of(&q, 2, "e", 0),
		"c 1"); /* as many as the largest: its own */
	assert_string_equal(drop_of(&q, 4, "f", 0), "a 1");
	assert_string_equal(drop_of(&q, 5, "g", 0), "a 0");
	assert_string_equal(drop_of(&q, 6, "h", 0), "c 0");
	assert_string_equal(drop_of(&q, 7, "i", 0), "i 0"); /* no client has more */
	empty(&q);
}

/* ---- a worker that signs, and clients that repeat their request at once ---- */

#define SIGN_US 1000 /* RSA of 2048 bits */
#define WAIT_US 2000000

struct crowd {
	unsigned networks, leases, connections; /* leases in each network, and so on */
};

/* The longest that a visitor of another lease has waited, in microseconds. */
static uint64_t longest_wait(const struct crowd *crowd, unsigned own_network)
{
	struct time_share share = { .due_us = 0 };
	struct fair_queue q;
	uint64_t now_us = 1000000, longest = 0, asked_us = 0, next_us = now_us;
	unsigned number = 0;
	char key[32];

	fair_queue_init(&q, 1024);
	for (unsigned n = 0; n < crowd->networks; n++)
		for (unsigned l = 0; l < crowd->leases; l++)
			for (unsigned c = 0; c < crowd->connections; c++) {
				snprintf(key, sizeof(key), "%u-%u", n, l);
				add(&q, n, key, number++, now_us + WAIT_US);
			}
	while (now_us < 60000000) {
		struct waiting *w;
		unsigned network = 0;

		if (asked_us == 0 && now_us >= next_us) { /* one each 0.2 s */
			asked_us = now_us;
			next_us += 200000;
			add(&q, own_network, "visited", 0, now_us + WAIT_US);
		}
		if (!time_share_has_room(&share, now_us)) {
			now_us += time_share_wait_us(&share, now_us);
			continue;
		}
		w = (struct waiting *)fair_queue_next(&q);
		assert_non_null(w);
		now_us += SIGN_US;
		time_share_spend(&share, now_us, SIGN_US);
		if (strcmp(w->key, "visited") == 0) {
			if (now_us - asked_us > longest)
				longest = now_us - asked_us;
			asked_us = 0;
		} else {
			assert_int_equal(sscanf(w->key, "%u-", &network), 1);
			add(&q, network, w->key, number++, now_us + WAIT_US);
		}
		free(w);
	}
	empty(&q);
	return longest;
}

static void test_a_flood_does_not_starve_other_leases(void **state)
{
	static const struct crowd crowds[] = { { 1, 1, 16 }, { 1, 1, 900 }, { 1, 8, 16 },
		{ 1, 100, 9 }, { 8, 10, 10 } };

	(void)state;
	for (size_t i = 0; i < mem_count(crowds); i++) {
		uint64_t apart = longest_wait(&crowds[i], 1000),
			 among = longest_wait(&crowds[i], 0);

		print_message("%u networks of %u leases of %u connections: %u ms apart, "
			      "%u ms among them\n",
			crowds[i].networks, crowds[i].leases, crowds[i].connections,
			(unsigned)(apart / 1000), (unsigned)(among / 1000));
		/* At half of the time a signature takes two turns of 1 ms. */
		assert_true(apart <= (crowds[i].networks + 2) * UINT64_C(2) * SIGN_US);
		assert_true(among <= (crowds[i].networks * (crowds[i].leases + 2)) *
				UINT64_C(2) * SIGN_US);
	}
}

/* No item is lost or served twice. */
static void test_each_added_request_is_returned_once(void **state)
{
	struct fair_queue q;
	static bool is_in[100000];
	unsigned added = 0, out = 0;
	uint64_t seed;
	char key[16];

	(void)state;
	rand_bytes(&seed, sizeof(seed));
	print_message("seed %llu\n", (unsigned long long)seed);
	rand_seed_for_tests(seed);
	fair_queue_init(&q, 50);
	for (unsigned step = 0; step < 100000; step++) {
		const struct prefix p = network_of(rand_below(5));
		struct fair_place place = { .network = &p, .identity_key = key };
		struct fair_item *item = NULL;

		snprintf(key, sizeof(key), "%u", rand_below(5));
		if (rand_below(5) < 3) {
			struct waiting *w = mem_new(w);

			assert_non_null(w);
			w->number = added;
			is_in[added++] = true;
			assert_int_equal(fair_queue_add(&q, &place, step, &w->item,
						 &item),
				ERR_OK);
		} else if (rand_below(2) == 0) {
			item = fair_queue_next(&q);
		} else {
			item = fair_queue_expire(&q, step - rand_below(100));
		}
		assert_true(q.count <= 50);
		if (item == NULL)
			continue;
		assert_true(is_in[((struct waiting *)item)->number]);
		is_in[((struct waiting *)item)->number] = false;
		free(item);
		out++;
	}
	assert_int_equal(added - out, q.count);
	empty(&q);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_a_lease_with_few_goes_before_one_with_many),
		cmocka_unit_test(
			test_a_network_with_few_leases_goes_before_one_with_many),
		cmocka_unit_test(test_a_request_that_waits_too_long_is_reported),
		cmocka_unit_test(
			test_when_full_the_client_with_most_requests_loses_its_newest),
		cmocka_unit_test(test_a_flood_does_not_starve_other_leases),
		cmocka_unit_test(test_each_added_request_is_returned_once),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
