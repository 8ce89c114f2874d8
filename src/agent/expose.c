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
	struct expose_options o; /* without the service */
	struct log log;
	enum expose_state state;
	struct service *service;
	struct list services; /* earlier ones, which have visitors */
	struct list relays;   /* struct member */
	struct list visits;   /* struct visit */
	struct expose_statistics statistics;
	struct loop_timer *timer; /* set in EXPOSE_LEAVING */
	struct loop_deferred ended;
};

/* A forward, with what it borrows. */
struct service {
	struct list in_expose;
	struct forward *forward;
	struct http_routes routes;
	struct access access;
	unsigned visits; /* and it stays for them */
};

/* A relay of the exposure, also one whose session has ended. */
struct member {
	struct list in_expose;
	struct expose *expose;         /* borrowed: it frees us */
	struct agent_session *session; /* NULL: ended for good */
	char *relay;                   /* canonical */
	uint64_t published; /* a digest of the last URL and TCP address; 0: none */
	bool is_wanted;     /* false: it is being unregistered */
	bool is_banned;     /* it ended because the relay intercepts TLS */
	struct why error;   /* why it has ended */
};

/* A visitor that is being served. */
struct visit {
	struct list in_expose;
	struct expose *expose; /* borrowed: it frees us */
	struct member *member; /* borrowed; NULL after it is freed */
	struct service *service;
	uint64_t number, since_ms;
	struct forward_visit *forward; /* borrowed: until visit_on_closed() */
};

/* ---- the end ---- */

static void expose_on_end(void *arg)
{
	struct expose *e = arg;

	e->state = EXPOSE_ENDED;
	loop_timer_stop(e->timer);
	e->o.hooks->on_ended(e->o.owner);
}

/* Without sessions it ends; in EXPOSE_LEAVING it waits for visitors first. */
static void expose_check_end(struct expose *e)
{
	struct list *it, *tmp;

	if (e->state == EXPOSE_ENDED ||
		(e->state == EXPOSE_LEAVING && !list_is_empty(&e->visits)))
		return;
	list_each(it, tmp, &e->relays)
		if (list_object(it, struct member, in_expose)->session != NULL)
			return;
	loop_defer(e->o.worker->loop, &e->ended);
}

static void expose_on_timer(void *arg)
{
	struct expose *e = arg;

	loop_defer(e->o.worker->loop, &e->ended);
}

/* ---- services ---- */

static void service_free(struct service *s)
{
	if (s == NULL)
		return;
	list_remove(&s->in_expose);
	forward_free(s->forward);
	http_routes_fini(&s->routes);
	access_fini(&s->access);
	free(s);
}

static enum err service_new(struct expose *e, const struct expose_service *from,
	struct service **out, struct why *why)
{
	struct service *s = mem_new(s);
	struct forward_options f = {
		.worker = e->o.worker,
		.target = from->target,
		.preserves_host = from->preserves_host,
		.head_max = from->head_max,
		.logs_requests = from->logs_requests,
		.log = &e->log,
	};
	enum err rc = ERR_NOMEM;

	if (s != NULL) {
		list_init(&s->in_expose);
		rc = from->routes == NULL ? ERR_OK :
					    http_routes_copy(from->routes, &s->routes);
	}
	if (rc == ERR_OK && from->access != NULL)
		rc = access_copy(from->access, &s->access);
	if (rc != ERR_OK) {
		err_set(why, rc, "out of memory");
	} else {
		f.routes = from->routes != NULL ? &s->routes : NULL;
		f.access = access_is_set(&s->access) ? &s->access : NULL;
		rc = forward_new(&f, &s->forward, why);
	}
	if (rc == ERR_OK)
		*out = s;
	else
		service_free(s);
	return rc;
}

/* ---- visitors ---- */

static void visit_free(struct visit *v)
{
	struct expose *e = v->expose;
	struct service *s = v->service;

	e->statistics.visitors_now--;
	list_remove(&v->in_expose);
	free(v);
	if (--s->visits == 0 && s != e->service)
		service_free(s);
}

static void visit_on_closed(void *arg, const struct forward_end *end)
{
	struct visit *v = arg;
	struct expose *e = v->expose;
	bool has_reason = end->rc != ERR_OK && !end->is_unserved;

	e->statistics.in_bytes += end->from_visitor_bytes;
	e->statistics.out_bytes += end->to_visitor_bytes;
	/* A target that is down concerns the operator; other ends are for debugging. */
	if (end->is_unserved)
		log_limited(LOG_WARN, &e->log, "visitor %llu: not served: %s",
			(unsigned long long)v->number, err_text(end->rc, &end->why));
	log_debug(&e->log, "visitor %llu: gone after %llu ms, %llu B in, %llu B out%s%s",
		(unsigned long long)v->number,
		(unsigned long long)(clock_now_ms() - v->since_ms),
		(unsigned long long)end->from_visitor_bytes,
		(unsigned long long)end->to_visitor_bytes, has_reason ? ": " : "",
		has_reason ? err_text(end->rc, &end->why) : "");
	visit_free(v);
	if (e->o.hooks->on_visited != NULL)
		e->o.hooks->on_visited(e->o.owner, end->is_unserved ? end->rc : ERR_OK,
			&end->why);
	if (e->state == EXPOSE_LEAVING)
		expose_check_end(e);
}

