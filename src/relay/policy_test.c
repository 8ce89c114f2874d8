/* Policy: against a model, over restarts and crashes; and the import. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "relay/policy.h"
#include "store/audit_test.h"

#define KEYS 6
#define PREFIXES 4
#define ALICE "alice:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"

struct fixture {
	char dir[64], import[96];
	struct log log;
	struct store *s;
	struct policy *p;
	unsigned changes;
	char changed[300]; /* the identity of the last change; "" for all */
};

static void on_change(void *arg, const char *key)
{
	struct fixture *f = arg;

	f->changes++;
	snprintf(f->changed, sizeof(f->changed), "%s", key != NULL ? key : "");
}

static enum err try_open(struct fixture *f, struct why *why)
{
	struct policy_options o = {
		.log = &f->log,
		.import_file = f->import,
		.settings = { .has_landing_page = true, .tcp_enabled = true },
		.on_change = on_change,
		.arg = f,
	};

	policy_close(f->p);
	store_close(f->s);
	f->p = NULL;
	f->s = NULL;
	assert_int_equal(store_open(f->dir, &f->s, why), ERR_OK);
	o.store = f->s;
	return policy_open(&o, &f->p, why);
}

static void reopen(struct fixture *f)
{
	struct why why = { "" };

	if (try_open(f, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	log_set_level(LOG_ERROR);
	log_init(&f->log, NULL, "test");
	strcpy(f->dir, "/tmp/adit-policy-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->import, sizeof(f->import), "%s/admin_settings.json", f->dir);
	reopen(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "adit.db", "adit.db-wal", "adit.db-shm",
		"admin_settings.json" };
	struct fixture *f = *state;
	char path[128];

	policy_close(f->p);
	store_close(f->s);
	for (size_t i = 0; i < mem_count(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- the model ---- */

struct model {
	bool approved[KEYS], denied[KEYS], banned[KEYS];
	uint64_t rate[KEYS];
	bool prefix[PREFIXES];
	bool is_manual;
	unsigned changes;
};

static const char *key_of(unsigned i, char to[80])
{
	snprintf(to, 80, "name%u:0x%040u", i, i);
	return to;
}

static void prefix_of(unsigned i, struct prefix *out)
{
	static const char *const texts[PREFIXES] = { "192.0.2.1", "198.51.100.0/24",
		"2001:db8::/32", "2001:db8::1" };

	assert_int_equal(prefix_parse(span_str(texts[i]), out), ERR_OK);
}

static void step_rule(struct fixture *f, struct model *m, unsigned k)
{
	enum policy_rule rule = (enum policy_rule)rand_below(3);
	bool on = rand_below(2) == 1;
	char key[80];

	assert_int_equal(policy_set(f->p, key_of(k, key), rule, on, "0xme", NULL),
		ERR_OK);
	assert_string_equal(f->changed, key);
	if (rule == POLICY_APPROVED) {
		m->approved[k] = on;
		m->denied[k] = m->denied[k] && !on;
	} else if (rule == POLICY_DENIED) {
		m->denied[k] = on;
		m->approved[k] = m->approved[k] && !on;
	} else {
		m->banned[k] = on;
	}
}

static void step(struct fixture *f, struct model *m)
{
	unsigned k = rand_below(KEYS), i = rand_below(PREFIXES);
	struct policy_settings s = *policy_settings(f->p);
	struct prefix prefix;
	bool on = rand_below(2) == 1;
	char key[80];

	m->changes++;
	switch (rand_below(6)) {
	case 0:
		m->rate[k] = rand_below(3) * 1000;
		assert_int_equal(policy_set(f->p, key_of(k, key), POLICY_RATE, m->rate[k],
					 "0xme", NULL),
			ERR_OK);
		break;
	case 1:
		prefix_of(i, &prefix);
		m->prefix[i] = on;
		assert_int_equal(policy_ban_prefix(f->p, &prefix, on, "0xme", NULL),
			ERR_OK);
		assert_string_equal(f->changed, "");
		break;
	case 2:
		s.is_manual = m->is_manual = on;
		assert_int_equal(policy_set_settings(f->p, &s, "0xme", NULL), ERR_OK);
		break;
	default:
		step_rule(f, m, k);
	}
}

static bool set_holds(const struct prefix_set *set, const struct prefix *p)
{
	for (unsigned i = 0; i < set->n; i++)
		if (set->v[i].bits == p->bits &&
			memcmp(set->v[i].bytes, p->bytes, 16) == 0)
			return true;
	return false;
}

static enum err count_row(void *arg, const struct audit_row *row)
{
	(void)row;
	++*(unsigned *)arg;
	return ERR_OK;
}

static void compare(struct fixture *f, const struct model *m)
{
	unsigned rows = 0;
	char key[80];

	for (unsigned k = 0; k < KEYS; k++) {
		struct policy_verdict v = policy_judge(f->p, key_of(k, key));

		assert_int_equal(v.is_approved, !m->is_manual || m->approved[k]);
		assert_int_equal(v.is_denied, m->denied[k]);
		assert_int_equal(v.is_banned, m->banned[k]);
		assert_int_equal(v.bytes_per_s, m->rate[k]);
		assert_int_equal(v.is_routable,
			v.is_approved && !v.is_denied && !v.is_banned);
	}
	for (unsigned i = 0; i < PREFIXES; i++) {
		struct prefix prefix;

		prefix_of(i, &prefix);
		assert_int_equal(set_holds(policy_banned(f->p), &prefix), m->prefix[i]);
	}
	assert_int_equal(policy_settings(f->p)->is_manual, m->is_manual);
	assert_true(policy_settings(f->p)->has_landing_page);
	assert_int_equal(f->changes, m->changes);
	assert_int_equal(audit_read(f->s, 100000, count_row, &rows, NULL), ERR_OK);
	assert_int_equal(rows, m->changes);
}

static void test_random_changes_agree_with_a_model(void **state)
{
	struct fixture *f = *state;
	struct model m = { .is_manual = false };
	unsigned seed = (unsigned)getpid();

	print_message("seed %u\n", seed);
	rand_seed_for_tests(seed);
	for (unsigned batch = 0; batch < 8; batch++) {
		for (unsigned i = 0; i < 20; i++)
			step(f, &m);
		compare(f, &m);
		reopen(f);
		compare(f, &m);
	}
}

/* ---- crashes ---- */

/* Approves and denies in turn, and reports each; until it is killed. */
static void child_run(struct fixture *f, int fd)
{
	for (uint64_t i = 1;; i++) {
		if (policy_set(f->p, ALICE, POLICY_RATE, i, "0xme", NULL) != ERR_OK ||
			write(fd, &i, sizeof(i)) != (ssize_t)sizeof(i))
			_exit(1);
	}
}

static void test_a_crash_leaves_the_old_or_the_new_state(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 5; round++) {
		uint64_t last = 0, seen;
		unsigned rows = 0;
		int fds[2];
		pid_t pid;

		policy_close(f->p);
		store_close(f->s);
		f->p = NULL;
		f->s = NULL;
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			reopen(f);
			child_run(f, fds[1]);
		}
		close(fds[1]);
		while (last < 5 + round &&
			read(fds[0], &seen, sizeof(seen)) == (ssize_t)sizeof(seen))
			last = seen;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(fds[0], &seen, sizeof(seen)) == (ssize_t)sizeof(seen))
			last = seen;
		close(fds[0]);
		reopen(f);
		seen = policy_judge(f->p, ALICE).bytes_per_s;
		assert_true(seen == last || seen == last + 1);
		assert_int_equal(audit_read(f->s, 100000, count_row, &rows, NULL),
			ERR_OK);
		assert_true(rows >= seen);
	}
}

static void test_a_change_that_cannot_be_stored_has_no_effect(void **state)
{
	struct fixture *f = *state;
	struct policy_settings s = { .is_manual = true };
	struct prefix prefix;
	struct why why = { "" };

	prefix_of(0, &prefix);
	assert_int_equal(store_run(f->s, "PRAGMA query_only = 1", NULL, 0, NULL), ERR_OK);
	assert_int_not_equal(policy_set(f->p, ALICE, POLICY_BANNED, true, "0xme", &why),
		ERR_OK);
	assert_string_not_equal(why.text, "");
	assert_int_not_equal(policy_ban_prefix(f->p, &prefix, true, "0xme", NULL),
		ERR_OK);
	assert_int_not_equal(policy_set_settings(f->p, &s, "0xme", NULL), ERR_OK);
	assert_false(policy_judge(f->p, ALICE).is_banned);
	assert_false(policy_settings(f->p)->is_manual);
	assert_int_equal(policy_banned(f->p)->n, 0);
	assert_int_equal(f->changes, 0);
}

/* ---- import ---- */

static void write_import(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->import, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_the_policy_of_a_stock_relay_is_imported_once(void **state)
{
	struct fixture *f = *state;
	struct policy_verdict v;

	write_import(f,
		"{\"approval_mode\":\"manual\",\"approved_identity_keys\":["
		"\"Bob:0x0000000000000000000000000000000000000001\"],"
		"\"denied_identity_keys\":[],\"banned_identity_keys\":[\"" ALICE "\"],"
		"\"banned_ips\":[\"192.0.2.1\"],\"identity_bps\":{\"" ALICE "\":5000},"
		"\"udp_enabled\":true,\"udp_max_leases\":3,\"tcp_port_enabled\":false,"
		"\"tcp_port_max_leases\":0,\"landing_page_enabled\":false}");
	reopen(f);
	assert_true(policy_settings(f->p)->is_manual);
	assert_false(policy_settings(f->p)->has_landing_page);
	assert_false(policy_settings(f->p)->tcp_enabled);
	assert_int_equal(policy_settings(f->p)->udp_max_leases, 3);
	v = policy_judge(f->p, ALICE);
	assert_true(v.is_banned);
	assert_int_equal(v.bytes_per_s, 5000);
	v = policy_judge(f->p, "bob:0x0000000000000000000000000000000000000001");
	assert_true(v.is_routable);
	assert_int_equal(policy_banned(f->p)->n, 1);
	assert_int_equal(policy_set(f->p, ALICE, POLICY_BANNED, false, "0xme", NULL),
		ERR_OK);
	reopen(f);
	assert_false(policy_judge(f->p, ALICE).is_banned);
	assert_int_equal(access(f->import, R_OK), 0);
}

static void test_a_file_that_cannot_be_imported_stops_the_start(void **state)
{
	static const char *const texts[][2] = {
		{ "", "is not JSON" },
		{ "[]", "not a JSON object" },
		{ "{\"approval_mode\":\"perhaps\"}", "approval_mode" },
		{ "{\"banned_ips\":[\"here\"]}", "not an address" },
		{ "{\"banned_ips\":[\"192.0.2.1\"],\"identity_bps\":{\"x\":1}}",
			"identity_bps" },
		{ "{\"udp_max_leases\":-1}", "udp_max_leases" },
		{ "{\"denied_identity_keys\":[1]}", "denied_identity_keys" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(texts); i++) {
		struct why why = { "" };

		write_import(f, texts[i][0]);
		assert_int_equal(try_open(f, &why), ERR_SYNTAX);
		assert_non_null(strstr(why.text, texts[i][1]));
		assert_non_null(strstr(why.text, "admin_settings.json"));
	}
	unlink(f->import);
	reopen(f);
	assert_int_equal(policy_banned(f->p)->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_changes_agree_with_a_model,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_crash_leaves_the_old_or_the_new_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_change_that_cannot_be_stored_has_no_effect, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_policy_of_a_stock_relay_is_imported_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_file_that_cannot_be_imported_stops_the_start, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
