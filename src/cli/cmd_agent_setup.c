/*
 * adit agent setup: this machine becomes an agent of a relay. All that can fail for a
 * reason of this machine is tried before the token is used, because a token works once.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_link.h"
#include "agent/credentials.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/agent_links.h"
#include "cli/agent_manage.h"
#include "cli/agent_request.h"
#include "cli/prompt.h"
#include "cli/relay_visit.h"
#include "cli/setup_config.h"
#include "crypto/authority.h"
#include "store/file.h"
#include "tunnel/chisel/check.h"

#define OPEN_MS 30000
#define ANSWER_MAX 512
#define CA_MAX (2 * AUTHORITY_FILE_MAX)
#define TOKEN_ENV "ADIT_ENROLLMENT_TOKEN"
#define TOKEN_ENV_OTHER "PORTLAMA_ENROLLMENT_TOKEN"

struct setup_args {
	struct agent_args agent; /* first */
	char *relay, *token, *pin, *fingerprint, *ca_file;
	bool asks_nothing, has_no_service;
};

#define AT(member) FIELD_AT(struct setup_args, member)

static const struct field rows[] = {
	{ "relay", FIELD_TEXT, AT(relay), .alias = "panel_url", .argument = "url",
		.help = "the address of the relay, as the enrol command has it" },
	{ "token", FIELD_SECRET, AT(token), .env = TOKEN_ENV, .argument = "token",
		.help = "the token of adit relay agent enroll; the variable keeps it out of"
			" the process list, as " TOKEN_ENV_OTHER " does" },
	{ "pin", FIELD_TEXT, AT(pin), .argument = "sha256",
		.help = "accept only this key or certificate of the relay: SHA-256 in base64"
			" (for one without a public certificate)" },
	{ "fingerprint", FIELD_TEXT, AT(fingerprint), .check = check_fingerprint,
		.argument = "text",
		.help = "connect only to the link server with this fingerprint; without it,"
			" the one that the relay tells" },
	{ "ca_file", FIELD_TEXT, AT(ca_file), .argument = "file",
		.help = "trust the CA certificates in this PEM file, instead of the"
			" system's" },
	{ "yes", FIELD_BOOL, AT(asks_nothing), .help = "ask nothing" },
	{ "no_service", FIELD_BOOL, AT(has_no_service),
		.help = "do not install the service: adit agent run does" },
	{ "json", FIELD_BOOL, AT(agent.is_json),
		.help = "print a JSON object at the end" },
	{ "force", FIELD_BOOL, AT(agent.may_replace),
		.help = "replace the service's file even if adit has not written it" },
	{ .kind = FIELD_TABLE, AT(agent), .of = &agent_place_fields },
};
static const struct field_table fields = FIELD_TABLE_OF(struct setup_args, rows);

struct setup {
	struct call *call;
	const struct setup_args *args;
	struct enrol_relay relay;
	char token[ANSWER_MAX];
	uint8_t pin[ENROL_PIN_BYTES];
	struct agent_place place;
	struct relay_visit visit;
	struct buf key, csr;
	struct enrol_reply reply;
	char server[URL_TEXT_MAX]; /* where the link connects */
	struct setup_config config;
	bool is_running; /* an agent uses the config already */
};

