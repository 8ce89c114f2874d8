/* One tunnel on many relays. */
#include "agent/expose.h"

#include <stdio.h>
#include <string.h>

#include "agent/forward.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

enum expose_state {
	EXPOSE_RUNNING,
	EXPOSE_LEAVING,
	EXPOSE_ENDED,
};

struct expose {
	struct expose_options o;
	struct log log;
	enum expose_state state;
	struct forward *forward;
	struct list relays; /* struct member */
	struct list visits; /* struct visit */
	struct expose_statistics statistics;
	struct loop_timer *timer; /* set while it leaves */
	struct loop_deferred ended;
};

/* A relay of the exposure, also one that is over. */
struct member {
	struct list in_expose;
	struct expose *expose;         /* borrowed: it frees us */
	struct agent_session *session; /* NULL: over for good */
	char relay[URL_TEXT_MAX];      /* in form */
	char said[URL_TEXT_MAX];       /* where the service could be reached last */
	bool is_wanted;                /* else it is being left */
};

/* A visitor who is being served. */
struct visit {
	struct list in_expose;
	struct expose *expose; /* borrowed: it frees us */
	struct member *member; /* borrowed, NULL once that has gone */
	uint64_t number, since_ms;
	struct forward_visit *forward; /* borrowed: until it says that it is over */
};

/* ---- the end ---- */

static bool expose_has_session(const struct expose *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		if (list_object(it, struct member, in_expose)->session != NULL)
			return true;
	}
	return false;
}

static void expose_on_end(void *arg)
{
	struct expose *e = arg;

	e->state = EXPOSE_ENDED;
	loop_timer_stop(e->timer);
	e->o.hooks->on_ended(e->o.owner);
}

/* Leaving waits for visitors, too; to be without relays is an end at once. */
static void expose_check_end(struct expose *e)
{
	if (e->state == EXPOSE_ENDED || expose_has_session(e))
		return;
	if (e->state == EXPOSE_LEAVING && !list_is_empty(&e->visits))
		return;
	loop_defer(e->o.worker->loop, &e->ended);
}

static void expose_on_timer(void *arg)
{
	struct expose *e = arg;

	loop_defer(e->o.worker->loop, &e->ended);
}

/* ---- visitors ---- */

static void visit_free(struct visit *v)
{
	v->expose->statistics.visitors_now--;
	list_remove(&v->in_expose);
	free(v);
}

/* That the target is down is for who runs it; how visitors go is not. */
static void visit_say_end(const struct visit *v, const struct forward_end *end)
{
	const struct log *log = &v->expose->log;
	bool says_why = end->rc != ERR_OK && !end->is_unserved;

	if (end->is_unserved)
		log_limited(LOG_WARN, log, "visitor %llu: not served: %s",
			(unsigned long long)v->number, err_text(end->rc, &end->why));
	log_debug(log, "visitor %llu: gone after %llu ms, %llu B in, %llu B out%s%s",
		(unsigned long long)v->number,
		(unsigned long long)(clock_now_ms() - v->since_ms),
		(unsigned long long)end->from_visitor_bytes,
		(unsigned long long)end->to_visitor_bytes, says_why ? ": " : "",
		says_why ? err_text(end->rc, &end->why) : "");
}

static void visit_on_closed(void *arg, const struct forward_end *end)
{
	struct visit *v = arg;
	struct expose *e = v->expose;

	e->statistics.in_bytes += end->from_visitor_bytes;
	e->statistics.out_bytes += end->to_visitor_bytes;
	visit_say_end(v, end);
	visit_free(v);
	if (e->state == EXPOSE_LEAVING)
		expose_check_end(e);
}

/* They are ours as long as we run: visitors outlive a lease, and a relay. */
static void expose_note_hosts(struct expose *e, const struct agent_session_status *s)
{
	const char *port = strrchr(s->tcp, ':');
	char host[URL_HOST_MAX];

	forward_add_host(e->forward, s->host, false);
	if (port == NULL || (size_t)(port - s->tcp) >= sizeof(host))
		return;
	memcpy(host, s->tcp, (size_t)(port - s->tcp));
	host[port - s->tcp] = '\0';
	forward_add_host(e->forward, host, true);
}

static void expose_on_visitor(void *owner, struct agent_session *session,
	const struct lease_visitor *visitor)
{
	struct member *m = owner;
	struct agent_session_status s = agent_session_status(session);
	struct expose *e = m->expose;
	struct visit *v = mem_new(v);
	struct forward_visitor f = {
		.stream = visitor->stream,
		.peer = visitor->relay,
		.is_raw = visitor->kind == MARKER_RAW,
		.on_closed = visit_on_closed,
		.arg = v,
	};

	if (v == NULL) {
		stream_abort(visitor->stream);
		return;
	}
	expose_note_hosts(e, &s);
	v->expose = e;
	v->member = m;
	v->number = ++e->statistics.visitors;
	v->since_ms = clock_now_ms();
	e->statistics.visitors_now++;
	list_add(&e->visits, &v->in_expose);
	log_limited(LOG_INFO, &e->log, "visitor %llu: came %sthrough %s",
		(unsigned long long)v->number, f.is_raw ? "by TCP " : "", s.host);
	if (forward_visit_take(e->forward, &f, &v->forward) != ERR_OK)
		visit_free(v);
}

/* What came through a relay that is banned goes with it; others outlive their relay. */
static void expose_drop_visits(struct expose *e, const struct member *m, bool is_banned)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->visits) {
		struct visit *v = list_object(it, struct visit, in_expose);

		if (m != NULL && v->member != m)
			continue;
		v->member = NULL;
		if (!is_banned)
			continue;
		forward_visit_close(v->forward);
		visit_free(v);
	}
}

