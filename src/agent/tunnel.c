/* A tunnel of an agent's config. */
#include "agent/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/default_relays.h"
#include "agent/retry.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

struct tunnel {
	struct tunnel_options o;
	struct tunnel_config c; /* owned */
	struct log log;
	char *identity_path;
	struct identity identity;
	int claim; /* of the identity; -1: none */
	bool has_identity;
	struct relay_urls relays;         /* those that are wanted now */
	struct relay_urls disconnected;   /* by tunnel_disconnect(): no longer wanted */
	struct expose *expose;            /* NULL: it cannot run now */
	struct expose_statistics earlier; /* of exposures that were closed */
	struct target_health *target;
	struct loop_timer *timer; /* the next attempt to run */
	struct retry retry;
	struct loop_deferred ended;
	bool is_leaving, has_told_discovery;
	bool is_banned;   /* all relays are gone, and one for interception */
	struct why error; /* why it cannot run */
	enum agent_state state;
	uint64_t since_ms, next_ms;
};

static void tunnel_run(void *arg);

/* ---- state ---- */

/* The relays together: how many are wanted and open, and the first failure. */
struct sum {
	unsigned wanted, open, verified;
	uint64_t next_ms;
	const char *error, *url;
};

static struct sum tunnel_sum(const struct tunnel *t)
{
	struct sum sum = { .error = "", .url = "" };
	struct expose_relay r;

	for (unsigned i = 0; t->expose != NULL && expose_relay(t->expose, i, &r); i++) {
		sum.wanted += r.is_wanted;
		sum.open += r.is_open;
		sum.verified += r.is_open && r.statistics.is_verified;
		if (!r.is_open && r.error[0] != '\0' && sum.error[0] == '\0') {
			sum.error = r.error;
			sum.url = r.url;
		}
		if (!r.is_closed && r.session.next_ms != 0 &&
			(sum.next_ms == 0 || r.session.next_ms < sum.next_ms))
			sum.next_ms = r.session.next_ms;
	}
	return sum;
}

static enum agent_state state_of(const struct tunnel *t, const struct sum *sum)
{
	if (t->is_leaving)
		return AGENT_STATE_STOPPED;
	if (t->expose == NULL)
		return AGENT_STATE_ERROR;
	if (sum->open > 0)
		return AGENT_STATE_RUNNING;
	return sum->error[0] != '\0' ? AGENT_STATE_ERROR : AGENT_STATE_STARTING;
}

/* Notes when the state changed. */
static void tunnel_update(struct tunnel *t)
{
	struct sum sum = tunnel_sum(t);
	enum agent_state state = state_of(t, &sum);

	if (state == t->state)
		return;
	t->state = state;
	t->since_ms = clock_now_ms();
}

static void tunnel_fail(struct tunnel *t, enum err rc, const struct why *why)
{
	uint32_t pause;

	err_set(&t->error, rc, "%s", err_text(rc, why));
	retry_log_warn(&t->retry.log, &t->log, t->error.text);
	(void)!retry_fail(&t->retry, RETRY_TRANSIENT, &pause); /* there is no limit */
	loop_timer_set(t->timer, pause);
	t->next_ms = clock_now_ms() + pause;
	tunnel_update(t);
}

/* ---- hooks of the exposure ---- */

static void on_open(void *owner, const char *relay, const char *url, const char *tcp,
	bool is_back)
{
	struct tunnel *t = owner;
	struct why why = { "" };

	if (is_back) {
		log_debug(&t->log, "%s: another lease of %s", relay, url);
		return;
	}
	log_info(&t->log, "public at %s%s%s", url, tcp[0] != '\0' ? " and tcp://" : "",
		tcp);
	if (identity_file_keep_name(t->identity_path, &t->identity, &why) != ERR_OK)
		log_warn(&t->log, "identity file: the name was not stored: %s", why.text);
}

static void on_change(void *owner)
{
	tunnel_update(owner);
}

static void on_visited(void *owner, enum err rc, const struct why *why)
{
	struct tunnel *t = owner;

	target_health_note(t->target, rc, why);
}

