/* adit expose: one tunnel from this terminal, through relays that carry ciphertext. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/default_relays.h"
#include "agent/expose.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/daemon.h"
#include "cli/qr.h"
#include "cli/runner.h"
#include "text/names.h"
#include "text/relay_url.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/message.h"

struct expose_args {
	/* As they were given. */
	char *relays_text;
	int multi_hop_depth, max_active_relays;
	char *identity_path;
	char *identity_json;
	char *name;
	struct field_list route_texts;
	char *metrics_addr;
	struct daemon_args daemon;
	bool has_discovery, bans_mitm, has_tcp, allows_public_metrics;
	bool preserves_host, takes_over;
	struct access access;
	unsigned head_max;
	bool only_warns; /* see cli/persona.h; set before the check */

	/* What they mean. */
	struct relay_urls relays;
	struct target target;
	bool has_target; /* else there are routes */
	struct http_routes routes;
	struct identity identity;
	int claim;      /* of the identity; -1: none */
	bool has_rival; /* another program of this machine has claimed it */
	struct message_metadata metadata;
	struct addr_listen metrics; /* port 0: none */
	bool has_public_metrics;    /* other machines can read them */
};

/* ---- flags ---- */

/* A depth of 1 is one relay, as usual. */
static enum err check_depth(void *member, struct why *why)
{
	int depth = *(int *)member;

	if (depth == 0 || depth == 1)
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"publishing through several relays is not supported yet; leave it out");
}

static enum err check_name(void *member, struct why *why)
{
	const char *name = *(char **)member;
	char label[NAMES_LABEL_MAX + 1], shown[80];

	if (name == NULL || names_parse_label(span_str(name), label, NULL) == ERR_OK)
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"\"%s\" cannot be a name; write letters, digits and hyphens, %d at most",
		str_quote(shown, sizeof(shown), span_str(name)), NAMES_LABEL_MAX);
}

/* What comes from the command line is not blamed on the file. */
static enum err check_identity(void *member, struct why *why)
{
	const char *text = *(char **)member;
	struct identity scratch;
	struct why words = { "" };
	enum err rc = ERR_OK;

	if (text != NULL) {
		rc = identity_parse(IDENTITY_CLIENT, span_str(text), &scratch, &words);
		identity_wipe(&scratch);
	}
	if (rc == ERR_OK)
		return ERR_OK;
	return err_set(why, ERR_USAGE, "%s; write the content of an identity file",
		err_text(rc, &words));
}

#define AT(member) FIELD_AT(struct expose_args, member)

