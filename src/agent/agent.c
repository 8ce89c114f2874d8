/* An agent: its config, its state directory, and what it keeps running. */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "agent/control.h"
#include "agent/identity_place.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/file.h"
#include "store/file_watch.h"

#define APPLIED_FILE "config.applied.toml" /* the last config that was used */
#define SETTLE_MS 200                      /* from a change of the file to its reading */

/* ---- tunnels ---- */

struct agent_tunnel *agent_find_tunnel(const struct agent *a, const char *id)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);

		if (t->is_wanted && t->tunnel != NULL &&
			strcmp(tunnel_id(t->tunnel), id) == 0)
			return t;
	}
	return NULL;
}

static void next_free(struct agent_tunnel *t)
{
	if (t->next != NULL)
		tunnel_config_fini(&t->next->config);
	free(t->next);
	t->next = NULL;
}

static void entry_free(struct agent_tunnel *t)
{
	list_remove(&t->in_agent);
	tunnel_close(t->tunnel);
	next_free(t);
	free(t);
}

static void agent_check_end(struct agent *a)
{
	if (a->is_leaving && list_is_empty(&a->tunnels))
		loop_defer(a->o.worker->loop, &a->ended);
}

static void on_tunnel_ended(void *owner, struct tunnel *tunnel);

/* Opens the tunnel with its next config. Without memory there is none until a change. */
static void entry_open(struct agent_tunnel *t)
{
	static const struct tunnel_hooks hooks = { .on_ended = on_tunnel_ended };
	struct agent *a = t->agent;
	struct tunnel_options o = {
		.worker = a->o.worker,
		.log = &a->log,
		.share = a->share,
		.dials_targets = a->config->dials_targets,
		.hooks = &hooks,
		.owner = t,
	};

	if (tunnel_open(&o, &t->next->config, t->next->path, &t->tunnel) != ERR_OK)
		log_error(&a->log, "%s: out of memory", t->next->config.id);
	next_free(t);
}

static void on_tunnel_ended(void *owner, struct tunnel *tunnel)
{
	struct agent_tunnel *t = owner;
	struct agent *a = t->agent;

	tunnel_close(tunnel);
	t->tunnel = NULL;
	if (t->next != NULL && !a->is_leaving)
		entry_open(t);
	else
		entry_free(t);
	agent_check_end(a);
}

static struct agent_tunnel *entry_new(struct agent *a)
{
	struct agent_tunnel *t = mem_new(t);

	if (t == NULL)
		return NULL;
	t->agent = a;
	t->is_wanted = true;
	list_add(&a->tunnels, &t->in_agent);
	return t;
}

/* Changes the tunnel, or opens it. @config is taken. */
static void apply_tunnel(struct agent *a, struct tunnel_config *config, const char *path)
{
	struct agent_tunnel *t = agent_find_tunnel(a, config->id);

	struct agent_next *next;

	if (t != NULL && t->next == NULL && tunnel_change_take(t->tunnel, config, path))
		return;
	next = mem_new(next);
	if (next != NULL && t == NULL)
		t = entry_new(a);
	if (next == NULL || t == NULL) {
		log_error(&a->log, "%s: out of memory", config->id);
		free(next);
		return;
	}
	next->config = *config;
	*config = (struct tunnel_config){ .id = NULL };
	str_copy(next->path, sizeof(next->path), path);
	next_free(t);
	t->next = next;
	if (t->tunnel != NULL)
		tunnel_leave(t->tunnel);
	else
		entry_open(t);
}

static bool has_tunnel(const struct agent_config *c, const char *id)
{
	for (unsigned i = 0; i < c->tunnels.n; i++)
		if (strcmp(agent_config_tunnel(c, i)->id, id) == 0)
			return true;
	return false;
}

static void remove_tunnels(struct agent *a, const struct agent_config *c)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);

		if (t->is_wanted && t->tunnel != NULL &&
			has_tunnel(c, tunnel_id(t->tunnel)))
			continue;
		t->is_wanted = false;
		next_free(t);
		if (t->tunnel != NULL)
			tunnel_leave(t->tunnel);
		else
			entry_free(t);
	}
}

static void apply_tunnels(struct agent *a, struct agent_config *c)
{
	char(*paths)[AGENT_PATH_MAX] = calloc(c->tunnels.n + 1, sizeof(*paths));

	if (paths == NULL) {
		log_error(&a->log, "out of memory: the tunnels did not change");
		return;
	}
	remove_tunnels(a, c);
	for (unsigned i = 0; i < c->tunnels.n; i++) {
		struct tunnel_config *t = agent_config_tunnel(c, i);
		struct why why = { "" };

		if (identity_place(c, t, paths[i], &why) != ERR_OK &&
			t->fault.text[0] == '\0')
			t->fault = why;
	}
	for (unsigned i = 0; i < c->tunnels.n; i++)
		apply_tunnel(a, agent_config_tunnel(c, i), paths[i]);
	free(paths);
}

