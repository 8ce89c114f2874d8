/*
 * The users file of a link server, on the control worker. What cannot be read, or is no
 * users file, changes nothing: editors and full disks leave files empty or cut for a
 * while.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "serve/link/link_priv.h"
#include "store/file.h"

#define USERS_FILE_MAX (4u << 20)
#define USERS_SETTLE_MS 100

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

static void link_warn_of_users(const struct link_server *s)
{
	const char *pattern;
	unsigned cursor = 0;

	if (users_count(s->users) == 0)
		log_warn(&s->log, "users: the file has no users: all logins will fail");
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
			log_error(&s->log,
				"users: out of memory: worker %u keeps the previous users",
				i);
	}
}

/* The same trouble is told once, however often the file changes meanwhile. */
static void link_tell_trouble(struct link_server *s, const char *text)
{
	if (strcmp(s->users_trouble, text) == 0)
		return;
	log_warn(&s->log, "users: keeping the previous users: %s", text);
	str_copy(s->users_trouble, sizeof(s->users_trouble), text);
}

static void link_on_users_file(void *arg)
{
	struct link_server *s = arg;
	struct users *users;
	struct why why = { 0 };
	enum err rc = link_read_users(s, &users, &why);

	if (rc != ERR_OK) {
		link_tell_trouble(s, err_text(rc, &why));
		return;
	}
	s->users_trouble[0] = '\0';
	log_info(&s->log, "users: reloaded %s: %u users", s->o->auth_file,
		users_count(users));
	link_take_users(s, users);
}

void link_users_reload(struct link_server *s)
{
	if (s->o->auth_file == NULL)
		return;
	file_watch_note(s->users_watch);
	s->users_trouble[0] = '\0'; /* a person asks: tell it again */
	link_on_users_file(s);
}

static enum err link_watch_users(struct link_server *s, struct why *why)
{
	struct file_watch_options o = {
		.loop = s->control->loop,
		.paths = { s->o->auth_file },
		.settle_ms = USERS_SETTLE_MS,
		.on_change = link_on_users_file,
		.arg = s,
	};

	log_info(&s->log, "users: Loading configuration file %s", s->o->auth_file);
	return file_watch_open(&o, &s->users_watch) == ERR_OK ?
		ERR_OK :
		err_set(why, ERR_NOMEM, "no memory for the users file");
}

enum err link_users_open(struct link_server *s, struct why *why)
{
	struct users *users;
	enum err rc = ERR_OK;

	if (s->o->auth_file == NULL && s->o->auth == NULL)
		return ERR_OK;
	if (s->o->auth_file != NULL)
		rc = link_watch_users(s, why);
	if (rc == ERR_OK)
		rc = link_read_users(s, &users, why);
	if (rc == ERR_OK)
		link_take_users(s, users);
	return rc;
}

void link_users_close(struct link_server *s)
{
	file_watch_close(s->users_watch);
	users_unref(s->users);
}
