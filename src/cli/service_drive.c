/*
 * A program for scenarios: calls the functions of agent/service.h, as its words say.
 *
 *     service_drive ACTION [KEY=VALUE]... -- PROGRAM [WORD]...
 */
#include <stdio.h>
#include <string.h>

#include "agent/service.h"
#include "agent/service/manager.h"
#include "base/mem.h"

#define LISTED_MAX 8

struct drive {
	struct service s;
	const char *environment[LISTED_MAX + 1], *writable[LISTED_MAX + 1];
	bool follows;
};

static int fail(const char *what, enum err rc, const struct why *why)
{
	fprintf(stderr, "%s: %s: %s\n", what, err_name(rc), err_text(rc, why));
	return 1;
}

static void add(const char **list, const char *value)
{
	for (size_t i = 0; i < LISTED_MAX; i++) {
		if (list[i] == NULL) {
			list[i] = value;
			return;
		}
	}
}

static bool set(struct drive *d, const char *key, const char *value)
{
	const struct {
		const char *key, **member;
	} texts[] = {
		{ "name", &d->s.name },
		{ "label", &d->s.label },
		{ "display", &d->s.display },
		{ "home", &d->s.home },
		{ "directory", &d->s.directory },
		{ "state", &d->s.state_dir },
	};
	bool is_on = strcmp(value, "yes") == 0;

	for (size_t i = 0; i < mem_count(texts); i++) {
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].member = value;
			return true;
		}
	}
	if (strcmp(key, "env") == 0)
		add(d->environment, value);
	else if (strcmp(key, "writable") == 0)
		add(d->writable, value);
	else if (strcmp(key, "system") == 0)
		d->s.is_system = is_on;
	else if (strcmp(key, "force") == 0)
		d->s.may_replace = is_on;
	else if (strcmp(key, "follow") == 0)
		d->follows = is_on;
	else if (strcmp(key, "launchd") == 0)
		d->s.manager = is_on ? &launchd_manager : &systemd_manager;
	else
		return false;
	return true;
}

static enum err print(struct drive *d, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, SERVICE_TEXT_MAX);
	rc = service_print(&d->s, &text, why);
	if (rc == ERR_OK)
		fwrite(buf_front(&text), 1, text.n, stdout);
	buf_fini(&text);
	return rc;
}

static enum err install(struct drive *d, struct why *why)
{
	struct service_change change;
	enum err rc = service_install(&d->s, &change, why);

	if (rc == ERR_OK)
		printf("new=%d changed=%d\n", change.is_new, change.is_changed);
	return rc;
}

static enum err remove_it(struct drive *d, struct why *why)
{
	return service_remove(&d->s, NULL, why);
}

static enum err show_program(struct drive *d, struct why *why)
{
	char path[SERVICE_PATH_MAX];
	enum err rc = service_own_program(path, why);

	(void)d;
	if (rc == ERR_OK)
		puts(path);
	return rc;
}

static enum err show_state(struct drive *d, struct why *why)
{
	struct service_state state;
	enum err rc = service_read_state(&d->s, &state, why);

	if (rc == ERR_OK)
		printf("%s enabled=%d pid=%d status=%s trouble=%s\n",
			service_phase_name(state.phase), state.is_enabled, (int)state.pid,
			state.status, state.trouble);
	return rc;
}

static enum err explain(struct drive *d, struct why *why)
{
	char words[300];

	(void)why;
	puts(service_explain_start(&d->s, words, sizeof(words)));
	return ERR_OK;
}

static enum err show_log(struct drive *d, struct why *why)
{
	return service_show_log(&d->s, 20, d->follows, why);
}

static int act(struct drive *d, const char *action)
{
	static const struct {
		const char *name;
		enum err (*fn)(const struct service *s, struct why *why);
		enum err (*show)(struct drive *d, struct why *why);
	} actions[] = {
		{ "check", service_check, NULL },
		{ "start", service_start, NULL },
		{ "stop", service_stop, NULL },
		{ "restart", service_restart, NULL },
		{ "remove", NULL, remove_it },
		{ "print", NULL, print },
		{ "install", NULL, install },
		{ "state", NULL, show_state },
		{ "explain", NULL, explain },
		{ "log", NULL, show_log },
		{ "program", NULL, show_program },
	};
	struct why why = { "" };
	enum err rc = ERR_USAGE;

	for (size_t i = 0; i < mem_count(actions); i++) {
		if (strcmp(action, actions[i].name) != 0)
			continue;
		rc = actions[i].fn != NULL ? actions[i].fn(&d->s, &why) :
					     actions[i].show(d, &why);
	}
	return rc == ERR_OK ? 0 : fail(action, rc, &why);
}

int main(int argc, char **argv)
{
	struct drive d = {
		.s = { .name = "adit-agent", .display = "Adit Agent" },
	};
	int i;

	d.s.environment = d.environment;
	d.s.writable = d.writable;
	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals != NULL)
			*equals = '\0';
		if (equals == NULL || !set(&d, argv[i], equals + 1))
			return fail(argv[i], ERR_USAGE, NULL);
	}
	if (i + 1 >= argc)
		return fail("service_drive", ERR_USAGE, NULL);
	d.s.program = argv[i + 1];
	d.s.words = (const char *const *)&argv[i + 2];
	return act(&d, argv[1]);
}
