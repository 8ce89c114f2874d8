/* Services: the file of a service, and the order of the steps around it. */
#include "agent/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/service/manager.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/file.h"

#define FILE_MODE 0644 /* as other programs write it */

/* ---- texts ---- */

/* UTF-8 without control characters: no line of the file can be broken. */
static bool is_plain(const char *text)
{
	struct span rest = span_str(text);
	uint32_t c;

	while (rest.n > 0) {
		if (!utf8_take(&rest, &c) || c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

static enum err check_text(const char *text, bool is_path, struct why *why)
{
	char shown[150];

	if (is_plain(text) && (!is_path || text[0] == '/'))
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		is_path ? "\"%s\" cannot be in the file of a service: it must be an"
			  " absolute path, in UTF-8, without control characters" :
			  "\"%s\" cannot be in the file of a service: it must be UTF-8"
			  " without control characters",
		str_quote(shown, sizeof(shown), span_str(text)));
}

static enum err check_texts(const char *const *texts, bool are_paths, struct why *why)
{
	enum err rc = ERR_OK;

	for (; texts != NULL && *texts != NULL && rc == ERR_OK; texts++)
		rc = check_text(*texts, are_paths, why);
	return rc;
}

enum err service_print(const struct service *s, struct buf *out, struct why *why)
{
	const char *paths[] = { s->program, s->directory, s->state_dir, NULL };
	const char *texts[] = { s->name, s->display, s->label, NULL };
	enum err rc = check_texts(paths, true, why);

	if (rc == ERR_OK)
		rc = check_texts(texts, false, why);
	if (rc == ERR_OK)
		rc = check_texts(s->words, false, why);
	if (rc == ERR_OK)
		rc = check_texts(s->environment, false, why);
	if (rc == ERR_OK)
		rc = check_texts(s->writable, true, why);
	return rc == ERR_OK ? service_manager_of(s)->print(s, out, why) : rc;
}

/* ---- the file ---- */

/* ERR_NOENT: there is none. */
static enum err read_file(const char *path, struct buf *out, struct why *why)
{
	enum err rc = file_read(path, out, why);

	return rc == ERR_OK && buf_put_u8(out, '\0') != ERR_OK ?
		err_set(why, out->failed, "no memory for %.150s", path) :
		rc;
}

static bool has_marker(const struct service *s, const char *text)
{
	const char *stock = service_manager_of(s)->stock_marker;

	return strstr(text, SERVICE_MARKER) != NULL ||
		(stock != NULL && strstr(text, stock) != NULL);
}

/* As service_find(), and appends the file and a terminator to @text. */
static enum err find(const struct service *s, struct service_place *out, struct buf *text,
	struct why *why)
{
	enum err rc;

	*out = (struct service_place){ .kind = NULL };
	if (!service_manager_of(s)->place(s, out))
		return err_set(why, ERR_USAGE,
			"the path of the service's file is too long");
	if (out->path[0] == '\0')
		return ERR_OK;
	rc = read_file(out->path, text, why);
	out->exists = rc != ERR_NOENT;
	out->is_ours = rc == ERR_OK && has_marker(s, (const char *)buf_front(text));
	return rc == ERR_NOENT || rc == ERR_LIMIT ? ERR_OK : rc;
}

enum err service_find(const struct service *s, struct service_place *out, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, SERVICE_TEXT_MAX);
	rc = find(s, out, &text, why);
	buf_fini(&text);
	return rc;
}

static enum err check_owner(const struct service *s, const struct service_place *place,
	struct why *why)
{
	if (!place->exists || place->is_ours || s->may_replace)
		return ERR_OK;
	return err_set(why, ERR_EXISTS,
		"%.120s was not written by adit: look at it, and use " SERVICE_FLAG
		" if it may be replaced or removed",
		place->path);
}

/* Makes the directories above @path. The last mkdir() of the caller reports errors. */
static void make_parents(const char *path)
{
	char *parent = strdup(path);

	for (char *slash = parent != NULL ? strchr(parent + 1, '/') : NULL;
		slash != NULL && slash[1] != '\0'; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(parent, 0755);
		*slash = '/';
	}
	free(parent);
}

/* The unit names it, so it must be there before the agent makes it. */
static enum err make_state_dir(const struct service *s, struct why *why)
{
	make_parents(s->state_dir);
	if (mkdir(s->state_dir, 0700) != 0 && errno != EEXIST)
		return err_sys(why, errno, "the state directory %.150s cannot be made",
			s->state_dir);
	return ERR_OK;
}

static enum err write_file(const char *path, struct span text, struct why *why)
{
	make_parents(path);
	return file_replace(path, FILE_MODE, text, why);
}

/* ---- changes ---- */

enum err service_check(const struct service *s, struct why *why)
{
	return service_manager_of(s)->check(s, why);
}

/* What was there before: another file, or none. */
static void restore(const struct service *s, const struct service_place *before,
	struct span text)
{
	static const struct service_change changed = { .is_changed = true };

	if (!before->exists) {
		(void)unlink(before->path);
		service_manager_of(s)->forget(s, true);
	} else if (write_file(before->path, text, NULL) == ERR_OK) {
		(void)!service_manager_of(s)->load(s, &changed, NULL);
	}
}

/* @old: the file of @before and a terminator, if there is one. */
static enum err put(const struct service *s, const struct service_place *before,
	struct span old, struct service_change *change, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, SERVICE_TEXT_MAX);
	rc = service_print(s, &text, why);
	if (rc == ERR_OK)
		rc = make_state_dir(s, why);
	if (rc != ERR_OK)
		goto out;
	if (old.n > 0)
		old.n--;
	change->is_new = !before->exists;
	change->is_changed = !before->exists || !span_eq(old, buf_span(&text));
	if (change->is_changed)
		rc = write_file(before->path, buf_span(&text), why);
	if (rc == ERR_OK) {
		rc = service_manager_of(s)->load(s, change, why);
		if (rc != ERR_OK && change->is_changed)
			restore(s, before, old);
	}
out:
	buf_fini(&text);
	return rc;
}

