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

enum err agent_service_init(struct agent_service *out, const struct agent_names *names,
	const struct agent_whereabouts *where, struct why *why)
{
	const char *const words[] = { "agent", "run", "--service", "--config",
		where->config, NULL };
	bool is_system = geteuid() == 0;
	enum err rc = service_own_program(out->program, why);

	if (rc == ERR_OK && !is_system)
		rc = find_home(&out->home, why);
	if (rc == ERR_OK && !is_system)
		rc = find_data_home(out);
	if (rc != ERR_OK)
		return rc;
	out->directory = file_directory(where->config);
	if (out->directory == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a service");
	memcpy(out->words, words, sizeof(words));
	out->service = (struct service){
		.name = where->service_name,
		.label = names->label,
		.display = names->display,
		.program = out->program,
		.words = out->words,
		.environment = out->environment,
		.directory = out->directory,
		.home = out->home,
		.state_dir = where->state_dir,
		.is_system = is_system,
	};
	return ERR_OK;
}

/* The directory of @path, if it is not one that the service writes to anyway. */
static enum err allow_directory(struct agent_service *s, const char *path)
{
	char *directory = file_directory(path);
	bool is_known = directory != NULL &&
		(strcmp(directory, s->directory) == 0 ||
			strcmp(directory, s->service.state_dir) == 0);

	for (unsigned i = 0; i < s->writable_n && directory != NULL; i++)
		is_known = is_known || strcmp(directory, s->writable[i]) == 0;
	if (directory == NULL)
		return ERR_NOMEM;
	if (is_known || s->writable_n == AGENT_SERVICE_WRITABLE_MAX ||
		access(directory, F_OK) != 0) {
		free(directory);
		return ERR_OK;
	}
	s->writable[s->writable_n++] = directory;
	s->service.writable = (const char *const *)s->writable;
	return ERR_OK;
}

enum err agent_service_allow(struct agent_service *s, const struct agent_config *config,
	struct why *why)
{
	char *real = realpath(s->words[4], NULL); /* the config may be a link */
	enum err rc = real != NULL ? allow_directory(s, real) : ERR_OK;

	for (unsigned i = 0; i < config->tunnels.n && rc == ERR_OK; i++) {
		const char *path = agent_config_tunnel(config, i)->lease.identity_path;

		if (path != NULL)
			rc = allow_directory(s, path);
	}
	free(real);
	return rc == ERR_OK ? rc : err_set(why, rc, "no memory for a service");
}

void agent_service_fini(struct agent_service *s)
{
	for (unsigned i = 0; i < s->writable_n; i++)
		free(s->writable[i]);
	free(s->directory);
	free(s->home);
	free(s->data_home);
}
