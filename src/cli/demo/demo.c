/*
 * adit demo: both tunnels on the loopback addresses of one machine. A server and a
 * client, then a relay and an agent, are child processes of this program; a visitor uses
 * each pair. All connections of the lease pass through taps, which search their bytes for
 * a word of the page.
 *
 * It never sleeps: the logs of the children say when they are ready, SIGCHLD when one has
 * ended.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "cli/check.h"
#include "cli/command.h"
#include "cli/demo/demo_priv.h"
#include "cli/runner.h"
#include "cli/terminal.h"
#include "http/client.h"
#include "loop/child.h"
#include "net/addr.h"
#include "net/dialer.h"
#include "text/hex.h"

#define DEMO_FETCHES 2
#define DEMO_READY_MS 10000 /* for all that comes before a visit */
#define DEMO_FETCH_MS 10000
#define DEMO_END_MS 8000 /* after the first SIGTERM; unregistering may take 5 s */
#define DEMO_USER "demo:"
#define DEMO_PASSWORD_BYTES 16
#define DEMO_RESPONSE_MAX ((size_t)4 << 20)
#define DEMO_PATH_MAX 192
#define LEASE_NAME "hello"
#define LEASE_RELAY "relay.localhost"
#define LEASE_URL "https://relay.localhost"
#define LEASE_HOST LEASE_NAME "." LEASE_RELAY

enum demo_state {
	DEMO_RUNNING,
	DEMO_OPEN,   /* until Ctrl-C */
	DEMO_ENDING, /* until all children have gone */
};

/* In the order in which they end: the end that connects goes first. */
enum demo_role { DEMO_CLIENT, DEMO_EXPOSE, DEMO_SERVER, DEMO_RELAY, DEMO_ROLES };

static const char *const names[DEMO_ROLES] = {
	[DEMO_CLIENT] = "client",
	[DEMO_EXPOSE] = "agent",
	[DEMO_SERVER] = "server",
	[DEMO_RELAY] = "relay",
};

/* One for each connection of the lease; named by its two ends. */
enum { VISITOR_RELAY, AGENT_RELAY, AGENT_TARGET, DEMO_TAPS };

struct demo_part {
	struct demo *demo; /* borrowed: embeds us */
	enum demo_role role;
	struct child *child; /* NULL when it does not run */
};

struct demo_args {
	bool is_once;
	char *target;
};

struct demo {
	const struct demo_args *args; /* borrowed */
	FILE *out, *log;              /* borrowed: what happens; what the children log */
	struct runner *runner;        /* borrowed */
	enum demo_state state;
	/* Awaited: these words in this child's log; @then gets what follows. */
	enum demo_role awaited;
	const char *words; /* NULL: none */
	void (*then)(struct demo *d, const char *rest);
	struct loop *loop; /* borrowed: the runner's */
	struct loop_timer *timer;
	struct dial *dial;
	bool has_page; /* else the target is a service of the user */
	struct demo_page page;
	struct addr_listen target;
	struct demo_part parts[DEMO_ROLES];
	struct http_client *visitor;
	unsigned responses;
	void (*after_visit)(struct demo *d);
	char auth[sizeof(DEMO_USER) + (size_t)2 * DEMO_PASSWORD_BYTES]; /* secret */
	char fingerprint[64]; /* of the server */
	uint16_t public_port;
	char directory[128]; /* of relay and agent; "" until it is made */
	struct demo_tap taps[DEMO_TAPS];
	struct tls_context *tls; /* trusts the relay's certificate only */
	int exit_code;
	struct why why; /* if it is not 0 */
};

static void demo_enter(struct demo *d, enum demo_state state, uint32_t timeout_ms)
{
	d->state = state;
	fflush(d->out);
	if (timeout_ms > 0)
		loop_timer_set(d->timer, timeout_ms);
	else
		loop_timer_stop(d->timer);
}

static void demo_await(struct demo *d, enum demo_role role, const char *words,
	void (*then)(struct demo *d, const char *rest))
{
	d->awaited = role;
	d->words = words;
	d->then = then;
	demo_enter(d, DEMO_RUNNING, DEMO_READY_MS);
}

static const char *demo_what(const struct demo *d)
{
	return d->has_page ? "page" : "target";
}

