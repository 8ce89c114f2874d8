/*
 * The files of a link server, on the control worker: users, and certificate, key and
 * client CAs. They are read again when they change. A file that cannot be read or is not
 * valid changes nothing: editors and full disks leave files empty or cut for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "serve/link/link_priv.h"
#include "store/file.h"

#define USERS_FILE_MAX (4u << 20)
#define USERS_SETTLE_MS 100
#define TLS_SETTLE_MS 500 /* two files are written one after the other */

/* ---- snapshots ---- */

static void link_snapshot_free(struct snapshot *snapshot)
{
	struct link_snapshot *s = link_snapshot_of(snapshot);

	users_unref(s->users);
	free(s);
}

/*
 * Makes a snapshot of @users and @tls, each of which may be NULL, and tells workers of
 * it. Takes both, also if there is no memory, when the previous snapshot stays.
 */
static enum err link_publish_take(struct link_server *s, struct users *users,
	struct tls_context *tls)
{
	struct link_snapshot *next = mem_new(next);
	enum err rc;

	if (next == NULL) {
		users_unref(users);
		tls_context_free(tls);
		return ERR_NOMEM;
	}
	atomic_init(&next->base.refs, 1);
	next->base.free = link_snapshot_free;
	next->base.tls = tls;
	next->users = users;
	rc = prefix_set_add_list(&next->base.proxies, &s->o->trusted_proxies);
	if (rc != ERR_OK) {
		snapshot_unref(&next->base);
		return rc;
	}
	snapshot_unref(s->snapshot);
	s->snapshot = &next->base;
	data_workers_set_snapshot(s->shared, s->snapshot);
	return ERR_OK;
}

/* ---- users ---- */

static enum err link_read_users(struct link_server *s, struct users **out,
	struct why *why)
{
	const char *path = s->o->auth_file;
	struct buf text;
	struct why detail = { 0 };
	enum err rc = ERR_OK;

	buf_init(&text, USERS_FILE_MAX);
	if (path != NULL) {
		rc = file_read(path, &text, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "the users file %s", err_text(rc, &detail));
	}
	if (rc == ERR_OK && path != NULL && text.n == 0)
		rc = err_set(why, ERR_SYNTAX,
			"the users file %.150s is empty; {} means no users", path);
	if (rc != ERR_OK)
		goto out;
	rc = users_parse(buf_span(&text), s->o->auth, out, &detail);
	if (rc != ERR_OK && path != NULL)
		err_set(why, rc, "%.100s: %s", path, err_text(rc, &detail));
	else if (rc != ERR_OK)
		err_set(why, rc, "--auth: %s", err_text(rc, &detail));
out:
	buf_wipe(&text); /* passwords */
	return rc;
}

static void link_warn_of_users(const struct link_server *s, const struct users *users)
{
	const char *pattern;
	unsigned cursor = 0;

	if (users_count(users) == 0)
		log_warn(&s->log, "users: the file has no users: all logins will fail");
	while ((pattern = users_next_loose_pattern(users, &cursor)) != NULL)
		log_warn(&s->log,
			"users: the expression %s is found anywhere in an address; "
			"write ^...$ for the whole",
			pattern);
}

static enum err link_load_users(struct link_server *s, struct why *why)
{
	struct tls_context *tls = s->snapshot->tls;
	struct users *users;
	enum err rc = link_read_users(s, &users, why);

	if (rc == ERR_OK)
		rc = link_publish_take(s, users,
			tls != NULL ? tls_context_ref(tls) : NULL);
	if (rc != ERR_OK)
		return rc;
	if (s->shared->running > 0)
		log_info(&s->log, "users: reloaded %s: %u users", s->o->auth_file,
			users_count(users));
	link_warn_of_users(s, users);
	return ERR_OK;
}

/* ---- certificate, key and client CAs ---- */

static enum err link_load_tls(struct link_server *s, struct why *why)
{
	struct tls_server_options o = {
		.cert_file = s->o->tls_cert,
		.key_file = s->o->tls_key,
		.ca_path = s->o->tls_ca,
		.choose = s->acme != NULL ? link_acme_choose : NULL,
		.choose_arg = s->acme,
	};
	struct users *users = link_snapshot_of(s->snapshot)->users;
	struct tls_context *tls;
	enum err rc = tls_context_new_server(&o, &tls, why);