static const struct field expose_rows[] = {
	{ "relays", FIELD_TEXT, AT(relays_text), .argument = "urls",
		.help = "publish on these relays, with commas between them" },
	{ "discovery", FIELD_BOOL, AT(has_discovery), .initial = "true",
		.help = "look for relays; this version knows those that are built in, and uses"
			" them when --relays is not given" },
	{ "multi_hop", FIELD_TEXT, .lacks = "publishing through several relays is",
		.env = "MULTI_HOP", .argument = "urls",
		.help = "not supported yet: publish through several relays in a row" },
	{ "multi_hop_depth", FIELD_INT, AT(multi_hop_depth), .check = check_depth,
		.env = "MULTI_HOP_DEPTH", .initial = "0", .argument = "number",
		.help = "not supported yet: publish through this many relays in a row" },
	{ "max_active_relays", FIELD_INT, AT(max_active_relays),
		.env = "MAX_ACTIVE_RELAYS", .initial = "3", .argument = "number",
		.help = "use at most this many of the relays that were found; all relays of"
			" --relays are used" },
	{ "ban_mitm", FIELD_BOOL, AT(bans_mitm), .env = "BAN_MITM", .initial = "true",
		.help = "leave a relay if a test visit shows that it terminates TLS itself" },
	{ "identity_path", FIELD_TEXT, AT(identity_path), .env = "IDENTITY_PATH",
		.initial = "identity.json", .argument = "file",
		.help = "store the private key in this file; anyone who has the file can"
			" take the name" },
	{ "take_over", FIELD_BOOL, AT(takes_over),
		.help = "take over the visitors of another program on this machine with the"
			" same identity" },
	{ "identity_json", FIELD_SECRET, AT(identity_json), .check = check_identity,
		.env = "IDENTITY_JSON", .argument = "text",
		.help = "use this identity; it is written to a file that --identity-path names" },
	{ "name", FIELD_TEXT, AT(name), .check = check_name, .argument = "name",
		.help = "publish as name.relay (the identity's, else three words)" },
	{ "description", FIELD_TEXT, AT(metadata.description), .argument = "text",
		.help = "a description for the relay's list of tunnels" },
	{ "tags", FIELD_LIST, AT(metadata.tags), .argument = "words",
		.help = "tags for the relay's list, with commas between them" },
	{ "owner", FIELD_TEXT, AT(metadata.owner), .argument = "name",
		.help = "an owner for the relay's list" },
	{ "thumbnail", FIELD_TEXT, AT(metadata.thumbnail), .argument = "url",
		.help = "a picture for the relay's list" },
	{ "hide", FIELD_BOOL, AT(metadata.hide),
		.help = "do not appear in the relay's list" },
	{ "http_route", FIELD_REPEATED, AT(route_texts), .max = ARGS_REPEATED_MAX,
		.argument = "path=upstream",
		.help = "send requests under this path to that upstream, in place of a"
			" target; can be repeated" },
	{ "preserve_host", FIELD_BOOL, AT(preserves_host), .is_own = true,
		.help = "with --http-route, send the public name to upstreams as Host, in place of"
			" their own" },
	{ .kind = FIELD_TABLE, AT(access), .of = &access_flag_fields },
	{ "udp", FIELD_BOOL, .initial = "false", .lacks = "UDP through a relay is",
		.env = "UDP_ENABLED",
		.help = "not supported yet: request a UDP port, too" },
	{ "udp_addr", FIELD_TEXT, .lacks = "UDP through a relay is", .env = "UDP_ADDR",
		.argument = "host:port",
		.help = "not supported yet: the target of its datagrams" },
	{ "tcp", FIELD_BOOL, AT(has_tcp), .env = "TCP_ENABLED",
		.help = "request a TCP port, too, whose bytes go to the target unchanged;"
			" with --http-route it takes plain HTTP" },
	{ "metrics_addr", FIELD_TEXT, AT(metrics_addr), .argument = "address",
		.help = "serve metrics for Prometheus on this port or host:port, under"
			" /metrics; a port alone means 127.0.0.1" },
	{ "metrics_public", FIELD_BOOL, AT(allows_public_metrics),
		.help = "allow a --metrics-addr that other machines can reach" },
	{ NULL, FIELD_COUNT, AT(head_max), .env = "ADIT_HEAD_MAX", .argument = "bytes",
		.help = "the longest head of a request for a route, at most 1048576 (65536)" },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &log_fields },
};

static const struct field_table expose_fields = FIELD_TABLE_OF(struct expose_args,
	expose_rows);

/* ---- what is published ---- */

static enum err read_routes(struct expose_args *a, struct why *why)
{
	struct why words = { "" };
	char shown[80];

	for (unsigned i = 0; i < a->route_texts.n; i++) {
		const char *text = a->route_texts.v[i];
		enum err rc = http_routes_add(&a->routes, span_str(text), &words);

		if (rc != ERR_OK)
			return err_set(why, rc == ERR_NOMEM ? rc : ERR_USAGE,
				"--http-route \"%s\": %s",
				str_quote(shown, sizeof(shown), span_str(text)),
				err_text(rc, &words));
	}
	return ERR_OK;
}

static enum err read_target(struct expose_args *a, const char *text, struct why *why)
{
	struct why words = { "" };
	char shown[80];
	enum err rc = target_parse(span_str(text), &a->target, &words);

	a->has_target = rc == ERR_OK;
	if (rc != ERR_OK)
		return err_set(why, ERR_USAGE, "target \"%s\": %s",
			str_quote(shown, sizeof(shown), span_str(text)),
			err_text(rc, &words));
	return ERR_OK;
}

/* Requests to a target are read, so that it can be seen who may send them. */
static enum err route_target(struct expose_args *a, const char *text, struct why *why)
{
	char *route = str_printf("/=%s", text);
	enum err rc = route == NULL ? ERR_NOMEM :
				      http_routes_add(&a->routes, span_str(route), why);

	free(route);
	return rc;
}

static enum err read_service(struct expose_args *a, int argc, char **argv,
	struct why *why)
{
	enum err rc;

	if (argc > 1)
		return err_set(why, ERR_USAGE,
			"there can be only one target: leave out \"%.40s\"", argv[1]);
	if (argc == 1 && a->route_texts.n > 0)
		return err_set(why, ERR_USAGE,
			"a target or --http-route, not both: write --http-route /=%.40s",
			argv[0]);
	if (argc == 0 && a->route_texts.n == 0)
		return err_set(why, ERR_USAGE,
			"the target is missing: write one such as 3000, or use --http-route");
	if (argc == 0)
		return read_routes(a, why);
	rc = read_target(a, argv[0], why);
	return rc == ERR_OK && access_is_set(&a->access) ? route_target(a, argv[0], why) :
							   rc;
}

