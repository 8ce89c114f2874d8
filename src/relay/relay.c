/* A relay: its start, its parts and its end. */
#include "relay/relay.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/metrics.h"
#include "loop/notify.h"
#include "relay/admin.h"
#include "relay/admin_socket.h"
#include "relay/relay_config.h"
#include "relay/relay_edge.h"
#include "relay/relay_priv.h"
#include "serve/lease/lease_service.h"
#include "store/file.h"
#include "store/store.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/wallet.h"

#define RELAY_AUDIT_MS 60000 /* one row a minute for each identity */
#define RELAY_DRAIN_LOOK_MS 20
#define RELAY_WAIT_MS 2000
#define RELAY_FIRST_MS 60000 /* an agent keeps connections ready that it may not need */

/* ---- calls of the API ---- */

const struct api_table *const relay_tables[] = {
	&relay_connect_table,
	&signing_table,
	&api_lease_table,
	&api_about_table,
	&api_page_table,
	ADMIN_TABLES,
	NULL,
};

static void relay_on_call(void *receiver, struct mail *mail)
{
	struct relay *r = receiver;
	struct api_call *call = mem_container(mail, struct api_call, mail);

	if (r->state == RELAY_ENDED) {
		api_call_free(call);
		return;
	}
	api_answer(&r->operations, call);
	lease_service_answer(call->sender, call);
}

/* On the thread of a data worker. */
static void relay_take_call(void *arg, struct api_call *call)
{
	struct relay *r = arg;

	call->mail.fn = relay_on_call;
	if (!mailbox_post(r->mailbox, &call->mail))
		api_call_free(call);
}

/* ---- connections ---- */

static void relay_on_visitor(void *arg, int fd, const struct addr *peer)
{
	struct relay *r = arg;

	if (!data_worker_give_visitor(data_workers_next(&r->shared), fd, peer))
		close(fd);
}

static void relay_on_client(void *arg, int fd, const struct addr *peer)
{
	struct relay *r = arg;

	if (!data_worker_give_client(data_workers_next(&r->shared), fd, peer))
		close(fd);
}

static enum err relay_listen(struct relay *r, uint16_t port, listener_accept_fn *fn,
	struct listener **out, const char *for_whom, struct why *why)
{
	const char *host = r->options.host != NULL ? r->options.host : "";
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	enum err rc = listener_open(r->control->loop, host, port, fn, r, out, why);

	if (rc != ERR_OK)
		return rc;
	listener_addr(*out, &addr);
	log_info(&r->log, "Listening on %s for %s", addr_print(&addr, text), for_whom);
	return ERR_OK;
}

static enum err relay_open_listeners(struct relay *r, struct why *why)
{
	enum err rc = relay_listen(r, r->options.api_port, relay_on_client, &r->api,
		"the API", why);

	if (rc == ERR_OK)
		rc = relay_listen(r, r->options.sni_port, relay_on_visitor, &r->sni,
			"visitors", why);
	if (rc != ERR_OK)
		return rc;
	r->sni_port = listener_port(r->sni);
	return ERR_OK;
}

/* ---- the end ---- */

/* Workers that have drained stop by themselves and set a flag. */
static void relay_on_drain(void *arg)
{
	struct relay *r = arg;

	if (data_workers_are_stopping(&r->shared))
		r->owner.on_ended(r->owner.arg, false);
	else
		loop_timer_set(r->drain, RELAY_DRAIN_LOOK_MS);
}

static void relay_unlock(struct relay *r)
{
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
}

/* Closes ports and unlocks the directory first: the next relay can start at once. */
static void relay_drain(struct relay *r)
{
	r->state = RELAY_DRAINING;
	loop_timer_stop(r->sweep); /* the next relay may have the names already */
	admin_socket_close(r->admin);
	r->admin = NULL;
	log_info(&r->log,
		"shutting down: draining for up to %u ms; a second signal stops at once",
		r->options.drain_ms);
	listener_close(r->sni);
	listener_close(r->api);
	r->sni = r->api = NULL;
	relay_edge_end(r);
	relay_unlock(r);
	data_workers_end(&r->shared, r->options.drain_ms);
	relay_on_drain(r);
}

void relay_end(struct relay *r)
{
	if (r->state == RELAY_SERVING)
		relay_drain(r);
	else
		r->owner.on_ended(r->owner.arg, false);
}

/* ---- the beginning ---- */