enum err service_install(const struct service *s, struct service_change *out,
	struct why *why)
{
	struct service_change change = { .is_new = false };
	struct service_place before;
	struct buf old;
	enum err rc = service_check(s, why);

	if (rc != ERR_OK)
		return rc;
	buf_init(&old, SERVICE_TEXT_MAX);
	rc = find(s, &before, &old, why);
	if (rc == ERR_OK)
		rc = check_owner(s, &before, why);
	if (rc == ERR_OK)
		rc = put(s, &before, buf_span(&old), &change, why);
	if (rc == ERR_OK && out != NULL)
		*out = change;
	buf_fini(&old);
	return rc;
}

/* The same service of root, or an empty text. */
static const char *advise_sudo(const struct service *s)
{
	struct service of_system = *s;
	struct service_place place;

	of_system.is_system = true;
	if (!s->is_system && service_find(&of_system, &place, NULL) == ERR_OK &&
		place.exists)
		return "; root has one: use sudo";
	return "";
}

enum err service_find_installed(const struct service *s, struct service_place *out,
	struct why *why)
{
	enum err rc = service_find(s, out, why);

	if (rc != ERR_OK || out->exists)
		return rc;
	return err_set(why, ERR_NOENT, "the service %.60s is not installed%s%.120s%s",
		s->name, out->path[0] != '\0' ? ": there is no " : "", out->path,
		advise_sudo(s));
}

/* ERR_NOENT: there is neither a file nor a service. */
static enum err check_installed(const struct service *s, struct service_place *place,
	struct why *why)
{
	struct service_state state;
	enum err rc = service_find_installed(s, place, why);

	if (rc != ERR_NOENT ||
		service_manager_of(s)->read_state(s, &state, NULL) != ERR_OK)
		return rc;
	return state.phase == SERVICE_ABSENT ? ERR_NOENT : ERR_OK;
}

enum err service_start(const struct service *s, struct why *why)
{
	struct service_place place;
	enum err rc = service_check(s, why);

	if (rc == ERR_OK)
		rc = check_installed(s, &place, why);
	return rc == ERR_OK ? service_manager_of(s)->start(s, why) : rc;
}

enum err service_stop(const struct service *s, struct why *why)
{
	struct service_place place;
	enum err rc = service_check(s, why);

	if (rc == ERR_OK)
		rc = check_installed(s, &place, why);
	return rc == ERR_OK ? service_manager_of(s)->stop(s, why) : rc;
}

enum err service_restart(const struct service *s, struct why *why)
{
	enum err rc = service_install(s, NULL, why);

	return rc == ERR_OK ? service_manager_of(s)->restart(s, why) : rc;
}

enum err service_remove(const struct service *s, struct service_place *out,
	struct why *why)
{
	bool has_manager;
	struct service_place place;
	enum err rc = service_check(s, why);

	if (rc != ERR_OK && rc != ERR_CLOSED)
		return rc;
	has_manager = rc == ERR_OK;
	rc = has_manager ? check_installed(s, &place, why) :
			   service_find_installed(s, &place, why);
	if (rc == ERR_OK)
		rc = check_owner(s, &place, why);
	if (rc == ERR_OK && has_manager)
		rc = service_manager_of(s)->stop(s, why);
	if (rc != ERR_OK)
		return rc;
	if (place.exists && unlink(place.path) != 0)
		return err_sys(why, errno, "%.150s cannot be removed", place.path);
	service_manager_of(s)->forget(s, has_manager);
	if (out != NULL)
		*out = place;
	return ERR_OK;
}

/* ---- what there is ---- */

enum err service_read_state(const struct service *s, struct service_state *out,
	struct why *why)
{
	enum err rc = service_check(s, why);

	return rc == ERR_OK ? service_manager_of(s)->read_state(s, out, why) : rc;
}

const char *service_phase_name(enum service_phase phase)
{
	static const char *const names[] = {
		[SERVICE_ABSENT] = "not installed",
		[SERVICE_STOPPED] = "stopped",
		[SERVICE_STARTING] = "starting",
		[SERVICE_RUNNING] = "running",
		[SERVICE_STOPPING] = "stopping",
		[SERVICE_FAILED] = "failed",
	};

	return names[phase];
}

const char *service_explain_start(const struct service *s, char *to, size_t size)
{
	return service_manager_of(s)->explain_start(s, to, size);
}

enum err service_show_log(const struct service *s, unsigned lines, bool follows,
	struct why *why)
{
	return service_manager_of(s)->show_log(s, lines, follows, why);
}
