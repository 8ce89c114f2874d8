/* A runner makes a daemon of an object. */
#include "cli/runner.h"

#include <signal.h>

#include "net/netwatch.h"

static void runner_on_signal(void *arg, int signo)
{
	struct runner *r = arg;
	bool is_again = r->is_ending;

	if (r->is_closing)
		return;
	if (signo == SIGHUP && r->ops->reload != NULL) {
		notify_reloading(r->notify);
		r->ops->reload(r->arg);
		notify_ready(r->notify);
		return;
	}
	if (signo == SIGUSR2) {
		r->ops->report(r->arg);
		return;
	}
	if (!is_again)
		notify_stopping(r->notify);
	r->is_ending = true;
	r->ops->end(r->arg, is_again);
}

static enum err runner_open(struct runner *r, struct loop_signals **signals,
	struct netwatch **netwatch, struct why *why)
{
	const int signos[] = { SIGINT, SIGTERM, SIGHUP,
		r->ops->report != NULL ? SIGUSR2 : 0, 0 };
	enum err rc = worker_init(&r->worker, 0);

	if (rc == ERR_OK)
		rc = loop_signals_open(r->worker.loop, signos, runner_on_signal, r,
			signals);
	if (rc == ERR_OK && r->ops->on_network != NULL)
		rc = netwatch_open(r->worker.loop, r->ops->on_network, r->arg, netwatch);
	if (rc != ERR_OK)
		return err_set(why, rc,
			"cannot set up the event loop, signals or network monitoring: %s",
			err_name(rc));
	if (r->ops->reload != NULL)
		r->notify = notify_open(r->worker.loop, &r->log);
	return r->ops->open(r->arg, r, why);
}

void runner_stop(struct runner *r, int exit_code)
{
	r->exit_code = exit_code;
	loop_stop(r->worker.loop);
}

int runner_run(const struct runner_ops *ops, void *arg)
{
	struct runner r = { .ops = ops, .arg = arg, .exit_code = 1 };
	struct loop_signals *signals = NULL;
	struct netwatch *netwatch = NULL;
	struct why why = { "" };
	enum err rc;

	log_init(&r.log, NULL, "%s", ops->name);
	rc = runner_open(&r, &signals, &netwatch, &why);
	if (rc == ERR_OK) {
		notify_ready(r.notify);
		loop_run(r.worker.loop);
	} else {
		log_error(&r.log, "%s", err_text(rc, &why));
	}
	if (!r.is_ending)
		notify_stopping(r.notify);
	netwatch_close(netwatch);
	r.is_closing = true; /* signals stay caught, and have no effect */
	ops->close(arg);
	notify_close(r.notify);
	/* One that comes now is too late to change how the program ends. */
	loop_signals_hold();
	loop_signals_close(signals);
	if (r.worker.loop != NULL)
		loop_turn(r.worker.loop); /* what was deferred: goodbyes go out */
	worker_fini(&r.worker);
	return r.exit_code;
}
