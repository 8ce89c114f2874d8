/*
 * An agent's session with one relay.
 *
 * The chain is fetched before registering: it must cover the public name, and a relay on
 * this machine is verified with it.
 */
#include "agent/lease_session.h"

#include <stdio.h>

#include "agent/lease_pool.h"
#include "agent/lease_tls.h"
#include "agent/retry.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "tunnel/portal/registration.h"

#define LEASE_LOOK_MS 5000 /* between two fetches of the chain of an open lease */
#define HTTPS_PORT 443
#define LEASE_VISIT_MS (10 * 60 * 1000) /* between visits to the own name */
#define LEASE_VISIT_FIRST_MS 1000       /* at most, after a change: at random */

enum lease_state {
	LEASE_WAITING,     /* for the time to try again */
	LEASE_FETCHING,    /* the relay's chain of certificates */
	LEASE_REGISTERING, /* up to the lease */
	LEASE_HELD,        /* up to the first reverse session */
	LEASE_OPEN,
	LEASE_LEAVING, /* unregistering */
	LEASE_CLOSED,
};

struct lease_session {
	struct agent_session session;   /* first */
	struct lease_session_options o; /* without @url */
	struct log log;
	enum lease_state state;
	struct relay_peer relay;
	char host[NAMES_HOST_MAX + 1];
	char url[NAMES_HOST_MAX + 32];
	char tcp[MESSAGE_ADDR_MAX];
	char release[MESSAGE_RELEASE_MAX]; /* of the relay */
	struct relay_chain *chain;         /* borrowed: until lease_on_chain() */
	struct registration *registration; /* borrowed: until on_ended */
	struct lease_pool *pool;           /* NULL unless there is a lease */
	bool was_open;
	struct lease_tls tls;
	struct loop_timer *timer; /* the next attempt */
	struct loop_timer *visit; /* the next visit to the own name */
	struct retry retry;
	uint64_t looked_ms;
	struct retry_log renewals; /* failures that were logged */
	struct lease_session_statistics statistics;
};

static enum err lease_begin_fetching(struct lease_session *s, struct why *why);
static enum err lease_begin_registering(struct lease_session *s, struct why *why);
static enum err lease_begin_held(struct lease_session *s, struct why *why);

static const struct lease_rule {
	const char *name;
	enum agent_session_state as;
	enum err (*begin)(struct lease_session *s, struct why *why);
} rules[] = {
	[LEASE_WAITING] = { "waiting", AGENT_WAITING, NULL },
	[LEASE_FETCHING] = { "fetching the chain", AGENT_CONNECTING,
		lease_begin_fetching },
	[LEASE_REGISTERING] = { "registering", AGENT_CONNECTING,
		lease_begin_registering },
	[LEASE_HELD] = { "registered", AGENT_CONNECTING, lease_begin_held },
	[LEASE_OPEN] = { "open", AGENT_OPEN, NULL },
	[LEASE_LEAVING] = { "leaving", AGENT_LEAVING, NULL },
	[LEASE_CLOSED] = { "closed", AGENT_CLOSED, NULL },
};

static struct lease_session *lease_of(const struct agent_session *s)
{
	return mem_container(s, struct lease_session, session);
}

/* ---- changing states ---- */

/* Drops an attempt or a lease; handshakes of visitors go on. */
static void lease_drop(struct lease_session *s)
{
	relay_chain_close(s->chain);
	s->chain = NULL;
	registration_close(s->registration);
	s->registration = NULL;
	lease_pool_close(s->pool);
	s->pool = NULL;
	loop_timer_stop(s->timer);
	loop_timer_stop(s->visit);
}

static void lease_fail(struct lease_session *s, enum err rc, const struct why *why);

static void lease_enter(struct lease_session *s, enum lease_state state)
{
	struct why why = { "" };
	enum err rc = ERR_OK;

	log_debug(&s->log, "%s", rules[state].name);
	s->state = state;
	agent_session_enter(&s->session, rules[state].as);
	if (rules[state].begin != NULL)
		rc = rules[state].begin(s, &why);
	if (rc != ERR_OK)
		lease_fail(s, rc, &why);
}

static void lease_end(struct lease_session *s, enum err rc)
{
	lease_drop(s);
	s->session.end = rc;
	lease_enter(s, LEASE_CLOSED);
}

