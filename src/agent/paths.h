/*
 * Where an agent's config and state are, unless its user says so: by system, user and
 * persona. These functions are pure. portal-protocol 15.1.
 */
#ifndef AGENT_PATHS_H
#define AGENT_PATHS_H

#include <stdbool.h>

#include "base/err.h"

#define AGENT_PATH_MAX 1024
#define AGENT_CONFIG_NAME "config.toml"

/* The names that a persona uses for its agent. */
struct agent_names {
	const char *directory;     /* "portal-tunnel/agent": below those of the system */
	const char *mac_directory; /* "Portal Tunnel/Agent", on macOS and Windows */
	const char *service;       /* "portal-agent" */
	const char *label;         /* of the service for launchd; NULL: @service */
	const char *display;       /* "Portal Agent", of the service */
	const char *title;         /* "Portal agent", in sentences */
};

extern const struct agent_names agent_names_adit, agent_names_portal;
extern const struct agent_names agent_names_portlama;

enum agent_system {
	AGENT_ON_UNIX,
	AGENT_ON_MAC,
	AGENT_ON_WINDOWS,
};

/* What the paths depend on. Texts may be NULL: not set. */
struct agent_environment {
	enum agent_system system;
	bool is_root;
	const char *home, *xdg_config_home, *xdg_data_home, *program_data;
};

struct agent_paths {
	char config[AGENT_PATH_MAX];
	char state_dir[AGENT_PATH_MAX];
};

/* Of this process. Borrowed from the environment. */
struct agent_environment agent_environment(void);

/* ERR_USAGE: the user has no home directory. ERR_LIMIT: a path is too long. */
enum err agent_paths(const struct agent_names *names, const struct agent_environment *e,
	struct agent_paths *out, struct why *why) MUST_USE;

/* @path, if it is absolute, else it below @directory. ERR_LIMIT. */
enum err agent_path_below(const char *directory, const char *path,
	char out[AGENT_PATH_MAX]) MUST_USE;

#endif
