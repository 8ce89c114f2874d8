/* Default places of an agent's files. */
#include "agent/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAC_BASE "/Library/Application Support"
#define WINDOWS_BASE "C:\\ProgramData"

const struct agent_names agent_names_adit = {
	.directory = "adit/agent",
	.mac_directory = "Adit/Agent",
	.service = "adit-agent",
	.display = "Adit Agent",
	.title = "adit agent",
};

const struct agent_names agent_names_portal = {
	.directory = "portal-tunnel/agent",
	.mac_directory = "Portal Tunnel/Agent",
	.service = "portal-agent",
	.display = "Portal Agent",
	.title = "Portal agent",
};

const struct agent_names agent_names_portlama = {
	.directory = "portlama/agent",
	.mac_directory = "Portlama/Agent",
	.service = "portlama-chisel",
	.label = "com.portlama.chisel",
	.display = "Portlama Agent",
	.title = "Portlama agent",
};

struct agent_environment agent_environment(void)
{
	struct agent_environment e = {
#if defined(__APPLE__)
		.system = AGENT_ON_MAC,
#elif defined(_WIN32)
		.system = AGENT_ON_WINDOWS,
#endif
		.is_root = geteuid() == 0,
		.home = getenv("HOME"),
		.xdg_config_home = getenv("XDG_CONFIG_HOME"),
		.xdg_data_home = getenv("XDG_DATA_HOME"),
		.program_data = getenv("ProgramData"),
	};

	return e;
}

/* A relative path in the environment has no meaning (XDG base directories). */
static bool is_absolute(const char *path)
{
	return path != NULL && path[0] == '/';
}

/* "@base@more/@directory". False: too long. */
static bool join(char out[AGENT_PATH_MAX], const char *base, const char *more,
	const char *directory)
{
	int n = snprintf(out, AGENT_PATH_MAX, "%s%s/%s", base, more, directory);

	return n > 0 && n < AGENT_PATH_MAX;
}

enum err agent_path_below(const char *directory, const char *path,
	char out[AGENT_PATH_MAX])
{
	int n = is_absolute(path) ?
		snprintf(out, AGENT_PATH_MAX, "%s", path) :
		snprintf(out, AGENT_PATH_MAX, "%s/%s", directory, path);

	return n > 0 && n < AGENT_PATH_MAX ? ERR_OK : ERR_LIMIT;
}

static bool windows_directory(const struct agent_names *names,
	const struct agent_environment *e, char out[AGENT_PATH_MAX])
{
	const char *base = e->program_data != NULL && e->program_data[0] != '\0' ?
		e->program_data :
		WINDOWS_BASE;
	int n = snprintf(out, AGENT_PATH_MAX, "%s\\%s", base, names->mac_directory);

	for (char *c = out; *c != '\0'; c++)
		*c = *c == '/' ? '\\' : *c;
	return n > 0 && n < AGENT_PATH_MAX;
}

static bool unix_directories(const struct agent_names *names,
	const struct agent_environment *e, char config[AGENT_PATH_MAX],
	char state[AGENT_PATH_MAX])
{
	bool has_config = is_absolute(e->xdg_config_home);
	bool has_data = is_absolute(e->xdg_data_home);

	if (e->is_root)
		return join(config, "/etc", "", names->directory) &&
			join(state, "/var/lib", "", names->directory);
	return join(config, has_config ? e->xdg_config_home : e->home,
		       has_config ? "" : "/.config", names->directory) &&
		join(state, has_data ? e->xdg_data_home : e->home,
			has_data ? "" : "/.local/share", names->directory);
}

static bool needs_home(const struct agent_environment *e)
{
	if (e->system == AGENT_ON_WINDOWS || e->is_root)
		return false;
	return e->system == AGENT_ON_MAC || !is_absolute(e->xdg_config_home) ||
		!is_absolute(e->xdg_data_home);
}

enum err agent_paths(const struct agent_names *names, const struct agent_environment *e,
	struct agent_paths *out, struct why *why)
{
	char directory[AGENT_PATH_MAX];
	bool is_windows = e->system == AGENT_ON_WINDOWS, ok;
	int n;

	if (needs_home(e) && !is_absolute(e->home))
		return err_set(why, ERR_USAGE,
			"HOME is not set, so there is no default place for the agent's files;"
			" write --config and --state-dir");
	if (is_windows)
		ok = windows_directory(names, e, directory);
	else if (e->system == AGENT_ON_MAC)
		ok = join(directory, e->is_root ? "" : e->home, MAC_BASE,
			names->mac_directory);
	else
		ok = unix_directories(names, e, directory, out->state_dir);
	if (ok && e->system != AGENT_ON_UNIX)
		ok = snprintf(out->state_dir, AGENT_PATH_MAX, "%s", directory) > 0;
	n = snprintf(out->config, AGENT_PATH_MAX, "%s%s" AGENT_CONFIG_NAME, directory,
		is_windows ? "\\" : "/");
	if (!ok || n <= 0 || n >= AGENT_PATH_MAX)
		return err_set(why, ERR_LIMIT,
			"the default place for the agent's files has too long a path; write"
			" --config and --state-dir");
	return ERR_OK;
}
