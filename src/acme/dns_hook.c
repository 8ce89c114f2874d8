/* The program that sets TXT records. */
#include "acme/dns_hook.h"

#include <sys/wait.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

struct acme_hooks {
	struct loop *loop;
	const char *program;
	const struct log *log;
	struct list all;          /* struct acme_hook: the first runs, or is the next */
	struct loop_timer *timer; /* of the one that runs */
	struct loop_deferred starts; /* the next */
};

struct acme_hook {
	struct list in_hooks;
	struct acme_hooks *hooks; /* borrowed: outlives us */
	struct acme_hook_options o;
	struct child *child; /* NULL: it waits */
	char last[120];      /* line of output */
};

static const char *hook_verb(const struct acme_hook *h)
{
	return h->o.is_cleanup ? "cleanup" : "present";
}

void acme_hook_close(struct acme_hook *h)
{
	struct acme_hooks *hooks;

	if (h == NULL)
		return;
	hooks = h->hooks;
	if (h->child != NULL)
		loop_timer_stop(hooks->timer);
	child_close(h->child);
	list_remove(&h->in_hooks);
	free(h);
	loop_defer(hooks->loop, &hooks->starts);
}

static void hook_end(struct acme_hook *h, enum err rc, const struct why *why)
{
	struct acme_hook_options o = h->o;

	acme_hook_close(h);
	o.fn(o.arg, rc, why);
}

/* ---- the program ---- */

static void hook_on_line(void *arg, const char *line)
{
	struct acme_hook *h = arg;

	log_info(h->hooks->log, "DNS hook (%s): %s", hook_verb(h), line);
	(void)str_quote(h->last, sizeof(h->last), span_str(line));
}

static void hook_on_end(void *arg, int status)
{
	struct acme_hook *h = arg;
	struct why why = { "" };
	char end[CHILD_END_MAX];
	enum err rc = ERR_OK;

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		rc = err_set(&why, ERR_SYS, "the DNS hook failed (%s): %s%s%s",
			hook_verb(h), child_print_end(status, end),
			h->last[0] != '\0' ? ", " : "", h->last);
	hook_end(h, rc, &why);
}

static enum err hook_run(struct acme_hook *h, struct why *why)
{
	const char *const argv[] = { h->hooks->program, hook_verb(h), h->o.name,
		h->o.value, NULL };
	const struct child_options child = {
		.loop = h->hooks->loop,
		.path = h->hooks->program,
		.argv = argv,
		.on_line = hook_on_line,
		.on_end = hook_on_end,
		.arg = h,
	};
	struct why detail = { "" };
	enum err rc = child_open(&child, &h->child, &detail);

	if (rc != ERR_OK)
		return err_set(why, ERR_SYS, "the DNS hook cannot be run: %s",
			err_text(rc, &detail));
	loop_timer_set(h->hooks->timer, ACME_HOOK_MS);
	return ERR_OK;
}

static struct acme_hook *hooks_first(struct acme_hooks *hooks)
{
	return list_first(&hooks->all, struct acme_hook, in_hooks);
}

static void hooks_on_start(void *arg)
{
	struct acme_hook *h = hooks_first(arg);
	struct why why = { "" };
	enum err rc;

	if (h == NULL || h->child != NULL)
		return;
	rc = hook_run(h, &why);
	if (rc != ERR_OK)
		hook_end(h, rc, &why);
}

static void hooks_on_timeout(void *arg)
{
	struct acme_hook *h = hooks_first(arg);
	struct why why;

	(void)err_set(&why, ERR_TIMEOUT, "the DNS hook (%s) took more than %d s",
		hook_verb(h), ACME_HOOK_MS / 1000);
	hook_end(h, ERR_TIMEOUT, &why);
}

/* ---- open and close ---- */

enum err acme_hook_open(struct acme_hooks *hooks, const struct acme_hook_options *o,
	struct acme_hook **out)
{
	struct acme_hook *h = mem_new(h);

	if (h == NULL)
		return ERR_NOMEM;
	h->hooks = hooks;
	h->o = *o;
	list_add(&hooks->all, &h->in_hooks);
	loop_defer(hooks->loop, &hooks->starts);
	*out = h;
	return ERR_OK;
}

enum err acme_hooks_new(struct loop *loop, const char *program, const struct log *log,
	struct acme_hooks **out)
{
	struct acme_hooks *hooks = mem_new(hooks);
	enum err rc;

	if (hooks == NULL)
		return ERR_NOMEM;
	hooks->loop = loop;
	hooks->program = program;
	hooks->log = log;
	list_init(&hooks->all);
	loop_deferred_init(&hooks->starts, hooks_on_start, hooks);
	rc = loop_timer_open(loop, hooks_on_timeout, hooks, &hooks->timer);
	if (rc == ERR_OK)
		*out = hooks;
	else
		free(hooks);
	return rc;
}

void acme_hooks_free(struct acme_hooks *hooks)
{
	if (hooks == NULL)
		return;
	loop_undefer(&hooks->starts);
	loop_timer_close(hooks->timer);
	free(hooks);
}
