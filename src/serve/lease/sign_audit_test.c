/* The audit of signatures: bounds that protect other rows and other identities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/lease/sign_audit.h"
#include "serve/lease/store_test.h"
#include "store/audit_test.h"

struct fixture {
	struct test_store kept;
	struct sign_audit *a;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	clock_freeze(1780315200500);
	test_store_open(&f->kept);
	assert_int_equal(sign_audit_new(&f->a), ERR_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sign_audit_free(f->a);
	test_store_remove(&f->kept);
	free(f);
	return 0;
}

struct rows {
	unsigned of_kind[2];
	char newest[64]; /* its object */
};

static enum err on_row(void *arg, const struct audit_row *row)
{
	struct rows *rows = arg;

	if (rows->of_kind[0] + rows->of_kind[1] == 0)
		snprintf(rows->newest, sizeof(rows->newest), "%s: %s", row->about,
			row->what);
	rows->of_kind[row->kind]++;
	return ERR_OK;
}

static struct rows rows_of(struct fixture *f)
{
	struct rows rows = { .newest = "" };

	assert_int_equal(audit_read(f->kept.store, 1000000, on_row, &rows, NULL), ERR_OK);
	return rows;
}

static void flush(struct fixture *f)
{
	assert_int_equal(sign_audit_flush(f->a, f->kept.store, NULL), ERR_OK);
}

static void test_the_number_of_identities_with_a_row_is_limited(void **state)
{
	struct fixture *f = *state;
	struct rows rows;
	char key[32];

	for (unsigned i = 0; i < SIGN_AUDIT_IDENTITIES + 7; i++) {
		snprintf(key, sizeof(key), "n%u:0x00", i);
		sign_audit_add(f->a, key, 2);
	}
	sign_audit_add(f->a, "n0:0x00", 1); /* has one already */
	sign_audit_add(f->a, "n1:0x00", 0);
	flush(f);
	rows = rows_of(f);
	assert_int_equal(rows.of_kind[AUDIT_SIGNATURES], SIGN_AUDIT_IDENTITIES + 1);
	assert_string_equal(rows.newest, "other identities: signed 14 handshakes");
	flush(f); /* nothing is new */
	assert_int_equal(rows_of(f).of_kind[AUDIT_SIGNATURES], SIGN_AUDIT_IDENTITIES + 1);
	sign_audit_add(f->a, "n0:0x00", 1);
	flush(f);
	assert_string_equal(rows_of(f).newest, "n0:0x00: signed 1 handshake");
}

/* No number of signatures removes the rows of administrators. */
static void test_rows_about_signatures_do_not_replace_other_rows(void **state)
{
	struct fixture *f = *state;
	const struct audit_row rule = { .who = "me", .what = "ban", .about = "you" };
	struct rows rows;
	char key[32];

	assert_int_equal(store_begin(f->kept.store, true, NULL), ERR_OK);
	assert_int_equal(audit_add(f->kept.store, &rule, NULL), ERR_OK);
	assert_int_equal(store_end(f->kept.store, ERR_OK, NULL), ERR_OK);
	for (unsigned minute = 0; minute < 11; minute++) {
		for (unsigned i = 0; i < SIGN_AUDIT_IDENTITIES; i++) {
			snprintf(key, sizeof(key), "n%u:0x00", i);
			sign_audit_add(f->a, key, 1);
		}
		flush(f);
	}
	rows = rows_of(f);
	assert_int_equal(rows.of_kind[AUDIT_RULES], 1);
	assert_int_equal(rows.of_kind[AUDIT_SIGNATURES], AUDIT_MAX);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test_setup_teardown(
			test_the_number_of_identities_with_a_row_is_limited, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_rows_about_signatures_do_not_replace_other_rows, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
