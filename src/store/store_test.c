/* The store: what is kept, what is refused, and what is not half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/agent_store.h"
#include "store/audit_test.h"
#include "store/tunnel_store.h"

struct fixture {
	char dir[64], path[80];
	struct store *s;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	strcpy(f->dir, "/tmp/adit-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/" STORE_FILE, f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[96];

	store_close(f->s);
	unlink(f->path);
	snprintf(path, sizeof(path), "%s-wal", f->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", f->path);
	unlink(path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void open_well(struct fixture *f)
{
	struct why why = { "" };

	if (store_open(f->dir, &f->s, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static void note(struct fixture *f, const char *what, enum err rc)
{
	struct audit_row row = { .at_ms = 5, .who = "me", .what = what, .about = "you" };

	assert_int_equal(store_begin(f->s, true, NULL), ERR_OK);
	assert_int_equal(audit_add(f->s, &row, NULL), ERR_OK);
	assert_int_equal(store_end(f->s, rc, NULL), rc);
}

static enum err count_row(void *arg, const struct audit_row *row)
{
	assert_string_equal(row->who, "me");
	assert_int_equal(row->at_ms, 5);
	++*(unsigned *)arg;
	return ERR_OK;
}

static unsigned count(struct fixture *f)
{
	unsigned n = 0;

	assert_int_equal(audit_read(f->s, 100, count_row, &n, NULL), ERR_OK);
	return n;
}

static void test_the_file_is_its_owners_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	open_well(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(f->s);
	assert_int_equal(chmod(f->path, 0644), 0);
	open_well(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_transaction_is_committed_or_rolled_back(void **state)
{
	struct fixture *f = *state;

	open_well(f);
	note(f, "one", ERR_OK);
	note(f, "two", ERR_LIMIT);
	assert_int_equal(count(f), 1);
	store_close(f->s);
	open_well(f);
	assert_int_equal(count(f), 1);
	note(f, "three", ERR_OK);
	assert_int_equal(count(f), 2);
}

static void refuses(struct fixture *f, enum err rc, const char *words)
{
	struct why why = { "" };

	store_close(f->s);
	f->s = NULL;
	assert_int_equal(store_open(f->dir, &f->s, &why), rc);
	assert_non_null(strstr(why.text, words));
}

static void run(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static enum err count_kinds(void *arg, const struct audit_row *row)
{
	((unsigned *)arg)[row->kind]++;
	return ERR_OK;
}

/* As the first version made it. */
static void test_an_older_file_is_brought_up_to_date(void **state)
{
	struct fixture *f = *state;
	unsigned kinds[2] = { 0 };

	run(f,
		"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT,"
		" at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,"
		" about TEXT NOT NULL) STRICT;"
		"INSERT INTO audit (at_ms, who, what, about) VALUES"
		" (1, 'adit', 'signed 2 handshakes', 'a:0x1'),"
		" (2, '0x2', 'ban', 'a:0x1'), (3, 'adit', 'import', 'file');"
		"PRAGMA user_version = 1; PRAGMA application_id = 1633970548");
	open_well(f);
	assert_int_equal(audit_read(f->s, 100, count_kinds, kinds, NULL), ERR_OK);
	assert_int_equal(kinds[AUDIT_RULES], 2);
	assert_int_equal(kinds[AUDIT_SIGNATURES], 1);
}

static void test_a_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;

	open_well(f);
	run(f, "PRAGMA user_version = 1000");
	refuses(f, ERR_PROTO, "newer adit");
}

static void test_a_database_of_another_program_is_refused(void **state)
{
	struct fixture *f = *state;

	run(f, "CREATE TABLE shoes (size INTEGER)");
	refuses(f, ERR_PROTO, "another program's");
}

static void test_a_damaged_file_is_refused(void **state)
{
	struct fixture *f = *state;
	char garbage[4096];
	int fd;

	open_well(f);
	store_close(f->s);
	f->s = NULL;
	memset(garbage, 'x', sizeof(garbage));
	fd = open(f->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 0), sizeof(garbage));
	close(fd);
	refuses(f, ERR_SYS, "damaged");
}