/* ---- where ---- */

static enum err check_relays(const struct relay_urls *relays, struct why *why)
{
	struct why words = { "" };
	char shown[80];
	enum err rc = ERR_OK;

	for (unsigned i = 0; i < relays->count && rc == ERR_OK; i++) {
		rc = relay_url_check_host(relays->urls[i], &words);
		if (rc != ERR_OK)
			err_set(why, rc, "\"%s\": %s",
				str_quote(shown, sizeof(shown),
					span_str(relays->urls[i])),
				words.text);
	}
	return rc;
}

static enum err read_relays(struct expose_args *a, struct why *why)
{
	struct why words = { "" };
	enum err rc = ERR_OK;

	if (a->relays_text != NULL)
		rc = relay_urls_add(&a->relays, span_str(a->relays_text), &words);
	if (rc == ERR_OK)
		rc = check_relays(&a->relays, &words);
	if (rc != ERR_OK)
		return err_set(why, rc == ERR_NOMEM ? rc : ERR_USAGE, "--relays: %s",
			err_text(rc, &words));
	/* All of them: which are better than others is for discovery to find out. */
	if (a->relays.count == 0 && !a->has_discovery)
		return err_set(why, ERR_USAGE,
			"no relay is given and discovery is off: write --relays"
			" https://relay.example.com");
	for (size_t i = 0; a->relays.count == 0 && a->has_discovery; i++) {
		if (default_relays[i] == NULL || (int)i >= a->max_active_relays)
			break;
		rc = relay_urls_add(&a->relays, span_str(default_relays[i]), why);
	}
	if (rc == ERR_OK && a->relays.count == 0)
		return err_set(why, ERR_NOENT,
			"there is no relay to publish on: none is built in, and discovery"
			" has found none; write --relays https://relay.example.com");
	return rc;
}

/* ---- the identity ---- */

static enum err read_identity(struct expose_args *a, struct why *why)
{
	struct identity_source source = {
		.kind = IDENTITY_CLIENT,
		.path = a->identity_path,
		.json = a->identity_json,
		.name = a->name,
		.is_name_provisional = true,
	};
	struct why words = { "" };
	enum err rc = identity_obtain(&source, &a->identity, &words);

	if (rc != ERR_OK)
		return err_set(why, rc, "%s; --identity-path names another file",
			err_text(rc, &words));
	a->has_rival = identity_claim(&a->identity, &a->claim) == ERR_EXISTS;
	if (a->has_rival && !a->takes_over && !a->only_warns)
		return err_set(why, ERR_EXISTS,
			"another program on this machine publishes as %s with this"
			" identity: stop it, use another --name or --identity-path, or take"
			" over its visitors with --take-over",
			a->identity.name);
	return ERR_OK;
}

static enum err read_metrics(struct expose_args *a, struct why *why)
{
	char shown[80];

	if (addr_parse_listen(a->metrics_addr, &a->metrics) != ERR_OK ||
		a->metrics.port == 0)
		return err_set(why, ERR_USAGE,
			"--metrics-addr: \"%s\" is not an address; write a port such as"
			" 9100, or host:port",
			str_quote(shown, sizeof(shown), span_str(a->metrics_addr)));
	a->has_public_metrics = !names_host_is_local(a->metrics.host);
	if (a->has_public_metrics && !a->allows_public_metrics && !a->only_warns)
		return err_set(why, ERR_USAGE,
			"--metrics-addr: anyone who can reach %s could read the metrics;"
			" write a port alone, such as %u, or add --metrics-public",
			a->metrics_addr, (unsigned)a->metrics.port);
	return ERR_OK;
}

static enum err read_args(struct expose_args *args, int argc, char **argv,
	struct why *why)
{
	enum err rc;

	args->claim = -1;
	if (args->max_active_relays <= 0)
		args->max_active_relays = 3;
	rc = read_service(args, argc, argv, why);
	if (rc == ERR_OK)
		rc = read_relays(args, why);
	if (rc == ERR_OK && args->metrics_addr != NULL)
		rc = read_metrics(args, why);
	if (rc == ERR_OK)
		rc = read_identity(args, why);
	return rc;
}

/* ---- what it does ---- */

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
		log_warn(&x->runner->log,
			"identity file: the name was not stored: %s; the next start may use"
			" another name",
			why.text);
}

