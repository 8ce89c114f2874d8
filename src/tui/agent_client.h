/*
 * The client of a running agent's control API. It finds the agent through the file
 * agent-endpoint.json in the state directory (portal-protocol 15.3), which it reads again
 * after each failure: an agent that was started again has another address and token.
 */
#ifndef TUI_AGENT_CLIENT_H
#define TUI_AGENT_CLIENT_H

#include "base/span.h"
#include "loop/loop.h"

struct agent_client;

/* Good until the function returns. */
struct agent_reply {
	unsigned status;
	struct span body;
};

/*
 * ERR_OK: @reply is complete, whatever its status. After an error it is NULL, and @why
 * says in one sentence what is wrong.
 */
typedef void agent_reply_fn(void *arg, enum err rc, const struct agent_reply *reply,
	const struct why *why);

/* @loop and @state_dir are borrowed and outlive it. ERR_NOMEM. */
enum err agent_client_new(struct loop *loop, const char *state_dir,
	struct agent_client **out) MUST_USE;

/* Requests are dropped: their functions are not called. NULL is fine. */
void agent_client_free(struct agent_client *c);

struct agent_request {
	const char *method, *target; /* copied, as is the body */
	struct span body;
	uint32_t timeout_ms;
	agent_reply_fn *fn;
	void *arg;
};

/*
 * Sends a request. @fn is called once, not from inside this call; if the call fails, it
 * is not called.
 * ERR_NOENT: no agent runs.  Others are those of the file and of memory. @why says more.
 */
enum err agent_client_send(struct agent_client *c, const struct agent_request *q,
	struct why *why) MUST_USE;

/* What the file says. @token is owned. */
struct agent_endpoint {
	char host[64];
	uint16_t port;
	char *token;
};

/* ERR_SYNTAX, ERR_NOMEM: @why says more. */
enum err agent_endpoint_parse(struct span text, struct agent_endpoint *out,
	struct why *why) MUST_USE;

#endif