/* ---- the end ---- */

/* One after the other: the agent unregisters while the relay still runs. */
static void demo_end_next(struct demo *d)
{
	for (enum demo_role role = 0; role < DEMO_ROLES; role++) {
		if (d->parts[role].child == NULL)
			continue;
		child_signal(d->parts[role].child, SIGTERM);
		return;
	}
	runner_stop(d->runner, d->exit_code);
}

static void demo_end(struct demo *d)
{
	if (d->state == DEMO_ENDING)
		return;
	dial_close(d->dial);
	d->dial = NULL;
	http_client_free(d->visitor);
	d->visitor = NULL;
	fprintf(d->out, "\nstopping the child processes\n");
	demo_enter(d, DEMO_ENDING, DEMO_END_MS);
	demo_end_next(d);
}

static void demo_fail(struct demo *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The first failure is the one that is reported. */
static void demo_fail(struct demo *d, const char *fmt, ...)
{
	va_list args;

	if (d->exit_code == EXIT_CODE_DONE) {
		va_start(args, fmt);
		vsnprintf(d->why.text, sizeof(d->why.text), fmt, args);
		va_end(args);
	}
	d->exit_code = EXIT_CODE_FAILED;
	demo_end(d);
}

static void demo_on_timer(void *arg)
{
	struct demo *d = arg;

	if (d->state != DEMO_ENDING) {
		demo_fail(d, "the %s was not ready within %d s", names[d->awaited],
			DEMO_READY_MS / 1000);
		return;
	}
	demo_fail(d, "a process did not end within %d s of SIGTERM", DEMO_END_MS / 1000);
	runner_stop(d->runner, d->exit_code); /* those that run are killed */
}

static void demo_on_signal(void *arg, bool is_again)
{
	struct demo *d = arg;

	(void)is_again;
	if (d->state == DEMO_OPEN)
		demo_end(d);
	else
		demo_fail(d, "interrupted");
}

/* ---- children ---- */

static void demo_on_child_end(void *arg, int status)
{
	struct demo_part *part = arg;
	struct demo *d = part->demo;
	char text[CHILD_END_MAX];

	child_close(part->child);
	part->child = NULL;
	child_print_end(status, text);
	if (d->state != DEMO_ENDING)
		demo_fail(d, "the %s ended early: %s", names[part->role], text);
	else if (status != 0)
		demo_fail(d, "the %s ended with an error: %s", names[part->role], text);
	if (d->state == DEMO_ENDING)
		demo_end_next(d);
}

static void demo_on_child_line(void *arg, const char *line)
{
	struct demo_part *part = arg;
	struct demo *d = part->demo;
	const char *found;

	fprintf(d->log,
		terminal_has_colours(fileno(d->log)) ? "\033[2m  | %s\033[0m\n" :
						       "  | %s\n",
		line);
	found = d->words != NULL && part->role == d->awaited ? strstr(line, d->words) :
							       NULL;
	if (found == NULL || d->state != DEMO_RUNNING)
		return;
	found += strlen(d->words);
	d->words = NULL;
	d->then(d, found);
}

/* As a user would type it; @auth, "user:password" or NULL, travels in the environment. */
static void demo_start(struct demo *d, enum demo_role role, const char *auth,
	const char *const *argv)
{
	char own[CHILD_PATH_MAX];
	struct child_options o = {
		.loop = d->loop,
		.path = child_own_path(own),
		.argv = argv,
		.on_line = demo_on_child_line,
		.on_end = demo_on_child_end,
		.arg = &d->parts[role],
	};
	struct why why = { "" };
	enum err rc = ERR_OK;

	fprintf(d->out, auth != NULL ? "$ AUTH=" DEMO_USER "********" : "$");
	for (const char *const *word = argv; *word != NULL; word++)
		fprintf(d->out, " %s", *word);
	fputc('\n', d->out);
	fflush(d->out);
	if (auth != NULL && setenv("AUTH", auth, 1) != 0)
		rc = ERR_NOMEM;
	if (rc == ERR_OK)
		rc = child_open(&o, &d->parts[role].child, &why);
	unsetenv("AUTH");
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}

/* ---- visits ---- */

static void demo_fetch(struct demo *d);

static void demo_on_response(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct demo *d = arg;
	char reason[40], quoted[64];
	struct span type;

	if (rc != ERR_OK) {
		demo_fail(d, "no answer through the tunnel: %s", err_text(rc, why));
		return;
	}
	if (d->responses == 0) {
		type = http1_head_value(a->head, "Content-Type");
		fprintf(d->out,
			"answer   %u %s%s%s\n\n"
			"visit    status  first byte       bytes  connection\n",
			a->status, str_quote(reason, sizeof(reason), a->head->reason),
			type.n > 0 ? ", " : "", str_quote(quoted, sizeof(quoted), type));
	}
	d->responses++;
	fprintf(d->out, "%5u    %6u  %7.2f ms  %10zu  %s\n", d->responses, a->status,
		(double)a->first_us / 1000, a->body.n, a->is_reused ? "reused" : "new");
	if (d->has_page &&
		(!span_eq(a->body, buf_span(&d->page.text)) || a->status != 200 ||
			a->is_reused != (d->responses > 1))) {
		demo_fail(d,
			"the response is not the page, or did not come over one connection");
		return;
	}
	if (d->responses < DEMO_FETCHES) {
		demo_fetch(d);
		return;
	}
	http_client_free(d->visitor);
	d->visitor = NULL;
	if (d->has_page)
		fprintf(d->out, "\nThe page arrived unchanged.\n");
	d->after_visit(d);
}

static void demo_fetch(struct demo *d)
{
	struct http_client_request q = {
		.method = "GET",
		.target = "/",
		.headers = "Accept: */*\r\n",
		.response_max = DEMO_RESPONSE_MAX,
		.timeout_ms = DEMO_FETCH_MS,
		.fn = demo_on_response,
		.arg = d,
	};

	if (http_client_send(d->visitor, &q, NULL) != ERR_OK)
		demo_fail(d, "no memory for a visitor");
}

/* Twice over one connection to @port, as a browser would that goes to @host:@named. */
static void demo_visit(struct demo *d, const char *host, uint16_t port, uint16_t named,
	void (*then)(struct demo *d))
{
	char authority[64];
	struct http_client_options o = {
		.loop = d->loop,
		.host = DEMO_LOCAL,
		.port = port,
		.tls = d->tls,
		.server_name = host,
		.host_header = authority,
		.connections_max = 1,
		.connect_ms = DEMO_FETCH_MS,
	};

	snprintf(authority, sizeof(authority), "%s:%u", host, named);
	d->responses = 0;
	d->after_visit = then;
	demo_enter(d, DEMO_RUNNING, 0); /* requests have a timeout */
	if (http_client_new(&o, &d->visitor) == ERR_OK)
		demo_fetch(d);
	else
		demo_fail(d, "no memory for a visitor");
}

/* ---- the link: a server and a client, and a visitor by port ---- */

static void demo_begin_lease(struct demo *d);

static void demo_on_public_port(struct demo *d, const char *port)
{
	d->public_port = (uint16_t)strtoul(port, NULL, 10);
	fprintf(d->out,
		"\nfetch    http://" DEMO_LOCAL ":%u/, twice\n"
		"         visitor -> server -> client -> %s\n",
		d->public_port, demo_what(d));
	demo_visit(d, DEMO_LOCAL, d->public_port, d->public_port, demo_begin_lease);
}

static void demo_on_server_port(struct demo *d, const char *port)
{
	bool is_ip6 = strchr(d->target.host, ':') != NULL;
	char url[64], remote[ADDR_TEXT_MAX + 300];
	const char *const argv[] = { "adit", "client", "--fingerprint", d->fingerprint,
		url, remote, NULL };

	snprintf(url, sizeof(url), "http://" DEMO_LOCAL ":%s", port);
	snprintf(remote, sizeof(remote),
		is_ip6 ? "R:" DEMO_LOCAL ":0:[%s]:%u" : "R:" DEMO_LOCAL ":0:%s:%u",
		d->target.host, d->target.port);
	demo_await(d, DEMO_CLIENT, ": the server listens on port ", demo_on_public_port);
	demo_start(d, DEMO_CLIENT, d->auth, argv);
}

static void demo_on_fingerprint(struct demo *d, const char *fingerprint)
{
	str_copy(d->fingerprint, sizeof(d->fingerprint), fingerprint);
	demo_await(d, DEMO_SERVER, "Listening on http://" DEMO_LOCAL ":",
		demo_on_server_port);
}

static void demo_begin_link(struct demo *d)
{
	static const char *const argv[] = { "adit", "server", "--reverse", "--host",
		DEMO_LOCAL, "--port", "0", NULL };
	uint8_t bytes[DEMO_PASSWORD_BYTES];

	rand_bytes(bytes, sizeof(bytes));
	memcpy(d->auth, DEMO_USER, strlen(DEMO_USER));
	hex_encode(span_of(bytes, sizeof(bytes)), d->auth + strlen(DEMO_USER));
	mem_wipe(bytes, sizeof(bytes));
	demo_await(d, DEMO_SERVER, "server: Fingerprint ", demo_on_fingerprint);
	demo_start(d, DEMO_SERVER, d->auth, argv);
}

/* ---- the lease: a relay and an agent, and a visitor by name ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void demo_check_lease(struct demo *d)
{
	static const char *const wires[DEMO_TAPS] = { "visitor - relay", "relay - agent",
		"agent - page" };
	char path[DEMO_PATH_MAX];
	struct stat st = { 0 };

	if (d->has_page) {
		fprintf(d->out,
			"\nsearch  for \"%s\", a word of the page, on each wire:\n",
			d->page.marker);
		for (int i = 0; i < DEMO_TAPS; i++)
			fprintf(d->out, "  %-15s   %8" PRIu64 " bytes   found %u times\n",
				wires[i], d->taps[i].bytes, d->taps[i].found);
		fputc('\n', d->out);
		if (d->taps[VISITOR_RELAY].found + d->taps[AGENT_RELAY].found > 0 ||
			d->taps[AGENT_TARGET].found == 0) {
			demo_fail(d,
				"the word was found on a wire that must be encrypted, or not found"
				" where it must be");
			return;
		}
	}
	snprintf(path, sizeof(path), "%s/privatekey.pem", d->directory);
	if (stat(path, &st) != 0 || (st.st_mode & 077) != 0) {
		demo_fail(d, "%s is readable for other users", path);
		return;
	}
	fprintf(d->out,
		"The certificate was verified. Its key is in a file that only the relay can\n"
		"read (mode %o): the relay signed the handshake for the agent, where TLS ends.\n",
		(unsigned)st.st_mode & 0777);
	if (d->args->is_once) {
		demo_end(d);
		return;
	}
	fprintf(d->out,
		"\nopen     http://" DEMO_LOCAL ":%u/ in a browser\n"
		"         https://" LEASE_HOST
		":%u/, too: its certificate is the demo's own, so\n"
		"         curl --cacert %s/fullchain.pem https://" LEASE_HOST ":%u/\n"
		"         Ctrl-C stops the demo\n",
		d->public_port, d->taps[VISITOR_RELAY].host_port, d->directory,
		d->taps[VISITOR_RELAY].host_port);
	demo_enter(d, DEMO_OPEN, 0);
}

static void demo_on_public_name(struct demo *d, const char *rest)
{
	char path[DEMO_PATH_MAX];
	struct tls_client_options o = { .ca_file = path, .alpn = "http/1.1" };
	struct why why = { "" };
	enum err rc;

	(void)rest;
	snprintf(path, sizeof(path), "%s/fullchain.pem", d->directory);
	rc = tls_context_new_client(&o, &d->tls, &why);
	if (rc != ERR_OK) {
		demo_fail(d, "%s", err_text(rc, &why));
		return;
	}
	fprintf(d->out,
		"\nfetch    https://" LEASE_HOST ":%u/, twice\n"
		"         visitor -> relay -> agent -> %s, and TLS from visitor to agent\n",
		d->taps[VISITOR_RELAY].host_port, demo_what(d));
	demo_visit(d, LEASE_HOST, d->taps[VISITOR_RELAY].port,
		d->taps[VISITOR_RELAY].host_port, demo_check_lease);
}

/* "40123 for visitors" */
static void demo_on_visitors_port(struct demo *d, const char *port)
{
	char target[32], relay[64], identity[DEMO_PATH_MAX];
	const char *const argv[] = { "adit", "expose", target, "--name", LEASE_NAME,
		"--relays", relay, "--discovery=false", "--identity-path", identity,
		NULL };

	d->taps[VISITOR_RELAY].host_port = (uint16_t)strtoul(port, NULL, 10);
	/* Commands and output use these ports from here on. */
	fprintf(d->out,
		"\nwires    taps on all connections; commands use their ports:\n"
		"         port %u leads to the relay's API, port %u\n"
		"         port %u leads to the relay's visitors, port %u\n"
		"         port %u leads to the %s, port %u\n\n",
		d->taps[AGENT_RELAY].port, d->taps[AGENT_RELAY].host_port,
		d->taps[VISITOR_RELAY].port, d->taps[VISITOR_RELAY].host_port,
		d->taps[AGENT_TARGET].port, demo_what(d), d->target.port);
	snprintf(target, sizeof(target), DEMO_LOCAL ":%u", d->taps[AGENT_TARGET].port);
	snprintf(relay, sizeof(relay), "https://" LEASE_RELAY ":%u",
		d->taps[AGENT_RELAY].port);
	snprintf(identity, sizeof(identity), "%s/identity-of-agent.json", d->directory);
	demo_await(d, DEMO_EXPOSE, "https://" LEASE_HOST, demo_on_public_name);
	demo_start(d, DEMO_EXPOSE, NULL, argv);
}

/* "40122 for the API": the line with the port for visitors follows. */
static void demo_on_api_port(struct demo *d, const char *port)
{
	d->taps[AGENT_RELAY].host_port = (uint16_t)strtoul(port, NULL, 10);
	demo_await(d, DEMO_RELAY, "Listening on " DEMO_LOCAL ":", demo_on_visitors_port);
}

static void demo_begin_lease(struct demo *d)
{
	const char *const argv[] = { "adit", "relay", "run", "--portal-url", LEASE_URL,
		"--host", DEMO_LOCAL, "--api-port", "0", "--sni-port", "0",
		"--identity-path", d->directory, NULL };
	const char *base = getenv("TMPDIR");
	struct why why = { "" };
	enum err rc = ERR_OK;

	fprintf(d->out,
		"\nNow the lease: a public name, and TLS that only the agent can"
		" decrypt.\n\n");
	snprintf(d->directory, sizeof(d->directory), "%s/adit-demo-XXXXXX",
		base != NULL && *base == '/' ? base : "/tmp");
	if (mkdtemp(d->directory) == NULL) {
		d->directory[0] = '\0';
		rc = err_sys(&why, errno,
			"cannot make a directory for the relay's files");
	}
	for (int i = 0; i < DEMO_TAPS && rc == ERR_OK; i++) {
		rc = demo_tap_open(&d->taps[i], d->loop, &why);
		d->taps[i].word = d->page.marker;
		d->taps[i].host = i == AGENT_TARGET ? d->target.host : DEMO_LOCAL;
	}
	if (rc != ERR_OK) {
		demo_fail(d, "%s", err_text(rc, &why));
		return;
	}
	d->taps[AGENT_TARGET].host_port = d->target.port;
	demo_await(d, DEMO_RELAY, "Listening on " DEMO_LOCAL ":", demo_on_api_port);
	demo_start(d, DEMO_RELAY, NULL, argv);
}

/* ---- the beginning ---- */

static void demo_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct demo *d = arg;

	(void)errnum;
	d->dial = NULL;
	if (rc != ERR_OK) {
		demo_fail(d, "the target does not answer: %s", err_text(rc, why));
		return;
	}
	close(fd);
	demo_begin_link(d);
}

