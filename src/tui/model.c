/* The model: the agent's status, and what is selected in it. */
#include "tui/model.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

/* ---- drafts ---- */

void model_drop_hops(struct model_draft *d)
{
	for (unsigned i = 0; i < d->hop_count; i++)
		free(d->hops[i]);
	d->hop_count = 0;
	d->has_hops = false;
}

static void draft_free(struct model_draft *d)
{
	list_remove(&d->in_model);
	model_drop_hops(d);
	form_fini(&d->settings);
	free(d->id);
	free(d);
}

static struct model_draft *find_draft(const struct model *m, const char *id)
{
	struct list *it, *tmp;

	list_each(it, tmp, &m->drafts) {
		struct model_draft *d = list_object(it, struct model_draft, in_model);

		if (strcmp(d->id, id) == 0)
			return d;
	}
	return NULL;
}

static bool draft_is_changed(const struct model_draft *d)
{
	return d->has_hops || form_count_changed(&d->settings) > 0;
}

/* Drops drafts from the oldest on; those with changes only if there is no other. */
static void bound_drafts(struct model *m)
{
	struct list *it, *tmp;
	unsigned n = 0, round;

	for (round = 0; round < 2; round++) {
		n = 0;
		list_each(it, tmp, &m->drafts) {
			n++;
		}
		list_each(it, tmp, &m->drafts) {
			struct model_draft *d = list_object(it, struct model_draft,
				in_model);

			if (n < MODEL_DRAFTS_MAX)
				return;
			if (round == 1 || !draft_is_changed(d)) {
				draft_free(d);
				n--;
			}
		}
	}
}

struct model_draft *model_draft(struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);
	struct model_draft *d = t != NULL ? find_draft(m, t->id) : NULL;

	if (t == NULL || d != NULL)
		return d;
	bound_drafts(m);
	d = mem_new(d);
	if (d == NULL)
		return NULL;
	list_init(&d->in_model);
	d->id = strdup(t->id);
	if (d->id == NULL || change_fill_settings(&d->settings, t) != ERR_OK) {
		draft_free(d);
		return NULL;
	}
	list_add(&m->drafts, &d->in_model);
	return d;
}

const struct model_draft *model_peek_draft(const struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);

	return t != NULL ? find_draft(m, t->id) : NULL;
}

unsigned model_hops(const struct model *m, char *const **out)
{
	const struct status_tunnel *t = model_tunnel(m);
	const struct model_draft *d = model_peek_draft(m);

	*out = NULL;
	if (t == NULL)
		return 0;
	if (d != NULL && d->has_hops) {
		*out = d->hops;
		return d->hop_count;
	}
	*out = t->multi_hop.v;
	return t->multi_hop.n;
}

static bool is_same_route(const struct model_draft *d, const struct status_tunnel *t)
{
	bool is_same = d->hop_count == t->multi_hop.n;

	for (unsigned i = 0; is_same && i < d->hop_count; i++)
		is_same = strcmp(d->hops[i], t->multi_hop.v[i]) == 0;
	return is_same;
}

/* Lines that nobody changed follow the agent; drafts of tunnels that are gone go. */
static void rebase_drafts(struct model *m)
{
	struct list *it, *tmp;

	list_each(it, tmp, &m->drafts) {
		struct model_draft *d = list_object(it, struct model_draft, in_model);
		const struct status_tunnel *t = NULL;

		for (unsigned i = 0; i < m->status.tunnels.n && t == NULL; i++)
			if (strcmp(status_tunnel(&m->status, i)->id, d->id) == 0)
				t = status_tunnel(&m->status, i);
		if (t == NULL || change_fill_settings(&d->settings, t) != ERR_OK)
			draft_free(d);
		else if (d->has_hops && is_same_route(d, t))
			model_drop_hops(d);
	}
}

/* ---- the history of traffic ---- */

static struct model_history *find_history(const struct model *m, const char *id)
{
	struct map_node *node = map_find(&m->history, span_str(id));

	return node != NULL ? map_object(node, struct model_history, in_map) : NULL;
}

