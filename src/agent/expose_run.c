/* The program behind `adit expose`. */
#include "agent/expose_run.h"

#include <signal.h>

#include "base/mem.h"
#include "loop/notify.h"
#include "net/netwatch.h"

struct expose_run {
	const struct expose_run_options *o; /* borrowed */
	struct worker worker;
	struct log log;
	struct expose *expose;
	struct http_metrics *metrics;
	struct netwatch *netwatch;
	struct notify *notify; /* NULL: no service manager */
	struct loop_signals *signals;
	bool was_asked; /* to end */
	int exit_code;
};

static const int run_signals[] = { SIGINT, SIGTERM, SIGHUP, 0 };

static void run_on_open(void *owner, const char *relay, const char *url, const char *tcp,
	bool is_back)
{
	struct expose_run *r = owner;

	/* What was wrong meanwhile, and that it is well again, the lease's session tells. */
	if (is_back)
		log_debug(&r->log, "%s: another lease of %s", relay, url);
	else
		r->o->on_public(r->o->arg, url, tcp);
	notify_status(r->notify, "public at %s", url);
}

static void run_on_ended(void *owner)
{
	struct expose_run *r = owner;

	if (r->was_asked)
		r->exit_code = 0;
	else
		log_error(&r->log, "there is no relay left to publish on");
	loop_stop(r->worker.loop);
}

static const struct expose_hooks run_hooks = {
	.on_open = run_on_open,
	.on_ended = run_on_ended,
};

static void run_on_network(void *arg, const char *reason)
{
	struct expose_run *r = arg;

	expose_retry_now(r->expose, reason, false);
}

/* Asked twice, it does not wait. */
static void run_on_signal(void *arg, int signo)
{
	struct expose_run *r = arg;

	if (signo == SIGHUP) {
		log_info(&r->log, "registering anew everywhere");
		notify_reloading(r->notify);
		expose_retry_now(r->expose, "SIGHUP", true);
		notify_ready(r->notify);
		return;
	}
	if (r->was_asked) {
		loop_stop(r->worker.loop);
		return;
	}
	r->was_asked = true;
	notify_stopping(r->notify);
	log_info(&r->log, "leaving; once more does it at once");
	expose_leave(r->expose);
}

static enum err run_open_expose(struct expose_run *r, struct why *why)
{
	struct expose_options o = {
		.worker = &r->worker,
		.target = r->o->target,
		.routes = r->o->routes,
		.identity = r->o->identity,
		.metadata = r->o->metadata,
		.log = &r->log,
		.wants_tcp = r->o->wants_tcp,
		.bans_mitm = r->o->bans_mitm,
		.preserves_host = r->o->preserves_host,
		.head_max = r->o->head_max,
		.hooks = &run_hooks,
		.owner = r,
	};
	enum err rc = expose_open(&o, &r->expose, why);

	if (rc == ERR_OK && r->o->metrics != NULL)
		rc = expose_metrics_open(&r->worker, r->expose, r->o->metrics,
			&r->metrics, why);
	if (rc == ERR_OK)
		rc = expose_set_relays(r->expose, r->o->relays, why);
	return rc;
}

static enum err run_open(struct expose_run *r, struct why *why)
{
	enum err rc = worker_init(&r->worker, 0);

	if (rc == ERR_OK)
		rc = loop_signals_open(r->worker.loop, run_signals, run_on_signal, r,
			&r->signals);
	if (rc == ERR_OK) {
		r->notify = notify_open(r->worker.loop, &r->log);
		rc = run_open_expose(r, why);
	}
	if (rc == ERR_OK)
		rc = netwatch_open(r->worker.loop, run_on_network, r, &r->netwatch);
	return rc;
}

static void run_close(struct expose_run *r)
{
	netwatch_close(r->netwatch);
	http_metrics_close(r->metrics);
	expose_close(r->expose);
	loop_signals_close(r->signals);
	notify_close(r->notify);
	if (r->worker.loop != NULL)
		loop_turn(r->worker.loop); /* what was deferred */
	loop_leave(r->worker.loop, r->exit_code);
	worker_fini(&r->worker);
}

int expose_run(const struct expose_run_options *o)
{
	struct expose_run r = { .o = o, .exit_code = 1 };
	struct why why = { "" };
	enum err rc;

	log_init(&r.log, NULL, "expose");
	rc = run_open(&r, &why);
	if (rc == ERR_OK) {
		notify_ready(r.notify);
		loop_run(r.worker.loop);
	} else {
		log_error(&r.log, "%s", err_text(rc, &why));
	}
	run_close(&r);
	return r.exit_code;
}
