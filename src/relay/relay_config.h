/*
 * The settings of a relay: one table for flags, the environment and the file relay.toml.
 * A setting has one name in three spellings: --api-port, API_PORT, api_port.
 * portal-protocol 16.1.
 *
 * A setting that cannot be applied is an error, from any source.
 */
#ifndef RELAY_RELAY_CONFIG_H
#define RELAY_RELAY_CONFIG_H

#include "net/addr.h"
#include "relay/relay.h"

#define RELAY_CONFIG_FILE "/etc/adit/relay.toml"

/* Of a struct relay_options: every setting, and identity_path alone. */
extern const struct field_table relay_fields, relay_path_fields;

/*
 * Reads the file @path, or, if it is NULL, RELAY_CONFIG_FILE if that exists.
 * ERR_SYNTAX: its text.  ERR_SYS: it cannot be read.  ERR_NOMEM.
 */
enum err relay_config_read_file(const char *path, struct relay_options *o,
	struct why *why) MUST_USE;

/*
 * When all sources are read: checks what depends on several settings, and fills in what
 * follows from others.
 */
enum err relay_config_complete(struct relay_options *o, struct why *why) MUST_USE;

/* The name server of the options. ERR_SYNTAX: not "address:port". */
enum err relay_config_dns_server(const char *text, struct addr *out) MUST_USE;

/* Is the first label of @host reserved? */
bool relay_config_reserves(const struct relay_options *o, const char *host);

/* Makes the state directory, mode 0700, if it is not there. ERR_SYS. */
enum err relay_config_make_dir(const struct relay_options *o, struct why *why) MUST_USE;

#endif