const struct model_history *model_history(const struct model *m, const char *id)
{
	return find_history(m, id);
}

static void history_free(struct model *m, struct model_history *h)
{
	map_remove(&m->history, &h->in_map);
	free(h->id);
	free(h);
}

static struct model_history *new_history(struct model *m, const char *id)
{
	struct model_history *h = mem_new(h);

	if (h == NULL)
		return NULL;
	h->id = strdup(id);
	if (h->id == NULL) {
		free(h);
		return NULL;
	}
	map_add(&m->history, &h->in_map, span_str(h->id));
	return h;
}

static void history_add(struct model_history *h, uint32_t in, uint32_t out)
{
	if (h->count == MODEL_SAMPLES) {
		h->count--;
		memmove(h->in, h->in + 1, h->count * sizeof(h->in[0]));
		memmove(h->out, h->out + 1, h->count * sizeof(h->out[0]));
	}
	h->in[h->count] = in;
	h->out[h->count] = out;
	h->count++;
	h->total++;
}

static uint32_t rate(int64_t now, int64_t before, uint64_t elapsed_ms)
{
	uint64_t bytes = (uint64_t)(now - before);

	if (bytes > UINT64_MAX / 1000)
		return MODEL_UNKNOWN - 1;
	bytes = bytes * 1000 / elapsed_ms;
	return bytes < MODEL_UNKNOWN ? (uint32_t)bytes : MODEL_UNKNOWN - 1;
}

/* Counters that went back are those of an agent that was started again. */
static void sample(struct model *m, const struct status_tunnel *t)
{
	struct model_history *h = find_history(m, t->id);

	if (h == NULL)
		h = new_history(m, t->id);
	if (h == NULL || m->now_ms <= h->at_ms)
		return;
	if (h->at_ms != 0 && t->received_bytes >= h->received && h->received >= 0 &&
		t->sent_bytes >= h->sent && h->sent >= 0)
		history_add(h, rate(t->received_bytes, h->received, m->now_ms - h->at_ms),
			rate(t->sent_bytes, h->sent, m->now_ms - h->at_ms));
	else if (h->at_ms != 0)
		history_add(h, MODEL_UNKNOWN, MODEL_UNKNOWN);
	h->received = t->received_bytes;
	h->sent = t->sent_bytes;
	h->at_ms = m->now_ms;
}

static void sample_all(struct model *m)
{
	struct map_node *it, *tmp;

	if (!status_is_ours(&m->status))
		return;
	for (unsigned i = 0; i < m->status.tunnels.n; i++)
		sample(m, status_tunnel(&m->status, i));
	map_each(it, tmp, &m->history)
	{
		struct model_history *h = map_object(it, struct model_history, in_map);

		if (h->at_ms != m->now_ms)
			history_free(m, h);
	}
}

/* ---- made, and freed ---- */

void model_init(struct model *m)
{
	*m = (struct model){ .contact = MODEL_CONNECTING };
	map_init(&m->history);
	list_init(&m->drafts);
}

static void line_fini(struct model_line *l)
{
	free(l->at);
	free(l->level);
	free(l->text);
	*l = (struct model_line){ .n = 0 };
}

void model_close_dialog(struct model *m)
{
	m->dialog = MODEL_NO_DIALOG;
	m->is_dialog_sent = false;
	form_fini(&m->dialog_form);
	free(m->dialog_id);
	m->dialog_id = NULL;
}

void model_fini(struct model *m)
{
	struct map_node *node, *next;
	struct list *it, *tmp;

	list_each(it, tmp, &m->drafts) {
		draft_free(list_object(it, struct model_draft, in_model));
	}
	map_each(node, next, &m->history)
	{
		history_free(m, map_object(node, struct model_history, in_map));
	}
	map_fini(&m->history);
	for (unsigned i = 0; i < MODEL_LOG_MAX; i++)
		line_fini(&m->log[i]);
	model_close_dialog(m);
	change_free(m->undo);
	free(m->tunnel_id);
	free(m->wanted);
	field_fini(&status_fields, &m->status);
}

