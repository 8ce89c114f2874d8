/* Requests to a running agent. */
#include "cli/agent_request.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "agent/control.h"
#include "base/mem.h"
#include "cli/request.h"
#include "net/addr.h"

/* An agent that was killed leaves its file behind. */
static enum err explain(const char *state_dir, const struct control_endpoint *e,
	enum err rc, struct why *why)
{
	if (e->pid <= 0 || kill((pid_t)e->pid, 0) == 0 || errno == EPERM)
		return rc;
	return err_set(why, ERR_NOENT,
		"no agent runs with the state directory %.150s: process %ld has ended",
		state_dir, e->pid);
}

enum err agent_request(const char *state_dir, const char *method, const char *target,
	const char *body, json_t **data, struct why *why)
{
	struct control_endpoint e;
	struct addr_listen at;
	char headers[CONTROL_TOKEN_MAX + 64];
	struct request q = {
		.peer = "the agent",
		.client = { .host = at.host },
		.method = method,
		.target = target,
		.headers = headers,
		.body = body,
	};
	enum err rc = control_read_endpoint(state_dir, &e, why);

	if (rc == ERR_NOENT)
		return err_set(why, rc, "no agent runs with the state directory %.150s",
			state_dir);
	if (rc == ERR_OK && addr_parse_listen(e.addr, &at) != ERR_OK)
		rc = err_set(why, ERR_SYNTAX, "%.150s/%s has no address", state_dir,
			CONTROL_ENDPOINT_FILE);
	if (rc != ERR_OK)
		return rc;
	q.client.port = at.port;
	q.client.host_header = e.addr;
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n%s", e.token,
		body != NULL ? "Content-Type: application/json\r\n" : "");
	rc = request_send(&q, data, why);
	mem_wipe(headers, sizeof(headers));
	return rc == ERR_OK || rc == ERR_PROTO ? rc : explain(state_dir, &e, rc, why);
}
