/*
 * The settings of a relay: flags, then the environment, then the file relay.toml, then
 * defaults. One setting has one name in three spellings: --api-port, API_PORT, api_port.
 * portal-protocol 16.1.
 *
 * A setting that is there and cannot be applied is an error, wherever it stands.
 */
#ifndef RELAY_RELAY_CONFIG_H
#define RELAY_RELAY_CONFIG_H

#include "relay/relay.h"
#include "text/bind.h"

#define RELAY_CONFIG_FILE "/etc/adit/relay.toml"

/* A setting from the command line. */
struct relay_override {
	const char *name; /* "api-port" or "api_port" */
	const char *text;
};

/* Where to look. All is borrowed. */
struct relay_config {
	const char *file; /* NULL: RELAY_CONFIG_FILE if it is there */
	const struct relay_override *overrides;
	unsigned overrides_n;
};

/* Every setting that there is, with its variable and its default. */
extern const struct bind relay_settings;

/*
 * A relay_read_fn; @arg is a struct relay_config. On success relay_options_fini() is due.
 * ERR_USAGE: a flag or a variable.  ERR_SYNTAX: the file.  ERR_SYS: it cannot be read.
 */
enum err relay_config_read(void *arg, struct relay_options *out,
	struct why *why) MUST_USE;

/* Makes the state directory, mode 0700, if it is not there. ERR_SYS. */
enum err relay_config_make_dir(const struct relay_options *o, struct why *why) MUST_USE;

#endif
