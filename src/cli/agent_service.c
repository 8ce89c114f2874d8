/* The service of an agent: names, paths and arguments. */
#include "cli/agent_service.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "store/file.h"

struct agent_service_names agent_service_defaults(const struct persona *p)
{
	static const struct agent_service_names ours = { .name = "adit-agent",
		.display = "Adit Agent" };
	static const struct {
		const char *persona;
		struct agent_service_names names;
	} others[] = {
		{ "portal", { .name = "portal-agent", .display = "Portal Agent" } },
		{ "portlama-agent",
			{ .name = "portlama-chisel",
				.label = "com.portlama.chisel",
				.display = "Portlama Agent" } },
	};

	for (size_t i = 0; i < mem_count(others); i++) {
		if (strcmp(p->name, others[i].persona) == 0)
			return others[i].names;
	}
	return ours;
}

/* After su or sudo, HOME may be another user's, whose units this user's systemd does not
 * read. */
static bool is_own_home(const char *path)
{
	struct stat st;

	return path != NULL && path[0] == '/' && stat(path, &st) == 0 &&
		st.st_uid == geteuid();
}

static enum err find_home(char **out, struct why *why)
{
	const char *home = getenv("HOME");
	const struct passwd *user;

	if (!is_own_home(home)) {
		user = getpwuid(geteuid());
		home = user != NULL ? user->pw_dir : NULL;
	}
	if (!is_own_home(home))
		return err_set(why, ERR_USAGE,
			"this user has no home directory for a service; set HOME");
	*out = strdup(home);
	return *out != NULL ? ERR_OK : ERR_NOMEM;
}

/* The default state directory follows from it, and a service does not have it. */
static enum err find_data_home(struct agent_service *out)
{
	const char *value = getenv("XDG_DATA_HOME");

	if (value == NULL || value[0] != '/')
		return ERR_OK;
	out->data_home = str_printf("XDG_DATA_HOME=%s", value);
	out->environment[0] = out->data_home;
	return out->data_home != NULL ? ERR_OK : ERR_NOMEM;
}

enum err agent_service_init(struct agent_service *out,
	const struct agent_service_names *names, struct why *why)
{
	const char *const words[] = { "agent", "run", "--service", "--config",
		names->config, NULL };
	bool is_system = geteuid() == 0;
	enum err rc = service_own_program(out->program, why);

	if (rc == ERR_OK && !is_system)
		rc = find_home(&out->home, why);
	if (rc == ERR_OK && !is_system)
		rc = find_data_home(out);
	if (rc != ERR_OK)
		return rc;
	out->directory = file_directory(names->config);
	if (out->directory == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a service");
	memcpy(out->words, words, sizeof(words));
	out->service = (struct service){
		.name = names->name,
		.label = names->label,
		.display = names->display,
		.program = out->program,
		.words = out->words,
		.environment = out->environment,
		.directory = out->directory,
		.home = out->home,
		.state_dir = names->state_dir,
		.is_system = is_system,
	};
	return ERR_OK;
}

void agent_service_fini(struct agent_service *s)
{
	free(s->directory);
	free(s->home);
	free(s->data_home);
}
