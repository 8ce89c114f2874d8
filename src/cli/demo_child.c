/* A child of the demo: this program once more, over loop/child. */
#include "cli/demo_child.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/terminal.h"

#define SELF "/proc/self/exe"

struct demo_child {
	FILE *err; /* borrowed: outlives us */
	bool has_colours;
	void (*on_line)(void *arg, const char *line);
	void (*on_end)(void *arg, int status);
	void *arg; /* borrowed: the owner's */
	struct child *child;
};

/*
 * Settings that were made for other runs of this program, such as a log in JSON, are not
 * for the children of a demo.
 */
static bool env_is_ours(const char *entry)
{
	static const char *const prefixes[] = { "AUTH=", "HOST=", "PORT=", "CHISEL_",
		"ADIT_", "PORTAL_", "IDENTITY_", "TCP_", "UDP_",
		"API_PORT=", "SNI_PORT=", "MIN_PORT=", "MAX_PORT=", "TRUST",
		"DISCOVERY=", "ADMIN_", "MULTI_HOP",
		"BAN_MITM=", "BOOTSTRAPS=", "NOTIFY_SOCKET=", "WATCHDOG_" };

	for (size_t i = 0; i < mem_count(prefixes); i++) {
		if (str_has_prefix(entry, prefixes[i]))
			return true;
	}
	return false;
}

/* An array to free; its entries are borrowed from environ and @auth, which may be NULL.
 * NULL: no memory. */
static const char **env_make(const char *auth)
{
	const char **env;
	size_t count = 0, n = 0;

	while (environ[count] != NULL)
		count++;
	env = calloc(count + 2, sizeof(*env));
	if (env == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (!env_is_ours(environ[i]))
			env[n++] = environ[i];
	}
	env[n] = auth;
	return env;
}

/* As one would type it, but for the password. */
static void print_command(FILE *out, const char *user, const char *const *argv)
{
	fputs("$", out);
	if (user != NULL)
		fprintf(out, " AUTH=%s:********", user);
	for (; *argv != NULL; argv++)
		fprintf(out, " %s", *argv);
	fputc('\n', out);
	fflush(out);
}

static void on_line(void *arg, const char *line)
{
	struct demo_child *c = arg;

	fprintf(c->err, c->has_colours ? "\033[2m  | %s\033[0m\n" : "  | %s\n", line);
	c->on_line(c->arg, line);
}

static void on_end(void *arg, int status)
{
	struct demo_child *c = arg;

	c->on_end(c->arg, status);
}

static enum err start(struct demo_child *c, const struct demo_child_options *o,
	struct why *why)
{
	struct child_options how = {
		.loop = o->loop,
		.path = SELF,
		.argv = o->argv,
		.on_line = on_line,
		.on_end = on_end,
		.arg = c,
	};
	char *auth = o->user != NULL ? str_printf("AUTH=%s:%s", o->user, o->password) :
				       NULL;
	const char **env = NULL;
	enum err rc;

	if (auth != NULL || o->user == NULL)
		env = env_make(auth);

	how.env = env;
	if (env == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for another process");
	else
		rc = child_open(&how, &c->child, why);
	free(env);
	mem_free_secret_str(auth);
	return rc;
}

enum err demo_child_open(const struct demo_child_options *o, struct demo_child **out,
	struct why *why)
{
	struct demo_child *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "no memory for another process");
	c->err = o->err;
	c->has_colours = terminal_has_colours(fileno(o->err));
	c->on_line = o->on_line;
	c->on_end = o->on_end;
	c->arg = o->arg;
	print_command(o->out, o->user, o->argv);
	rc = start(c, o, why);
	if (rc != ERR_OK) {
		demo_child_close(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void demo_child_signal(struct demo_child *c, int signo)
{
	if (c != NULL)
		child_signal(c->child, signo);
}

void demo_child_close(struct demo_child *c)
{
	if (c == NULL)
		return;
	child_close(c->child);
	free(c);
}