/* Unregisters, and then ends with @rc. */
static void lease_unregister(struct lease_session *s, enum err rc)
{
	struct registration *r = s->registration;

	if (s->state == LEASE_LEAVING || s->state == LEASE_CLOSED)
		return;
	s->registration = NULL;
	lease_drop(s);
	s->registration = r;
	s->session.end = rc;
	lease_enter(s, LEASE_LEAVING);
	if (r == NULL || !registration_leave(r))
		lease_end(s, rc);
}

static void lease_fail_as(struct lease_session *s, enum retry_kind kind, const char *text)
{
	uint32_t pause;

	retry_log_warn(&s->retry.log, &s->log, text);
	str_copy(s->session.error.text, sizeof(s->session.error.text), text);
	lease_drop(s);
	(void)!retry_fail(&s->retry, kind, &pause); /* there is no limit */
	loop_timer_set(s->timer, pause);
	lease_enter(s, LEASE_WAITING);
	agent_session_plan(&s->session, pause);
}

static void lease_fail(struct lease_session *s, enum err rc, const struct why *why)
{
	lease_fail_as(s, RETRY_TRANSIENT, err_text(rc, why));
}

static void lease_try(void *arg)
{
	struct lease_session *s = arg;

	lease_drop(s);
	lease_tls_reconnect(&s->tls);
	retry_begin(&s->retry);
	lease_enter(s, LEASE_FETCHING);
}

/* ---- the chain of certificates ---- */

static void lease_on_intercepted(void *owner, const struct why *why)
{
	struct lease_session *s = owner;

	if (!s->o.bans_mitm) {
		log_error(&s->log,
			"%s: %s can read what visitors say, and stays in use:"
			" --ban-mitm=false",
			why->text, s->relay.url);
		return;
	}
	log_error(&s->log,
		"%s: %s can read what visitors say, and is banned: nothing is published"
		" there until a restart; --ban-mitm=false keeps it in use",
		why->text, s->relay.url);
	err_set(&s->session.error, ERR_CRYPTO,
		"%.140s: the relay can read what visitors say, and is banned", why->text);
	lease_tls_drop_handshakes(&s->tls);
	lease_unregister(s, ERR_CRYPTO);
}

static void lease_set_token(struct lease_session *s)
{
	struct lease_token token = registration_token(s->registration);

	lease_tls_set_token(&s->tls, &token);
}

static enum err lease_use_chain(struct lease_session *s, struct span pem, struct why *why)
{
	enum err rc = ERR_OK;

	if (lease_tls_shows(&s->tls, pem))
		return ERR_OK;
	if (!tls_pem_covers(pem, s->host))
		return err_set(why, ERR_CRYPTO, "the relay's certificate is not for %s",
			s->host);
	if (s->relay.is_local)
		rc = relay_peer_pin(&s->relay, pem, why);
	if (rc == ERR_OK)
		rc = lease_tls_show(&s->tls, pem, why);
	if (rc == ERR_OK && s->registration != NULL)
		lease_set_token(s);
	return rc;
}

static void lease_on_chain(void *arg, enum err rc, struct span pem, const struct why *why)
{
	struct lease_session *s = arg;
	struct why words = *why;
	bool is_new = !lease_tls_shows(&s->tls, pem);

	s->chain = NULL;
	if (rc == ERR_OK)
		rc = lease_use_chain(s, pem, &words);
	if (s->state == LEASE_FETCHING && rc == ERR_OK)
		lease_enter(s, LEASE_REGISTERING);
	else if (s->pool != NULL && rc == ERR_OK && is_new)
		lease_pool_retry(s->pool);
	else if (s->state == LEASE_FETCHING || !lease_tls_is_open(&s->tls))
		lease_fail(s, rc, &words);
	else if (rc != ERR_OK)
		retry_log_warn(&s->retry.log, &s->log, err_text(rc, &words));
}

static enum err lease_begin_fetching(struct lease_session *s, struct why *why)
{
	s->looked_ms = clock_now_ms();
	return relay_chain_open(s->o.loop, &s->relay, lease_on_chain, s, &s->chain, why);
}

/* Fetches the chain again: the relay may have a new certificate. */
static void lease_look_now(struct lease_session *s)
{
	if (s->pool != NULL && s->chain == NULL)
		(void)!lease_begin_fetching(s, NULL); /* the next failure tries again */
}

