/* adit expose: one tunnel from this terminal, through relays that carry ciphertext. */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "agent/expose_run.h"
#include "base/log.h"
#include "cli/expose_args.h"
#include "cli/persona.h"
#include "cli/qr.h"
#include "tunnel/portal/identity_file.h"

struct showing {
	const struct call *call;
	const struct expose_args *args;
};

/* From now on the name is the one without --name: no relay has refused it. */
static void keep_name(const struct expose_args *args)
{
	struct why why = { "" };
	struct log log;

	log_init(&log, NULL, "expose");
	if (identity_file_keep_name(args->identity_path, &args->identity, &why) != ERR_OK)
		log_warn(&log, "the name is not kept for the next time: %s", why.text);
}

/* The loop goes on although nobody reads what it says here. */
static void show_public(void *arg, const char *url, const char *tcp)
{
	const struct showing *s = arg;
	char target[URL_TEXT_MAX], *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	keep_name(s->args);
	if (out == NULL)
		return;
	fprintf(out, "Public at %s\n", url);
	if (s->args->has_target)
		fprintf(out, "  leads to %s\n", target_print(&s->args->target, target));
	for (unsigned i = 0; i < s->args->routes.count; i++) {
		const struct http_route *r = s->args->routes.routes[i];

		fprintf(out, "  %s leads to %s\n", r->prefix,
			target_print(&r->upstream, target));
	}
	if (tcp[0] != '\0')
		fprintf(out, "Public at tcp://%s\n", tcp);
	qr_print(out, fileno(s->call->out), url);
	if (fclose(out) == 0)
		log_print(text);
	free(text);
}

/* What is ignored, and what a person might think is done. */
static void say_about_discovery(const struct log *log, const struct expose_args *args)
{
	if (args->has_discovery && args->relays_text != NULL &&
		args->relays_text[0] != '\0')
		log_info(log,
			"only the relays of --relays are used: this version does not look"
			" for others");
}

static void say_about_identity(const struct log *log, const struct expose_args *args)
{
	if (args->has_rival)
		log_warn(log,
			"taking the visitors of another program on this machine that"
			" publishes as %s with this identity; --name or --identity-path"
			" gives this one an identity of its own",
			args->identity.name);
}

static void say_about_metrics(const struct log *log, const struct expose_args *args)
{
	if (args->has_public_metrics && !args->allows_public_metrics)
		log_warn(log,
			"metrics: anyone who can reach %s can read them: write a port"
			" alone for this machine only, or add --metrics-public",
			args->metrics_addr);
}

static int expose(const struct call *c, struct expose_args *args)
{
	struct showing showing = { .call = c, .args = args };
	struct expose_run_options o = {
		.target = &args->target,
		.relays = &args->relays,
		.identity = &args->identity,
		.metadata = &args->metadata,
		.wants_tcp = args->has_tcp,
		.bans_mitm = args->bans_mitm,
		.preserves_host = args->preserves_host,
		.head_max = args->head_max,
		.on_public = show_public,
		.arg = &showing,
	};
	struct why why = { "" };
	struct log log;
	enum err rc = daemon_start(&args->daemon, &why);

	args->only_warns = c->persona->only_warns;
	if (rc == ERR_OK)
		rc = expose_args_check(args, c->argc, c->argv, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	if (!args->has_target) {
		o.target = NULL;
		o.routes = &args->routes;
	}
	if (args->metrics.port != 0)
		o.metrics = &args->metrics;
	log_init(&log, NULL, "expose");
	say_about_discovery(&log, args);
	say_about_identity(&log, args);
	say_about_metrics(&log, args);
	return expose_run(&o);
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
	.flags = expose_flags,
	.run = run,
	.has_flags_anywhere = true,
	.stays = true,
};
