/* The sessions of agents: the newest one of each counts, and is told its tunnels. */
#include "base/str.h"
#include "serve/link/link_agents.h"
#include "serve/link/link_session.h"

struct link_session *link_session_of_agent(struct link_service *ls, const char *label)
{
	struct map_node *node = map_find(&ls->agents, span_str(label));

	return node != NULL ? map_object(node, struct link_session, in_agents) : NULL;
}

static enum err session_send_list(struct link_session *s, struct span list)
{
	enum err rc = ERR_OK;

	while (rc == ERR_OK && list.n > MANAGED_PART_BYTES) {
		rc = chisel_session_notify(s->session, MANAGED_PART,
			span_of(list.p, MANAGED_PART_BYTES));
		list.p += MANAGED_PART_BYTES;
		list.n -= MANAGED_PART_BYTES;
	}
	return rc == ERR_OK ? chisel_session_notify(s->session, MANAGED_NOTICE, list) :
			      rc;
}

static void session_tell(struct link_session *s)
{
	struct link_agents *agents = s->service->server->o->agents;
	struct buf list;
	enum err rc;

	s->told_changes = link_agents_changes(agents);
	buf_init(&list, MANAGED_LIST_MAX);
	if (link_agents_read_list(agents, s->user, &s->told_version, &list)) {
		rc = list.failed != ERR_OK ? list.failed :
					     session_send_list(s, buf_span(&list));
		if (rc != ERR_OK)
			log_error(&s->log, "the list of tunnels was not sent: %s",
				err_name(rc));
	}
	buf_fini(&list);
}

void link_session_tell_agent(struct link_service *ls, const char *label)
{
	struct link_session *s = link_session_of_agent(ls, label);

	if (s != NULL && s->told_changes != link_agents_changes(ls->server->o->agents))
		session_tell(s);
}

/* The client of the older one may be another program with the same key: it is told, so
 * that the two do not replace each other for ever. */
static void session_replace(struct link_session *was)
{
	link_session_end_agent(was);
	(void)!chisel_session_notify(was->session, MANAGED_REPLACED,
		(struct span){ 0 }); /* else it only sees the end */
	chisel_session_close(was->session, ERR_CLOSED,
		"a newer connection of the same agent has replaced it");
}

void link_session_begin_agent(struct link_session *s)
{
	struct link_session *was = link_session_of_agent(s->service, s->user);
	char version[LINK_TEXT_MAX];

	if (was != NULL)
		session_replace(was);
	s->is_agent = true;
	map_add(&s->service->agents, &s->in_agents, span_str(s->user));
	link_agents_attach(s->service->server->o->agents, s->user, s->number, &s->client,
		str_quote(version, sizeof(version), span_str(s->config.version)));
	session_tell(s);
}

void link_session_end_agent(struct link_session *s)
{
	if (!s->is_agent)
		return;
	s->is_agent = false;
	map_remove(&s->service->agents, &s->in_agents);
	link_agents_detach(s->service->server->o->agents, s->user, s->number);
}

const char *link_session_judge_agent(const struct link_session *s)
{
	const struct link_agents *agents = s->service->server->o->agents;

	if (agents == NULL)
		return NULL;
	if (s->user == NULL || s->key.n == 0)
		return "server: this is for agents that were enrolled";
	if (link_agents_worker(agents, s->user) != s->service->worker->worker.index)
		return "server: the request lacks the header " MANAGED_HEADER
		       " with the agent's label; a proxy in between has to pass it on";
	return NULL;
}