/* ---- links ---- */

static struct agent_link_entry *find_link(const struct agent *a,
	const struct link_config *c)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->links) {
		struct agent_link_entry *l = list_object(it, struct agent_link_entry,
			in_agent);

		if (field_equal(&link_config_fields, agent_link_config(l->link), c))
			return l;
	}
	return NULL;
}

static void link_entry_free(struct agent_link_entry *l)
{
	list_remove(&l->in_agent);
	agent_link_close(l->link);
	free(l);
}

static void open_link(struct agent *a, struct link_config *config)
{
	struct agent_link_options o = {
		.worker = a->o.worker,
		.log = &a->log,
		.state_dir = a->config->state_dir,
	};
	struct agent_link_entry *l = mem_new(l);

	if (l == NULL || agent_link_open(&o, config, &l->link) != ERR_OK) {
		log_error(&a->log, "%s: out of memory", config->id);
		free(l);
		return;
	}
	l->is_wanted = true;
	list_add(&a->links, &l->in_agent);
}

/* A link that has changed is closed and opened: its ports must be free before. */
static void apply_links(struct agent *a, struct agent_config *c)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->links)
		list_object(it, struct agent_link_entry, in_agent)->is_wanted = false;
	for (unsigned i = 0; i < c->links.n; i++) {
		struct agent_link_entry *l = find_link(a, agent_config_link(c, i));

		if (l != NULL)
			l->is_wanted = true;
	}
	list_each(it, tmp, &a->links) {
		struct agent_link_entry *l = list_object(it, struct agent_link_entry,
			in_agent);

		if (!l->is_wanted)
			link_entry_free(l);
	}
	for (unsigned i = 0; i < c->links.n; i++)
		if (find_link(a, agent_config_link(c, i)) == NULL)
			open_link(a, agent_config_link(c, i));
}

/* ---- the config ---- */

static void on_warning(void *arg, const char *text)
{
	const struct agent *a = arg;

	log_warn(&a->log, "%s", text);
}

static struct config_source source_of(struct agent *a, bool warns)
{
	return (struct config_source){
		.path = a->o.config_path,
		.names = a->o.names,
		.state_dir = a->o.default_state_dir,
		.is_lenient = a->o.is_lenient,
		.warn = warns ? on_warning : NULL,
		.arg = a,
	};
}

/* Some settings stay as they were at the start. */
static void keep_fixed(struct agent *a, struct agent_config *next)
{
	const struct {
		const char *name;
		char **is, **will;
	} fixed[] = {
		{ "state_dir", &a->config->state_dir, &next->state_dir },
		{ "control_addr", &a->config->control_addr, &next->control_addr },
		{ "service_name", &a->config->service_name, &next->service_name },
	};

	for (size_t i = 0; i < mem_count(fixed); i++) {
		char *text = *fixed[i].is;

		if (strcmp(text, *fixed[i].will) == 0)
			continue;
		log_warn(&a->log, "%s changes with the next start: run restart",
			fixed[i].name);
		*fixed[i].is = *fixed[i].will;
		*fixed[i].will = text;
	}
	next->control = a->config->control;
}

/* The copy is for a start with a file that has a mistake. */
static void store_applied(struct agent *a, struct span text)
{
	char *path = str_printf("%s/" APPLIED_FILE, a->config->state_dir);
	struct why why = { "" };

	if (path == NULL || file_replace(path, 0600, text, &why) != ERR_OK)
		log_warn(&a->log, "the copy of the config was not stored: %s", why.text);
	free(path);
}

static void warn_about_readers(const struct agent *a, const struct agent_config *next)
{
	if (file_is_open_to_others(a->o.config_path) && agent_config_has_secrets(next))
		log_warn(&a->log,
			"every user of this machine can read the passwords in %s: write"
			" chmod 600",
			a->o.config_path);
}

/* Applies @next, read from @text; both are taken. */
static void apply_take(struct agent *a, struct agent_config *next, struct buf *text)
{
	struct why why = { "" };

	if (a->config != NULL)
		keep_fixed(a, next);
	warn_about_readers(a, next);
	agent_config_free(a->config);
	a->config = next;
	buf_wipe(&a->text);
	a->text = *text;
	if (a->config_error.text[0] != '\0')
		log_info(&a->log, "the config is used again");
	a->config_error.text[0] = '\0';
	notify_status(a->o.notify, "%u tunnels, %u links", next->tunnels.n,
		next->links.n);
	apply_tunnels(a, next);
	apply_links(a, next);
	agent_config_release(next);
	if (a->control != NULL && control_reload(a->control, &why) != ERR_OK)
		log_error(&a->log, "allowed_wallets: %s", why.text);
}