/* Hosts stay until the service is replaced, because visitors may outlive a lease and a
 * relay. */
static void expose_add_hosts(struct expose *e, const struct agent_session_status *s)
{
	const char *port = strrchr(s->tcp, ':');
	char host[URL_HOST_MAX];

	forward_add_host(e->service->forward, s->host, false);
	if (port == NULL || (size_t)(port - s->tcp) >= sizeof(host))
		return;
	memcpy(host, s->tcp, (size_t)(port - s->tcp));
	host[port - s->tcp] = '\0';
	forward_add_host(e->service->forward, host, true);
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
	expose_add_hosts(e, &s);
	v->expose = e;
	v->member = m;
	v->service = e->service;
	v->service->visits++;
	v->number = ++e->statistics.visitors;
	v->since_ms = clock_now_ms();
	e->statistics.visitors_now++;
	list_add(&e->visits, &v->in_expose);
	log_limited(LOG_INFO, &e->log, "visitor %llu: came %sthrough %s",
		(unsigned long long)v->number, f.is_raw ? "by TCP " : "", s.host);
	if (forward_visit_take(e->service->forward, &f, &v->forward) != ERR_OK)
		visit_free(v);
}

/* Visitors of a banned relay are closed at once; other visitors outlive their relay. */
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

static void expose_changed(struct expose *e)
{
	if (e->o.hooks->on_change != NULL)
		e->o.hooks->on_change(e->o.owner);
}

static void expose_on_change(void *owner, struct agent_session *session)
{
	struct member *m = owner;
	struct expose *e = m->expose;
	struct agent_session_status s = agent_session_status(session);
	char published[URL_TEXT_MAX];
	bool is_back;

	expose_changed(e);
	if (s.state != AGENT_OPEN)
		return;
	expose_add_hosts(e, &s);
	snprintf(published, sizeof(published), "%s %s", s.url, s.tcp);
	is_back = m->published == str_digest(published);
	m->published = str_digest(published);
	e->o.hooks->on_open(e->o.owner, m->relay, s.url, s.tcp, is_back);
}

static void member_free(struct member *m)
{
	free(m->relay);
	free(m);
}

static enum err member_join(struct member *m, struct why *why);

static void expose_on_closed(void *owner, struct agent_session *s, enum err rc)
{
	struct member *m = owner;
	struct expose *e = m->expose;
	struct why why = { "" };

	str_copy(m->error.text, sizeof(m->error.text), agent_session_status(s).error);
	m->is_banned = rc == ERR_CRYPTO;
	m->session = NULL;
	agent_session_close(s);
	expose_changed(e);
	expose_drop_visits(e, m, rc == ERR_CRYPTO);
	/* The relay was wanted again before its session had ended. */
	if (rc == ERR_CLOSED && m->is_wanted && e->state == EXPOSE_RUNNING) {
		rc = member_join(m, &why);
		if (rc != ERR_OK)
			log_error(&e->log, "%s: %s", m->relay, err_text(rc, &why));
	} else if (rc == ERR_CLOSED) {
		list_remove(&m->in_expose);
		member_free(m);
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
		.share = e->o.share,
		.wants_tcp = e->o.wants_tcp,
		.bans_mitm = e->o.bans_mitm,
		.keeps_trying = e->o.keeps_trying,
		.visits_itself = e->o.visits_itself,
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
	m->relay = strdup(url);
	rc = m->relay != NULL ? member_join(m, why) :
				err_set(why, ERR_NOMEM, "out of memory");
	if (rc == ERR_OK)
		list_add(&e->relays, &m->in_expose);
	else
		member_free(m);
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
		member_free(m);
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

enum err expose_set_service(struct expose *e, const struct expose_service *service,
	struct why *why)
{
	struct service *old = e->service, *s;
	enum err rc = service_new(e, service, &s, why);
	struct list *it, *tmp;

	if (rc != ERR_OK)
		return rc;
	e->service = s;
	list_add(&e->services, &old->in_expose);
	if (old->visits == 0)
		service_free(old);
	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);
		struct agent_session_status status;

		if (m->session == NULL)
			continue;
		status = agent_session_status(m->session);
		expose_add_hosts(e, &status);
	}
	return ERR_OK;
}

