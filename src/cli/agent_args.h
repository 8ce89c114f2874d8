/* What the commands of an agent have in common: which config and state directory they
 * mean. */
#ifndef CLI_AGENT_ARGS_H
#define CLI_AGENT_ARGS_H

#include "agent/config.h"
#include "cli/command.h"
#include "cli/daemon.h"

struct agent_args {
	char *config, *state_dir;
	bool is_foreground, is_service, has_no_dashboard;
	bool is_json, waits;
	uint32_t lines;
	bool follows, may_replace;
	struct daemon_args daemon;
};

/* Rows of all commands: --config; and of those that need no config: --state-dir too. */
extern const struct field_table agent_config_fields, agent_place_fields;

/* Where the agent of the arguments has its things. */
struct agent_place {
	char config[AGENT_PATH_MAX];            /* absolute */
	char default_state_dir[AGENT_PATH_MAX]; /* unless the config has another */
};

/* A config without --config is in the default place; with --state-dir, which is another
 * one, it is there. ERR_USAGE: there is no default place.  ERR_LIMIT. */
enum err agent_place_find(const struct call *c, const struct agent_args *args,
	struct agent_place *out, struct why *why) MUST_USE;

/* The source of its config. @warn may be NULL. */
struct config_source agent_place_source(const struct call *c,
	const struct agent_place *place);

/* The settings with which a running agent or its service is found. */
struct agent_whereabouts {
	char config[AGENT_PATH_MAX]; /* absolute */
	char state_dir[AGENT_PATH_MAX];
	char service_name[AGENT_ID_MAX];
	struct why mistake; /* of the config; "": none */
};

/*
 * Reads the config for them; --state-dir alone does without it. A config with a mistake
 * is no error: its agent may go on with an earlier one.
 * ERR_NOENT: there is no config; @why has its path.  ERR_SYS, and those of
 * agent_place_find().
 */
enum err agent_whereabouts(const struct call *c, const struct agent_args *args,
	struct agent_whereabouts *out, struct why *why) MUST_USE;

#endif
