/* adit agent stop: ends the agent of this machine. */
#include <time.h>

#include "base/clock.h"
#include "cli/agent_args.h"
#include "cli/agent_request.h"

#define STOP_MS 20000 /* more than an agent takes */
#define POLL_MS 50

/* Waits until the endpoint file is gone. */
static bool has_ended(const char *state_dir)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t until = clock_now_ms() + STOP_MS;
	json_t *data = NULL;

	while (clock_now_ms() < until) {
		if (agent_request(state_dir, "GET", "/v1/agent/status", NULL, &data,
			    NULL) == ERR_NOENT)
			return true;
		json_decref(data);
		data = NULL;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int run(struct call *c, void *object)
{
	struct agent_whereabouts where;
	json_t *data = NULL;
	enum err rc = agent_whereabouts(c, object, &where, &c->why);

	if (rc == ERR_OK)
		rc = agent_request(where.state_dir, "POST", "/v1/agent/shutdown", NULL,
			&data, &c->why);
	json_decref(data);
	if (rc == ERR_OK && !has_ended(where.state_dir))
		rc = err_set(&c->why, ERR_TIMEOUT, "the agent has not ended after %d s",
			STOP_MS / 1000);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	fprintf(c->out, "%s stopped.\n", c->persona->agent->display);
	return EXIT_CODE_DONE;
}

const struct command command_agent_stop = {
	.name = "agent stop",
	.arguments = "[flags]",
	.summary = "stop the agent on this machine",
	.about =
		"Asks the agent to stop: it unregisters its tunnels and lets visitors finish,\n"
		"a few seconds at most. Exits with 1 if no agent runs.\n",
	.examples = "  @ agent stop\n",
	.fields = &agent_place_fields,
	.has_flags_only = true,
	.run = run,
};
