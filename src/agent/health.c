/* The words for states. */
#include "agent/health.h"

const char *agent_state_word(enum agent_state state)
{
	static const char *const words[] = {
		[AGENT_STATE_STOPPED] = "stopped",
		[AGENT_STATE_STARTING] = "starting",
		[AGENT_STATE_RUNNING] = "running",
		[AGENT_STATE_ERROR] = "error",
	};

	return words[state];
}

const char *agent_health_word(enum agent_health health)
{
	static const char *const words[] = {
		[AGENT_HEALTH_OK] = "ok",
		[AGENT_HEALTH_DEGRADED] = "degraded",
		[AGENT_HEALTH_DOWN] = "down",
	};

	return words[health];
}
