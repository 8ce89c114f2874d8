/* Reserved names: their holders over ends of leases, restarts, clocks and disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "loop/timer_test.h"
#include "serve/lease/lease.h"
#include "serve/lease/reservation.h"
#include "serve/lease/store_test.h"
#include "store/name_store.h"

#define T0_MS UINT64_C(1780315200000)
#define TTL_MS UINT64_C(120000)
#define GRACE_MS 600000
#define HOUR_MS UINT64_C(3600000)

static const char *const addresses[] = {
	"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
	"0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
};

#define ALICE addresses[0]
#define BOB addresses[1]

struct fixture {
	struct test_store kept;
	struct loop *loop;
	struct log log;
	struct reservations *all;
	uint32_t grace_ms;
};

static void start(struct fixture *f)
{
	struct reservations_options o = {
		.loop = f->loop,
		.log = &f->log,
		.grace_ms = f->grace_ms,
	};
	struct why why = { "" };

	test_store_open(&f->kept);
	o.store = f->kept.store;
	if (reservations_open(&o, &f->all, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	time_begin(T0_MS);
	f->grace_ms = GRACE_MS;
	log_init(&f->log, NULL, "test");
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	start(f);
	*state = f;
	return 0;
}

static void stop(struct fixture *f)
{
	reservations_close(f->all);
	f->all = NULL;
	test_store_close(&f->kept);
}

/* After a crash there is what was stored. */
static void crash(struct fixture *f)
{
	struct test_store copy = { .dir = "" };
	char command[256];

	strcpy(copy.dir, "/tmp/adit-store-XXXXXX");
	assert_non_null(mkdtemp(copy.dir));
	snprintf(command, sizeof(command), "cp %s/* %s/", f->kept.dir, copy.dir);
	assert_int_equal(system(command), 0);
	stop(f);
	test_store_remove(&f->kept);
	f->kept = copy;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	stop(f);
	test_store_remove(&f->kept);
	loop_free(f->loop);
	assert_true(list_is_empty(&time_all));
	free(f);
	return 0;
}

static void pass(struct fixture *f, uint64_t ms)
{
	time_pass(f->loop, ms);
}

static void hold_until(struct fixture *f, const char *label, const char *address,
	uint64_t until_ms)
{
	struct reservation r = {
		.label = label,
		.address = address,
		.until_ms = until_ms,
		.is_stored = true,
	};

	reservations_hold(f->all, &r);
}

static void hold(struct fixture *f, const char *label, const char *address)
{
	hold_until(f, label, address, clock_wall_ms() + TTL_MS);
}

static void expect(struct fixture *f, const char *label, const char *holder)
{
	const char *is = reservations_holder(f->all, label);

	reservations_sweep(f->all);
	if (holder == NULL)
		assert_null(is);
	else
		assert_string_equal(is != NULL ? is : "-", holder);
}

static enum err count_row(void *arg, const struct name_row *row)
{
	(void)row;
	++*(unsigned *)arg;
	return ERR_OK;
}

static unsigned count_rows(struct fixture *f)
{
	unsigned n = 0;

	assert_int_equal(name_store_read(f->kept.store, count_row, &n, NULL), ERR_OK);
	return n;
}

/* ---- while the relay runs ---- */

static void test_a_name_is_reserved_while_its_lease_lives_and_for_a_while(void **state)
{
	struct fixture *f = *state;

	expect(f, "app", NULL);
	hold(f, "app", ALICE);
	expect(f, "app", ALICE);
	pass(f, 10 * HOUR_MS); /* the table ends leases */
	expect(f, "app", ALICE);
	reservations_release(f->all, "app", ALICE, true);
	pass(f, GRACE_MS - 1);
	expect(f, "app", ALICE);
	pass(f, 1);
	expect(f, "app", NULL);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 0);
}

static void test_a_name_that_is_released_is_free_at_once(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	reservations_release(f->all, "app", BOB, false); /* BOB does not hold it */
	expect(f, "app", ALICE);
	reservations_release(f->all, "app", ALICE, false);
	expect(f, "app", NULL);
	hold(f, "app", BOB);
	expect(f, "app", BOB);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 1);
	reservations_release(f->all, "app", BOB, false);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 0);
}

