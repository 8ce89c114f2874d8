/* The store: opening, migrating, transactions and statements. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define STORE_APPLICATION 0x61646974 /* "adit" */

struct store {
	sqlite3 *db;
	char *path;
	bool is_durable; /* the current mode of transactions */
};

/* Each changes the schema from its number to the next. Released ones never change. */
static const char *const migrations[] = {
	"CREATE TABLE policy_setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE policy_identity (identity_key TEXT PRIMARY KEY,"
	" is_approved INTEGER NOT NULL, is_denied INTEGER NOT NULL,"
	" is_banned INTEGER NOT NULL, bytes_per_s INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE policy_ban (prefix TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,"
	" about TEXT NOT NULL) STRICT;",

	"CREATE TABLE lease_name (label TEXT PRIMARY KEY, address TEXT NOT NULL,"
	" until_ms INTEGER NOT NULL, tcp_port INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	"ALTER TABLE audit ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;"
	"UPDATE audit SET kind = 1 WHERE who = 'adit' AND what LIKE 'signed %';"
	"CREATE INDEX audit_of_kind ON audit (kind, id);",

	"CREATE TABLE tunnel (id TEXT PRIMARY KEY, subdomain TEXT NOT NULL UNIQUE,"
	" port INTEGER NOT NULL UNIQUE, kind TEXT NOT NULL, access TEXT NOT NULL,"
	" agent TEXT NOT NULL, target TEXT NOT NULL, note TEXT NOT NULL,"
	" options TEXT NOT NULL, created_ms INTEGER NOT NULL,"
	" paused_ms INTEGER NOT NULL, paused_by TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE agent (label TEXT PRIMARY KEY, serial TEXT NOT NULL,"
	" capabilities TEXT NOT NULL, sites TEXT NOT NULL, method TEXT NOT NULL,"
	" certificate TEXT NOT NULL, secret TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" revoked_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE enrol_token (label TEXT PRIMARY KEY, digest TEXT NOT NULL,"
	" capabilities TEXT NOT NULL, sites TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" used_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE revoked (serial TEXT PRIMARY KEY, label TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

/* ---- errors ---- */

static enum err store_fail(struct store *s, int code, struct why *why)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return err_set(why, ERR_NOMEM, "out of memory");
	case SQLITE_FULL:
		return err_set(why, ERR_SYS,
			"%s cannot be written: the disk is full; nothing was changed",
			s->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(why, ERR_SYS,
			"%s is locked by another program: nothing was changed; stop that "
			"program, or try again",
			s->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(why, ERR_SYS,
			"%s is damaged: replace it by a backup, or move it away to start "
			"with an empty store",
			s->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return err_set(why, ERR_SYS,
			"%s cannot be written: the user of adit must own its directory and be able"
			" to write to it",
			s->path);
	default:
		return err_set(why, ERR_SYS, "%s: %s", s->path, sqlite3_errmsg(s->db));
	}
}

static enum err store_exec(struct store *s, const char *sql, struct why *why)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? ERR_OK : store_fail(s, code, why);
}

/* ---- statements ---- */

static int bind_values(sqlite3_stmt *st, const struct store_value *values, unsigned count)
{
	int code = SQLITE_OK;

	for (unsigned i = 0; i < count && code == SQLITE_OK; i++) {
		if (values[i].text != NULL)
			code = sqlite3_bind_text(st, (int)i + 1, values[i].text, -1,
				SQLITE_STATIC);
		else
			code = sqlite3_bind_int64(st, (int)i + 1, values[i].number);
	}
	return code;
}

enum err store_run(struct store *s, const char *sql, const struct store_value *values,
	unsigned count, struct why *why)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (code == SQLITE_OK)
		code = bind_values(st, values, count);
	while (code == SQLITE_OK || code == SQLITE_ROW)
		code = sqlite3_step(st);
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? ERR_OK : store_fail(s, code, why);
}

static void read_columns(sqlite3_stmt *st, struct store_value columns[STORE_COLUMNS_MAX])
{
	int n = sqlite3_column_count(st);

	assert(n <= STORE_COLUMNS_MAX);
	for (int i = 0; i < n; i++) {
		if (sqlite3_column_type(st, i) == SQLITE_TEXT)
			columns[i] = (struct store_value){
				.text = (const char *)sqlite3_column_text(st, i)
			};
		else
			columns[i] = (struct store_value){
				.number = sqlite3_column_int64(st, i)
			};
	}
}

enum err store_read(struct store *s, const char *sql, store_row_fn *fn, void *arg,
	struct why *why)
{
	struct store_value columns[STORE_COLUMNS_MAX] = { { .number = 0 } };
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	enum err rc = ERR_OK;

	while (rc == ERR_OK && (code == SQLITE_OK || code == SQLITE_ROW)) {
		code = sqlite3_step(st);
		if (code != SQLITE_ROW)
			break;
		read_columns(st, columns);
		rc = fn(arg, columns);
	}
	sqlite3_finalize(st);
	if (rc != ERR_OK)
		return rc == ERR_NOMEM ? err_set(why, rc, "out of memory") : rc;
	return code == SQLITE_DONE ? ERR_OK : store_fail(s, code, why);
}

/* ---- transactions ---- */

enum err store_begin(struct store *s, bool is_durable, struct why *why)
{
	enum err rc = ERR_OK;

	if (s->is_durable != is_durable)
		rc = store_exec(s,
			is_durable ? "PRAGMA synchronous = FULL" :
				     "PRAGMA synchronous = NORMAL",
			why);
	if (rc != ERR_OK)
		return rc;
	s->is_durable = is_durable;
	return store_exec(s, "BEGIN IMMEDIATE", why);
}

enum err store_end(struct store *s, enum err rc, struct why *why)
{
	if (rc == ERR_OK)
		rc = store_exec(s, "COMMIT", why);
	/* After some errors it is already rolled back (SQLite, "Response To Errors"). */
	if (rc != ERR_OK && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* ---- opening ---- */

struct schema {
	int64_t version, application, tables;
	bool is_intact;
};

static enum err read_schema(void *arg, const struct store_value *columns)
{
	*(struct schema *)arg = (struct schema){
		.version = columns[0].number,
		.application = columns[1].number,
		.tables = columns[2].number,
		.is_intact = columns[3].text != NULL &&
			strcmp(columns[3].text, "ok") == 0,
	};
	return ERR_OK;
}

static enum err store_migrate(struct store *s, int64_t from, struct why *why)
{
	char *number = str_printf("PRAGMA user_version = %zu; PRAGMA application_id = %d",
		mem_count(migrations), STORE_APPLICATION);
	enum err rc = number != NULL ? store_begin(s, true, why) : ERR_NOMEM;

	if (rc == ERR_OK) {
		for (size_t i = (size_t)from; i < mem_count(migrations) && rc == ERR_OK;
			i++)
			rc = store_exec(s, migrations[i], why);
		if (rc == ERR_OK)
			rc = store_exec(s, number, why);
		rc = store_end(s, rc, why);
	}
	free(number);
	return rc;
}

static enum err store_check_schema(struct store *s, struct why *why)
{
	struct schema is = { .version = 0 };
	enum err rc = store_read(s,
		"SELECT user_version, application_id,"
		" (SELECT count(*) FROM sqlite_schema),"
		" (SELECT quick_check FROM pragma_quick_check LIMIT 1)"
		" FROM pragma_user_version, pragma_application_id",
		read_schema, &is, why);

	if (rc != ERR_OK)
		return rc;
	if (!is.is_intact)
		return store_fail(s, SQLITE_CORRUPT, why);
	if (is.application != STORE_APPLICATION && is.tables > 0)
		return err_set(why, ERR_PROTO,
			"%s is another program's file: choose another state directory",
			s->path);
	if (is.version < 0 || is.version > (int64_t)mem_count(migrations))
		return err_set(why, ERR_PROTO,
			"%s was written by a newer adit: run that version, or move the file "
			"away to start with an empty store",
			s->path);
	return is.version < (int64_t)mem_count(migrations) ?
		store_migrate(s, is.version, why) :
		ERR_OK;
}

/* SQLite would make the file readable for other users. Its log file gets the same
 * mode. */
static enum err store_make_file(const char *path, struct why *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(why, errno, "%s", path);
	if (fchmod(fd, 0600) != 0) {
		close(fd);
		return err_set(why, ERR_SYS,
			"%s has another owner: run adit as that user", path);
	}
	close(fd);
	return ERR_OK;
}

static enum err store_open_file(struct store *s, struct why *why)
{
	enum err rc = store_make_file(s->path, why);
	int code;

	if (rc != ERR_OK)
		return rc;
	code = sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
		NULL);
	if (code != SQLITE_OK)
		return store_fail(s, code, why);
	sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
	s->is_durable = true;
	rc = store_exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", why);
	return rc == ERR_OK ? store_check_schema(s, why) : rc;
}

enum err store_open(const char *directory, struct store **out, struct why *why)
{
	struct store *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the store");
	s->path = str_printf("%s/" STORE_FILE, directory);
	rc = s->path != NULL ? store_open_file(s, why) :
			       err_set(why, ERR_NOMEM, "no memory for the store");
	if (rc == ERR_OK)
		*out = s;
	else
		store_close(s);
	return rc;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}