/* ---- relays ---- */

static void expose_on_change(void *owner, struct agent_session *session)
{
	struct member *m = owner;
	struct expose *e = m->expose;
	struct agent_session_status s = agent_session_status(session);
	char said[URL_TEXT_MAX];
	bool is_back;

	if (s.state != AGENT_OPEN)
		return;
	expose_note_hosts(e, &s);
	snprintf(said, sizeof(said), "%s %s", s.url, s.tcp);
	is_back = strcmp(m->said, said) == 0;
	str_copy(m->said, sizeof(m->said), said);
	e->o.hooks->on_open(e->o.owner, m->relay, s.url, s.tcp, is_back);
}

static enum err member_join(struct member *m, struct why *why);

static void expose_on_closed(void *owner, struct agent_session *s, enum err rc)
{
	struct member *m = owner;
	struct expose *e = m->expose;
	struct why why = { "" };

	m->session = NULL;
	agent_session_close(s);
	expose_drop_visits(e, m, rc == ERR_CRYPTO);
	/* It was wanted again before it had been left. */
	if (rc == ERR_CLOSED && m->is_wanted && e->state == EXPOSE_RUNNING) {
		rc = member_join(m, &why);
		if (rc != ERR_OK)
			log_error(&e->log, "%s: %s", m->relay, err_text(rc, &why));
	} else if (rc == ERR_CLOSED) {
		list_remove(&m->in_expose);
		free(m);
	}
	expose_check_end(e);
}

static const struct agent_session_hooks session_hooks = {
	.on_change = expose_on_change,
	.on_closed = expose_on_closed,
};

static enum err member_join(struct member *m, struct why *why)
{
	struct expose *e = m->expose;
	struct lease_session_options o = {
		.loop = e->o.worker->loop,
		.url = m->relay,
		.identity = e->o.identity,
		.metadata = e->o.metadata,
		.log = &e->log,
		.wants_tcp = e->o.wants_tcp,
		.bans_mitm = e->o.bans_mitm,
		.hooks = &session_hooks,
		.on_visitor = expose_on_visitor,
		.owner = m,
	};

	return lease_session_open(&o, &m->session, why);
}

static struct member *expose_find(struct expose *e, const char *relay)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (strcmp(m->relay, relay) == 0)
			return m;
	}
	return NULL;
}

static enum err expose_join(struct expose *e, const char *url, struct why *why)
{
	struct member *m = mem_new(m);
	enum err rc;

	if (m == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	m->expose = e;
	m->is_wanted = true;
	snprintf(m->relay, sizeof(m->relay), "%s", url);
	rc = member_join(m, why);
	if (rc == ERR_OK)
		list_add(&e->relays, &m->in_expose);
	else
		free(m);
	return rc;
}

static void expose_leave_unwanted(struct expose *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (m->is_wanted)
			continue;
		if (m->session != NULL) {
			agent_session_leave(m->session);
			continue;
		}
		expose_drop_visits(e, m, false);
		list_remove(it);
		free(m);
	}
}

enum err expose_set_relays(struct expose *e, const struct relay_urls *relays,
	struct why *why)
{
	struct list *it, *tmp;
	enum err rc = ERR_OK;

	list_each(it, tmp, &e->relays)
		list_object(it, struct member, in_expose)->is_wanted = false;
	for (unsigned i = 0; i < relays->count; i++) {
		struct member *m = expose_find(e, relays->urls[i]);
		enum err one = ERR_OK;

		if (m != NULL)
			m->is_wanted = true;
		else
			one = expose_join(e, relays->urls[i], why);
		if (one != ERR_OK)
			rc = one;
	}
	expose_leave_unwanted(e);
	return rc;
}

/* ---- the whole ---- */

void expose_retry_now(struct expose *e, const char *reason, bool is_forced)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (m->session != NULL)
			agent_session_retry_now(m->session, reason, is_forced);
	}
}

void expose_leave(struct expose *e)
{
	struct list *it, *tmp;

	if (e->state != EXPOSE_RUNNING)
		return;
	e->state = EXPOSE_LEAVING;
	loop_timer_set(e->timer, EXPOSE_LEAVE_MS);
	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (m->session != NULL)
			agent_session_leave(m->session);
	}
	expose_check_end(e);
}

enum err expose_open(const struct expose_options *o, struct expose **out, struct why *why)
{
	struct forward_options f = {
		.worker = o->worker,
		.target = o->target,
		.routes = o->routes,
		.preserves_host = o->preserves_host,
		.head_max = o->head_max,
	};
	struct expose *e = mem_new(e);
	enum err rc;

	if (e == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	e->o = *o;
	log_init(&e->log, o->log, "%s", o->identity->name);
	f.log = &e->log;
	list_init(&e->relays);
	list_init(&e->visits);
	loop_deferred_init(&e->ended, expose_on_end, e);
	rc = loop_timer_open(o->worker->loop, expose_on_timer, e, &e->timer);
	if (rc == ERR_OK)
		rc = forward_new(&f, &e->forward, why);
	if (rc == ERR_OK)
		*out = e;
	else
		expose_close(e);
	return rc;
}

void expose_close(struct expose *e)
{
	struct list *it, *tmp;

	if (e == NULL)
		return;
	loop_undefer(&e->ended);
	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		agent_session_close(m->session);
		list_remove(it);
		free(m);
	}
	expose_drop_visits(e, NULL, true);
	forward_free(e->forward);
	loop_timer_close(e->timer);
	free(e);
}

struct expose_statistics expose_statistics(const struct expose *e)
{
	return e->statistics;
}

void expose_each(const struct expose *e,
	void (*fn)(void *arg, const struct agent_session *s), void *arg)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (m->session != NULL)
			fn(arg, m->session);
	}
}