/* The relay may have another certificate or key. Visitors cannot make this frequent. */
static void lease_look_again(void *owner)
{
	struct lease_session *s = owner;

	if (clock_now_ms() - s->looked_ms >= LEASE_LOOK_MS)
		lease_look_now(s);
}

static void lease_on_held(void *owner, const struct message_lease *lease)
{
	struct lease_session *s = owner;
	struct why why = { "" };
	enum err rc;

	if (lease->sni_port > 0 && lease->sni_port != HTTPS_PORT)
		snprintf(s->url, sizeof(s->url), "https://%s:%u", s->host,
			(unsigned)lease->sni_port & 0xffff);
	else
		snprintf(s->url, sizeof(s->url), "https://%s", s->host);
	str_copy(s->tcp, sizeof(s->tcp), lease->tcp_enabled ? lease->tcp_addr : "");
	str_copy(s->release, sizeof(s->release), registration_release(s->registration));
	rc = lease_tls_watch(&s->tls, s->relay.is_local ? s->relay.host : s->host,
		lease->sni_port > 0 ? (uint16_t)lease->sni_port : s->relay.port, s->host,
		&why);
	if (rc != ERR_OK) {
		lease_fail(s, rc, &why);
		return;
	}
	lease_set_token(s);
	s->statistics.registrations++;
	lease_enter(s, LEASE_HELD);
}

static void lease_on_renewed(void *owner, const struct stream *tls)
{
	struct lease_session *s = owner;
	struct buf pem;

	if (retry_log_reset(&s->renewals))
		log_info(&s->log, "the lease is renewed again");
	lease_set_token(s);
	lease_pool_set_token(s->pool, registration_token(s->registration).text);
	buf_init(&pem, RELAY_CHAIN_MAX);
	if (tls != NULL && tls_peer_chain(tls, &pem) == ERR_OK && pem.n > 0 &&
		!lease_tls_shows(&s->tls, buf_span(&pem)))
		lease_look_again(s);
	buf_fini(&pem);
}

/* The relay may have a new certificate, which is not accepted yet. */
static void lease_on_renewal_trouble(void *owner, const struct why *why)
{
	struct lease_session *s = owner;

	retry_log_warn(&s->renewals, &s->log, why->text);
	lease_look_again(s);
}

/* Permanent: trying again would take the name from its holder. */
static void lease_refuse(struct lease_session *s, const struct why *why)
{
	if (s->o.keeps_trying) {
		lease_fail_as(s, RETRY_DENIED, why->text);
		return;
	}
	log_error(&s->log, "%s; nothing is published there", why->text);
	lease_end(s, ERR_DENIED);
}

/*
 * A name that this session had can become free again. A name that it never had is left to
 * its holder.
 */
static void lease_on_name_taken(struct lease_session *s, const struct why *why)
{
	struct why words;

	if (s->statistics.registrations == 0 && !s->o.keeps_trying) {
		(void)err_set(&words, ERR_EXISTS, "%s; choose another --name", why->text);
		lease_refuse(s, &words);
		return;
	}
	(void)err_set(&words, ERR_EXISTS, "%s%s: trying again at least every %d s",
		why->text, s->statistics.registrations > 0 ? ", which was ours" : "",
		RETRY_DENIED_MS / 1000);
	lease_fail_as(s, RETRY_TAKEN, words.text);
}

static void lease_on_registration_ended(void *owner, enum registration_end end,
	const struct why *why)
{
	struct lease_session *s = owner;

	s->registration = NULL;
	switch (end) {
	case REGISTRATION_FAILED:
	case REGISTRATION_LOST:
		lease_fail(s, ERR_DENIED, why);
		break;
	case REGISTRATION_REFUSED:
		lease_refuse(s, why);
		break;
	case REGISTRATION_TAKEN:
		lease_on_name_taken(s, why);
		break;
	case REGISTRATION_LEFT:
		lease_end(s, s->session.end);
		break;
	}
}

static const struct registration_hooks registration_hooks = {
	.on_held = lease_on_held,
	.on_renewed = lease_on_renewed,
	.on_trouble = lease_on_renewal_trouble,
	.on_ended = lease_on_registration_ended,
};

static enum err lease_begin_registering(struct lease_session *s, struct why *why)
{
	struct registration_options o = {
		.loop = s->o.loop,
		.relay = &s->relay,
		.identity = s->o.identity,
		.metadata = s->o.metadata,
		.wants_tcp = s->o.wants_tcp,
		.hooks = &registration_hooks,
		.owner = s,
	};

