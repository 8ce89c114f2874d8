/*
 * The service of an agent, for the commands that manage it: what follows from the agent's
 * names and paths, and from the user of this process.
 */
#ifndef CLI_AGENT_SERVICE_H
#define CLI_AGENT_SERVICE_H

#include "agent/service.h"
#include "cli/agent_args.h"

#define AGENT_SERVICE_WRITABLE_MAX 64

/* Points into itself and to the names: it is not moved. */
struct agent_service {
	struct service service;
	char program[SERVICE_PATH_MAX];
	char *directory, *home, *data_home;
	const char *words[6], *environment[2];
	char *writable[AGENT_SERVICE_WRITABLE_MAX + 1]; /* owned */
	unsigned writable_n;
};

/*
 * Fills the zeroed @out with the service of the agent at @where, which is borrowed.
 * agent_service_fini() also after an error.
 * ERR_USAGE: this user has no home directory.  ERR_NOENT: this program has no path.
 * ERR_NOMEM.
 */
enum err agent_service_init(struct agent_service *out, const struct agent_names *names,
	const struct agent_whereabouts *where, struct why *why) MUST_USE;

/* The service may write to the directories of @config, too. ERR_NOMEM. */
enum err agent_service_allow(struct agent_service *s, const struct agent_config *config,
	struct why *why) MUST_USE;
void agent_service_fini(struct agent_service *s);

#endif