/* In text, what has been done, line by line. */
static void say(const struct setup *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(const struct setup *s, const char *fmt, ...)
{
	va_list args;

	if (s->args->agent.is_json)
		return;
	va_start(args, fmt);
	vfprintf(s->call->out, fmt, args);
	va_end(args);
	fputc('\n', s->call->out);
	fflush(s->call->out);
}

/* ---- what the user says ---- */

static bool may_ask(const struct setup *s)
{
	return !s->args->asks_nothing && prompt_is_possible();
}

static enum err read_relay(struct setup *s)
{
	struct why *why = &s->call->why;
	char answer[ANSWER_MAX];
	enum err rc;

	if (s->args->relay != NULL)
		return enrol_relay_parse(s->args->relay, &s->relay, why);
	if (!may_ask(s))
		return err_set(why, ERR_USAGE,
			"--relay is missing: write the address that adit relay agent enroll has"
			" printed, such as --relay https://panel.example.com");
	for (;;) {
		rc = prompt_read("Address of the relay (https://panel.example.com): ",
			false, answer, sizeof(answer), why);
		if (rc != ERR_OK)
			return rc;
		if (enrol_relay_parse(answer, &s->relay, why) == ERR_OK)
			return ERR_OK;
		fprintf(stderr, "%s\n", why->text);
	}
}

static const char *given_token(const struct setup *s)
{
	const char *other = getenv(TOKEN_ENV_OTHER);

	if (s->args->token != NULL)
		return s->args->token;
	return other != NULL && other[0] != '\0' ? other : NULL;
}

static enum err read_token(struct setup *s)
{
	const char *given = given_token(s);
	struct why *why = &s->call->why;
	enum err rc;

	if (given != NULL) {
		if (!str_copy(s->token, sizeof(s->token), given))
			s->token[0] = '\0';
		return enrol_token_check(s->token, why);
	}
	if (!may_ask(s))
		return err_set(why, ERR_USAGE,
			"--token is missing: make one at the relay with adit relay agent enroll"
			" LABEL, and give it as --token or in the variable " TOKEN_ENV);
	for (;;) {
		rc = prompt_read("Token (adit relay agent enroll LABEL makes it there): ",
			true, s->token, sizeof(s->token), why);
		if (rc != ERR_OK)
			return rc;
		if (enrol_token_check(s->token, why) == ERR_OK)
			return ERR_OK;
		fprintf(stderr, "%s\n", why->text);
	}
}

/* ---- what this machine has ---- */

static enum err make_config(struct setup *s, const char *server, const char *fingerprint)
{
	const struct setup_link link = {
		.relay = &s->relay,
		.server = server,
		.fingerprint = s->args->fingerprint != NULL ? s->args->fingerprint :
							      fingerprint,
	};

	setup_config_fini(&s->config);
	return setup_config_make(s->call, &s->args->agent, &s->place, &link, &s->config,
		&s->call->why);
}

/* An agent that runs takes part; it has to be the one of this config. */
static enum err find_agent(struct setup *s)
{
	const char *state_dir = s->config.config->state_dir, *path;
	struct why *why = &s->call->why;
	json_t *status = NULL;
	enum err rc = ERR_OK;

	if (agent_request(state_dir, "GET", "/v1/agent/status", NULL, &status, NULL) !=
		ERR_OK)
		return ERR_OK;
	path = json_string_value(json_object_get(status, "config_path"));
	if (path != NULL && strcmp(path, s->place.config) != 0)
		rc = err_set(why, ERR_EXISTS,
			"an agent with the config %.80s has the state directory %.80s: give"
			" that --config, or another --state-dir",
			path, state_dir);
	s->is_running = rc == ERR_OK;
	json_decref(status);
	return rc;
}

static enum err check_service(struct setup *s)
{
	struct agent_whereabouts *where;
	enum err rc;

	if (s->is_running || s->args->has_no_service)
		return ERR_OK;
	where = mem_new(where);
	if (where == NULL)
		return err_set(&s->call->why, ERR_NOMEM, "out of memory");
	str_copy(where->config, sizeof(where->config), s->place.config);
	str_copy(where->state_dir, sizeof(where->state_dir), s->config.config->state_dir);
	str_copy(where->service_name, sizeof(where->service_name),
		s->config.config->service_name);
	rc = agent_manage_check(s->call, where, s->args->agent.may_replace);
	free(where);
	if (rc == ERR_CLOSED)
		return err_set(&s->call->why, rc,
			"no service manager runs here: give --no-service, and run the agent"
			" with %s agent run --foreground afterwards",
			s->call->persona->name);
	return rc;
}

/* A file of credentials can be written, and is removed again. */
static enum err check_disk(struct setup *s)
{
	struct credentials c;
	enum err rc = credentials_begin(s->config.credentials, &c, &s->call->why);

	if (rc == ERR_OK)
		rc = credentials_put(&c, AGENT_LINK_KEY, buf_span(&s->key),
			&s->call->why);
	credentials_end(&c, false);
	return rc;
}

/* With the link as it will probably be: only the relay knows where it connects. */
static enum err check_here(struct setup *s)
{
	const struct enrol_reply none = { .cert = NULL };
	enum err rc = agent_place_find(s->call, &s->args->agent, &s->place,
		&s->call->why);

	if (rc == ERR_OK && enrol_link_url(&s->relay, &none, s->server, NULL) != ERR_OK)
		str_copy(s->server, sizeof(s->server), s->relay.url);
	if (rc == ERR_OK)
		rc = make_config(s, s->server, NULL);
	if (rc == ERR_OK)
		rc = find_agent(s);
	if (rc == ERR_OK)
		rc = check_service(s);
	if (rc == ERR_OK && authority_make_csr("pending", &s->csr, &s->key) != ERR_OK)
		rc = err_set(&s->call->why, ERR_CRYPTO, "a key cannot be made");
	return rc == ERR_OK ? check_disk(s) : rc;
}

/* ---- the relay ---- */

static enum err check_relay(struct setup *s)
{
	const char *pin = s->args->pin;
	struct why *why = &s->call->why;
	enum err rc = ERR_OK;

	if (pin != NULL)
		rc = enrol_pin_parse(pin, s->pin, why);
	if (rc == ERR_OK)
		rc = relay_visit_init(&s->visit, &s->relay, s->args->ca_file,
			pin != NULL ? s->pin : NULL, why);
	if (rc == ERR_OK)
		rc = relay_visit_check(&s->visit, why);
	if (rc == ERR_OK)
		say(s, "Relay: %s%s%s, verified by %s", s->relay.url,
			s->visit.address[0] != '\0' ? " at " : "", s->visit.address,
			pin != NULL ? "its pin" : "its certificate");
	return rc;
}

static enum err enrol(struct setup *s)
{
	struct why *why = &s->call->why;
	enum err rc = relay_visit_enrol(&s->visit, s->token, buf_span(&s->csr),
		buf_span(&s->key), &s->reply, why);

	if (rc == ERR_OK)
		rc = enrol_link_url(&s->relay, &s->reply, s->server, why);
	if (rc == ERR_OK)
		rc = make_config(s, s->server, s->reply.fingerprint);
	return rc;
}

/* ---- what is kept ---- */

/* What the link trusts besides the system's roots: the file that was given, and the
 * relay's own CA. */
static enum err put_ca(const struct setup *s, struct credentials *c)
{
	struct why *why = &s->call->why;
	struct buf pem;
	enum err rc = ERR_OK;

	buf_init(&pem, CA_MAX);
	if (s->args->ca_file != NULL)
		rc = file_read(s->args->ca_file, &pem, why);
	if (rc == ERR_OK && s->reply.ca != NULL) {
		if (pem.n > 0)
			buf_put_u8(&pem, '\n');
		rc = buf_put_str(&pem, s->reply.ca);
	}
	if (rc == ERR_OK && pem.n > 0)
		rc = credentials_put(c, AGENT_LINK_CA, buf_span(&pem), why);
	buf_fini(&pem);
	return rc;
}

static enum err store(struct setup *s)
{
	struct why *why = &s->call->why;
	struct credentials c;
	enum err rc = credentials_begin(s->config.credentials, &c, why);

	if (rc == ERR_OK)
		rc = credentials_put(&c, AGENT_LINK_KEY, buf_span(&s->key), why);
	if (rc == ERR_OK)
		rc = credentials_put(&c, AGENT_LINK_CERT, span_str(s->reply.cert), why);
	if (rc == ERR_OK)
		rc = put_ca(s, &c);
	if (rc == ERR_OK)
		rc = credentials_place(&c, why);
	if (rc == ERR_OK)
		rc = setup_config_write(&s->config, s->place.config, why);
	credentials_end(&c, rc == ERR_OK);
	return rc;
}

/* ---- the agent ---- */

static enum err start_service(struct setup *s)
{
	struct agent_args args = { .config = s->place.config,
		.may_replace = s->args->agent.may_replace };
	struct call call = *s->call;
	enum err rc;

	if (s->args->agent.is_json)
		call.out = call.err;
	rc = agent_manage_run(&call, &args);
	return rc == ERR_OK ? rc : err_set(&s->call->why, rc, "%s", call.why.text);
}

/* The status of the agent with the open link, or NULL if none runs here. */
static enum err start(struct setup *s, json_t **status)
{
	const char *state_dir = s->config.config->state_dir, *id = s->config.link->id;
	enum err rc = ERR_OK;

	if (!s->is_running && s->args->has_no_service)
		return ERR_OK;
	if (s->is_running) /* or it has not seen the link in the file yet */
		(void)!agent_links_reconnect(state_dir, id, NULL);
	else
		rc = start_service(s);
	if (rc == ERR_OK)
		rc = agent_links_wait(state_dir, id, OPEN_MS, status, &s->call->why);
	return rc;
}

/* ---- what is said ---- */

static const char *print_end(const struct setup *s, char to[TIMEFMT_TEXT_MAX])
{
	return timefmt_print((struct timestamp){ .s = s->reply.ends_s }, to);
}

static void say_stored(const struct setup *s)
{
	char end[TIMEFMT_TEXT_MAX];

	print_end(s, end);
	say(s, "Enrolled: as %s, until %.10s", s->reply.label, end);
	say(s, "Config: %s, link %s to %s", s->place.config, s->config.link->id,
		s->server);
	say(s, "Credentials: %s", s->config.credentials);
}

static void say_end(const struct setup *s, const json_t *status)
{
	const struct persona *p = s->call->persona;
	const json_t *link = agent_links_find(status, s->config.link->id);

	if (status == NULL) {
		say(s, "Start the agent with: %s agent run --config %s", p->name,
			s->place.config);
		return;
	}
	say(s, "The link is open:");
	if (!s->args->agent.is_json) {
		agent_links_print_connection(s->call->out, link);
		agent_links_print_tunnels(s->call->out, link, s->reply.label);
	}
}

static enum err print_json(const struct setup *s, const json_t *status)
{
	const json_t *link = agent_links_find(status, s->config.link->id);
	char end[TIMEFMT_TEXT_MAX];
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "label",
		s->reply.label, "relay", s->relay.url, "config", s->place.config,
		"state_dir", s->config.config->state_dir, "credentials",
		s->config.credentials, "expires_at", print_end(s, end), "tunnels",
		agent_links_tunnels(link));

	if (object == NULL)
		return err_set(&s->call->why, ERR_NOMEM, "out of memory");
	json_dumpf(object, s->call->out, JSON_COMPACT);
	fputc('\n', s->call->out);
	json_decref(object);
	return ERR_OK;
}

