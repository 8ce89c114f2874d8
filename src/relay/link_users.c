/*
 * The auth file of a link server, on the control worker. Its directory is watched and not the
 * file, so that an editor that renames and a mounted secret that swaps a link are noticed.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "relay/link_server.h"
#include "store/file.h"

#define AUTH_FILE_MAX (4u << 20)
#define AUTH_RELOAD_MS 100 /* so that a burst of changes is one */

static enum err link_read_users(struct link_server *s, struct users **out,
	struct why *why)
{
	struct buf text;
	struct why detail = { 0 };
	enum err rc = ERR_OK;

	buf_init(&text, AUTH_FILE_MAX);
	if (s->o->auth_file != NULL) {
		rc = file_read(s->o->auth_file, &text, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "the auth file %s", detail.text);
	}
	if (rc == ERR_OK) {
		rc = users_parse(buf_span(&text), s->o->auth, out, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "%s%s%s",
				s->o->auth_file != NULL ? s->o->auth_file : "",
				s->o->auth_file != NULL ? ": " : "", detail.text);
	}
	buf_wipe(&text); /* passwords */
	return rc;
}

static void link_warn_of_users(const struct link_server *s)
{
	const char *pattern;
	unsigned cursor = 0;

	if (users_count(s->users) == 0)
		log_warn(&s->log, "users: there is not one: nobody may in");
	while ((pattern = users_next_loose_pattern(s->users, &cursor)) != NULL)
		log_warn(&s->log,
			"users: the expression %s is found anywhere in an address; "
			"write ^...$ for the whole",
			pattern);
}

static void link_take_users(struct link_server *s, struct users *users)
{
	users_unref(s->users);
	s->users = users;
	link_warn_of_users(s);
	for (unsigned i = 0; i < s->count; i++) {
		if (s->workers[i].worker.mailbox != NULL &&
			!link_worker_set_users(&s->workers[i], users))
			log_error(&s->log, "users: worker %u keeps the old ones", i);
	}
}

void link_users_reload(struct link_server *s)
{
	struct users *users;
	struct why why = { 0 };
	enum err rc;

	if (s->o->auth_file == NULL)
		return;
	log_info(&s->log, "users: Loading configuration file %s", s->o->auth_file);
	rc = link_read_users(s, &users, &why);
	if (rc == ERR_OK)
		link_take_users(s, users);
	else
		log_error(&s->log, "users: the old ones stay: %s", err_text(rc, &why));
}

/* Notes how the file is now; true if it was otherwise. */
static bool link_has_changed(struct link_server *s)
{
	struct stat was = s->auth_file, *is = &s->auth_file;

	if (stat(s->o->auth_file, is) != 0)
		*is = (struct stat){ 0 };
	return is->st_dev != was.st_dev || is->st_ino != was.st_ino ||
		is->st_size != was.st_size || is->st_mtim.tv_sec != was.st_mtim.tv_sec ||
		is->st_mtim.tv_nsec != was.st_mtim.tv_nsec ||
		is->st_ctim.tv_sec != was.st_ctim.tv_sec ||
		is->st_ctim.tv_nsec != was.st_ctim.tv_nsec;
}

static void link_on_reload(void *arg)
{
	struct link_server *s = arg;

	if (link_has_changed(s))
		link_users_reload(s);
}

/* Any change in the directory: what a link points to may have moved under another name. */
static void link_on_change(void *arg, const char *name)
{
	struct link_server *s = arg;

	(void)name;
	if (!loop_timer_is_set(s->reload)) /* else a busy directory would put it off */
		loop_timer_set(s->reload, AUTH_RELOAD_MS);
}

static enum err link_watch_file(struct link_server *s, struct why *why)
{
	const char *path = s->o->auth_file, *slash = strrchr(path, '/');
	char *directory = slash == NULL ?
		strdup(".") :
		strndup(path, slash == path ? 1 : (size_t)(slash - path));
	enum err rc;

	if (directory == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = loop_timer_open(s->control.loop, link_on_reload, s, &s->reload);
	if (rc == ERR_OK)
		rc = loop_watch_open(s->control.loop, directory, link_on_change, s,
			&s->watch);
	if (rc != ERR_OK)
		err_set(why, rc, "the directory of the auth file %s cannot be watched",
			path);
	free(directory);
	return rc;
}

enum err link_users_open(struct link_server *s, struct why *why)
{
	struct users *users;
	enum err rc;

	if (s->o->auth_file == NULL && s->o->auth == NULL)
		return ERR_OK;
	if (s->o->auth_file != NULL)
		log_info(&s->log, "users: Loading configuration file %s",
			s->o->auth_file);
	if (s->o->auth_file != NULL)
		(void)link_has_changed(s); /* a change from here on is one */
	rc = link_read_users(s, &users, why);
	if (rc != ERR_OK)
		return rc;
	link_take_users(s, users);
	return s->o->auth_file != NULL ? link_watch_file(s, why) : ERR_OK;
}

void link_users_close(struct link_server *s)
{
	loop_watch_close(s->watch);
	loop_timer_close(s->reload);
	users_unref(s->users);
}