/* Settings for other runs, such as a log in JSON, are not for the children of a demo. */
static void demo_drop_settings(void)
{
	const struct field_table *tables[] = { command_server.fields,
		command_client.fields, command_expose.fields, command_relay_run.fields };
	struct field_cursor at;

	for (size_t i = 0; i < mem_count(tables); i++) {
		for (field_first(&at, tables[i]); at.row != NULL; field_next(&at))
			if (at.row->env != NULL)
				unsetenv(at.row->env);
	}
	unsetenv("NOTIFY_SOCKET");
}

static enum err demo_open(void *arg, struct runner *r, struct why *why)
{
	struct demo *d = arg;
	struct dial_options o = {
		.loop = r->worker.loop,
		.host = d->target.host,
		.timeout_ms = DEMO_READY_MS / 2,
		.fn = demo_on_dialled,
		.arg = d,
	};
	enum err rc;

	d->runner = r;
	d->loop = r->worker.loop;
	demo_drop_settings();
	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		d->parts[role] = (struct demo_part){ .demo = d, .role = role };
	rc = loop_timer_open(d->loop, demo_on_timer, d, &d->timer);
	if (rc != ERR_OK)
		return rc;
	if (d->args->target != NULL &&
		addr_parse_listen(d->args->target, &d->target) == ERR_OK) {
		/* Without a target that works, the demo could only show a failure. */
		fprintf(d->out, "target   %s, port %u: the service to publish\n\n",
			d->target.host, d->target.port);
		o.port = d->target.port;
		return dial_open(&o, &d->dial);
	}
	rc = demo_page_open(&d->page, &r->worker, why);
	if (rc != ERR_OK)
		return rc;
	d->has_page = true;
	str_copy(d->target.host, sizeof(d->target.host), DEMO_LOCAL);
	d->target.port = d->page.port;
	fprintf(d->out, "page     http://" DEMO_LOCAL ":%u/: the service to publish\n\n",
		d->target.port);
	demo_begin_link(d);
	return ERR_OK;
}