static void drop_expose(struct tunnel *t)
{
	struct expose_statistics s;

	if (t->expose == NULL)
		return;
	s = expose_statistics(t->expose);
	t->earlier.visitors += s.visitors;
	t->earlier.in_bytes += s.in_bytes;
	t->earlier.out_bytes += s.out_bytes;
	expose_close(t->expose);
	t->expose = NULL;
}

/* Outside of leaving: each relay is banned or disconnected. */
static void on_ended(void *owner)
{
	struct tunnel *t = owner;
	struct sum sum = tunnel_sum(t);
	struct expose_relay r;

	if (t->is_leaving) {
		loop_defer(t->o.worker->loop, &t->ended);
		return;
	}
	for (unsigned i = 0; expose_relay(t->expose, i, &r); i++)
		t->is_banned = t->is_banned || r.is_banned;
	if (sum.error[0] != '\0')
		err_set(&t->error, ERR_DENIED, "%s: %s", sum.url, sum.error);
	else
		err_set(&t->error, ERR_NOENT, "no relay is left: connect one");
	drop_expose(t);
	tunnel_update(t);
}

/* ---- running ---- */

static enum err take_identity(struct tunnel *t, struct why *why)
{
	struct identity_source source = {
		.kind = IDENTITY_CLIENT,
		.path = t->identity_path,
		.json = t->c.lease.identity_json,
		.name = t->c.lease.name,
		.is_name_provisional = true,
	};
	enum err rc = t->has_identity ? ERR_OK :
					identity_obtain(&source, &t->identity, why);

	if (rc != ERR_OK || t->claim >= 0)
		return rc;
	t->has_identity = true;
	if (identity_claim(&t->identity, &t->claim) != ERR_EXISTS)
		return ERR_OK;
	close(t->claim);
	t->claim = -1;
	return err_set(why, ERR_EXISTS,
		"another tunnel or program on this machine publishes as %s with the same"
		" identity: stop it, or use another name or identity_path",
		t->identity.name);
}

static enum err choose_relays(struct tunnel *t, struct why *why)
{
	const struct relay_urls *given = &t->c.relays;
	unsigned max = (unsigned)t->c.place.max_active_relays;
	enum err rc = ERR_OK;

	relay_urls_fini(&t->relays);
	relay_urls_fini(&t->disconnected);
	for (unsigned i = 0; i < given->count && rc == ERR_OK; i++)
		rc = relay_urls_add(&t->relays, span_str(given->urls[i]), why);
	for (unsigned i = 0; t->c.place.has_discovery && given->count == 0 && i < max &&
		default_relays[i] != NULL && rc == ERR_OK;
		i++)
		rc = relay_urls_add(&t->relays, span_str(default_relays[i]), why);
	if (rc == ERR_OK && t->relays.count == 0)
		rc = err_set(why, ERR_NOENT,
			"there is no relay to publish on: write relays ="
			" [\"https://relay.example.com\"]");
	return rc;
}

static struct expose_service service_of(const struct tunnel_config *c)
{
	bool has_routes = c->routes.count > 0;

	return (struct expose_service){
		.target = has_routes ? NULL : &c->target,
		.routes = has_routes ? &c->routes : NULL,
		.preserves_host = c->service.preserves_host,
		.access = &c->service.access,
	};
}

static enum err open_expose(struct tunnel *t, struct why *why)
{
	static const struct expose_hooks hooks = {
		.on_open = on_open,
		.on_change = on_change,
		.on_visited = on_visited,
		.on_ended = on_ended,
	};
	struct expose_options o = {
		.worker = t->o.worker,
		.service = service_of(&t->c),
		.identity = &t->identity,
		.metadata = &t->c.metadata,
		/* which adds the identity's name */
		.log = strcmp(t->c.id, t->identity.name) == 0 ? t->o.log : &t->log,
		.share = t->o.share,
		.wants_tcp = t->c.lease.has_tcp,
		.bans_mitm = t->c.lease.bans_mitm,
		.keeps_trying = true,
		.visits_itself = true,
		.hooks = &hooks,
		.owner = t,
	};
	enum err rc = expose_open(&o, &t->expose, why);