static void test_the_grace_period_is_a_setting(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	reservations_release(f->all, "app", ALICE, true);
	pass(f, 1000);
	reservations_set_grace(f->all, 2000);
	expect(f, "app", ALICE);
	pass(f, 1000);
	expect(f, "app", NULL);
	reservations_set_grace(f->all, 0);
	hold(f, "app", BOB);
	expect(f, "app", BOB);
	reservations_release(f->all, "app", BOB, true);
	expect(f, "app", NULL);
}

static void test_names_are_counted_by_network(void **state)
{
	struct fixture *f = *state;
	struct reservation r = { .address = ALICE, .is_stored = true };
	struct prefix here, there;

	assert_int_equal(prefix_parse(span_str("203.0.113.1"), &here), ERR_OK);
	assert_int_equal(prefix_parse(span_str("203.0.113.2"), &there), ERR_OK);
	r.network = here;
	r.label = "one";
	reservations_hold(f->all, &r);
	r.label = "two";
	reservations_hold(f->all, &r);
	r.label = "ech-x";
	r.is_alias = true;
	reservations_hold(f->all, &r);
	assert_int_equal(reservations_count(f->all, &here, "new"), 2);
	assert_int_equal(reservations_count(f->all, &here, "two"), 1);
	assert_int_equal(reservations_count(f->all, &there, "new"), 0);
	reservations_release(f->all, "one", ALICE, true); /* ALICE still holds it */
	assert_int_equal(reservations_count(f->all, &here, "new"), 2);
	reservations_release(f->all, "two", ALICE, false);
	assert_int_equal(reservations_count(f->all, &here, "new"), 1);
	pass(f, GRACE_MS);
	reservations_sweep(f->all);
	assert_int_equal(reservations_count(f->all, &here, "new"), 0);
}

/* ---- over a restart ---- */

static void test_names_survive_a_restart(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	hold(f, "ended", ALICE);
	reservations_release(f->all, "ended", ALICE, true);
	hold(f, "gone", ALICE);
	reservations_release(f->all, "gone", ALICE, false);
	pass(f, 1000);
	crash(f);
	pass(f, GRACE_MS); /* the relay was down as long */
	start(f);
	expect(f, "app", ALICE);
	expect(f, "ended", ALICE);
	expect(f, "gone", NULL);
	pass(f, GRACE_MS - 1);
	expect(f, "app", ALICE);
	pass(f, 1);
	expect(f, "app", NULL);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 0);
}

/* Its token is valid until then: no other identity gets it, whatever the grace period. */
static void test_a_lease_keeps_its_name_over_a_restart_until_it_expires(void **state)
{
	struct fixture *f = *state;

	hold_until(f, "app", ALICE, clock_wall_ms() + HOUR_MS);
	pass(f, 1);
	crash(f);
	f->grace_ms = 0;
	start(f);
	expect(f, "app", ALICE);
	pass(f, HOUR_MS - 2);
	expect(f, "app", ALICE);
	pass(f, 300000); /* renewals that were not stored */
	expect(f, "app", NULL);
}

static void test_a_holder_comes_back(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	pass(f, 1);
	crash(f);
	start(f);
	hold(f, "app", ALICE);
	pass(f, HOUR_MS);
	expect(f, "app", ALICE);
	assert_int_equal(count_rows(f), 1);
}

static void test_a_restart_begins_the_grace_period_again(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	reservations_release(f->all, "app", ALICE, true);
	pass(f, 1000);
	for (int i = 0; i < 3; i++) {
		crash(f);
		pass(f, GRACE_MS / 2);
		start(f);
		expect(f, "app", ALICE);
	}
	pass(f, GRACE_MS + TTL_MS + 300000);
	expect(f, "app", NULL);
}

static void test_a_port_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct reservation r = {
		.label = "app",
		.address = ALICE,
		.until_ms = T0_MS + TTL_MS,
		.is_stored = true,
	};
	struct lease_table_options o = { .root = "relay.example.com", .workers = 1 };
	struct lease_table *table;

	reservations_hold(f->all, &r);
	pass(f, 1);
	r.tcp_port = 20007;
	reservations_hold(f->all, &r);
	pass(f, 1000);
	crash(f);
	start(f);
	o.names = f->all;
	o.port_min = 20000;
	o.port_max = 20010;
	assert_int_equal(lease_table_new(&o, &table), ERR_OK);
	lease_table_free(table);
	expect(f, "app", ALICE);
}

/* ---- clocks ---- */

