/* adit list: the relays that this machine would use, and what runs there. */
#include "cli/command.h"

#include <jansson.h>
#include <string.h>

#include "agent/default_relays.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/client.h"
#include "loop/loop.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/relay_peer.h"

#define LIST_MS 3000

struct list_args {
	char *relays;
	bool has_defaults;
	bool is_json;
};

#define AT(member) FIELD_AT(struct list_args, member)

static const struct field rows[] = {
	{ "relays", FIELD_TEXT, AT(relays), .argument = "urls",
		.help = "ask these relays, too, with commas between them" },
	{ "default_relays", FIELD_BOOL, AT(has_defaults), .initial = "true",
		.help = "ask the built-in relays" },
	{ "json", FIELD_BOOL, AT(is_json), .help = "print a JSON array" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct list_args, rows);

/* All relays are queried at the same time. */
struct listing {
	struct loop *loop;
	struct relay_urls urls;
	unsigned pending;
	struct relay_query {
		struct listing *listing; /* borrowed: it has us */
		struct relay_peer relay;
		struct http_client *client;
		char version[64]; /* "" as long as it is unknown */
		struct why why;   /* it is unknown */
	} queries[RELAY_URLS_MAX];
};

static void query_on_response(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct relay_query *query = arg;
	struct message_refusal refusal;
	struct message_domain domain = { 0 };

	if (rc != ERR_OK)
		err_set(&query->why, rc, "%s", err_text(rc, why));
	else
		rc = message_read_reply(a->status, a->body, &message_domain_fields,
			&domain, &refusal, &query->why);
	if (rc == ERR_OK)
		str_quote(query->version, sizeof(query->version),
			span_str(domain.release_version));
	if (--query->listing->pending == 0)
		loop_stop(query->listing->loop);
}

/* A version is no secret: the certificate of a relay on this machine is not verified. */
static enum err query_open(struct relay_query *query, const char *url)
{
	struct tls_client_options unverified = { .skip_verify = true,
		.alpn = "http/1.1" };
	struct http_client_request q = {
		.method = "GET",
		.target = "/sdk/domain",
		.headers = RELAY_USER_AGENT,
		.timeout_ms = LIST_MS,
		.fn = query_on_response,
		.arg = query,
	};
	struct http_client_options o = { .loop = query->listing->loop };
	enum err rc = relay_peer_init(&query->relay, url, NULL, NULL);

	if (rc == ERR_OK && query->relay.tls == NULL)
		rc = tls_context_new_client(&unverified, &query->relay.tls, NULL);
	if (rc != ERR_OK)
		return rc;
	o.host = query->relay.host;
	o.port = query->relay.port;
	o.proxy = query->relay.proxy;
	o.tls = query->relay.tls;
	o.host_header = query->relay.authority;
	rc = http_client_new(&o, &query->client);
	if (rc == ERR_OK)
		rc = http_client_send(query->client, &q, NULL);
	return rc;
}

static void listing_run(struct listing *in)
{
	enum err rc;

	for (unsigned i = 0; i < in->urls.count; i++) {
		in->queries[i].listing = in;
		rc = query_open(&in->queries[i], in->urls.urls[i]);
		if (rc == ERR_OK)
			in->pending++;
		else
			err_set(&in->queries[i].why, rc, "%s", err_name(rc));
	}
	if (in->pending > 0)
		loop_run(in->loop);
}

static void print_table(const struct listing *in, FILE *out)
{
	size_t width = strlen("RELAY");

	for (unsigned i = 0; i < in->urls.count; i++) {
		if (strlen(in->urls.urls[i]) > width)
			width = strlen(in->urls.urls[i]);
	}
	fprintf(out, "%-*s  VERSION\n", (int)width, "RELAY");
	for (unsigned i = 0; i < in->urls.count; i++)
		if (in->queries[i].version[0] != '\0')
			fprintf(out, "%-*s  %s\n", (int)width, in->urls.urls[i],
				in->queries[i].version);
		else
			fprintf(out, "%-*s  unknown: %s\n", (int)width, in->urls.urls[i],
				in->queries[i].why.text);
}

static int print_json(const struct listing *in, FILE *out)
{
	json_t *list = json_array();
	int rc = list != NULL ? 0 : -1;

	for (unsigned i = 0; i < in->urls.count && rc == 0; i++) {
		const char *version = in->queries[i].version;

		rc = json_array_append_new(list,
			json_pack("{s:s, s:s?, s:s?}", "relay", in->urls.urls[i],
				"version", version[0] != '\0' ? version : NULL, "error",
				version[0] != '\0' ? NULL : in->queries[i].why.text));
	}
	if (rc == 0)
		rc = json_dumpf(list, out, 0);
	json_decref(list);
	fputc('\n', out);
	return rc == 0 ? EXIT_CODE_DONE : EXIT_CODE_FAILED;
}

static enum err read_relays(const struct list_args *args, struct relay_urls *out,
	struct why *why)
{
	struct why words = { "" };
	enum err rc = ERR_OK;

	for (size_t i = 0; args->has_defaults && default_relays[i] != NULL; i++) {
		if (rc == ERR_OK)
			rc = relay_urls_add(out, span_str(default_relays[i]), &words);
	}
	if (rc == ERR_OK && args->relays != NULL)
		rc = relay_urls_add(out, span_str(args->relays), &words);
	if (rc == ERR_OK)
		return ERR_OK;
	return err_set(why, rc == ERR_NOMEM ? rc : ERR_USAGE, "--relays: %s",
		err_text(rc, &words));
}

static int list(struct call *c, const struct list_args *args, struct listing *in)
{
	enum err rc = read_relays(args, &in->urls, &c->why);

	if (rc == ERR_OK)
		rc = loop_new(&in->loop);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	listing_run(in);
	if (args->is_json)
		return print_json(in, c->out);
	print_table(in, c->out);
	if (in->urls.count == 0)
		command_print_error(c->err, LOG_WARN, NULL,
			"No relays are built in: name some with --relays");
	return EXIT_CODE_DONE;
}

static int run(struct call *c, void *args)
{
	struct listing *in = mem_new(in);
	int exit_code;

	if (in == NULL)
		return call_fail(c, ERR_NOMEM);
	exit_code = list(c, args, in);
	for (unsigned i = 0; i < in->urls.count; i++) {
		http_client_free(in->queries[i].client);
		relay_peer_fini(&in->queries[i].relay);
	}
	relay_urls_fini(&in->urls);
	loop_free(in->loop);
	free(in);
	return exit_code;
}

const struct command command_list = {
	.name = "list",
	.arguments = "[--relays urls] [--default-relays=false] [--json]",
	.summary = "list relays and their versions",
	.about =
		"Asks each relay for its version, for at most three seconds. One that does not\n"
		"answer is listed as unknown, with the reason.\n",
	.examples =
		"  @ list --relays https://relay.example.com,https://portal.example.org\n",
	.fields = &fields,
	.run = run,
	.has_flags_anywhere = true,
	.has_flags_only = true,
};