void expose_renew(struct expose *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->relays) {
		struct member *m = list_object(it, struct member, in_expose);

		if (m->session != NULL)
			lease_session_renew(m->session);
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
	struct expose *e = mem_new(e);
	enum err rc;

	if (e == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	e->o = *o;
	log_init(&e->log, o->log, "%s", o->identity->name);
	list_init(&e->services);
	list_init(&e->relays);
	list_init(&e->visits);
	loop_deferred_init(&e->ended, expose_on_end, e);
	rc = loop_timer_open(o->worker->loop, expose_on_timer, e, &e->timer);
	if (rc == ERR_OK)
		rc = service_new(e, &o->service, &e->service, why);
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
		member_free(m);
	}
	expose_drop_visits(e, NULL, true);
	service_free(e->service);
	loop_timer_close(e->timer);
	free(e);
}

struct expose_statistics expose_statistics(const struct expose *e)
{
	struct expose_statistics s = e->statistics;
	struct list *it, *tmp;

	list_each(it, tmp, &e->visits) {
		const struct visit *v = list_object(it, struct visit, in_expose);
		struct forward_end now = forward_visit_progress(v->forward);

		s.in_bytes += now.from_visitor_bytes;
		s.out_bytes += now.to_visitor_bytes;
	}
	return s;
}

bool expose_relay(const struct expose *e, unsigned i, struct expose_relay *out)
{
	const struct member *m;
	struct list *it = e->relays.next;

	while (it != &e->relays && i-- > 0)
		it = it->next;
	if (it == &e->relays)
		return false;
	m = list_object(it, struct member, in_expose);
	*out = (struct expose_relay){
		.url = m->relay,
		.is_closed = m->session == NULL,
		.is_banned = m->is_banned,
		.is_wanted = m->is_wanted,
		.error = m->error.text,
	};
	if (m->session != NULL) {
		out->session = agent_session_status(m->session);
		out->error = out->session.error;
		out->is_open = out->session.state == AGENT_OPEN && out->error[0] == '\0';
		out->statistics = lease_session_statistics(m->session);
	}
	return true;
}

/* ---- metrics ---- */

/* For each relay, in the order of the values in put_relay(). */
static const struct relay_metric {
	const char *name, *type, *help;
} metrics[] = {
	{ "adit_expose_open", "gauge", "1 while there is a lease at the relay" },
	{ "adit_expose_ready_sessions", "gauge", "Idle reverse sessions" },
	{ "adit_expose_registrations_total", "counter", "Leases that the relay granted" },
	{ "adit_expose_visitors_total", "counter",
		"Visitors that connected through the relay" },
	{ "adit_expose_handshakes_failed_total", "counter",
		"Visitors whose TLS handshake failed" },
	{ "adit_expose_signatures_total", "counter", "Handshakes that the relay signed" },
	{ "adit_expose_signatures_failed_total", "counter",
		"Handshakes that the relay did not sign" },
};

/* A canonical URL has no quotes and no backslashes. */
static void put_relay(struct buf *out, const struct agent_session *s, size_t metric)
{
	const struct lease_session_statistics f = lease_session_statistics(s);
	const uint64_t values[] = { f.is_open, f.ready, f.registrations, f.visitors,
		f.handshakes_failed, f.signer.signatures, f.signer.failures };

	buf_printf(out, "%s{relay=\"%s\"} %llu\n", metrics[metric].name,
		agent_session_status(s).peer, (unsigned long long)values[metric]);
}

static void metrics_on_put(void *arg, struct buf *out)
{
	const struct expose *e = arg;
	const struct expose_statistics s = expose_statistics(e);
	const struct metric totals[] = {
		{ "adit_expose_all_visitors_total", "counter", "Visitors so far",
			s.visitors },
		{ "adit_expose_all_visitors", "gauge", "Visitors that are being served",
			s.visitors_now },
		{ "adit_expose_received_bytes_total", "counter",
			"Bytes received from visitors", s.in_bytes },
		{ "adit_expose_sent_bytes_total", "counter", "Bytes sent to visitors",
			s.out_bytes },
	};
	struct list *it, *tmp;

	for (size_t i = 0; i < mem_count(totals); i++)
		metric_put(out, &totals[i]);
	for (size_t i = 0; i < mem_count(metrics); i++) {
		metric_put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
		list_each(it, tmp, &e->relays) {
			struct member *m = list_object(it, struct member, in_expose);

			if (m->session != NULL)
				put_relay(out, m->session, i);
		}
	}
}

enum err expose_open_metrics(struct expose *e, const struct addr_listen *addr,
	struct http_metrics **out, struct why *why)
{
	struct http_metrics_options o = {
		.loop = e->o.worker->loop,
		.pool = &e->o.worker->blocks,
		.host = addr->host,
		.port = addr->port,
		.put = metrics_on_put,
		.arg = e,
	};
	struct why words = { "" };
	enum err rc = http_metrics_open(&o, out, &words);

	if (rc != ERR_OK)
		err_set(why, rc, "--metrics-addr: %s", err_text(rc, &words));
	return rc;
}