	return registration_open(&o, &s->registration, why);
}

/* ---- visitors ---- */

static void lease_hand_over(struct lease_session *s, const struct lease_visitor *visitor)
{
	s->statistics.visitors++;
	s->o.on_visitor(s->o.owner, &s->session, visitor);
}

static void lease_on_received(void *owner, struct stream *tls, const struct addr *relay)
{
	struct lease_session *s = owner;
	struct lease_visitor visitor = {
		.stream = tls,
		.kind = MARKER_TLS,
		.relay = relay,
	};

	if (s->pool != NULL)
		prober_start(s->tls.prober);
	lease_hand_over(s, &visitor);
}

static const struct lease_tls_hooks tls_hooks = {
	.on_visitor = lease_on_received,
	.on_doubt = lease_look_again,
	.on_intercepted = lease_on_intercepted,
};

static void lease_on_visitor(void *owner, enum marker kind, struct stream *stream,
	const struct addr *relay)
{
	struct lease_session *s = owner;
	struct lease_visitor visitor = {
		.stream = stream,
		.kind = kind,
		.relay = relay,
	};

	if (kind == MARKER_TLS)
		lease_tls_accept_take(&s->tls, stream, relay);
	else
		lease_hand_over(s, &visitor);
}

static void lease_on_pool_trouble(void *owner, enum err rc,
	const struct message_refusal *refusal, const struct why *why)
{
	struct lease_session *s = owner;
	struct why words;

	/* Another agent uses the identity: both would take the lease from each other. */
	if (strcmp(refusal->code, "hostname_conflict") == 0) {
		(void)err_set(&words, ERR_EXISTS,
			"%s: stop one of the two, or give this one an --identity-path"
			" of its own",
			why->text);
		lease_refuse(s, &words);
		return;
	}
	/* The lease is kept: the relay accepts sessions once its operator approves. */
	if (strcmp(refusal->code, "lease_rejected") == 0) {
		(void)err_set(&words, ERR_DENIED,
			"%s: the relay's operator has to approve %s, or has banned it",
			why->text, s->o.identity->address);
		retry_log_warn(&s->retry.log, &s->log, words.text);
		agent_session_note(&s->session, words.text);
		return;
	}
	/* The relay was restarted without its leases or its key: register again. */
	if (strcmp(refusal->code, "lease_not_found") == 0 ||
		strcmp(refusal->code, "unauthorized") == 0) {
		lease_fail(s, rc, why);
	} else {
		retry_log_warn(&s->retry.log, &s->log, err_text(rc, why));
		agent_session_note(&s->session, err_text(rc, why));
	}
	if (rc == ERR_CRYPTO)
		lease_look_now(s); /* the relay has another certificate */
}

static void lease_retry_now(struct agent_session *session, const char *reason,
	bool is_forced);

/* The path may be cut, for the other connections as well. */
static void lease_on_pool_silence(void *owner)
{
	struct lease_session *s = owner;

	lease_retry_now(&s->session, "the relay does not respond", false);
}

/* Open only now: a relay may refuse sessions until its operator approves. */
static void lease_on_pool_ready(void *owner)
{
	struct lease_session *s = owner;

	if (retry_log_reset(&s->retry.log) && s->was_open)
		log_info(&s->log, "public again");
	s->was_open = true;
	if (s->session.error.text[0] != '\0')
		agent_session_note(&s->session, NULL);
	if (s->state != LEASE_HELD)
		return;
	lease_enter(s, LEASE_OPEN);
	if (s->o.visits_itself)
		loop_timer_set(s->visit, rand_below(LEASE_VISIT_FIRST_MS));
}

static void lease_visit(void *arg)
{
	struct lease_session *s = arg;

	prober_start(s->tls.prober);
	loop_timer_set(s->visit, LEASE_VISIT_MS);
}

static const struct lease_pool_hooks pool_hooks = {
	.on_visitor = lease_on_visitor,
	.on_trouble = lease_on_pool_trouble,
	.on_silence = lease_on_pool_silence,
	.on_ready = lease_on_pool_ready,
};

static enum err lease_begin_held(struct lease_session *s, struct why *why)
{
	struct lease_pool_options o = {
		.loop = s->o.loop,
		.relay = &s->relay,
		.token = registration_token(s->registration).text,
		.hooks = &pool_hooks,
		.owner = s,
	};
	enum err rc = lease_pool_open(&o, &s->pool);

