/* What the sessions of an agent have in common. */
#include "agent/session.h"

#include "base/clock.h"
#include "base/str.h"

void agent_session_retry_now(struct agent_session *s, const char *reason, bool is_forced)
{
	s->ops->retry_now(s, reason, is_forced);
}

void agent_session_leave(struct agent_session *s)
{
	s->ops->leave(s);
}

void agent_session_close(struct agent_session *s)
{
	if (s != NULL)
		s->ops->close(s);
}

struct agent_session_status agent_session_status(const struct agent_session *s)
{
	struct agent_session_status status = {
		.state = s->state,
		.since_ms = s->since_ms,
		.peer_version = "",
		.host = "",
		.url = "",
		.tcp = "",
		.error = s->error.text,
		.next_ms = s->next_ms,
		.local = "",
	};

	s->ops->status(s, &status);
	return status;
}

static void agent_session_on_change(void *arg)
{
	struct agent_session *s = arg;

	if (s->state == AGENT_CLOSED)
		s->hooks->on_closed(s->owner, s, s->end);
	else
		s->hooks->on_change(s->owner, s);
}

void agent_session_init(struct agent_session *s, struct loop *loop,
	const struct agent_session_ops *ops, const struct agent_session_hooks *hooks,
	void *owner)
{
	*s = (struct agent_session){
		.ops = ops,
		.hooks = hooks,
		.owner = owner,
		.loop = loop,
		.since_ms = clock_now_ms(),
	};
	loop_deferred_init(&s->changed, agent_session_on_change, s);
}

void agent_session_enter(struct agent_session *s, enum agent_session_state state)
{
	if (s->state == state)
		return;
	s->state = state;
	s->since_ms = clock_now_ms();
	s->next_ms = 0;
	if (state == AGENT_OPEN)
		s->error.text[0] = '\0';
	loop_defer(s->loop, &s->changed);
}

void agent_session_note(struct agent_session *s, const char *error)
{
	str_copy(s->error.text, sizeof(s->error.text), error != NULL ? error : "");
	loop_defer(s->loop, &s->changed);
}

void agent_session_plan(struct agent_session *s, uint32_t pause_ms)
{
	s->next_ms = clock_now_ms() + pause_ms;
}

void agent_session_end(struct agent_session *s, enum err rc)
{
	s->end = rc;
	agent_session_enter(s, AGENT_CLOSED);
}

void agent_session_fini(struct agent_session *s)
{
	loop_undefer(&s->changed);
}
