/* launchd: its domain of the system or of a user's session, by launchctl. */
#include "agent/service/manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/service/launchd_plist.h"
#include "agent/service/tool.h"
#include "base/clock.h"
#include "base/str.h"

#define TARGET_MAX 320
#define LOG_MAX_BYTES (8 << 20)

enum {
	QUERY_MS = 10000,
	CHANGE_MS = 30000,
	END_MS = 25000, /* the property list allows 20 s */
	END_POLL_MS = 200,
};

/* ---- launchctl ---- */

/* "system" or "gui/501". */
static const char *domain_of(const struct service *s, char to[TARGET_MAX])
{
	if (s->is_system)
		str_copy(to, TARGET_MAX, "system");
	else
		snprintf(to, TARGET_MAX, "gui/%u", (unsigned)geteuid());
	return to;
}

/* "gui/501/com.example.agent". */
static const char *target_of(const struct service *s, char to[TARGET_MAX])
{
	char domain[TARGET_MAX];

	snprintf(to, TARGET_MAX, "%.60s/%.250s", domain_of(s, domain), launchd_label(s));
	return to;
}

static enum err launchctl(const char *const *argv, struct tool_result *out,
	struct why *why)
{
	enum err rc = tool_run(&(struct tool){ .argv = argv, .limit_ms = CHANGE_MS }, out,
		why);

	return rc != ERR_NOENT ?
		rc :
		err_set(why, ERR_CLOSED,
			"this system has no launchctl; " SERVICE_FOREGROUND);
}

/* Runs "launchctl @verb @first @second"; @second may be NULL. */
static enum err act(const char *verb, const char *first, const char *second,
	struct why *why)
{
	const char *argv[] = { "launchctl", verb, first, second, NULL };
	struct tool_result r;
	char line[160];
	enum err rc = launchctl(argv, &r, why);

	if (rc != ERR_OK)
		return rc;
	if (r.status != 0) {
		tool_first_line(&r, line, sizeof(line));
		rc = strstr(line, "not permitted") != NULL ? ERR_DENIED : ERR_SYS;
		err_set(why, rc, "launchctl %s fails: %s", verb,
			line[0] != '\0' ? line : "without a word");
	}
	tool_result_fini(&r);
	return rc;
}

/* What launchctl prints of @target. False: it has no such. */
static bool query(const char *verb, const char *target, struct tool_result *out)
{
	const char *argv[] = { "launchctl", verb, target, NULL };

	if (launchctl(argv, out, NULL) != ERR_OK)
		return false;
	if (out->status == 0)
		return true;
	tool_result_fini(out);
	return false;
}

static bool is_loaded(const char *target)
{
	struct tool_result r;

	if (!query("print", target, &r))
		return false;
	tool_result_fini(&r);
	return true;
}

/* ---- the place ---- */

static bool launchd_place(const struct service *s, struct service_place *out)
{
	int n = s->is_system ?
		snprintf(out->path, sizeof(out->path), "/Library/LaunchDaemons/%s.plist",
			launchd_label(s)) :
		snprintf(out->path, sizeof(out->path), "%s/Library/LaunchAgents/%s.plist",
			s->home, launchd_label(s));

	out->kind = s->is_system ? "launchd daemon" : "launchd agent";
	return n > 0 && (size_t)n < sizeof(out->path);
}

static enum err launchd_check(const struct service *s, struct why *why)
{
	char domain[TARGET_MAX];
	const char *argv[] = { "launchctl", "print", domain_of(s, domain), NULL };
	struct tool_result r;
	enum err rc = launchctl(argv, &r, why);

	if (rc != ERR_OK)
		return rc;
	if (r.status != 0)
		rc = err_set(why, ERR_CLOSED,
			"launchd has no session of this user: log in at the screen, or"
			" use sudo for a service of the system, or --foreground");
	tool_result_fini(&r);
	return rc;
}

/* ---- state ---- */

/* The value of the first line "@key = value"; empty if there is none. */
static struct span value_of(const char *text, const char *key)
{
	struct span rest = span_str(text), line, name;

	while (rest.n > 0) {
		span_split(&rest, '\n', &line);
		if (span_split(&line, '=', &name) && span_is(span_trim(name), key))
			return span_trim(line);
	}
	return span_of("", 0);
}

static unsigned long number_of(const char *text, const char *key)
{
	struct span value = value_of(text, key);
	char digits[24];
	unsigned long number = 0;

	/* "1: Operation not permitted" */
	snprintf(digits, sizeof(digits), "%.*s",
		(int)strspn((const char *)value.p, "0123456789"), (const char *)value.p);
	(void)str_to_uint(digits, 1ul << 30, &number);
	return number;
}

/* launchctl disable is remembered for the label, also without a file. */
static bool is_disabled(const struct service *s)
{
	char domain[TARGET_MAX], key[TARGET_MAX];
	struct tool_result r;
	const char *found;
	bool is_off;

	if (!query("print-disabled", domain_of(s, domain), &r))
		return false;
	snprintf(key, sizeof(key), "\"%.250s\" => ", launchd_label(s));
	found = strstr(tool_result_text(&r), key);
	is_off = found != NULL &&
		(str_has_prefix(found + strlen(key), "disabled") ||
			str_has_prefix(found + strlen(key), "true"));
	tool_result_fini(&r);
	return is_off;
}

