/* The words for the state of an agent and of what it has. */
#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H

/* The words of portal-protocol 15.5. */
enum agent_state {
	AGENT_STATE_STOPPED,
	AGENT_STATE_STARTING, /* not published yet, and nothing has failed */
	AGENT_STATE_RUNNING,  /* published at a relay or more; a link: open */
	AGENT_STATE_ERROR,    /* not published; the reason is known */
};

enum agent_health {
	AGENT_HEALTH_OK,
	AGENT_HEALTH_DEGRADED, /* some relays only, or the target does not respond */
	AGENT_HEALTH_DOWN,
};

const char *agent_state_word(enum agent_state state);
const char *agent_health_word(enum agent_health health);

#endif