/* log_print() does not wait for a reader of standard output. */
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
	for (unsigned i = 0; !x->args->has_target && i < x->args->routes.count; i++) {
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

	/* The lease's session logs failures and their end. */
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
		log_error(&x->runner->log,
			"no relay is left: all have refused this tunnel");
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
		.service = {
			.target = args->routes.count == 0 ? &args->target : NULL,
			.routes = args->routes.count > 0 ? &args->routes : NULL,
			/* as a target without access gets it */
			.preserves_host = args->preserves_host || args->has_target,
			.logs_requests = true,
			.access = &args->access,
			.head_max = args->head_max,
		},
		.identity = &args->identity,
		.metadata = &args->metadata,
		.log = &r->log,
		.wants_tcp = args->has_tcp,
		.bans_mitm = args->bans_mitm,
		.hooks = &hooks,
		.owner = x,
	};
	enum err rc;

	x->runner = r;
	rc = expose_open(&o, &x->expose, why);
	if (rc == ERR_OK && args->metrics.port != 0)
		rc = expose_open_metrics(x->expose, &args->metrics, &x->metrics, why);
	return rc == ERR_OK ? expose_set_relays(x->expose, &args->relays, why) : rc;
}

static void exposing_reload(void *arg)
{
	struct exposing *x = arg;

	log_info(&x->runner->log, "registering again at all relays: SIGHUP");
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
	log_info(&x->runner->log, "unregistering; a second signal stops at once");
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

/* What is allowed here, and perhaps not meant. */
static void warn_about(const struct expose_args *args)
{
	struct log log;

	log_init(&log, NULL, "expose");
	if (args->has_discovery && args->relays_text != NULL &&
		args->relays_text[0] != '\0')
		log_info(&log,
			"using only the relays of --relays: this version does not discover"
			" others");
	if (args->has_rival)
		log_warn(&log,
			"taking over the visitors of another program on this machine that"
			" publishes as %s with this identity; to run both, use another"
			" --name or --identity-path",
			args->identity.name);
	if (args->has_public_metrics && !args->allows_public_metrics)
		log_warn(&log,
			"metrics: anyone who can reach %s can read them: write a port"
			" alone for this machine only, or add --metrics-public",
			args->metrics_addr);
}

static int run(struct call *c, void *object)
{
	struct expose_args *args = object;
	struct exposing exposing = { .call = c, .args = args };
	int exit_code;
	enum err rc = daemon_start(&args->daemon, &c->why);

	args->only_warns = c->persona->only_warns;
	if (rc == ERR_OK)
		rc = read_args(args, c->argc, c->argv, &c->why);
	if (rc == ERR_OK) {
		warn_about(args);
		exit_code = runner_run(&exposing_ops, &exposing);
	} else {
		exit_code = call_fail(c, rc);
	}
	relay_urls_fini(&args->relays);
	http_routes_fini(&args->routes);
	identity_wipe(&args->identity);
	if (args->claim > 0)
		close(args->claim);
	return exit_code;
}

const struct command command_expose = {
	.name = "expose",
	.arguments = "[flags] <target> | --http-route path=upstream ...",
	.summary = "publish a local service through relays that carry ciphertext",
	.about =
		"Registers a name at each relay and serves its visitors here: their TLS ends in\n"
		"this program, with the relay's certificate, whose key stays at the relay. Test\n"
		"visits detect a relay that terminates the TLS of all visitors, but not one that\n"
		"leaves out these visits. The target is the service that visitors reach:\n"
		"\n"
		"  3000                   port 3000 of this machine\n"
		"  host:port              a port of another machine\n"
		"  https://host:port      with TLS; https+insecure:// accepts any certificate\n"
		"  unix:/path             a Unix socket\n"
		"\n"
		"With --http-route, the path of a request selects the target:\n"
		"\n"
		"  --http-route /api=http://127.0.0.1:8000 --http-route /=3000\n"
		"\n"
		"The first run makes an identity and stores it in --identity-path. With the same\n"
		"identity the name stays the same, and the relay reserves it for a while after\n"
		"the tunnel has ended.\n"
		"\n"
		"SIGINT and SIGTERM unregister and exit, SIGHUP registers again now.\n",
	.examples = "  @ expose 3000 --name myapp --relays https://relay.example.com\n"
		    "  @ expose --http-route /=3000 --http-route /api=localhost:8000 \\\n"
		    "    --relays https://relay.example.com\n"
		    "  @ expose 22 --tcp --relays https://relay.example.com\n",
	.fields = &expose_fields,
	.run = run,
	.has_flags_anywhere = true,
	.stays = true,
};