static enum err launchd_read_state(const struct service *s, struct service_state *out,
	struct why *why)
{
	char target[TARGET_MAX];
	struct service_place place;
	struct tool_result r;
	unsigned long status;

	(void)why;
	*out = (struct service_state){ .phase = SERVICE_ABSENT };
	if (launchd_place(s, &place) && access(place.path, F_OK) == 0) {
		out->phase = SERVICE_STOPPED;
		out->is_enabled = !is_disabled(s);
	}
	if (!query("print", target_of(s, target), &r))
		return ERR_OK;
	out->pid = (pid_t)number_of(tool_result_text(&r), "pid");
	status = number_of(tool_result_text(&r), "last exit code");
	out->phase = SERVICE_STARTING;
	if (out->pid != 0) {
		out->phase = SERVICE_RUNNING;
	} else if (status != 0) {
		out->phase = SERVICE_FAILED;
		snprintf(out->trouble, sizeof(out->trouble), "status %lu", status);
	}
	tool_result_fini(&r);
	return ERR_OK;
}

/* ---- changes ---- */

/* "launchctl bootout" may return before the service has ended. */
static enum err wait_for_end(const char *target, struct why *why)
{
	static const struct timespec pause = { .tv_nsec = END_POLL_MS * 1000000L };
	uint64_t end = clock_now_ms() + END_MS;

	while (is_loaded(target)) {
		if (clock_now_ms() >= end)
			return err_set(why, ERR_TIMEOUT, "%s does not end within %d s",
				target, END_MS / 1000);
		(void)nanosleep(&pause, NULL);
	}
	return ERR_OK;
}

static enum err launchd_load(const struct service *s, const struct service_change *change,
	struct why *why)
{
	char domain[TARGET_MAX], target[TARGET_MAX];
	struct service_place place;
	enum err rc;

	target_of(s, target);
	if (!change->is_new && !change->is_changed && is_loaded(target))
		return ERR_OK;
	if (!launchd_place(s, &place))
		return ERR_LIMIT;
	(void)act("bootout", target, NULL, NULL);
	rc = wait_for_end(target, why);
	if (rc == ERR_OK)
		rc = act("enable", target, NULL, why);
	if (rc == ERR_OK)
		rc = act("bootstrap", domain_of(s, domain), place.path, why);
	return rc;
}

static void launchd_forget(const struct service *s, bool has_manager)
{
	char target[TARGET_MAX];

	if (has_manager)
		(void)act("bootout", target_of(s, target), NULL, NULL);
}

static enum err kickstart(const struct service *s, struct why *why)
{
	char target[TARGET_MAX];

	return act("kickstart", "-k", target_of(s, target), why);
}

/* With -k a service that runs would be restarted. */
static enum err launchd_start(const struct service *s, struct why *why)
{
	static const struct service_change none = { .is_new = false };
	struct service_state state;
	enum err rc = launchd_load(s, &none, why);

	if (rc == ERR_OK)
		rc = launchd_read_state(s, &state, why);
	if (rc == ERR_OK && state.pid == 0)
		rc = kickstart(s, why);
	return rc;
}

static enum err launchd_stop(const struct service *s, struct why *why)
{
	char target[TARGET_MAX];
	enum err rc = act("disable", target_of(s, target), NULL, why);

	if (rc != ERR_OK || !is_loaded(target))
		return rc;
	rc = act("bootout", target, NULL, why);
	return rc == ERR_OK ? wait_for_end(target, why) : rc;
}

/* ---- words, log ---- */

static const char *launchd_explain_start(const struct service *s, char *to, size_t size)
{
	snprintf(to, size, "%s",
		s->is_system ? "starts at boot" :
			       "starts when this user logs in, and stops at the logout;"
			       " with sudo it is a service that starts at boot");
	return to;
}

static enum err launchd_show_log(const struct service *s, unsigned lines, bool follows,
	struct why *why)
{
	char count[16];
	char *path = str_printf("%s/" LAUNCHD_LOG, s->state_dir);
	const char *argv[] = { "tail", "-n", count, follows ? "-F" : path,
		follows ? path : NULL, NULL };
	enum err rc;

	snprintf(count, sizeof(count), "%u", lines);
	if (path == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for the path of the log");
	else if (access(path, R_OK) != 0)
		rc = err_set(why, ERR_NOENT, "there is no log yet: %.150s", path);
	else
		rc = tool_become(argv, why);
	free(path);
	return rc;
}

void service_limit_log(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > LOG_MAX_BYTES)
		(void)!ftruncate(fd, 0);
}

const struct service_manager launchd_manager = {
	.stock_marker = "<string>--service</string>",
	.place = launchd_place,
	.print = launchd_plist_print,
	.check = launchd_check,
	.load = launchd_load,
	.forget = launchd_forget,
	.start = launchd_start,
	.stop = launchd_stop,
	.restart = kickstart,
	.read_state = launchd_read_state,
	.explain_start = launchd_explain_start,
	.show_log = launchd_show_log,
};