/* Enrolled, but not open: it goes on by itself. */
static enum err explain_late(const struct setup *s, enum err rc)
{
	struct why words = s->call->why;

	return err_set(&s->call->why, rc, "this machine is enrolled as %.50s, but %.190s",
		s->reply.label, err_text(rc, &words));
}

static enum err do_setup(struct setup *s)
{
	json_t *status = NULL;
	enum err rc = read_relay(s);

	if (rc == ERR_OK)
		rc = read_token(s);
	if (rc == ERR_OK)
		rc = check_here(s);
	if (rc == ERR_OK)
		rc = check_relay(s);
	if (rc == ERR_OK)
		rc = enrol(s);
	if (rc == ERR_OK)
		rc = store(s);
	if (rc != ERR_OK)
		return rc;
	say_stored(s);
	rc = start(s, &status);
	if (rc != ERR_OK)
		return explain_late(s, rc);
	say_end(s, status);
	if (s->args->agent.is_json)
		rc = print_json(s, status);
	json_decref(status);
	return rc;
}

static int run(struct call *c, void *object)
{
	struct setup *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return call_fail(c, ERR_NOMEM);
	s->call = c;
	s->args = object;
	buf_init(&s->key, AUTHORITY_FILE_MAX);
	buf_init(&s->csr, AUTHORITY_CSR_MAX);
	rc = do_setup(s);
	relay_visit_fini(&s->visit);
	setup_config_fini(&s->config);
	enrol_reply_fini(&s->reply);
	buf_wipe(&s->key);
	buf_fini(&s->csr);
	mem_free_secret(s, sizeof(*s));
	return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
}

const struct command command_agent_setup = {
	.name = "agent setup",
	.arguments = "[--relay url] [--token token] [flags]",
	.summary = "enrol this machine at a relay, and serve its tunnels",
	.about =
		"Checks the way to the relay, its certificate and the clock, makes a key, enrols\n"
		"with the token, writes credentials and a managed link into the config, installs\n"
		"the service, waits until the link is open, and prints the public URLs of its\n"
		"tunnels. The key does not leave this machine. In a terminal it asks for what is\n"
		"missing. With another token it can be run again: the credentials are replaced.\n",
	.examples = "  @ agent setup --relay https://panel.example.com --token TOKEN\n"
		    "  @ agent setup\n",
	.fields = &fields,
	.has_flags_only = true,
	.run = run,
};
