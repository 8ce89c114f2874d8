/*
 * The agent as a service of the operating system: a systemd unit on Linux, a launchd
 * property list on macOS. Each is one file, which the service manager reads.
 *
 * The file has a marker. A file without it was written by another program or a person: it
 * is replaced or removed only if the caller allows that. The file of a stock portal agent
 * counts as ours: adit takes its place. Calls wait for the service
 * manager, for a bounded time. All may fail with
 * ERR_CLOSED: no service manager runs here; nothing has been changed.
 * ERR_USAGE: the name or a path cannot be in such a file.
 * ERR_DENIED, ERR_TIMEOUT, ERR_SYS, ERR_NOMEM.
 * The sentence in @why then advises what to do.
 */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

#define SERVICE_PATH_MAX 1024
#define SERVICE_TEXT_MAX (64u << 10) /* of the file */
#define SERVICE_FLAG "--force"       /* the flag of commands that sets may_replace */

struct service_manager;

/* All borrowed; paths are absolute. */
struct service {
	const char *name;    /* "adit-agent": the unit is adit-agent.service */
	const char *label;   /* the same for launchd, "com.example.agent"; NULL: @name */
	const char *display; /* "Adit Agent" */
	/* The program as it was called: a link named portal stays that link. */
	const char *program;
	const char *const *words; /* its arguments, NULL at the end */
	/* "NAME=value", NULL at the end: what the service does not have from its manager.
	 * NULL: nothing. */
	const char *const *environment;
	const char *directory; /* the working directory: that of the config */
	const char *home;      /* of the user; not used if @is_system */
	const char *state_dir; /* made if it is missing, mode 0700 */
	/* Further directories that the service writes to, NULL at the end; or NULL. They
	 * exist. It can write to @directory and @state_dir. */
	const char *const *writable;
	bool is_system; /* of root, starts at boot; else of this user */
	bool may_replace;
	const struct service_manager *manager; /* for tests; NULL: this system's */
};

/* ---- without the service manager ---- */

struct service_place {
	char path[SERVICE_PATH_MAX]; /* where the file is or would be */
	const char *kind;            /* "systemd unit", "launchd agent" */
	bool exists, is_ours;        /* there is a file; it has a marker */
};

enum err service_find(const struct service *s, struct service_place *out,
	struct why *why) MUST_USE;

/* The same. ERR_NOENT: there is no file. @why then also says if root has the service. */
enum err service_find_installed(const struct service *s, struct service_place *out,
	struct why *why) MUST_USE;

/*
 * The path of this process's program, as it was called: a link stays that link.
 * ERR_NOENT: it cannot be found out.  ERR_LIMIT: it is too long.
 */
enum err service_own_program(char to[SERVICE_PATH_MAX], struct why *why) MUST_USE;

/* Appends the file's text. Depends on @s only. */
enum err service_print(const struct service *s, struct buf *out,
	struct why *why) MUST_USE;

/* ---- changes ---- */

/* Is there a service manager? Fails with ERR_CLOSED if not. */
enum err service_check(const struct service *s, struct why *why) MUST_USE;

struct service_change {
	bool is_new;     /* there was no file */
	bool is_changed; /* its text is new: a service that runs has the old one */
};

/*
 * Writes the file and has the service started at each boot or login. A service that runs
 * is not restarted (launchd restarts it if the text has changed). If a step fails, what
 * was there before is restored. @out may be NULL.
 * ERR_EXISTS: there is a file without the marker.
 */
enum err service_install(const struct service *s, struct service_change *out,
	struct why *why) MUST_USE;

/*
 * Starts the service. systemd waits until the service is ready (notify_ready()), launchd
 * does not. Does nothing if it runs.
 * ERR_NOENT: it is not installed.  ERR_SYS: it ended; @why has its status.
 */
enum err service_start(const struct service *s, struct why *why) MUST_USE;

/* Stops the service, waits until it has ended, and has it not started again.
 * ERR_NOENT: it is not installed. */
enum err service_stop(const struct service *s, struct why *why) MUST_USE;

/* service_install(), then stops and starts the service. All that can fail before the stop
 * has been done by then. */
enum err service_restart(const struct service *s, struct why *why) MUST_USE;

/*
 * service_stop(), and removes the file; without a service manager, only that. @out is
 * what was there, and may be NULL.
 * ERR_NOENT: it is not installed.  ERR_EXISTS: the file has no marker.
 */
enum err service_remove(const struct service *s, struct service_place *out,
	struct why *why) MUST_USE;

/* ---- what there is ---- */

enum service_phase {
	SERVICE_ABSENT, /* not installed */
	SERVICE_STOPPED,
	SERVICE_STARTING,
	SERVICE_RUNNING,
	SERVICE_STOPPING,
	SERVICE_FAILED, /* it ended, and may be started again by the manager */
};

struct service_state {
	enum service_phase phase;
	bool is_enabled;   /* starts at boot or login */
	pid_t pid;         /* 0: no process */
	char status[200];  /* what the service says of itself; or "" */
	char trouble[100]; /* why it failed: "exit-code, status 1"; or "" */
};

enum err service_read_state(const struct service *s, struct service_state *out,
	struct why *why) MUST_USE;

/* "running", "not installed" */
const char *service_phase_name(enum service_phase phase);

/*
 * Prints when the service starts by itself, and what to do for more: a sentence such as
 * "starts at boot". Returns @to.
 */
const char *service_explain_start(const struct service *s, char *to, size_t size);

/*
 * Shows the service's log on standard output, the last @lines of it, and with @follows
 * what is added: this process becomes the program that does so. It returns only on
 * failure.
 * ERR_NOENT: there is no log.
 */
enum err service_show_log(const struct service *s, unsigned lines, bool follows,
	struct why *why) MUST_USE;

/* Where the log of services is a file (macOS): empties it when it is larger than 8 MiB.
 * For the service, now and then. @fd: its standard error. */
void service_limit_log(int fd);

#endif
