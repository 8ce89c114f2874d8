/* The managed links of a running agent, as its status has them. */
#ifndef CLI_AGENT_LINKS_H
#define CLI_AGENT_LINKS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* The link @id in the status, borrowed. NULL: there is none. */
const json_t *agent_links_find(const json_t *status, const char *id);

bool agent_links_is_managed(const json_t *link);

/* Prints when it was connected, from where and with what round trip, if it is. */
void agent_links_print_connection(FILE *out, const json_t *link);

/* Prints a line for each of its tunnels; without any, how to add one for the agent
 * @label, which may be NULL. */
void agent_links_print_tunnels(FILE *out, const json_t *link, const char *label);

/* Its tunnels: objects with url, host, target, access and paused. Owned. NULL: no
 * memory. */
json_t *agent_links_tunnels(const json_t *link);

/* Asks the agent that has @state_dir to reconnect the managed link @id, with the
 * credentials as they are now. Errors: agent_request(). */
enum err agent_links_reconnect(const char *state_dir, const char *id,
	struct why *why) MUST_USE;

/*
 * Waits until the link @id of that agent is open and its tunnels were sent. *@status is
 * the agent's then: json_decref() it.
 * ERR_TIMEOUT: it is not open after @ms; @why has the reason.
 */
enum err agent_links_wait(const char *state_dir, const char *id, uint32_t ms,
	json_t **status, struct why *why) MUST_USE;

#endif