	if (rc == ERR_OK)
		rc = link_publish_take(s, users != NULL ? users_ref(users) : NULL, tls);
	if (rc == ERR_OK && s->shared->running > 0)
		log_info(&s->log, "TLS: reloaded %s",
			s->o->tls_cert != NULL ? s->o->tls_cert : s->o->tls_ca);
	return rc;
}

/* ---- changes ---- */

/* The same trouble is reported once, however often the files change meanwhile. */
static void link_load_again(struct link_server *s, struct link_files *f, const char *what,
	enum err (*load)(struct link_server *s, struct why *why))
{
	struct why why = { 0 };
	enum err rc = load(s, &why);

	if (rc == ERR_OK) {
		f->trouble[0] = '\0';
	} else if (strcmp(f->trouble, err_text(rc, &why)) != 0) {
		str_copy(f->trouble, sizeof(f->trouble), err_text(rc, &why));
		log_warn(&s->log, "%s: %s", what, f->trouble);
	}
}

static void link_on_users_file(void *arg)
{
	struct link_server *s = arg;

	link_load_again(s, &s->users_file, "users: keeping the previous users",
		link_load_users);
}

static void link_on_tls_files(void *arg)
{
	struct link_server *s = arg;

	link_load_again(s, &s->tls_files, "TLS: keeping the previous certificate",
		link_load_tls);
}

void link_files_reload(struct link_server *s)
{
	if (s->users_file.watch != NULL) {
		file_watch_note(s->users_file.watch);
		s->users_file.trouble[0] = '\0'; /* an operator asks: report it again */
		link_on_users_file(s);
	}
	if (s->tls_files.watch != NULL) {
		file_watch_note(s->tls_files.watch);
		s->tls_files.trouble[0] = '\0';
		link_on_tls_files(s);
	}
}

/* ---- beginning and end ---- */

/* Before they are read: what is written meanwhile is a change. */
static enum err link_watch(struct link_server *s, struct why *why)
{
	const struct file_watch_options users = {
		.loop = s->control->loop,
		.paths = { s->o->auth_file },
		.settle_ms = USERS_SETTLE_MS,
		.on_change = link_on_users_file,
		.arg = s,
	};
	const struct file_watch_options tls = {
		.loop = s->control->loop,
		.paths = { s->o->tls_cert, s->o->tls_key, s->o->tls_ca },
		.settle_ms = TLS_SETTLE_MS,
		.on_change = link_on_tls_files,
		.arg = s,
	};
	enum err rc = ERR_OK;

	if (s->o->auth_file != NULL) {
		log_info(&s->log, "users: Loading configuration file %s",
			s->o->auth_file);
		rc = file_watch_open(&users, &s->users_file.watch);
	}
	if (rc == ERR_OK && (s->o->tls_cert != NULL || s->o->tls_ca != NULL))
		rc = file_watch_open(&tls, &s->tls_files.watch);
	return rc == ERR_OK ?
		rc :
		err_set(why, ERR_NOMEM, "no memory to watch users and certificate");
}

enum err link_files_open(struct link_server *s, struct why *why)
{
	enum err rc = link_watch(s, why);

	if (rc == ERR_OK)
		rc = link_publish_take(s, NULL, NULL);
	if (rc == ERR_OK && (s->o->auth_file != NULL || s->o->auth != NULL))
		rc = link_load_users(s, why);
	if (rc == ERR_OK && link_snapshot_of(s->snapshot)->users != NULL)
		log_info(&s->log, "User authentication enabled");
	else if (rc == ERR_OK && s->o->keys == NULL)
		log_warn(&s->log,
			"no users configured: anyone can connect; see --auth and "
			"--authfile");
	if (rc == ERR_OK && (s->o->tls_cert != NULL || s->acme != NULL))
		rc = link_load_tls(s, why);
	return rc;
}

void link_files_close(struct link_server *s)
{
	file_watch_close(s->users_file.watch);
	file_watch_close(s->tls_files.watch);
	snapshot_unref(s->snapshot);
}
