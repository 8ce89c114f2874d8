/* Leases on the control worker: policy, and the audit of signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/relay_priv.h"
#include "serve/lease/store_test.h"
#include "store/audit_test.h"

#define T0_MS UINT64_C(1780315200500)
#define LEASES 3

static struct prefix_set banned;

const struct prefix_set *policy_banned(const struct policy *p)
{
	(void)p;
	return &banned;
}

struct policy_verdict policy_judge(const struct policy *p, const char *identity_key)
{
	(void)p;
	(void)identity_key;
	return (struct policy_verdict){ .is_routable = true };
}

bool data_worker_open_route(struct data_worker *w, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	(void)w;
	(void)r;
	(void)tcp_fd;
	(void)bytes_per_s;
	return true;
}

static bool were_cut; /* the bridges of the lease that was closed last */

bool data_worker_close_route(struct data_worker *w, struct route *r, bool cuts_bridges)
{
	(void)w;
	(void)r;
	were_cut = cuts_bridges;
	return true;
}

bool data_worker_set_rate(struct data_worker *w, const char *identity_key,
	uint64_t bytes_per_s)
{
	(void)w;
	(void)identity_key;
	(void)bytes_per_s;
	return true;
}

bool data_worker_cut(struct data_worker *w, const char *identity_key)
{
	(void)w;
	(void)identity_key;
	return true;
}

void relay_publish(struct relay *r)
{
	(void)r;
}

struct fixture {
	struct relay r;
	struct test_store kept;
	struct lease *leases[LEASES];
};

static void add_lease(struct fixture *f, unsigned i)
{
	static const char *const names[LEASES] = { "one", "two", "three" };
	struct message_metadata metadata = { .hide = false };
	struct lease_request req = {
		.name = names[i],
		.address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
		.metadata = &metadata,
		.client_ip = "192.0.2.1",
		.reported_ip = "",
		.now_ms = T0_MS,
		.until_ms = T0_MS + 120000,
		.is_routable = true,
	};

	assert_int_equal(lease_open(f->r.table, &req, &f->leases[i], NULL), ERR_OK);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct lease_table_options o = {
		.root = "relay.example.com",
		.workers = 1,
		.on_end = relay_on_lease_end,
	};

	assert_non_null(f);
	*state = f;
	clock_freeze(T0_MS);
	test_store_open(&f->kept);
	f->r.store = f->kept.store;
	assert_int_equal(sign_audit_new(&f->r.sign_audit), ERR_OK);
	log_init(&f->r.log, NULL, "test");
	assert_int_equal(route_table_new(lease_route_alias, &f->r.routes), ERR_OK);
	o.routes = f->r.routes;
	o.arg = &f->r;
	assert_int_equal(lease_table_new(&o, &f->r.table), ERR_OK);
	for (unsigned i = 0; i < LEASES; i++)
		add_lease(f, i);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	lease_table_free(f->r.table);
	route_table_free(f->r.routes);
	sign_audit_free(f->r.sign_audit);
	test_store_remove(&f->kept);
	free(f);
	return 0;
}

static void sign(struct lease *l, unsigned count)
{
	atomic_fetch_add(&lease_route_of(l->route)->signatures, count);
}

/* The rows, the newest first: "one 2, two 1". */
struct rows {
	char text[512];
	unsigned count;
};

static enum err on_row(void *arg, const struct audit_row *row)
{
	struct rows *rows = arg;
	size_t n = strlen(rows->text);

	assert_int_equal(row->kind, AUDIT_SIGNATURES);
	snprintf(rows->text + n, sizeof(rows->text) - n, "%s%.*s %s", n > 0 ? ", " : "",
		(int)strcspn(row->about, ":"), row->about, row->what);
	rows->count++;
	return ERR_OK;
}

static void expect(struct fixture *f, const char *text)
{
	struct rows rows = { .text = "" };

	relay_audit_signatures(&f->r);
	assert_int_equal(audit_read(f->kept.store, 100, on_row, &rows, NULL), ERR_OK);
	assert_string_equal(rows.text, text);
}

static void test_signatures_are_audited_once(void **state)
{
	struct fixture *f = *state;

	expect(f, "");
	sign(f->leases[0], 1);
	sign(f->leases[1], 2);
	expect(f, "two signed 2 handshakes, one signed 1 handshake");
	expect(f, "two signed 2 handshakes, one signed 1 handshake");
}

/* Also if an identity registers many times within the minute. */
static void test_signatures_of_ended_leases_are_audited_with_the_others(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50; i++) {
		sign(f->leases[0], 2);
		lease_end(f->r.table, f->leases[0], LEASE_UNREGISTERED);
		add_lease(f, 0);
	}
	sign(f->leases[0], 1);
	expect(f, "one signed 101 handshakes");
}

static void test_a_full_disk_loses_no_signature(void **state)
{
	struct fixture *f = *state;
	char key[64];

	assert_int_equal(store_run(f->kept.store, "PRAGMA max_page_count = 14", NULL, 0,
				 NULL),
		ERR_OK);
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "stranger-%d:0x00", i);
		sign_audit_add(f->r.sign_audit, key, 1);
	}
	sign(f->leases[0], 2);
	expect(f, "");
	assert_true(f->r.is_audit_failing);
	sign(f->leases[0], 3);
	lease_end(f->r.table, f->leases[0], LEASE_EXPIRED);
	assert_int_equal(store_run(f->kept.store, "PRAGMA max_page_count = 100000", NULL,
				 0, NULL),
		ERR_OK);
	relay_audit_signatures(&f->r);
	assert_false(f->r.is_audit_failing);
	{
		struct rows rows = { .text = "" };

		assert_int_equal(audit_read(f->kept.store, 5000, on_row, &rows, NULL),
			ERR_OK);
		assert_int_equal(rows.count, 2001);
		assert_memory_equal(rows.text, "one signed 5 handshakes", 23);
	}
}

static void test_leases_of_a_banned_address_end(void **state)
{
	struct fixture *f = *state;
	struct prefix p;

	str_copy(f->leases[1]->client_ip, sizeof(f->leases[1]->client_ip), "192.0.2.77");
	lease_end(f->r.table, f->leases[2], LEASE_UNREGISTERED);
	assert_false(were_cut);
	assert_int_equal(prefix_parse(span_str("192.0.2.0/26"), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&banned, &p), ERR_OK);
	relay_on_policy(&f->r, NULL);
	assert_true(were_cut);
	assert_ptr_equal(list_first(lease_table_all(f->r.table), struct lease, in_table),
		f->leases[1]);
	prefix_set_fini(&banned);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_signatures_are_audited_once),
		ROW(test_signatures_of_ended_leases_are_audited_with_the_others),
		ROW(test_a_full_disk_loses_no_signature),
		ROW(test_leases_of_a_banned_address_end),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
