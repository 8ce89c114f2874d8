/* systemd: its manager for the system or for a user, by systemctl. */
#include "agent/service/manager.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/service/systemd_unit.h"
#include "agent/service/tool.h"
#include "base/mem.h"
#include "base/str.h"

#define UNIT_NAME_MAX 256
#define WORDS_MAX 6

enum {
	QUERY_MS = 10000,
	CHANGE_MS = 30000, /* also to stop: the unit allows 20 s */
	START_MS = 40000,
};

/* ---- systemctl ---- */

static const char *unit_name(const struct service *s, char to[UNIT_NAME_MAX])
{
	snprintf(to, UNIT_NAME_MAX, "%s.service", s->name);
	return to;
}

/* Without a login session of its own, as after su, a user has no such variable, but may
 * have the directory. */
static bool find_runtime_directory(char *to, size_t size)
{
	const char *given = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (given != NULL && stat(given, &st) == 0 && st.st_uid == geteuid())
		return false;
	snprintf(to, size, "XDG_RUNTIME_DIR=/run/user/%u", (unsigned)geteuid());
	return stat(strchr(to, '=') + 1, &st) == 0 && st.st_uid == geteuid();
}

/* Runs systemctl with @words, NULL at the end. */
static enum err systemctl(const struct service *s, const char *const *words,
	unsigned limit_ms, struct tool_result *out, struct why *why)
{
	char runtime[64];
	const char *argv[WORDS_MAX + 3], *setting[3] = { "LC_ALL=C" };
	size_t n = 0;
	enum err rc;

	argv[n++] = "systemctl";
	if (!s->is_system) {
		argv[n++] = "--user";
		if (find_runtime_directory(runtime, sizeof(runtime)))
			setting[1] = runtime;
	}
	while (*words != NULL)
		argv[n++] = *words++;
	argv[n] = NULL;
	rc = tool_run(&(struct tool){ .argv = argv,
			      .setting = setting,
			      .limit_ms = limit_ms },
		out, why);
	return rc != ERR_NOENT ?
		rc :
		err_set(why, ERR_CLOSED,
			"this system has no systemctl, so no systemd; " SERVICE_FOREGROUND);
}

/* Runs "systemctl @verb @option @unit"; @option may be NULL, and @unit too. */
static enum err act(const struct service *s, const char *verb, const char *option,
	unsigned limit_ms, struct why *why)
{
	char unit[UNIT_NAME_MAX], line[160];
	const char *words[WORDS_MAX] = { verb };
	struct tool_result r;
	size_t n = 1;
	enum err rc;

	if (option != NULL)
		words[n++] = option;
	if (strcmp(verb, "daemon-reload") != 0)
		words[n++] = unit_name(s, unit);
	rc = systemctl(s, words, limit_ms, &r, why);
	if (rc != ERR_OK)
		return rc;
	if (r.status != 0) {
		tool_first_line(&r, line, sizeof(line));
		rc = strstr(line, "denied") != NULL || strstr(line, "authentic") != NULL ?
			ERR_DENIED :
			ERR_SYS;
		err_set(why, rc, "systemctl %s fails: %s", verb,
			line[0] != '\0' ? line : "without a word");
	}
	tool_result_fini(&r);
	return rc;
}

/* ---- the place ---- */

static bool systemd_place(const struct service *s, struct service_place *out)
{
	int n = s->is_system ?
		snprintf(out->path, sizeof(out->path), "/etc/systemd/system/%s.service",
			s->name) :
		snprintf(out->path, sizeof(out->path),
			"%s/.config/systemd/user/%s.service", s->home, s->name);

	out->kind = s->is_system ? "systemd unit" : "systemd user unit";
	return n > 0 && (size_t)n < sizeof(out->path);
}

static enum err systemd_check(const struct service *s, struct why *why)
{
	static const char *const words[] = { "show", "--property=Version", NULL };
	struct tool_result r;
	char line[100];
	enum err rc = systemctl(s, words, QUERY_MS, &r, why);

	if (rc != ERR_OK)
		return rc;
	if (r.status != 0) {
		tool_first_line(&r, line, sizeof(line));
		rc = s->is_system ?
			err_set(why, ERR_CLOSED,
				"systemd does not run here (%s); " SERVICE_FOREGROUND,
				line) :
			err_set(why, ERR_CLOSED,
				"systemd has no session of this user (%s): log in as"
				" this user, not by su or sudo; or use --foreground",
				line);
	}
	tool_result_fini(&r);
	return rc;
}

