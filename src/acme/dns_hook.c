/* The program that sets TXT records. */
#include "acme/dns_hook.h"

#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

struct acme_hook {
	struct acme_hook_options o; /* without the texts of the call */
	bool is_cleanup;
	struct child *child;
	struct loop_timer *timer;
	char last[120]; /* line of output */
};

static const char *hook_verb(const struct acme_hook *h)
{
	return h->is_cleanup ? "cleanup" : "present";
}

static void hook_on_line(void *arg, const char *line)
{
	struct acme_hook *h = arg;

	log_info(h->o.log, "DNS hook (%s): %s", hook_verb(h), line);
	(void)str_quote(h->last, sizeof(h->last), span_str(line));
}

static void hook_end(struct acme_hook *h, enum err rc, const struct why *why)
{
	struct acme_hook_options o = h->o;

	acme_hook_close(h);
	o.fn(o.arg, rc, why);
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

static void hook_on_timeout(void *arg)
{
	struct acme_hook *h = arg;
	struct why why;

	(void)err_set(&why, ERR_TIMEOUT, "the DNS hook (%s) took more than %d s",
		hook_verb(h), ACME_HOOK_MS / 1000);
	hook_end(h, ERR_TIMEOUT, &why);
}

enum err acme_hook_open(const struct acme_hook_options *o, struct acme_hook **out,
	struct why *why)
{
	struct acme_hook *h = mem_new(h);
	enum err rc = ERR_NOMEM;

	if (h == NULL)
		return rc;
	h->o = *o;
	h->is_cleanup = o->is_cleanup;
	rc = loop_timer_open(o->loop, hook_on_timeout, h, &h->timer);
	if (rc == ERR_OK) {
		const char *const argv[] = { o->program, hook_verb(h), o->name, o->value,
			NULL };
		const struct child_options child = {
			.loop = o->loop,
			.path = o->program,
			.argv = argv,
			.on_line = hook_on_line,
			.on_end = hook_on_end,
			.arg = h,
		};

		rc = child_open(&child, &h->child, why);
	}
	if (rc != ERR_OK) {
		acme_hook_close(h);
		return rc;
	}
	loop_timer_set(h->timer, ACME_HOOK_MS);
	*out = h;
	return ERR_OK;
}

void acme_hook_close(struct acme_hook *h)
{
	if (h == NULL)
		return;
	child_close(h->child);
	loop_timer_close(h->timer);
	free(h);
}