static void demo_close(void *arg)
{
	struct demo *d = arg;

	dial_close(d->dial);
	http_client_free(d->visitor);
	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		child_close(d->parts[role].child);
	for (int i = 0; i < DEMO_TAPS; i++)
		demo_tap_close(&d->taps[i]);
	tls_context_free(d->tls);
	if (d->directory[0] != '\0')
		(void)nftw(d->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	demo_page_close(&d->page);
	loop_timer_close(d->timer);
	mem_wipe(d->auth, sizeof(d->auth));
}

static const struct runner_ops demo_ops = {
	.name = "demo",
	.open = demo_open,
	.end = demo_on_signal,
	.close = demo_close,
};

/* ---- the command ---- */

static enum err check_target(void *member, struct why *why)
{
	const char *target = *(char **)member, *host;
	struct addr_listen at;

	/* Unlike an address to listen on, it has a host, and a port other than 0. */
	if (target == NULL)
		return ERR_OK;
	if (addr_parse_listen(target, &at) != ERR_OK || at.port == 0 ||
		target[0] == ':' || strchr(target, ':') == NULL)
		return err_set(why, ERR_USAGE,
			"it takes host:port, such as localhost:3000");
	host = at.host;
	return check_host(&host, why);
}

#define AT(member) FIELD_AT(struct demo_args, member)

static const struct field rows[] = {
	{ "once", FIELD_BOOL, AT(is_once), .help = "end after the fetch" },
	{ "target", FIELD_TEXT, AT(target), .check = check_target,
		.argument = "host:port",
		.help = "publish this service in place of the page" },
};

static const struct field_table fields = FIELD_TABLE_OF(struct demo_args, rows);

static int run(struct call *c, void *args)
{
	struct demo demo = { .args = args, .out = c->out, .log = c->err };
	int exit_code = runner_run(&demo_ops, &demo);

	if (exit_code == EXIT_CODE_DONE)
		fprintf(c->out, "demo: ok\n");
	else
		fprintf(c->out, "demo: failed: %s\n", err_text(ERR_SYS, &demo.why));
	return exit_code;
}

const struct command command_demo = {
	.name = "demo",
	.arguments = "[--once] [--target host:port]",
	.summary = "show both tunnels at work, on this machine",
	.about =
		"Shows both tunnels on the loopback addresses: a server and a client, then a\n"
		"relay and an agent. Prints the commands it starts, fetches a small web page\n"
		"through each tunnel, shows the response and its timing, and that the relay\n"
		"could not read it. Then the page stays open for a browser, until Ctrl-C.\n",
	.examples = "  @ demo\n"
		    "  @ demo --once\n"
		    "  @ demo --target localhost:3000\n",
	.fields = &fields,
	.run = run,
	.has_flags_only = true,
	.stays = true,
};
