/*
 * The config of an agent with a managed link: what its file will be. The file is changed
 * in one step, when the rest of a setup has been done.
 */
#ifndef CLI_SETUP_CONFIG_H
#define CLI_SETUP_CONFIG_H

#include "agent/config_edit.h"
#include "agent/enrol.h"
#include "cli/agent_args.h"

struct setup_config {
	struct buf old, text;           /* of the file: as it is, and as it will be */
	bool is_new;                    /* there is no file */
	struct agent_config *config;    /* what the new text means */
	const struct link_config *link; /* the managed one, in @config */
	/* Owned: the directory of its credentials. */
	char *credentials;
};

struct setup_link {
	const struct enrol_relay *relay;
	const char *server;      /* where the link connects */
	const char *fingerprint; /* NULL: not known */
};

/*
 * Reads the file and makes the new text: the managed link to the same server is changed,
 * or one is added. setup_config_fini() in any case.
 * ERR_SYNTAX: the file has a mistake.  ERR_EXISTS: it has another state directory than
 * the one that was given.  Others: agent/config.h, agent/config_edit.h.
 */
enum err setup_config_make(const struct call *c, const struct agent_args *args,
	const struct agent_place *place, const struct setup_link *link,
	struct setup_config *out, struct why *why) MUST_USE;
void setup_config_fini(struct setup_config *s);

/* Writes the new text, if it differs from the old one. ERR_SYS, ERR_NOMEM: the file stays
 * as it was. */
enum err setup_config_write(const struct setup_config *s, const char *path,
	struct why *why) MUST_USE;

#endif