static void test_the_wall_clock_changes_nothing_while_the_relay_runs(void **state)
{
	struct fixture *f = *state;

	hold(f, "app", ALICE);
	reservations_release(f->all, "app", ALICE, true);
	clock_step_wall((int64_t)(24 * HOUR_MS));
	expect(f, "app", ALICE);
	clock_step_wall(-(int64_t)(48 * HOUR_MS));
	expect(f, "app", ALICE);
	pass(f, GRACE_MS);
	expect(f, "app", NULL);
}

/* It may be wrong by any time, in both directions. */
static void test_a_wrong_wall_clock_at_the_start_has_bounded_effect(void **state)
{
	static const int64_t steps[] = { -365 * 24 * 3600 * INT64_C(1000), -3600000,
		3600000, 365 * 24 * 3600 * INT64_C(1000) };
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(steps); i++) {
		hold(f, "app", ALICE);
		pass(f, 1000);
		crash(f);
		clock_step_wall(steps[i]);
		start(f);
		expect(f, "app", ALICE);
		pass(f, GRACE_MS - 1);
		expect(f, "app", ALICE);
		pass(f, LEASE_TTL_MAX_S * UINT64_C(1000) + 1);
		expect(f, "app", NULL);
		pass(f, 1000);
	}
}

/* ---- the store ---- */

/* A renewal a minute moves the end a minute each time. */
static void test_renewals_are_rarely_stored(void **state)
{
	struct fixture *f = *state;
	unsigned stored = 0;

	for (int i = 0; i < 60; i++) {
		hold(f, "app", ALICE);
		for (int second = 0; second < 60; second++) {
			struct loop_timer *t = time_next(clock_now_ms() + 1000);

			stored += t != NULL;
			pass(f, 1000);
		}
	}
	assert_in_range(stored, 8, 13);
}

static void test_a_flood_costs_a_transaction_a_second(void **state)
{
	struct fixture *f = *state;
	char label[16];

	for (int i = 0; i < 500; i++) {
		snprintf(label, sizeof(label), "n%d", i);
		hold(f, label, BOB);
		if (i == 0)
			pass(f, 0);
	}
	assert_int_equal(count_rows(f), 1); /* the first at once, */
	pass(f, 999);
	assert_int_equal(count_rows(f), 1);
	pass(f, 1); /* the others together */
	assert_int_equal(count_rows(f), 500);
}

static void test_a_denied_identity_has_no_row(void **state)
{
	struct fixture *f = *state;
	struct reservation r = {
		.label = "app",
		.address = ALICE,
		.until_ms = T0_MS + TTL_MS,
		.is_stored = true,
	};

	reservations_hold(f->all, &r);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 1);
	r.is_stored = false;
	reservations_hold(f->all, &r);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 0);
	expect(f, "app", ALICE); /* the lease lives */
	r.is_stored = true;
	reservations_hold(f->all, &r);
	pass(f, 1000);
	assert_int_equal(count_rows(f), 1);
}

static void test_a_full_disk_loses_names_only_at_a_restart(void **state)
{
	struct fixture *f = *state;
	char label[NAMES_LABEL_MAX + 1];

	assert_int_equal(store_run(f->kept.store, "PRAGMA max_page_count = 12", NULL, 0,
				 NULL),
		ERR_OK);
	for (int i = 0; i < 2000; i++) {
		snprintf(label, sizeof(label), "name-as-long-as-it-can-be-or-about-%d",
			i);
		hold(f, label, ALICE);
	}
	pass(f, 1000);
	expect(f, "name-as-long-as-it-can-be-or-about-1999", ALICE);
	assert_int_equal(store_run(f->kept.store, "PRAGMA max_page_count = 10000", NULL,
				 0, NULL),
		ERR_OK);
	pass(f, 1000);
	assert_in_range(count_rows(f), 0,
		1000); /* the store is not tried again at once */
	pass(f, 60000);
	assert_int_equal(count_rows(f), 2000);
}