	if (rc == ERR_OK)
		rc = expose_set_relays(t->expose, &t->relays, why);
	if (rc != ERR_OK)
		drop_expose(t);
	return rc;
}

static void tunnel_run(void *arg)
{
	struct tunnel *t = arg;
	struct why why = { "" };
	enum err rc;

	if (t->c.fault.text[0] != '\0') {
		t->error = t->c.fault;
		log_error(&t->log, "%s", t->error.text);
		tunnel_update(t);
		return;
	}
	t->next_ms = 0;
	t->is_banned = false;
	retry_begin(&t->retry);
	rc = take_identity(t, &why);
	if (rc == ERR_OK)
		rc = open_expose(t, &why);
	if (rc != ERR_OK) {
		tunnel_fail(t, rc, &why);
		return;
	}
	retry_succeed(&t->retry);
	(void)retry_log_reset(&t->retry.log);
	t->error.text[0] = '\0';
	tunnel_update(t);
}

/* Begins with the relays of the config. */
static void tunnel_begin(struct tunnel *t)
{
	struct why why = { "" };

	if (t->c.fault.text[0] == '\0')
		target_health_watch(t->target, &t->c.target, &t->c.routes);
	if (t->c.fault.text[0] != '\0' || choose_relays(t, &why) == ERR_OK) {
		tunnel_run(t);
		return;
	}
	t->error = why;
	log_error(&t->log, "%s", t->error.text);
	tunnel_update(t);
}

/* ---- changes ---- */

static void take_config(struct tunnel *t, struct tunnel_config *config)
{
	tunnel_config_fini(&t->c);
	t->c = *config;
	*config = (struct tunnel_config){ .id = NULL };
}

static void apply_service(struct tunnel *t)
{
	struct expose_service service = service_of(&t->c);
	struct why why = { "" };

	target_health_watch(t->target, &t->c.target, &t->c.routes);
	if (expose_set_service(t->expose, &service, &why) != ERR_OK)
		log_error(&t->log, "the service did not change: %s", why.text);
}

static void apply_relays(struct tunnel *t)
{
	struct why why = { "" };

	if (choose_relays(t, &why) == ERR_OK &&
		expose_set_relays(t->expose, &t->relays, &why) == ERR_OK)
		return;
	log_error(&t->log, "relays: %s", why.text);
}

/* Another file may have the same identity: see agent/identity_place.h. */
static bool has_same_identity(const struct tunnel *t, const struct tunnel_config *config,
	const char *path)
{
	struct identity_source source = {
		.kind = IDENTITY_CLIENT,
		.path = path,
		.json = config->lease.identity_json,
		.name = config->lease.name,
		.is_name_provisional = true,
	};
	struct identity next;
	bool is_same;

	if (strcmp(t->identity_path, path) == 0)
		return true;
	if (!t->has_identity || identity_obtain(&source, &next, NULL) != ERR_OK)
		return false;
	is_same = strcmp(next.address, t->identity.address) == 0 &&
		strcmp(next.name, t->identity.name) == 0;
	identity_wipe(&next);
	return is_same;
}

/* What was in error for the same reason stays as it is. */
static bool is_unchanged(const struct tunnel *t, const struct tunnel_config *config)
{
	return strcmp(t->c.fault.text, config->fault.text) == 0 &&
		field_equal(&service_config_fields, &t->c.service, &config->service) &&
		field_equal(&place_config_fields, &t->c.place, &config->place) &&
		field_equal(&message_metadata_fields, &t->c.metadata, &config->metadata);
}