	if (rc != ERR_OK)
		return err_set(why, rc, "reverse sessions: %s", err_name(rc));
	retry_succeed(&s->retry);
	(void)retry_log_reset(&s->renewals); /* those of another lease */
	return ERR_OK;
}

/* ---- the interface of a session ---- */

/*
 * An open lease is registered again: some of its idle connections may be dead, and the
 * relay drops them then. An attempt may be stuck on the old path, and is started again;
 * both get a moment first.
 */
static void lease_retry_now(struct agent_session *session, const char *reason,
	bool is_forced)
{
	struct lease_session *s = lease_of(session);
	uint32_t fresh_ms = retry_fresh_ms(&s->retry);

	(void)is_forced;
	if (s->state == LEASE_LEAVING || s->state == LEASE_CLOSED)
		return;
	log_debug(&s->log, "reconnecting: %s", reason);
	retry_reset(&s->retry);
	if (s->state == LEASE_WAITING || fresh_ms == 0)
		lease_try(s);
	else
		loop_timer_set(s->timer, fresh_ms);
}

static void lease_session_leave(struct agent_session *s)
{
	lease_unregister(lease_of(s), ERR_CLOSED);
}

static void lease_session_status(const struct agent_session *session,
	struct agent_session_status *out)
{
	const struct lease_session *s = lease_of(session);

	out->peer = s->relay.url;
	out->host = s->host;
	out->url = s->url;
	out->tcp = s->tcp;
	out->attempts = s->retry.attempts;
	out->visitors = s->statistics.visitors;
	out->peer_version = s->release;
	if (s->registration != NULL)
		out->rtt_us = registration_rtt_us(s->registration);
}

static void lease_session_close(struct agent_session *session)
{
	struct lease_session *s = lease_of(session);

	agent_session_fini(session);
	if (s->visit != NULL)
		lease_drop(s);
	lease_tls_fini(&s->tls);
	loop_timer_close(s->timer);
	loop_timer_close(s->visit);
	relay_peer_fini(&s->relay);
	free(s);
}

static const struct agent_session_ops lease_ops = {
	.retry_now = lease_retry_now,
	.leave = lease_session_leave,
	.close = lease_session_close,
	.status = lease_session_status,
};

/* ---- the whole ---- */

enum err lease_session_open(const struct lease_session_options *o,
	struct agent_session **out, struct why *why)
{
	struct lease_session *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	s->o = *o;
	retry_init(&s->retry,
		&(struct retry_options){
			.limit = -1,
			.max_ms = LEASE_PAUSE_MAX_MS,
			.counts_from_attempt = true,
		});
	lease_tls_init(&s->tls, o->loop, &s->relay, &s->log, &tls_hooks, s);
	agent_session_init(&s->session, o->loop, &lease_ops, o->hooks, o->owner);
	rc = relay_peer_init(&s->relay, o->url, o->share, why);
	if (rc == ERR_OK)
		rc = relay_url_check_host(s->relay.url, why);
	if (rc == ERR_OK)
		rc = names_lease_host(span_str(o->identity->name),
			span_str(s->relay.host), s->host, why);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, lease_try, s, &s->timer);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, lease_visit, s, &s->visit);
	if (rc != ERR_OK) {
		lease_session_close(&s->session);
		return rc;
	}
	log_init(&s->log, o->log, "%s", s->relay.authority);
	if (s->relay.proxy != NULL)
		log_info(&s->log, "connecting through the proxy %s", s->relay.proxy_text);
	loop_timer_set(s->timer, 0);
	*out = &s->session;
	return ERR_OK;
}

void lease_session_renew(struct agent_session *session)
{
	struct lease_session *s = lease_of(session);

	if (s->registration != NULL)
		registration_renew(s->registration);
}

struct lease_session_statistics lease_session_statistics(
	const struct agent_session *session)
{
	const struct lease_session *s = lease_of(session);
	struct lease_session_statistics f = s->statistics;

	f.is_open = s->pool != NULL;
	f.ready = s->pool != NULL ? lease_pool_ready(s->pool) : 0;
	f.handshakes_failed = s->tls.failed;
	f.is_verified = s->tls.is_verified;
	f.visited_ms = s->tls.visited_ms;
	f.certificate_end_s = s->tls.chain_end_s;
	if (s->tls.signer != NULL)
		f.signer = signer_statistics(s->tls.signer);
	return f;
}
