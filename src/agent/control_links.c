/* Changes of links through the control API that are no edits of the file. */
#include "agent/control_priv.h"

#include <string.h>

#include "base/str.h"

static struct agent_link *link_find(const struct agent *a, const char *id)
{
	struct list *it, *tmp;

	list_each(it, tmp, &a->links) {
		struct agent_link_entry *l = list_object(it, struct agent_link_entry,
			in_agent);

		if (strcmp(agent_link_config(l->link)->id, id) == 0)
			return l->link;
	}
	return NULL;
}

/* With the credentials as they are now: setup may have replaced them. */
static void reconnect(void *context, struct api_call *call)
{
	struct control *c = context;
	char id[AGENT_ID_MAX], shown[2 * AGENT_ID_MAX];
	struct agent_link *l = NULL;
	struct why why = { "" };
	enum err rc = ERR_OK;

	if (!api_decode(call->parts[0], API_PATH, id, AGENT_ID_MAX))
		rc = err_set(&why, ERR_SYNTAX, "invalid link id");
	else if ((l = link_find(c->agent, id)) == NULL)
		rc = err_set(&why, ERR_NOENT, "link \"%s\" not found",
			str_quote(shown, sizeof(shown), span_str(id)));
	else if (!agent_link_config(l)->is_managed)
		rc = err_set(&why, ERR_USAGE,
			"link \"%.60s\" is not managed: it reconnects by itself", id);
	else
		agent_link_reopen(l, "the control API was asked to");
	control_finish(call, rc, &why);
}

static const struct api_operation rows[] = {
	{ CONTROL_CHANGE("POST", "links/*/reconnect", reconnect,
		  "reconnect a managed link, with the credentials as they are now"),
		.is_own = true },
};

const struct api_table control_links_table = API_TABLE_OF(rows);