/* ---- state ---- */

/* The value of @key in lines of "key=value"; empty if there is none. */
static struct span value_of(const char *text, const char *key)
{
	struct span rest = span_str(text), line, name;

	while (rest.n > 0) {
		span_split(&rest, '\n', &line);
		if (span_split(&line, '=', &name) && span_is(name, key))
			return line;
	}
	return span_of("", 0);
}

static unsigned long number_of(const char *text, const char *key)
{
	char digits[24];
	struct span value = value_of(text, key);
	unsigned long number = 0;

	snprintf(digits, sizeof(digits), "%.*s", (int)value.n, (const char *)value.p);
	(void)str_to_uint(digits, 1ul << 30, &number);
	return number;
}

static enum service_phase read_phase(const char *text)
{
	static const struct {
		const char *name;
		enum service_phase phase;
	} states[] = {
		{ "active", SERVICE_RUNNING },
		{ "reloading", SERVICE_RUNNING },
		{ "activating", SERVICE_STARTING },
		{ "deactivating", SERVICE_STOPPING },
		{ "failed", SERVICE_FAILED },
	};
	struct span active = value_of(text, "ActiveState");

	if (span_is(value_of(text, "SubState"), "auto-restart"))
		return SERVICE_FAILED;
	for (size_t i = 0; i < mem_count(states); i++) {
		if (span_is(active, states[i].name))
			return states[i].phase;
	}
	return span_is(value_of(text, "LoadState"), "not-found") ? SERVICE_ABSENT :
								   SERVICE_STOPPED;
}

static void read_state(const char *text, struct service_state *out)
{
	struct span result = value_of(text, "Result");
	char word[40];

	*out = (struct service_state){ .phase = read_phase(text) };
	out->is_enabled = span_is(value_of(text, "UnitFileState"), "enabled");
	out->pid = (pid_t)number_of(text, "MainPID");
	str_quote(out->status, sizeof(out->status), value_of(text, "StatusText"));
	if (span_is(value_of(text, "LoadState"), "masked"))
		str_copy(out->trouble, sizeof(out->trouble),
			"it is masked: systemctl unmask it");
	else if (out->phase == SERVICE_FAILED)
		snprintf(out->trouble, sizeof(out->trouble), "%s, status %lu",
			str_quote(word, sizeof(word), result),
			number_of(text, "ExecMainStatus"));
}

static enum err systemd_read_state(const struct service *s, struct service_state *out,
	struct why *why)
{
	char unit[UNIT_NAME_MAX];
	const char *words[] = { "show",
		"--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,"
		"StatusText,Result,ExecMainStatus",
		unit_name(s, unit), NULL };
	struct tool_result r;
	enum err rc = systemctl(s, words, QUERY_MS, &r, why);

	if (rc != ERR_OK)
		return rc;
	read_state(tool_result_text(&r), out);
	tool_result_fini(&r);
	return ERR_OK;
}

/* ---- changes ---- */

static enum err systemd_load(const struct service *s, const struct service_change *change,
	struct why *why)
{
	enum err rc = act(s, "daemon-reload", NULL, CHANGE_MS, why);

	(void)change;
	return rc == ERR_OK ? act(s, "enable", NULL, CHANGE_MS, why) : rc;
}

/* Without systemd, "systemctl disable" cannot remove the link of "systemctl enable". */
static void remove_link(const struct service *s)
{
	struct service_place place;
	char *slash, *link;

	if (!systemd_place(s, &place))
		return;
	slash = strrchr(place.path, '/');
	*slash = '\0';
	link = str_printf("%s/default.target.wants/%s", place.path, slash + 1);
	if (link != NULL)
		(void)unlink(link);
	free(link);
}

static void systemd_forget(const struct service *s, bool has_manager)
{
	if (has_manager) {
		(void)act(s, "daemon-reload", NULL, CHANGE_MS, NULL);
		(void)act(s, "reset-failed", NULL, CHANGE_MS, NULL);
	}
	remove_link(s);
}

/* The reason of a failed start is in the state, and in the log. */
static enum err explain_failure(const struct service *s, enum err rc, struct why *why)
{
	const char *scope = s->is_system ? "--unit" : "--user-unit";
	struct service_state state = { .phase = SERVICE_ABSENT };