/* ---- what the agent says ---- */

static void remember_selected(struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);

	free(m->tunnel_id);
	m->tunnel_id = t != NULL ? strdup(t->id) : NULL;
}

/* Follows the selected tunnel, or takes the one that has come to its place. */
static void find_selected(struct model *m)
{
	bool is_on_add = m->tunnel_id == NULL;
	unsigned n = m->status.tunnels.n, at = m->tunnel_at;

	for (unsigned i = 0; i < n; i++) {
		const struct status_tunnel *t = status_tunnel(&m->status, i);
		bool is_wanted = m->wanted != NULL &&
			(strcmp(t->id, m->wanted) == 0 ||
				(t->name != NULL && strcmp(t->name, m->wanted) == 0));

		if (is_wanted) {
			free(m->wanted);
			m->wanted = NULL;
			model_select_tunnel(m, i);
			return;
		}
		if (!is_on_add && strcmp(t->id, m->tunnel_id) == 0)
			at = i;
	}
	if (is_on_add || n == 0)
		at = n;
	else if (at >= n)
		at = n - 1;
	m->tunnel_at = at;
	remember_selected(m);
}

/* Relays may come in another order. */
static void find_relay(struct model *m, const char *url)
{
	const struct status_tunnel *t = model_tunnel(m);

	for (unsigned i = 0; t != NULL && url != NULL && i < t->relays.n; i++)
		if (strcmp(status_relay(t, i)->relay_url, url) == 0)
			m->relay_at = i;
}

static void bound_selection(struct model *m)
{
	for (int pane = 0; pane < MODEL_PANES; pane++) {
		unsigned n = model_rows(m, (enum model_pane)pane);

		if (model_at(m, (enum model_pane)pane) >= n)
			model_select(m, (enum model_pane)pane, n > 0 ? n - 1 : 0);
	}
	if (!model_has_pane(m, m->pane))
		m->pane = MODEL_TUNNELS;
}

void model_take_status(struct model *m, struct status *s)
{
	bool is_first = m->contact == MODEL_CONNECTING || m->contact == MODEL_ABSENT;
	bool is_back = m->contact == MODEL_GONE;
	bool is_restarted = !is_first &&
		(s->pid != m->status.pid || s->started_at.s != m->status.started_at.s);
	const struct status_relay *r = model_relay(m);
	char *relay = r != NULL ? strdup(r->relay_url) : NULL;
	unsigned tunnel_at = m->tunnel_at;

	field_fini(&status_fields, &m->status);
	m->status = *s;
	m->contact = MODEL_LIVE;
	if (is_first)
		m->tunnel_id = m->status.tunnels.n > 0 ?
			strdup(status_tunnel(&m->status, 0)->id) :
			NULL;
	find_selected(m);
	find_relay(m, relay);
	free(relay);
	if (m->tunnel_at != tunnel_at)
		m->confirm_key = 0;
	rebase_drafts(m);
	sample_all(m);
	bound_selection(m);
	if (is_restarted) {
		m->log_next = 0;
		m->has_no_log_api = false;
	}
	if (is_back || is_restarted)
		model_say(m, MODEL_NEUTRAL, "the agent is running again");
}

void model_lose(struct model *m, const char *why)
{
	if (m->contact == MODEL_LIVE) {
		m->contact = MODEL_GONE;
		m->gone_ms = m->now_ms;
		m->message[0] = '\0';
	} else if (m->contact == MODEL_CONNECTING) {
		m->contact = MODEL_ABSENT;
		m->gone_ms = m->now_ms;
	}
	str_copy(m->gone_why, sizeof(m->gone_why), why);
}

