/* What becomes of leases: signatures are noted, also when that fails for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "relay/relay_inside.h"

#define T0_MS UINT64_C(1780315200500)
#define LEASES 3

/* What the store says in these tests, and how often it was asked. */
static enum err verdict;
static unsigned notes;
static char noted[64];

enum err policy_note(struct policy *p, const char *who, const char *what,
	const char *about, struct why *why)
{
	(void)p;
	(void)who;
	(void)about;
	notes++;
	strcpy(noted, what);
	return verdict == ERR_OK ? ERR_OK : err_set(why, verdict, "it is locked");
}

struct policy_verdict policy_judge(const struct policy *p, const char *identity_key)
{
	(void)p;
	(void)identity_key;
	return (struct policy_verdict){ .is_routable = true };
}

bool relay_worker_open_lease(struct relay_worker *w, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	(void)w;
	(void)r;
	(void)tcp_fd;
	(void)bytes_per_s;
	return true;
}

bool relay_worker_close_lease(struct relay_worker *w, struct route *r, bool cuts_bridges)
{
	(void)w;
	(void)r;
	(void)cuts_bridges;
	return true;
}

bool relay_worker_set_rate(struct relay_worker *w, const char *identity_key,
	uint64_t bytes_per_s)
{
	(void)w;
	(void)identity_key;
	(void)bytes_per_s;
	return true;
}

bool relay_worker_cut(struct relay_worker *w, const char *identity_key)
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

	assert_int_equal(lease_open(f->r.book, &req, &f->leases[i], NULL), ERR_OK);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct lease_book_options o = {
		.root = "relay.example.com",
		.workers = 1,
		.on_end = relay_on_lease_end,
	};

	assert_non_null(f);
	*state = f;
	clock_freeze(T0_MS);
	verdict = ERR_OK;
	notes = 0;
	log_init(&f->r.log, NULL, "test");
	assert_int_equal(route_table_new(&f->r.routes), ERR_OK);
	o.routes = f->r.routes;
	o.arg = &f->r;
	assert_int_equal(lease_book_new(&o, &f->r.book), ERR_OK);
	for (unsigned i = 0; i < LEASES; i++)
		add_lease(f, i);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	lease_book_free(f->r.book);
	route_table_free(f->r.routes);
	free(f);
	return 0;
}

static void sign(struct fixture *f)
{
	for (unsigned i = 0; i < LEASES; i++)
		atomic_fetch_add(&f->leases[i]->route->signatures, 2);
}

static void test_signatures_are_noted_once(void **state)
{
	struct fixture *f = *state;

	relay_audit_signatures(&f->r);
	assert_int_equal(notes, 0);
	sign(f);
	relay_audit_signatures(&f->r);
	assert_int_equal(notes, LEASES);
	assert_string_equal(noted, "signed 2 handshakes");
	relay_audit_signatures(&f->r);
	assert_int_equal(notes, LEASES);
}

/* A store that is locked takes a second of each attempt, and everybody waits. */
static void test_a_store_that_fails_is_not_asked_for_every_lease(void **state)
{
	struct fixture *f = *state;

	sign(f);
	verdict = ERR_SYS;
	relay_audit_signatures(&f->r);
	lease_end(f->r.book, f->leases[0], LEASE_EXPIRED);
	assert_int_equal(notes, 1);
	clock_advance(60000);
	relay_audit_signatures(&f->r);
	assert_int_equal(notes, 2);
	verdict = ERR_OK;
	clock_advance(60000);
	relay_audit_signatures(&f->r);
	assert_int_equal(notes, 4);
	assert_string_equal(noted, "signed 2 handshakes");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_signatures_are_noted_once),
		ROW(test_a_store_that_fails_is_not_asked_for_every_lease),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