	if (rc == ERR_TIMEOUT)
		return err_set(why, rc,
			"%s is not ready after %d s; journalctl %s %s -n 20 shows its log",
			s->name, START_MS / 1000, scope, s->name);
	if (rc == ERR_SYS && systemd_read_state(s, &state, NULL) == ERR_OK &&
		state.trouble[0] != '\0')
		err_set(why, rc,
			"%s does not start (%s); journalctl %s %s -n 20 shows its log",
			s->name, state.trouble, scope, s->name);
	return rc;
}

static enum err systemd_start(const struct service *s, struct why *why)
{
	enum err rc = act(s, "start", NULL, START_MS, why);

	return rc == ERR_OK ? ERR_OK : explain_failure(s, rc, why);
}

static enum err systemd_stop(const struct service *s, struct why *why)
{
	return act(s, "disable", "--now", CHANGE_MS, why);
}

static enum err systemd_restart(const struct service *s, struct why *why)
{
	enum err rc = act(s, "stop", NULL, CHANGE_MS, why);

	return rc == ERR_OK ? systemd_start(s, why) : rc;
}

/* ---- words, log ---- */

static bool user_lingers(const char *user)
{
	const char *argv[] = { "loginctl", "show-user", user, "--property=Linger", NULL };
	static const char *const setting[] = { "LC_ALL=C", NULL };
	struct tool_result r;
	bool lingers;

	if (tool_run(&(struct tool){ .argv = argv,
			     .setting = setting,
			     .limit_ms = QUERY_MS },
		    &r, NULL) != ERR_OK)
		return false;
	lingers = r.status == 0 &&
		span_is(value_of(tool_result_text(&r), "Linger"), "yes");
	tool_result_fini(&r);
	return lingers;
}

static const char *systemd_explain_start(const struct service *s, char *to, size_t size)
{
	const struct passwd *found = s->is_system ? NULL : getpwuid(geteuid());
	char user[64];

	if (found != NULL)
		str_copy(user, sizeof(user), found->pw_name);
	else
		snprintf(user, sizeof(user), "%u", (unsigned)geteuid());
	if (s->is_system || user_lingers(user))
		snprintf(to, size, "starts at boot");
	else
		snprintf(to, size,
			"starts when %s logs in, and stops after the last session of %s;"
			" to start it at boot: sudo loginctl enable-linger %s",
			user, user, user);
	return to;
}

/* Unless the journal is on the disk, a user has no journal of his own. */
static enum err check_journal(const struct service *s, const char *unit, struct why *why)
{
	const char *argv[] = { "journalctl", "--user-unit", unit, "--lines", "0",
		"--quiet", NULL };
	struct tool_result r;
	enum err rc;

	if (s->is_system)
		return ERR_OK;
	rc = tool_run(&(struct tool){ .argv = argv, .limit_ms = QUERY_MS }, &r, why);
	if (rc != ERR_OK)
		return rc;
	if (r.status != 0)
		rc = err_set(why, ERR_DENIED,
			"this user cannot read the journal: become a member of the group"
			" systemd-journal, or read it with sudo journalctl"
			" _SYSTEMD_USER_UNIT=%s",
			unit);
	tool_result_fini(&r);
	return rc;
}

static enum err systemd_show_log(const struct service *s, unsigned lines, bool follows,
	struct why *why)
{
	char unit[UNIT_NAME_MAX], count[16];
	const char *argv[] = { "journalctl", s->is_system ? "--unit" : "--user-unit",
		unit_name(s, unit), "--lines", count, "--no-pager",
		follows ? "--follow" : NULL, NULL };
	enum err rc = check_journal(s, unit, why);

	snprintf(count, sizeof(count), "%u", lines);
	if (rc == ERR_OK)
		rc = tool_become(argv, why);
	return rc != ERR_NOENT ? rc :
				 err_set(why, ERR_CLOSED,
					 "this system has no journalctl, so no log of"
					 " services; " SERVICE_FOREGROUND);
}

const struct service_manager systemd_manager = {
	.stock_marker =
		"\nDescription=Manages Portal tunnel definitions and relay membership.\n",
	.place = systemd_place,
	.print = systemd_unit_print,
	.check = systemd_check,
	.load = systemd_load,
	.forget = systemd_forget,
	.start = systemd_start,
	.stop = systemd_stop,
	.restart = systemd_restart,
	.read_state = systemd_read_state,
	.explain_start = systemd_explain_start,
	.show_log = systemd_show_log,
};
