/* The command line of "adit expose": a row for each flag, and what makes no sense. */
#include "cli/expose_args.h"

#include <unistd.h>

#include "agent/default_relays.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/names.h"
#include "tunnel/portal/identity.h"

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
	return err_set(why, ERR_USAGE, "%s; write what an identity's file has in it",
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
		.help = "not supported yet: through so many" },
	{ "max_active_relays", FIELD_INT, AT(max_active_relays),
		.env = "MAX_ACTIVE_RELAYS", .initial = "3", .argument = "number",
		.help = "use at most so many of the relays that were found; those of --relays"
			" are all used" },
	{ "ban_mitm", FIELD_BOOL, AT(bans_mitm), .env = "BAN_MITM", .initial = "true",
		.help = "leave a relay that is found to end the TLS of our own visits itself" },
	{ "identity_path", FIELD_TEXT, AT(identity_path), .env = "IDENTITY_PATH",
		.initial = "identity.json", .argument = "file",
		.help = "keep the key in this file; who has it has the name" },
	{ "take_over", FIELD_BOOL, AT(takes_over),
		.help = "take the visitors of another program on this machine that has the same"
			" identity" },
	{ "identity_json", FIELD_SECRET, AT(identity_json), .check = check_identity,
		.env = "IDENTITY_JSON", .argument = "text",
		.help = "use this identity; it is written to a file that --identity-path names" },
	{ "name", FIELD_TEXT, AT(name), .check = check_name, .argument = "name",
		.help = "publish as name.relay (the identity's, else three words)" },
	{ "description", FIELD_TEXT, AT(metadata.description), .argument = "text",
		.help = "say this in the relay's list of tunnels" },
	{ "tags", FIELD_LIST, AT(metadata.tags), .argument = "words",
		.help = "and these, with commas between them" },
	{ "owner", FIELD_TEXT, AT(metadata.owner), .argument = "name",
		.help = "and whose it is" },
	{ "thumbnail", FIELD_TEXT, AT(metadata.thumbnail), .argument = "url",
		.help = "and show this picture" },
	{ "hide", FIELD_BOOL, AT(metadata.hide), .help = "stay out of the relay's list" },
	{ "http_route", FIELD_REPEATED, AT(route_texts), .max = ARGS_REPEATED_MAX,
		.argument = "path=upstream",
		.help = "send requests under this path to that upstream, in place of a target;"
			" may be given many times" },
	{ "preserve_host", FIELD_BOOL, AT(preserves_host), .is_own = true,
		.help = "with --http-route, send the public name to upstreams as Host, in place of"
			" their own" },
	{ "udp", FIELD_BOOL, .initial = "false", .lacks = "UDP through a relay is",
		.env = "UDP_ENABLED",
		.help = "not supported yet: ask for a UDP port, too" },
	{ "udp_addr", FIELD_TEXT, .lacks = "UDP through a relay is", .env = "UDP_ADDR",
		.argument = "host:port",
		.help = "not supported yet: where its datagrams go" },
	{ "tcp", FIELD_BOOL, AT(has_tcp), .env = "TCP_ENABLED",
		.help = "ask for a TCP port, too, whose bytes go to the target as they are; with"
			" --http-route it takes plain HTTP" },
	{ "metrics_addr", FIELD_TEXT, AT(metrics_addr), .argument = "address",
		.help = "serve metrics for Prometheus at this port or host:port, under"
			" /metrics; a port alone is on 127.0.0.1" },
	{ "metrics_public", FIELD_BOOL, AT(allows_public_metrics),
		.help = "let --metrics-addr be an address that other machines can reach" },
	{ NULL, FIELD_COUNT, AT(head_max), .env = "ADIT_HEAD_MAX", .argument = "bytes",
		.help = "the longest head of a request for a route, at most 1048576 (65536)" },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &log_fields },
};

const struct field_table expose_fields = FIELD_TABLE_OF(struct expose_args, expose_rows);

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

static enum err read_service(struct expose_args *a, int argc, char **argv,
	struct why *why)
{
	if (argc > 1)
		return err_set(why, ERR_USAGE,
			"one target only, and \"%.40s\" is another", argv[1]);
	if (argc == 1 && a->route_texts.n > 0)
		return err_set(why, ERR_USAGE,
			"a target or --http-route, not both: write --http-route /=%.40s",
			argv[0]);
	if (argc == 0 && a->route_texts.n == 0)
		return err_set(why, ERR_USAGE,
			"what shall be published? Give a target such as 3000, or"
			" --http-route");
	return argc == 1 ? read_target(a, argv[0], why) : read_routes(a, why);
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
			"without discovery a relay must be named: write --relays"
			" https://relay.example.com");
	for (size_t i = 0; a->relays.count == 0 && a->has_discovery; i++) {
		if (default_relays[i] == NULL || (int)i >= a->max_active_relays)
			break;
		rc = relay_urls_add(&a->relays, span_str(default_relays[i]), why);
	}
	if (rc == ERR_OK && a->relays.count == 0)
		return err_set(why, ERR_NOENT,
			"there is no relay to publish on: none is built in, and discovery has"
			" found none; name one with --relays https://relay.example.com");
	return rc;
}

/* ---- as who ---- */

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
			" identity: stop it, give this one a --name or an --identity-path of"
			" its own, or take its visitors with --take-over",
			a->identity.name);
	return ERR_OK;
}

static enum err read_metrics(struct expose_args *a, struct why *why)
{
	char shown[80];

	if (addr_parse_listen(a->metrics_addr, &a->metrics) != ERR_OK ||
		a->metrics.port == 0)
		return err_set(why, ERR_USAGE,
			"--metrics-addr: \"%s\" is no address; write a port such as 9100,"
			" or host:port",
			str_quote(shown, sizeof(shown), span_str(a->metrics_addr)));
	a->has_public_metrics = !names_host_is_local(a->metrics.host);
	if (a->has_public_metrics && !a->allows_public_metrics && !a->only_warns)
		return err_set(why, ERR_USAGE,
			"--metrics-addr: anyone who can reach %s could read the metrics;"
			" write a port alone, such as %u, or add --metrics-public",
			a->metrics_addr, (unsigned)a->metrics.port);
	return ERR_OK;
}

enum err expose_args_check(struct expose_args *args, int argc, char **argv,
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

void expose_args_fini(struct expose_args *args)
{
	relay_urls_fini(&args->relays);
	http_routes_fini(&args->routes);
	identity_wipe(&args->identity);
	if (args->claim > 0)
		close(args->claim);
	field_fini(&expose_fields, args);
}
