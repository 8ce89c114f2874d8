/*
 * The service of an agent, for the commands that manage it: what follows from the agent's
 * names and paths, and from the user of this process.
 */
#ifndef CLI_AGENT_SERVICE_H
#define CLI_AGENT_SERVICE_H

#include "agent/service.h"
#include "cli/command.h"

/* The agent that a command means. Borrowed; paths are absolute. */
struct agent_service_names {
	const char *name;      /* service_name of the config: "adit-agent" */
	const char *label;     /* for launchd; NULL: @name */
	const char *display;   /* "Adit Agent" */
	const char *config;    /* config.toml */
	const char *state_dir; /* state directory */
};

/* Points into itself and to the names: it is not moved. */
struct agent_service {
	struct service service;
	char program[SERVICE_PATH_MAX];
	char *directory, *home, *data_home;
	const char *words[6], *environment[2];
};

/*
 * Fills the zeroed @out. agent_service_fini() also after an error.
 * ERR_USAGE: this user has no home directory.  ERR_NOENT: this program has no path.
 * ERR_NOMEM.
 */
enum err agent_service_init(struct agent_service *out,
	const struct agent_service_names *names, struct why *why) MUST_USE;
void agent_service_fini(struct agent_service *s);

/* The names of the persona, which a config may replace. Its paths are NULL. */
struct agent_service_names agent_service_defaults(const struct persona *p);

extern const struct command command_agent_logs, command_agent_uninstall;

#endif
