/* Requests to a running agent, over its control API. */
#ifndef CLI_AGENT_REQUEST_H
#define CLI_AGENT_REQUEST_H

#include <jansson.h>

#include "base/err.h"

/*
 * Sends a request to the agent that has @state_dir, and waits for the response, a few
 * seconds at most. @body is JSON, or NULL. *@data is the response's "data": json_decref()
 * it.
 *
 * ERR_NOENT: no agent runs there.  ERR_PROTO: the agent refuses.  Others: it does not
 * respond.
 */
enum err agent_request(const char *state_dir, const char *method, const char *target,
	const char *body, json_t **data, struct why *why) MUST_USE;

#endif