/* Of any number of rows, those whose leases end last stay. */
static void test_reservations_are_limited(void **state)
{
	struct fixture *f = *state;
	const unsigned many = RESERVATIONS_MAX / 2 + 10;
	struct name_row row = { .address = ALICE };
	char label[16];

	row.label = label;
	assert_int_equal(store_begin(f->kept.store, false, NULL), ERR_OK);
	for (unsigned i = 0; i < many; i++) {
		snprintf(label, sizeof(label), "n%u", i);
		row.until_ms = T0_MS + i;
		assert_int_equal(name_store_put(f->kept.store, &row, NULL), ERR_OK);
	}
	assert_int_equal(store_end(f->kept.store, ERR_OK, NULL), ERR_OK);
	stop(f);
	start(f);
	assert_int_equal(count_rows(f), RESERVATIONS_MAX / 2);
	expect(f, "n9", NULL);
	expect(f, "n10", ALICE);
	for (unsigned i = 0; i < RESERVATIONS_MAX;
		i++) { /* names with a live lease stay */
		snprintf(label, sizeof(label), "m%u", i);
		hold(f, label, BOB);
	}
	expect(f, "n10", NULL);
	expect(f, "m0", BOB);
	expect(f, label, BOB);
	hold(f, "one-more", BOB);
	expect(f, "one-more", NULL);
}

/* ---- a model: the one holder of each name, over random events ---- */

#define LABELS 3

struct model {
	const char *holder; /* NULL: free */
	bool is_live;
	uint64_t free_ms; /* on the monotonic clock; of a lease that has ended */
};

static void model_check(struct fixture *f, const struct model *model)
{
	char label[2] = "a";

	for (unsigned i = 0; i < LABELS; i++, label[0]++) {
		bool is_free = model[i].holder == NULL ||
			(!model[i].is_live && model[i].free_ms <= clock_boot_ms());
		const char *is = reservations_holder(f->all, label);

		if (is_free && is != NULL) /* a restart may have made it longer */
			assert_string_equal(is,
				model[i].holder != NULL ? model[i].holder : "-");
		if (!is_free)
			assert_string_equal(is != NULL ? is : "-", model[i].holder);
	}
}

static void model_step(struct fixture *f, struct model *m, const char *label)
{
	const char *who = addresses[rand_below(2)];
	const char *is = reservations_holder(f->all, label);
	bool is_kept = rand_below(2) == 0;

	if (is == NULL || strcmp(is, who) == 0) {
		hold(f, label, who);
		m->holder = who;
		m->is_live = true;
	}
	if (m->holder == NULL || !m->is_live || rand_below(2) == 0)
		return;
	reservations_release(f->all, label, m->holder, is_kept);
	m->is_live = false;
	m->free_ms = clock_boot_ms() + GRACE_MS;
	if (!is_kept)
		m->holder = NULL;
}

static void test_a_name_never_changes_hands_too_early(void **state)
{
	struct fixture *f = *state;
	struct model model[LABELS] = { { .holder = NULL } };
	uint64_t seed;
	char label[2] = "";

	rand_bytes(&seed, sizeof(seed));
	print_message("seed %llu\n", (unsigned long long)seed);
	rand_seed_for_tests(seed);
	for (unsigned step = 0; step < 400; step++) {
		unsigned i = rand_below(LABELS);

		label[0] = (char)('a' + i);
		switch (rand_below(6)) {
		case 0:
			pass(f, rand_below(GRACE_MS));
			break;
		case 1:
			clock_step_wall((int64_t)rand_below(2 * GRACE_MS) - GRACE_MS);
			break;
		case 2:
			pass(f, 1000);
			if (rand_below(8) != 0)
				break;
			crash(f);
			start(f);
			for (unsigned k = 0; k < LABELS; k++) {
				if (model[k].is_live)
					model[k].free_ms = clock_boot_ms() + GRACE_MS;
				model[k].is_live = false;
			}
			break;
		default:
			model_step(f, &model[i], label);
			break;
		}
		model_check(f, model);
	}
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_a_name_is_reserved_while_its_lease_lives_and_for_a_while),
		ROW(test_a_name_that_is_released_is_free_at_once),
		ROW(test_the_grace_period_is_a_setting),
		ROW(test_names_are_counted_by_network),
		ROW(test_names_survive_a_restart),
		ROW(test_a_lease_keeps_its_name_over_a_restart_until_it_expires),
		ROW(test_a_holder_comes_back),
		ROW(test_a_restart_begins_the_grace_period_again),
		ROW(test_a_port_is_remembered),
		ROW(test_the_wall_clock_changes_nothing_while_the_relay_runs),
		ROW(test_a_wrong_wall_clock_at_the_start_has_bounded_effect),
		ROW(test_renewals_are_rarely_stored),
		ROW(test_a_flood_costs_a_transaction_a_second),
		ROW(test_a_denied_identity_has_no_row),
		ROW(test_a_full_disk_loses_names_only_at_a_restart),
		ROW(test_reservations_are_limited),
		ROW(test_a_name_never_changes_hands_too_early),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