/* What runs is kept. */
static void note_config_error(struct agent *a, const struct why *why)
{
	if (strcmp(a->config_error.text, why->text) == 0)
		return;
	a->config_error = *why;
	a->config_error_ms = clock_wall_ms();
	log_error(&a->log, "%s; the agent goes on as before", why->text);
}

void agent_reload(struct agent *a)
{
	struct config_source source = source_of(a, true);
	struct agent_config *next;
	struct why why = { "" };
	struct buf text;
	enum err rc;

	if (a->is_leaving)
		return;
	buf_init(&text, TOML_BYTES_MAX + 1);
	file_watch_note(a->watch);
	rc = agent_config_read(&source, &text, &next, &why);
	if (rc != ERR_OK) {
		note_config_error(a, &why);
		buf_wipe(&text);
		return;
	}
	log_info(&a->log, "the config has changed");
	store_applied(a, buf_span(&text));
	apply_take(a, next, &text);
}

static void on_file_change(void *arg)
{
	agent_reload(arg);
}

/* The document with its edit, as a config. */
static enum err read_edited(struct agent *a, struct span old, agent_edit_fn *edit,
	void *arg, struct buf *text, struct agent_config **next, struct why *why)
{
	struct config_source source = source_of(a, false);
	struct toml *toml = NULL;
	enum err rc = toml_parse(old, a->o.config_path, &toml, why);

	if (rc == ERR_OK)
		rc = edit(arg, toml, text, why);
	if (rc == ERR_OK)
		rc = agent_config_parse(&source, buf_span(text), next, why);
	toml_free(toml);
	return rc;
}

enum err agent_edit(struct agent *a, agent_edit_fn *edit, void *arg, struct why *why)
{
	struct agent_config *next = NULL;
	struct buf old, text;
	enum err rc;

	buf_init(&old, TOML_BYTES_MAX + 1);
	buf_init(&text, TOML_BYTES_MAX + 1);
	rc = file_read(a->o.config_path, &old, why);
	if (rc == ERR_OK)
		rc = read_edited(a, buf_span(&old), edit, arg, &text, &next, why);
	if (rc == ERR_OK)
		rc = file_update(a->o.config_path, buf_span(&text), why);
	if (rc == ERR_OK) {
		file_watch_note(a->watch);
		store_applied(a, buf_span(&text));
		apply_take(a, next, &text);
	} else {
		agent_config_free(next);
		buf_wipe(&text);
	}
	buf_wipe(&old);
	return rc;
}

/* ---- the start ---- */

/* The copy of the config that was used last, for a file that has a mistake. */
static enum err read_applied(struct agent *a, struct buf *text, struct agent_config **out)
{
	struct config_source source = source_of(a, true);
	struct config_places places;
	char *path;
	enum err rc = ERR_NOMEM;

	agent_config_guess(&source, buf_span(text), &places);
	path = str_printf("%s/" APPLIED_FILE, places.state_dir);
	buf_reset(text);
	if (path != NULL)
		rc = file_read(path, text, NULL);
	if (rc == ERR_OK)
		rc = agent_config_parse(&source, buf_span(text), out, NULL);
	free(path);
	return rc;
}

/* ERR_SYNTAX: a mistake; then @why is noted if there is an earlier config. */
static enum err read_first(struct agent *a, struct buf *text, struct agent_config **out,
	struct why *why)
{
	struct config_source source = source_of(a, true);
	enum err rc = agent_config_read(&source, text, out, why);

	if (rc == ERR_NOENT)
		return err_set(why, rc,
			"there is no config %.150s: write one, see adit-agent.toml(5)",
			a->o.config_path);
	if (rc != ERR_SYNTAX || read_applied(a, text, out) != ERR_OK)
		return rc;
	a->config_error = *why;
	a->config_error_ms = clock_wall_ms();
	log_error(&a->log, "%s; the agent starts with the last config that it has used",
		why->text);
	return ERR_OK;
}

static enum err take_state_dir(struct agent *a, const struct agent_config *c,
	struct why *why)
{
	long pid;
	enum err rc = file_make_private_directory(c->state_dir, "the state directory",
		why);

	if (rc == ERR_OK)
		rc = file_lock_directory(c->state_dir, &a->lock, why);
	if (rc != ERR_EXISTS)
		return rc;
	pid = control_pid(c->state_dir);
	if (pid > 0)
		return err_set(why, rc,
			"another agent, process %ld, has the state directory %.100s: stop it,"
			" or set another state_dir",
			pid, c->state_dir);
	return err_set(why, rc,
		"another agent has the state directory %.100s: stop it, or set another"
		" state_dir",
		c->state_dir);
}