bool tunnel_change_take(struct tunnel *t, struct tunnel_config *config,
	const char *identity_path)
{
	bool has_service = field_equal(&service_config_fields, &t->c.service,
		&config->service);
	bool has_place = field_equal(&place_config_fields, &t->c.place, &config->place);
	bool has_metadata = field_equal(&message_metadata_fields, &t->c.metadata,
		&config->metadata);

	if (t->is_leaving ||
		!field_equal(&lease_config_fields, &t->c.lease, &config->lease) ||
		!has_same_identity(t, config, identity_path))
		return false;
	if (!is_unchanged(t, config) &&
		(t->expose == NULL || config->fault.text[0] != '\0'))
		return false;
	if (!str_replace(&t->identity_path, identity_path))
		return false;
	/* The exposure has pointers to the config: none of what they lead to. */
	take_config(t, config);
	if (t->expose == NULL)
		return true;
	if (!has_service)
		apply_service(t);
	if (!has_place)
		apply_relays(t);
	if (!has_metadata)
		expose_renew(t->expose);
	if (!has_service || !has_place || !has_metadata)
		log_info(&t->log, "changed:%s%s%s", has_service ? "" : " service",
			has_place ? "" : " relays", has_metadata ? "" : " metadata");
	tunnel_update(t);
	return true;
}

/* ---- relays at run time ---- */

static enum err set_relays(struct tunnel *t, struct why *why)
{
	if (t->expose != NULL)
		return expose_set_relays(t->expose, &t->relays, why);
	if (t->has_identity && t->c.fault.text[0] == '\0' && t->relays.count > 0)
		tunnel_run(t);
	return ERR_OK;
}

/* Takes @url off the list. False: it was not there. */
static bool remove_relay(struct relay_urls *list, const char *url)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->urls[i], url) != 0)
			continue;
		free(list->urls[i]);
		list->count--;
		memmove(&list->urls[i], &list->urls[i + 1],
			(list->count - i) * sizeof(list->urls[0]));
		return true;
	}
	return false;
}

/* A relay that has ended for good is used again after it was missing. */
enum err tunnel_connect(struct tunnel *t, const char *relay, struct why *why)
{
	char url[URL_TEXT_MAX];
	struct expose_relay r;
	bool is_over = false;
	enum err rc = relay_url_parse(span_str(relay), url, why);

	if (rc == ERR_OK)
		rc = relay_url_check_host(url, why);
	if (rc != ERR_OK)
		return rc;
	for (unsigned i = 0; t->expose != NULL && expose_relay(t->expose, i, &r); i++)
		is_over = is_over || (r.is_closed && strcmp(r.url, url) == 0);
	if (is_over && remove_relay(&t->relays, url) && t->relays.count > 0)
		(void)!expose_set_relays(t->expose, &t->relays, NULL);
	rc = relay_urls_add(&t->relays, span_str(url), why);
	(void)remove_relay(&t->disconnected, url);
	return rc == ERR_OK ? set_relays(t, why) : rc;
}

enum err tunnel_disconnect(struct tunnel *t, const char *relay, struct why *why)
{
	char url[URL_TEXT_MAX];
	enum err rc = relay_url_parse(span_str(relay), url, why);

	if (rc != ERR_OK)
		return rc;
	if (!remove_relay(&t->relays, url))
		return err_set(why, ERR_NOENT, "relay %s is not one of this tunnel's",
			url);
	(void)!relay_urls_add(&t->disconnected, span_str(url), NULL);
	return t->expose != NULL ? expose_set_relays(t->expose, &t->relays, why) : ERR_OK;
}

void tunnel_retry_now(struct tunnel *t, const char *reason)
{
	if (t->expose != NULL)
		expose_retry_now(t->expose, reason, false);
	else if (t->next_ms != 0)
		loop_timer_set(t->timer, 0);
}

/* ---- life ---- */

static void tunnel_on_end(void *arg)
{
	struct tunnel *t = arg;

	t->o.hooks->on_ended(t->o.owner, t);
}

void tunnel_leave(struct tunnel *t)
{
	if (t->is_leaving)
		return;
	t->is_leaving = true;
	loop_timer_stop(t->timer);
	tunnel_update(t);
	if (t->expose != NULL)
		expose_leave(t->expose);
	else
		loop_defer(t->o.worker->loop, &t->ended);
}

void tunnel_close(struct tunnel *t)
{
	if (t == NULL)
		return;
	loop_undefer(&t->ended);
	drop_expose(t);
	target_health_close(t->target);
	loop_timer_close(t->timer);
	relay_urls_fini(&t->relays);
	relay_urls_fini(&t->disconnected);
	identity_wipe(&t->identity);
	if (t->claim >= 0)
		close(t->claim);
	tunnel_config_fini(&t->c);
	free(t->identity_path);
	free(t);
}

