/* Between the reader of an agent's config and its checks. */
#ifndef AGENT_CONFIG_PRIV_H
#define AGENT_CONFIG_PRIV_H

#include "agent/config.h"
#include "text/toml.h"

/* A config while it is read. */
struct config_reader {
	const struct config_source *source;
	const char *directory; /* of the file: relative paths are below it */
	const struct toml_node *root;
	struct agent_config *config;
	struct why *why;
};

/* Checks what depends on several values, and completes the config. */
enum err config_check(struct config_reader *r) MUST_USE;

/* Adds @route to @routes. Errors: those of http_routes_add(), and ERR_SYNTAX. */
enum err config_add_route(struct http_routes *routes, const struct route_config *route,
	struct why *why) MUST_USE;

#endif