static enum err open_watch(struct agent *a)
{
	struct file_watch_options o = {
		.loop = a->o.worker->loop,
		.paths = { a->o.config_path },
		.settle_ms = SETTLE_MS,
		.on_change = on_file_change,
		.arg = a,
	};

	return file_watch_open(&o, &a->watch);
}

static void on_end(void *arg)
{
	struct agent *a = arg;

	loop_timer_stop(a->timer);
	a->o.on_ended(a->o.owner);
}

static void on_timer(void *arg)
{
	on_end(arg);
}

static enum err agent_begin(struct agent *a, struct why *why)
{
	struct why mistake;
	struct agent_config *c = NULL;
	struct buf text;
	enum err rc;

	buf_init(&text, TOML_BYTES_MAX + 1);
	a->share = relay_share_new();
	rc = a->share == NULL ? ERR_NOMEM : log_ring_new(&a->lines);
	if (rc == ERR_OK) {
		log_set_copy(log_ring_add, a->lines);
		rc = loop_timer_open(a->o.worker->loop, on_timer, a, &a->timer);
	}
	if (rc == ERR_OK)
		rc = open_watch(a);
	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	rc = read_first(a, &text, &c, why);
	if (rc == ERR_OK)
		rc = take_state_dir(a, c, why);
	if (rc != ERR_OK) {
		agent_config_free(c);
		buf_wipe(&text);
		return rc;
	}
	mistake = a->config_error;
	a->config_error.text[0] = '\0';
	apply_take(a, c, &text);
	a->config_error = mistake;
	if (mistake.text[0] == '\0')
		store_applied(a, buf_span(&a->text));
	return control_open(a, &a->control, why);
}

enum err agent_open(const struct agent_options *o, struct agent **out, struct why *why)
{
	struct agent *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	a->o = *o;
	a->lock = -1;
	a->started_ms = clock_wall_ms();
	a->log = *o->log;
	list_init(&a->tunnels);
	list_init(&a->links);
	buf_init(&a->text, TOML_BYTES_MAX + 1);
	loop_deferred_init(&a->ended, on_end, a);
	rc = agent_begin(a, why);
	if (rc == ERR_OK)
		*out = a;
	else
		agent_close(a);
	return rc;
}

/* ---- events, and the end ---- */

const char *agent_state_dir(const struct agent *a)
{
	return a->config->state_dir;
}

void agent_retry_now(struct agent *a, const char *reason)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);

		if (t->tunnel != NULL)
			tunnel_retry_now(t->tunnel, reason);
	}
	list_each(it, tmp, &a->links)
		agent_link_retry_now(list_object(it, struct agent_link_entry, in_agent)
					     ->link,
			reason);
}

static void close_links(struct agent *a)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->links)
		link_entry_free(list_object(it, struct agent_link_entry, in_agent));
}

void agent_leave(struct agent *a)
{
	struct list *it, *tmp;

	if (a->is_leaving)
		return;
	a->is_leaving = true;
	loop_timer_set(a->timer, AGENT_LEAVE_MS);
	close_links(a);
	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);

		if (t->tunnel != NULL)
			tunnel_leave(t->tunnel);
		else
			entry_free(t);
	}
	agent_check_end(a);
}

void agent_close(struct agent *a)
{
	struct list *it, *tmp;

	if (a == NULL)
		return;
	loop_undefer(&a->ended);
	control_close(a->control);
	file_watch_close(a->watch);
	list_each(it, tmp, &a->tunnels)
		entry_free(list_object(it, struct agent_tunnel, in_agent));
	close_links(a);
	relay_share_free(a->share);
	loop_timer_close(a->timer);
	agent_config_free(a->config);
	buf_wipe(&a->text);
	if (a->lock >= 0)
		close(a->lock);
	log_set_copy(NULL, NULL);
	log_ring_free(a->lines);
	free(a);
}

enum agent_health agent_health(const struct agent *a)
{
	enum agent_health worst = AGENT_HEALTH_OK;
	struct list *it, *tmp;

	list_each(it, tmp, &a->tunnels) {
		struct agent_tunnel *t = list_object(it, struct agent_tunnel, in_agent);
		enum agent_health h = AGENT_HEALTH_DOWN;

		if (!t->is_wanted)
			continue;
		if (t->tunnel != NULL)
			h = tunnel_status(t->tunnel).health;
		worst = h > worst ? h : worst;
	}
	list_each(it, tmp, &a->links) {
		struct agent_link_entry *l = list_object(it, struct agent_link_entry,
			in_agent);
		enum agent_health h = agent_link_status(l->link).health;

		worst = h > worst ? h : worst;
	}
	return worst;
}