/* A user that can write there can replace the certificate. */
static void relay_warn_of_directory(const struct relay *r)
{
	struct stat st;

	if (stat(r->options.state_dir, &st) == 0 &&
		(st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		log_warn(&r->log,
			"state directory %s: writable by other users: chmod 700 it",
			r->options.state_dir);
}

static enum err relay_open_identity(struct relay *r, struct why *why)
{
	char *path = str_printf("%s/identity.json", r->options.state_dir);
	struct identity_source source = {
		.kind = IDENTITY_RELAY,
		.path = path,
		.name = r->options.root,
	};
	enum err rc = ERR_NOMEM;

	if (path != NULL)
		rc = identity_obtain(&source, &r->identity, why);
	free(path);
	if (rc == ERR_OK)
		log_info(&r->log, "identity %s, host %s", r->identity.address,
			r->options.root);
	return rc;
}

static void relay_on_certificate(void *arg)
{
	relay_publish(arg);
}

static enum err relay_open_certificate(struct relay *r, struct why *why)
{
	struct certificate_options o = {
		.directory = r->options.state_dir,
		.root = r->options.root,
		.loop = r->control->loop,
		.log = &r->log,
		.on_change = relay_on_certificate,
		.arg = r,
	};

	return certificate_open(&o, &r->certificate, why);
}

static enum err relay_open_policy(struct relay *r, struct why *why)
{
	char *import = str_printf("%s/admin_settings.json", r->options.state_dir);
	struct policy_options o = {
		.import_file = import,
		.log = &r->log,
		.settings = {
			.has_landing_page = r->options.has_landing_page,
			.tcp_enabled = r->options.has_tcp,
		},
		.on_change = relay_on_policy,
		.arg = r,
	};
	enum err rc = ERR_NOMEM;

	if (import != NULL)
		rc = store_open(r->options.state_dir, &r->store, why);
	o.store = r->store;
	if (rc == ERR_OK)
		rc = policy_open(&o, &r->policy, why);
	free(import);
	return rc;
}

static enum err relay_open_leases(struct relay *r, struct why *why)
{
	static const struct challenges_options registrations = {
		.statement = "Register a portal lease",
		.path = "/sdk/register",
		.prefix = RANDOM_ID_CHALLENGE,
	};
	const struct reservations_options names = {
		.loop = r->control->loop,
		.store = r->store,
		.log = &r->log,
		.grace_ms = r->options.name_grace_ms,
	};
	struct lease_table_options o = {
		.root = r->options.root,
		.port_min = r->options.has_tcp ? r->options.port_min : 0,
		.port_max = r->options.has_tcp ? r->options.port_max : 0,
		.host = r->options.host,
		.workers = data_workers_count(r->options.workers),
		.on_end = relay_on_lease_end,
		.arg = r,
	};
	enum err rc = reservations_open(&names, &r->names, why);

	if (rc == ERR_OK)
		rc = route_table_new(lease_route_alias, &r->routes);
	if (rc != ERR_OK)
		return rc;
	o.routes = r->routes;
	o.names = r->names;
	rc = lease_table_new(&o, &r->table);
	if (rc == ERR_OK)
		relay_set_lease_bounds(r);
	if (rc == ERR_OK)
		rc = sign_audit_new(&r->sign_audit);
	return rc == ERR_OK ? challenges_new(&registrations, &r->challenges) : rc;
}

/* What its workers share. The edge adds to it. */
static void relay_share(struct relay *r)
{
	r->leases = (struct lease_context){
		.issuer = r->options.url,
		.token_key = &r->identity.key,
		.tables = relay_tables,
		.revival = &lease_revival,
		.take_call = relay_take_call,
		.arg = r,
	};
	r->shared = (struct data_shared){
		.root = r->options.root,
		.routes = r->routes,
		.parts = { { .service = &lease_service,
			.context = &r->leases,
			.first_ms = RELAY_FIRST_MS,
			.head_max = LEASE_HEAD_MAX,
			.bodies_max = LEASE_BODIES_MAX } },
		.parts_n = 1,
		.log = &r->log,
		.count = data_workers_count(r->options.workers),
	};
}

static void relay_on_audit(void *arg)
{
	struct relay *r = arg;

	relay_audit_signatures(r);
	loop_timer_set(r->audit, RELAY_AUDIT_MS);
}

/* What it keeps: policy, leases, tunnels. */
static enum err relay_open_state(struct relay *r, struct why *why)
{
	struct loop *loop = r->control->loop;
	enum err rc = relay_open_policy(r, why);

	if (rc == ERR_OK)
		rc = admin_open(r, why);
	if (rc == ERR_OK)
		rc = relay_open_leases(r, why);
	if (rc == ERR_OK)
		rc = loop_timer_open(loop, relay_sweep, r, &r->sweep);
	if (rc == ERR_OK)
		rc = loop_timer_open(loop, relay_on_audit, r, &r->audit);
	if (rc == ERR_OK)
		rc = loop_timer_open(loop, relay_on_drain, r, &r->drain);
	if (rc != ERR_OK)
		return rc;
	relay_share(r);
	rc = relay_edge_open(r, why);
	if (rc == ERR_OK)
		rc = relay_open_panel(r, why);
	return rc == ERR_OK ? relay_edge_open_operations(r, why) : rc;
}

/* What needs the certificate: its state, workers, ports. */
static enum err relay_open_rest(struct relay *r, struct why *why)
{
	struct why detail = { "" };
	const struct api_options operations = {
		.tables = relay_tables,
		.envelope = &relay_envelope,
		.context = r,
	};
	enum err rc = relay_open_state(r, why);

	if (rc != ERR_OK)
		return rc;
	relay_sweep(r);
	loop_timer_set(r->audit, RELAY_AUDIT_MS);
	relay_publish(r);
	if (r->snapshot == NULL)
		return ERR_NOMEM;
	rc = api_init(&r->operations, &operations, why);
	if (rc == ERR_OK)
		rc = data_workers_open(&r->shared, r->snapshot, why);
	if (rc == ERR_OK)
		rc = metrics_open(r, why);
	if (rc == ERR_OK)
		rc = relay_open_listeners(r, why);
	if (rc == ERR_OK)
		rc = relay_edge_listen(r, why);
	if (rc != ERR_OK)
		return rc;
	if (admin_socket_open(r, &r->admin, &detail) != ERR_OK)
		log_warn(&r->log,
			"admin socket: not opened: %s; the commands of adit relay will not"
			" work",
			detail.text);
	r->state = RELAY_SERVING;
	r->began_ms = clock_wall_ms();
	notify_status(r->owner.notify, "serving %s", r->options.root);
	return ERR_OK;
}

/* Two files arrive one after the other: an error is logged when it changes. */
static void relay_on_wait(void *arg)
{
	struct relay *r = arg;
	struct why why = { "" };
	enum err rc = relay_open_certificate(r, &why);

	if (rc == ERR_OK) {
		rc = relay_open_rest(r, &why);
		if (rc == ERR_OK)
			return;
		log_error(&r->log, "%s", err_text(rc, &why));
		r->owner.on_ended(r->owner.arg, true);
		return;
	}
	if (rc != ERR_NOENT && strcmp(why.text, r->waits_for.text) != 0)
		log_error(&r->log, "still waiting for a certificate: %s", why.text);
	r->waits_for = why;
	loop_timer_set(r->wait, RELAY_WAIT_MS);
}

static enum err relay_wait(struct relay *r, const struct why *why)
{
	enum err rc = loop_timer_open(r->control->loop, relay_on_wait, r, &r->wait);

	if (rc != ERR_OK)
		return rc;
	log_warn(&r->log, "%s; waiting for it", why->text);
	notify_status(r->owner.notify, "waiting for a certificate in %s",
		r->options.state_dir);
	r->state = RELAY_WAITING;
	loop_timer_set(r->wait, RELAY_WAIT_MS);
	return ERR_OK;
}

/* Files first, ports last: an open port means that all else works. */
static enum err relay_begin(struct relay *r, struct why *why)
{
	struct why detail = { "" };
	enum err rc = mailbox_open(r->control->loop, r, &r->mailbox);

	if (rc == ERR_OK)
		rc = r->owner.read(r->owner.read_arg, &r->options, why);
	if (rc == ERR_OK)
		rc = relay_config_make_dir(&r->options, why);
	if (rc != ERR_OK)
		return rc;
	relay_warn_of_directory(r);
	/* Two relays in one directory would miss each other's changes of policy. */
	rc = file_lock_directory(r->options.state_dir, &r->lock, &detail);
	if (rc != ERR_OK)
		return err_set(why, rc, "%s; give each relay an identity_path of its own",
			detail.text);
	rc = relay_open_identity(r, why);
	if (rc != ERR_OK)
		return rc;
	rc = relay_open_certificate(r, &detail);
	if (rc == ERR_OK)
		return relay_open_rest(r, why);
	return rc == ERR_NOENT ? relay_wait(r, &detail) :
				 err_set(why, rc, "%s", err_text(rc, &detail));
}

void relay_close(struct relay *r)
{
	if (r == NULL)
		return;
	listener_close(r->sni);
	listener_close(r->api);
	http_metrics_close(r->metrics);
	admin_socket_close(r->admin);
	data_workers_join(&r->shared);
	r->state = RELAY_ENDED;
	relay_close_panel(r);
	data_workers_close(&r->shared);
	relay_edge_close(r);
	if (r->sign_audit != NULL)
		relay_audit_signatures(r); /* of the last minute */
	sign_audit_free(r->sign_audit);
	lease_table_free(r->table);
	reservations_close(r->names);
	route_table_free(r->routes);
	challenges_free(r->challenges);
	wallet_free(r->wallet);
	snapshot_unref(r->snapshot);
	policy_close(r->policy);
	store_close(r->store);
	certificate_close(r->certificate);
	loop_timer_close(r->sweep);
	loop_timer_close(r->audit);
	loop_timer_close(r->drain);
	loop_timer_close(r->wait);
	loop_turn(r->control->loop); /* what was deferred */
	mailbox_close(r->mailbox);   /* calls that are still in it are freed */
	api_text_unref(r->page);
	identity_wipe(&r->identity);
	relay_unlock(r);
	prefix_set_fini(&r->exempt);
	field_fini(&relay_fields, &r->options);
	free(r);
}

enum err relay_open(const struct relay_owner *owner, struct relay **out, struct why *why)
{
	struct relay *r = mem_new(r);
	enum err rc;

	if (r == NULL)
		return ERR_NOMEM;
	r->owner = *owner;
	r->control = owner->control;
	r->lock = -1;
	log_init(&r->log, NULL, "relay");
	worker_raise_limits();
	rc = relay_begin(r, why);
	if (rc == ERR_OK)
		*out = r;
	else
		relay_close(r);
	return rc;
}