enum err tunnel_open(const struct tunnel_options *o, struct tunnel_config *config,
	const char *identity_path, struct tunnel **out)
{
	struct tunnel *t = mem_new(t);
	enum err rc = ERR_NOMEM;

	if (t == NULL)
		return rc;
	t->o = *o;
	t->claim = -1;
	t->state = AGENT_STATE_STARTING;
	t->since_ms = clock_now_ms();
	log_init(&t->log, o->log, "%s", config->id);
	loop_deferred_init(&t->ended, tunnel_on_end, t);
	retry_init(&t->retry, &(struct retry_options){ .limit = -1 });
	rc = loop_timer_open(o->worker->loop, tunnel_run, t, &t->timer);
	if (rc == ERR_OK)
		rc = target_health_open(o->worker->loop, o->dials_targets, &t->target);
	if (rc == ERR_OK && !str_replace(&t->identity_path, identity_path))
		rc = ERR_NOMEM;
	if (rc != ERR_OK) {
		tunnel_close(t);
		return rc;
	}
	take_config(t, config);
	tunnel_begin(t);
	*out = t;
	return ERR_OK;
}

/* ---- what others see ---- */

const char *tunnel_id(const struct tunnel *t)
{
	return t->c.id;
}

const struct tunnel_config *tunnel_config(const struct tunnel *t)
{
	return &t->c;
}

/* Those of the exposure, and behind them those that were disconnected. */
bool tunnel_relay(const struct tunnel *t, unsigned i, struct expose_relay *out)
{
	struct expose_relay r;
	unsigned n = 0;

	if (t->expose != NULL && expose_relay(t->expose, i, out))
		return true;
	if (t->expose == NULL && i < t->relays.count) {
		*out = (struct expose_relay){ .url = t->relays.urls[i],
			.is_closed = true,
			.is_banned = t->is_banned,
			.is_wanted = true,
			.error = t->error.text };
		return true;
	}
	if (t->expose == NULL)
		n = t->relays.count;
	while (t->expose != NULL && expose_relay(t->expose, n, &r))
		n++;
	for (unsigned j = 0; j < t->disconnected.count; j++) {
		const char *url = t->disconnected.urls[j];
		bool is_leaving = false;

		for (unsigned k = 0; t->expose != NULL && expose_relay(t->expose, k, &r);
			k++)
			is_leaving = is_leaving || strcmp(r.url, url) == 0;
		if (is_leaving || n++ != i)
			continue;
		*out = (struct expose_relay){ .url = url,
			.is_closed = true,
			.error = "" };
		return true;
	}
	return false;
}

static enum agent_health health_of(const struct tunnel *t, const struct sum *sum,
	enum target_state target)
{
	if (t->state != AGENT_STATE_RUNNING)
		return AGENT_HEALTH_DOWN;
	return sum->open < sum->wanted || target == TARGET_DOWN ? AGENT_HEALTH_DEGRADED :
								  AGENT_HEALTH_OK;
}

struct tunnel_status tunnel_status(const struct tunnel *t)
{
	struct sum sum = tunnel_sum(t);
	struct target_health_status target = target_health_status(t->target);
	struct tunnel_status s = {
		.state = t->state,
		.health = health_of(t, &sum, target.state),
		.since_ms = t->since_ms,
		.next_ms = t->expose != NULL ? sum.next_ms : t->next_ms,
		.error = t->expose != NULL ? sum.error : t->error.text,
		.name = t->has_identity ? t->identity.name : "",
		.address = t->has_identity ? t->identity.address : "",
		.is_verified = sum.open > 0 && sum.verified == sum.open,
		.target = target,
		.statistics = t->earlier,
	};

	if (t->expose != NULL) {
		struct expose_statistics now = expose_statistics(t->expose);

		s.statistics.visitors += now.visitors;
		s.statistics.visitors_now = now.visitors_now;
		s.statistics.in_bytes += now.in_bytes;
		s.statistics.out_bytes += now.out_bytes;
	}
	return s;
}