void model_take_result(struct model *m, struct change *c, const char *why)
{
	bool is_of_dialog = c->closes_dialog && m->is_dialog_sent;

	if (is_of_dialog)
		m->is_dialog_sent = false;
	if (why != NULL) {
		model_say(m, MODEL_BAD, "cannot %s: %s", c->doing, why);
		change_free(c);
		return;
	}
	if (is_of_dialog)
		model_close_dialog(m);
	if (c->selects != NULL) {
		free(m->wanted);
		m->wanted = c->selects;
		c->selects = NULL;
	}
	change_free(m->undo);
	m->undo = c->undo;
	c->undo = NULL;
	model_say(m, MODEL_GOOD, "%s%s", c->done, m->undo != NULL ? "; u undoes it" : "");
	change_free(c);
}

/* ---- what is selected ---- */

const struct status_tunnel *model_tunnel(const struct model *m)
{
	return m->tunnel_at < m->status.tunnels.n ?
		status_tunnel(&m->status, m->tunnel_at) :
		NULL;
}

const struct status_relay *model_relay(const struct model *m)
{
	const struct status_tunnel *t = model_tunnel(m);

	return t != NULL && m->relay_at < t->relays.n ? status_relay(t, m->relay_at) :
							NULL;
}

const struct status_link *model_link(const struct model *m)
{
	return m->link_at < m->status.links.n ? status_link(&m->status, m->link_at) :
						NULL;
}

bool model_is_live(const struct model *m)
{
	return m->contact == MODEL_LIVE;
}

bool model_has_pane(const struct model *m, enum model_pane pane)
{
	return pane < MODEL_PANES && (pane != MODEL_LINKS || m->status.links.n > 0);
}

const char *model_pane_name(enum model_pane pane)
{
	static const char *const names[MODEL_PANES] = { "Tunnels", "Settings", "Relays",
		"Multi-hop", "Links", "Log" };

	return names[pane];
}

void model_select_tunnel(struct model *m, unsigned at)
{
	if (at != m->tunnel_at) {
		m->relay_at = 0;
		m->is_editing = false;
	}
	m->tunnel_at = at;
	remember_selected(m);
}

unsigned model_rows(const struct model *m, enum model_pane pane)
{
	const struct status_tunnel *t = model_tunnel(m);

	switch (pane) {
	case MODEL_TUNNELS:
		return m->status.tunnels.n + 1;
	case MODEL_SETTINGS:
		return t != NULL ? CHANGE_SETTINGS : 0;
	case MODEL_RELAYS:
	case MODEL_HOPS: /* the relays that can be added */
		return t != NULL ? t->relays.n : 0;
	case MODEL_LINKS:
		return m->status.links.n;
	default:
		return m->log_count;
	}
}

unsigned model_at(const struct model *m, enum model_pane pane)
{
	const struct model_draft *d = model_peek_draft(m);

	switch (pane) {
	case MODEL_TUNNELS:
		return m->tunnel_at;
	case MODEL_SETTINGS:
		return d != NULL ? d->settings.focus : 0;
	case MODEL_RELAYS:
	case MODEL_HOPS:
		return m->relay_at;
	case MODEL_LINKS:
		return m->link_at;
	default:
		return m->log_count > m->log_back ? m->log_count - 1 - m->log_back : 0;
	}
}

void model_select(struct model *m, enum model_pane pane, unsigned at)
{
	unsigned n = model_rows(m, pane);
	struct model_draft *d;

	if (n > 0 && at >= n)
		at = n - 1;
	switch (pane) {
	case MODEL_TUNNELS:
		model_select_tunnel(m, at);
		break;
	case MODEL_SETTINGS:
		d = model_draft(m);
		if (d != NULL && d->settings.focus != at) {
			d->settings.focus = at;
			m->is_editing = false;
		}
		break;
	case MODEL_RELAYS:
	case MODEL_HOPS:
		m->relay_at = at;
		break;
	case MODEL_LINKS:
		m->link_at = at;
		break;
	default:
		m->log_back = n > 0 ? n - 1 - at : 0;
		break;
	}
}

void model_say(struct model *m, enum model_tone tone, const char *fmt, ...)
{
	va_list args;

	m->tone = tone;
	va_start(args, fmt);
	vsnprintf(m->message, sizeof(m->message), fmt, args);
	va_end(args);
}
