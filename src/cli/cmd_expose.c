/* adit expose: one tunnel from this terminal, through relays that carry ciphertext. */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "agent/expose_metrics.h"
#include "base/log.h"
#include "cli/expose_args.h"
#include "cli/persona.h"
#include "cli/qr.h"
#include "cli/runner.h"
#include "tunnel/portal/identity.h"

struct exposing {
	const struct call *call;
	const struct expose_args *args;
	struct runner *runner;
	struct expose *expose;
	struct http_metrics *metrics;
	bool is_ending;
};

/* From now on the name is the one without --name: no relay has refused it. */
static void keep_name(const struct exposing *x)
{
	struct why why = { "" };

	if (identity_file_keep_name(x->args->identity_path, &x->args->identity, &why) !=
		ERR_OK)
		log_warn(&x->runner->log, "the name is not kept for the next time: %s",
			why.text);
}

/* The loop goes on although nobody reads what it says here. */
static void show_public(const struct exposing *x, const char *url, const char *tcp)
{
	char target[URL_TEXT_MAX], *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return;
	fprintf(out, "Public at %s\n", url);
	if (x->args->has_target)
		fprintf(out, "  leads to %s\n", target_print(&x->args->target, target));
	for (unsigned i = 0; i < x->args->routes.count; i++) {
		const struct http_route *r = x->args->routes.routes[i];

		fprintf(out, "  %s leads to %s\n", r->prefix,
			target_print(&r->upstream, target));
	}
	if (tcp[0] != '\0')
		fprintf(out, "Public at tcp://%s\n", tcp);
	qr_print(out, fileno(x->call->out), url);
	if (fclose(out) == 0)
		log_print(text);
	free(text);
}

static void on_open(void *owner, const char *relay, const char *url, const char *tcp,
	bool is_back)
{
	struct exposing *x = owner;

	/* What was wrong meanwhile, and that it is well again, the lease's session
	 * tells. */
	if (is_back) {
		log_debug(&x->runner->log, "%s: another lease of %s", relay, url);
	} else {
		keep_name(x);
		show_public(x, url, tcp);
	}
	notify_status(x->runner->notify, "public at %s", url);
}

static void on_ended(void *owner)
{
	struct exposing *x = owner;

	if (!x->is_ending)
		log_error(&x->runner->log, "there is no relay left to publish on");
	runner_stop(x->runner, x->is_ending ? EXIT_CODE_DONE : EXIT_CODE_FAILED);
}

static enum err exposing_open(void *arg, struct runner *r, struct why *why)
{
	static const struct expose_hooks hooks = {
		.on_open = on_open,
		.on_ended = on_ended,
	};
	struct exposing *x = arg;
	const struct expose_args *args = x->args;
	struct expose_options o = {
		.worker = &r->worker,
		.target = args->has_target ? &args->target : NULL,
		.routes = args->has_target ? NULL : &args->routes,
		.identity = &args->identity,
		.metadata = &args->metadata,
		.log = &r->log,
		.wants_tcp = args->has_tcp,
		.bans_mitm = args->bans_mitm,
		.preserves_host = args->preserves_host,
		.head_max = args->head_max,
		.hooks = &hooks,
		.owner = x,
	};
	enum err rc;

	x->runner = r;
	rc = expose_open(&o, &x->expose, why);
	if (rc == ERR_OK && args->metrics.port != 0)
		rc = expose_metrics_open(&r->worker, x->expose, &args->metrics,
			&x->metrics, why);
	return rc == ERR_OK ? expose_set_relays(x->expose, &args->relays, why) : rc;
}

static void exposing_reload(void *arg)
{
	struct exposing *x = arg;

	log_info(&x->runner->log, "registering anew everywhere");
	expose_retry_now(x->expose, "SIGHUP", true);
}

static void exposing_on_network(void *arg, const char *reason)
{
	struct exposing *x = arg;

	expose_retry_now(x->expose, reason, false);
}

static void exposing_end(void *arg, bool is_again)
{
	struct exposing *x = arg;

	x->is_ending = true;
	if (is_again) {
		runner_stop(x->runner, EXIT_CODE_FAILED);
		return;
	}
	log_info(&x->runner->log, "leaving; once more does it at once");
	expose_leave(x->expose);
}

static void exposing_close(void *arg)
{
	struct exposing *x = arg;

	http_metrics_close(x->metrics);
	expose_close(x->expose);
}

static const struct runner_ops exposing_ops = {
	.name = "expose",
	.open = exposing_open,
	.reload = exposing_reload,
	.on_network = exposing_on_network,
	.end = exposing_end,
	.close = exposing_close,
};

static int expose(const struct call *c, struct expose_args *args)
{
	struct exposing exposing = { .call = c, .args = args };
	struct why why = { "" };
	struct log log;
	enum err rc = daemon_start(&args->daemon, &why);

	args->only_warns = c->persona->only_warns;
	if (rc == ERR_OK)
		rc = expose_args_check(args, c->argc, c->argv, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	log_init(&log, NULL, "expose");
	if (args->has_discovery && args->relays_text != NULL &&
		args->relays_text[0] != '\0')
		log_info(&log,
			"only the relays of --relays are used: this version does not look"
			" for others");
	if (args->has_rival)
		log_warn(&log,
			"taking the visitors of another program on this machine that"
			" publishes as %s with this identity; --name or --identity-path"
			" gives this one an identity of its own",
			args->identity.name);
	if (args->has_public_metrics && !args->allows_public_metrics)
		log_warn(&log,
			"metrics: anyone who can reach %s can read them: write a port"
			" alone for this machine only, or add --metrics-public",
			args->metrics_addr);
	return runner_run(&exposing_ops, &exposing);
}

static int run(struct call *c)
{
	struct expose_args args = { 0 };
	int exit_code;

	if (call_read(c, &args, &exit_code))
		exit_code = expose(c, &args);
	expose_args_fini(&args);
	return exit_code;
}

const struct command command_expose = {
	.name = "expose",
	.arguments = "[flags] <target> | --http-route path=upstream ...",
	.summary = "publish a local service through relays that carry ciphertext",
	.about =
		"Registers a name at each relay and serves its visitors here: their TLS ends in\n"
		"this program, with the relay's certificate, whose key stays at the relay. A\n"
		"relay that ends everybody's TLS itself is found out, one that spares our own\n"
		"visits is not. The target is what visitors reach:\n"
		"\n"
		"  3000                   port 3000 of this machine\n"
		"  host:port              another one\n"
		"  https://host:port      one that speaks TLS; https+insecure:// verifies nothing\n"
		"  unix:/path             a Unix socket\n"
		"\n"
		"With --http-route, requests go by their path:\n"
		"\n"
		"  --http-route /api=http://127.0.0.1:8000 --http-route /=3000\n"
		"\n"
		"The first time, an identity is made and kept in --identity-path: with the same\n"
		"identity the name stays the same, and the relay keeps it from others meanwhile.\n"
		"\n"
		"SIGINT and SIGTERM unregister and end it, SIGHUP registers anew now.\n",
	.examples = "  @ expose 3000 --name myapp --relays https://relay.example.com\n"
		    "  @ expose --http-route /=3000 --http-route /api=localhost:8000 \\\n"
		    "    --relays https://relay.example.com\n"
		    "  @ expose 22 --tcp --relays https://relay.example.com\n",
	.fields = &expose_fields,
	.run = run,
	.has_flags_anywhere = true,
	.stays = true,
};