static void test_a_lock_of_another_program_is_reported(void **state)
{
	struct fixture *f = *state;
	struct why why = { "" };
	sqlite3 *db;

	open_well(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(store_begin(f->s, true, &why), ERR_SYS);
	assert_non_null(strstr(why.text, "locked by another program"));
	sqlite3_close(db);
	note(f, "one", ERR_OK);
}

static void test_a_full_disk_is_reported(void **state)
{
	struct fixture *f = *state;
	struct audit_row row = { .who = "me", .what = "much", .about = "" };
	struct why why = { "" };
	char *text = calloc(1, 100001);
	enum err rc;

	assert_non_null(text);
	row.about = memset(text, 'x', 100000);
	open_well(f);
	assert_int_equal(store_run(f->s, "PRAGMA max_page_count = 24", NULL, 0, NULL),
		ERR_OK);
	assert_int_equal(store_begin(f->s, true, NULL), ERR_OK);
	rc = audit_add(f->s, &row, &why);
	assert_int_equal(store_end(f->s, rc, &why), ERR_SYS);
	assert_non_null(strstr(why.text, "disk is full"));
	assert_int_equal(count(f), 0);
	note(f, "one", ERR_OK);
	free(text);
}

/* ---- tunnels and agents ---- */

#define TUNNEL(is, name, number) \
	{ \
		.id = (is), .subdomain = (name), .port = (number), .kind = "app", \
		.access = "public", .agent = "home", .target = "", .note = "a note", \
		.options = "{}", .created_ms = 7, .paused_by = "" \
	}

static enum err put_tunnel(struct fixture *f, const struct tunnel_row *row)
{
	assert_int_equal(store_begin(f->s, true, NULL), ERR_OK);
	return store_end(f->s, tunnel_store_put(f->s, row, NULL), NULL);
}

static enum err print_tunnel(void *arg, const struct tunnel_row *row)
{
	char *to = arg;
	size_t n = strlen(to);

	assert_string_equal(row->note, "a note");
	assert_int_equal(row->created_ms, 7);
	snprintf(to + n, 200 - n, "%s %s %u %s,", row->id, row->subdomain, row->port,
		row->access);
	return ERR_OK;
}

static void has_tunnels(struct fixture *f, const char *all)
{
	char text[200] = "";

	assert_int_equal(tunnel_store_read(f->s, print_tunnel, text, NULL), ERR_OK);
	assert_string_equal(text, all);
}

static void test_a_name_and_a_port_have_one_tunnel(void **state)
{
	const struct tunnel_row one = TUNNEL("1", "web", 3000),
				two = TUNNEL("2", "api", 3001);
	const struct tunnel_row name = TUNNEL("3", "web", 3002),
				port = TUNNEL("3", "x", 3000);
	struct tunnel_row again = TUNNEL("1", "new", 3002);
	struct fixture *f = *state;

	again.access = "restricted";
	open_well(f);
	assert_int_equal(put_tunnel(f, &one), ERR_OK);
	assert_int_equal(put_tunnel(f, &two), ERR_OK);
	assert_int_equal(put_tunnel(f, &name), ERR_SYS);
	assert_int_equal(put_tunnel(f, &port), ERR_SYS);
	has_tunnels(f, "1 web 3000 public,2 api 3001 public,");
	assert_int_equal(put_tunnel(f, &again), ERR_OK);
	store_close(f->s);
	open_well(f);
	has_tunnels(f, "1 new 3002 restricted,2 api 3001 public,");
	assert_int_equal(store_begin(f->s, true, NULL), ERR_OK);
	assert_int_equal(store_end(f->s, tunnel_store_remove(f->s, "1", NULL), NULL),
		ERR_OK);
	has_tunnels(f, "2 api 3001 public,");
}

static enum err print_agent(void *arg, const struct agent_row *row)
{
	char *to = arg;
	size_t n = strlen(to);

	assert_string_equal(row->certificate, "PEM");
	snprintf(to + n, 200 - n, "agent %s %s %d,", row->label, row->serial,
		(int)row->revoked_ms);
	return ERR_OK;
}

static enum err print_token(void *arg, const struct enrol_token_row *row)
{
	char *to = arg;
	size_t n = strlen(to);

	snprintf(to + n, 200 - n, "token %s %s %d,", row->label, row->digest,
		(int)row->used_ms);
	return ERR_OK;
}

static enum err print_revoked(void *arg, const struct revoked_row *row)
{
	char *to = arg;
	size_t n = strlen(to);

	snprintf(to + n, 200 - n, "revoked %s %s %d,", row->serial, row->label,
		(int)row->at_ms);
	return ERR_OK;
}

static void test_agents_tokens_and_revocations_are_kept(void **state)
{
	struct agent_row agent = { "home", "AB", "tunnels:read", "", "csr", "PEM", "s", 1,
		2, 0 };
	struct enrol_token_row token = { "d1", "home", "", "", 1, 2, 0 };
	const struct revoked_row revoked = { "AB", "home", 3 };
	char text[200] = "";
	const struct agent_store_reader reader = {
		.on_agent = print_agent,
		.on_token = print_token,
		.on_revoked = print_revoked,
		.arg = text,
	};
	struct fixture *f = *state;

	open_well(f);
	assert_int_equal(store_begin(f->s, true, NULL), ERR_OK);
	assert_int_equal(agent_store_put_token(f->s, &token, NULL), ERR_OK);
	token.digest = "d2";
	assert_int_equal(agent_store_put_token(f->s, &token, NULL), ERR_OK);
	assert_int_equal(agent_store_put(f->s, &agent, NULL), ERR_OK);
	agent.revoked_ms = 3;
	assert_int_equal(agent_store_put(f->s, &agent, NULL), ERR_OK);
	assert_int_equal(agent_store_revoke(f->s, &revoked, NULL), ERR_OK);
	assert_int_equal(store_end(f->s, ERR_OK, NULL), ERR_OK);
	assert_int_equal(agent_store_read(f->s, &reader, NULL), ERR_OK);
	assert_string_equal(text, "agent home AB 3,token home d2 0,revoked AB home 3,");
	text[0] = '\0';
	assert_int_equal(agent_store_remove_token(f->s, "home", NULL), ERR_OK);
	assert_int_equal(agent_store_read(f->s, &reader, NULL), ERR_OK);
	assert_string_equal(text, "agent home AB 3,revoked AB home 3,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_file_is_its_owners_alone, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_transaction_is_committed_or_rolled_back, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_an_older_file_is_brought_up_to_date,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_newer_schema_is_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_database_of_another_program_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_damaged_file_is_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_lock_of_another_program_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_full_disk_is_reported, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_a_name_and_a_port_have_one_tunnel,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_agents_tokens_and_revocations_are_kept, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
