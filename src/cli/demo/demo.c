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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/demo/demo_priv.h"
#include "cli/runner.h"
#include "cli/terminal.h"
#include "http/client.h"
#include "loop/child.h"
#include "net/connector.h"
#include "text/hex.h"
#include "tunnel/chisel/check.h"

#define DEMO_FETCHES 2
#define DEMO_READY_MS 10000 /* from the start of a child until it is ready */
#define DEMO_FETCH_MS 10000
#define DEMO_END_MS 8000 /* after the first SIGTERM; unregistering may take 5 s */
#define DEMO_USER "demo:"
#define DEMO_PASSWORD_BYTES 16
#define DEMO_WORD_MAX 64
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

/* What the children log, in this order. */
enum demo_step {
	FINGERPRINT, /* of the server */
	SERVER_PORT,
	PUBLIC_PORT,
	API_PORT,
	VISITORS_PORT,
	PUBLIC_NAME,
	DEMO_STEPS,
};

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
	enum demo_step step;                   /* awaited */
	char heard[DEMO_STEPS][DEMO_WORD_MAX]; /* in the steps before it */
	struct loop_timer *timer;
	struct connector *connector; /* to the target, to see that it answers */
	bool has_page;               /* else the target is a service of the user */
	const char *what;            /* "page" or "target" */
	struct demo_page page;
	struct addr_listen target;
	struct demo_part parts[DEMO_ROLES];
	struct http_client *visitor;
	unsigned responses;
	char directory[128]; /* of relay and agent; "" until it is made */
	struct demo_tap taps[DEMO_TAPS];
	struct tls_context *tls; /* trusts the relay's certificate only */
	enum err rc; /* of the first failure, which is the one that is reported */
	struct why why;
};

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
	runner_stop(d->runner, d->rc == ERR_OK ? EXIT_CODE_DONE : EXIT_CODE_FAILED);
}

static void demo_end(struct demo *d)
{
	if (d->state == DEMO_ENDING)
		return;
	connector_close(d->connector);
	d->connector = NULL;
	http_client_free(d->visitor);
	d->visitor = NULL;
	fprintf(d->out, "\nstopping the child processes\n");
	d->state = DEMO_ENDING;
	loop_timer_set(d->timer, DEMO_END_MS);
	demo_end_next(d);
}

/* For the words of a failure. NULL: it is not the first. */
static struct why *demo_why(struct demo *d)
{
	return d->rc == ERR_OK ? &d->why : NULL;
}

static void demo_check(struct demo *d, enum err rc)
{
	if (d->rc == ERR_OK)
		d->rc = rc;
	if (rc != ERR_OK)
		demo_end(d);
}

static void demo_on_signal(void *arg, bool is_again)
{
	struct demo *d = arg;

	(void)is_again;
	if (d->state == DEMO_OPEN)
		demo_end(d);
	else
		demo_check(d, err_set(demo_why(d), ERR_CLOSED, "interrupted"));
}

/* ---- children ---- */

static void demo_on_child_end(void *arg, int status)
{
	struct demo_part *part = arg;
	struct demo *d = part->demo;
	char text[CHILD_END_MAX];

	child_close(part->child);
	part->child = NULL;
	if (d->state != DEMO_ENDING || status != 0)
		demo_check(d,
			err_set(demo_why(d), ERR_CLOSED, "the %s ended %s: %s",
				names[part->role],
				d->state != DEMO_ENDING ? "early" : "with an error",
				child_print_end(status, text)));
	if (d->state == DEMO_ENDING)
		demo_end_next(d);
}

static void demo_on_child_line(void *arg, const char *line);

/* As a user would type it; if there is a password, it travels in the environment. */
static enum err demo_start(struct demo *d, enum demo_role role, const char *const *argv)
{
	char own[CHILD_PATH_MAX];
	struct child_options o = {
		.loop = d->runner->worker.loop,
		.path = child_own_path(own),
		.argv = argv,
		.on_line = demo_on_child_line,
		.on_end = demo_on_child_end,
		.arg = &d->parts[role],
	};

	fputs(getenv("AUTH") != NULL ? "$ AUTH=" DEMO_USER "********" : "$", d->out);
	for (const char *const *word = argv; *word != NULL; word++)
		fprintf(d->out, " %s", *word);
	fputc('\n', d->out);
	loop_timer_set(d->timer, DEMO_READY_MS);
	return child_open(&o, &d->parts[role].child, &d->why);
}

/* ---- visits ---- */

static uint16_t port_of(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

static http_response_fn demo_on_response;

static enum err demo_fetch(struct demo *d)
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

	return http_client_send(d->visitor, &q, NULL);
}

/* Twice over one connection, as a browser would. With TLS it is the lease's. */
static enum err demo_visit(struct demo *d)
{
	bool is_lease = d->tls != NULL;
	const char *port = d->heard[is_lease ? VISITORS_PORT : PUBLIC_PORT];
	char authority[sizeof(LEASE_HOST) + 1 + DEMO_WORD_MAX];
	struct http_client_options o = {
		.loop = d->runner->worker.loop,
		.host = DEMO_LOCAL,
		.port = is_lease ? d->taps[VISITOR_RELAY].port : port_of(port),
		.tls = d->tls,
		.server_name = is_lease ? LEASE_HOST : DEMO_LOCAL,
		.host_header = authority,
		.connections_max = 1,
		.connect_ms = DEMO_FETCH_MS,
	};
	enum err rc;

	snprintf(authority, sizeof(authority), "%s:%s", o.server_name, port);
	fprintf(d->out,
		is_lease ?
			"\nfetch    https://%s/, twice\n"
			"         visitor -> relay -> agent -> %s, and TLS from visitor"
			" to agent\n" :
			"\nfetch    http://%s/, twice\n"
			"         visitor -> server -> client -> %s\n",
		authority, d->what);
	loop_timer_stop(d->timer); /* requests have a timeout */
	d->responses = 0;
	rc = http_client_new(&o, &d->visitor);
	return rc == ERR_OK ? demo_fetch(d) : rc;
}

/* ---- the link: a server and a client, and a visitor by port ---- */

static enum err demo_start_client(struct demo *d)
{
	bool is_ip6 = strchr(d->target.host, ':') != NULL;
	char url[DEMO_WORD_MAX + 32], remote[ADDR_TEXT_MAX + 300];
	const char *const argv[] = { "adit", "client", "--fingerprint",
		d->heard[FINGERPRINT], url, remote, NULL };

	snprintf(url, sizeof(url), "http://" DEMO_LOCAL ":%s", d->heard[SERVER_PORT]);
	snprintf(remote, sizeof(remote),
		is_ip6 ? "R:" DEMO_LOCAL ":0:[%s]:%u" : "R:" DEMO_LOCAL ":0:%s:%u",
		d->target.host, d->target.port);
	return demo_start(d, DEMO_CLIENT, argv);
}

static enum err demo_begin_link(struct demo *d)
{
	static const char *const argv[] = { "adit", "server", "--reverse", "--host",
		DEMO_LOCAL, "--port", "0", NULL };
	char auth[sizeof(DEMO_USER) + (size_t)2 * DEMO_PASSWORD_BYTES] = DEMO_USER;
	int rc;

	hex_random(DEMO_PASSWORD_BYTES, auth + strlen(DEMO_USER));
	rc = setenv("AUTH", auth, 1);
	mem_wipe(auth, sizeof(auth));
	return rc == 0 ? demo_start(d, DEMO_SERVER, argv) : ERR_NOMEM;
}

/* ---- the lease: a relay and an agent, and a visitor by name ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static enum err demo_check_lease(struct demo *d)
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
			d->taps[AGENT_TARGET].found == 0)
			return err_set(&d->why, ERR_PROTO,
				"the word was found on a wire that must be encrypted, or not found"
				" where it must be");
	}
	snprintf(path, sizeof(path), "%s/privatekey.pem", d->directory);
	if (stat(path, &st) != 0 || (st.st_mode & 077) != 0)
		return err_set(&d->why, ERR_PROTO, "%s is readable for other users",
			path);
	fprintf(d->out,
		"The certificate was verified. Its key is in a file that only the relay can\n"
		"read (mode %o): the relay signed the handshake for the agent, where TLS ends.\n",
		(unsigned)st.st_mode & 0777);
	if (d->args->is_once) {
		demo_end(d);
		return ERR_OK;
	}
	fprintf(d->out,
		"\nopen     http://" DEMO_LOCAL ":%s/ in a browser\n"
		"         https://" LEASE_HOST
		":%s/, too: its certificate is the demo's own, so\n"
		"         curl --cacert %s/fullchain.pem https://" LEASE_HOST ":%s/\n"
		"         Ctrl-C stops the demo\n",
		d->heard[PUBLIC_PORT], d->heard[VISITORS_PORT], d->directory,
		d->heard[VISITORS_PORT]);
	d->state = DEMO_OPEN;
	return ERR_OK;
}

static enum err demo_visit_lease(struct demo *d)
{
	char path[DEMO_PATH_MAX];
	struct tls_client_options o = { .ca_file = path, .alpn = "http/1.1" };
	enum err rc;

	snprintf(path, sizeof(path), "%s/fullchain.pem", d->directory);
	rc = tls_context_new_client(&o, &d->tls, &d->why);
	return rc == ERR_OK ? demo_visit(d) : rc;
}

static enum err demo_start_agent(struct demo *d)
{
	const uint16_t ports[DEMO_TAPS] = { port_of(d->heard[VISITORS_PORT]),
		port_of(d->heard[API_PORT]), d->target.port };
	char target[32], relay[64], identity[DEMO_PATH_MAX];
	const char *const argv[] = { "adit", "expose", target, "--name", LEASE_NAME,
		"--relays", relay, "--discovery=false", "--identity-path", identity,
		NULL };
	enum err rc = ERR_OK;

	for (int i = 0; i < DEMO_TAPS && rc == ERR_OK; i++) {
		d->taps[i].worker = &d->runner->worker;
		d->taps[i].host = i == AGENT_TARGET ? d->target.host : DEMO_LOCAL;
		d->taps[i].host_port = ports[i];
		d->taps[i].word = d->page.marker;
		rc = demo_tap_open(&d->taps[i], &d->why);
	}
	if (rc != ERR_OK)
		return rc;
	/* Commands and output use these ports from here on. */
	fprintf(d->out,
		"\nwires    taps on all connections; commands use their ports:\n"
		"         port %u leads to the relay's API, port %u\n"
		"         port %u leads to the relay's visitors, port %u\n"
		"         port %u leads to the %s, port %u\n\n",
		d->taps[AGENT_RELAY].port, ports[AGENT_RELAY],
		d->taps[VISITOR_RELAY].port, ports[VISITOR_RELAY],
		d->taps[AGENT_TARGET].port, d->what, d->target.port);
	snprintf(target, sizeof(target), DEMO_LOCAL ":%u", d->taps[AGENT_TARGET].port);
	snprintf(relay, sizeof(relay), LEASE_URL ":%u", d->taps[AGENT_RELAY].port);
	snprintf(identity, sizeof(identity), "%s/identity-of-agent.json", d->directory);
	return demo_start(d, DEMO_EXPOSE, argv);
}

static enum err demo_begin_lease(struct demo *d)
{
	const char *const argv[] = { "adit", "relay", "run", "--portal-url", LEASE_URL,
		"--host", DEMO_LOCAL, "--api-port", "0", "--sni-port", "0",
		"--identity-path", d->directory, NULL };
	const char *base = getenv("TMPDIR");

	fprintf(d->out,
		"\nNow the lease: a public name, and TLS that only the agent can"
		" decrypt.\n\n");
	unsetenv("AUTH");
	snprintf(d->directory, sizeof(d->directory), "%s/adit-demo-XXXXXX",
		base != NULL && *base == '/' ? base : "/tmp");
	if (mkdtemp(d->directory) == NULL) {
		d->directory[0] = '\0';
		return err_sys(&d->why, errno,
			"cannot make a directory for the relay's files");
	}
	return demo_start(d, DEMO_RELAY, argv);
}

/* ---- events ---- */

/* A step waits for a child to log @words. The next word of that line is kept. */
static const struct {
	enum demo_role role;
	const char *words;
	enum err (*then)(struct demo *d); /* NULL: nothing yet */
} steps[] = {
	[FINGERPRINT] = { DEMO_SERVER, "server: Fingerprint ", NULL },
	[SERVER_PORT] = { DEMO_SERVER, "Listening on http://" DEMO_LOCAL ":",
		demo_start_client },
	[PUBLIC_PORT] = { DEMO_CLIENT, ": the server listens on port ", demo_visit },
	[API_PORT] = { DEMO_RELAY, "Listening on " DEMO_LOCAL ":", NULL },
	[VISITORS_PORT] = { DEMO_RELAY, "Listening on " DEMO_LOCAL ":",
		demo_start_agent },
	[PUBLIC_NAME] = { DEMO_EXPOSE, "https://" LEASE_HOST, demo_visit_lease },
	[DEMO_STEPS] = { DEMO_ROLES, NULL, NULL },
};

static void demo_on_child_line(void *arg, const char *line)
{
	struct demo_part *part = arg;
	struct demo *d = part->demo;
	enum demo_step step = d->step;
	const char *found = NULL;

	fprintf(d->log,
		terminal_has_colours(fileno(d->log)) ? "\033[2m  | %s\033[0m\n" :
						       "  | %s\n",
		line);
	if (d->state == DEMO_RUNNING && part->role == steps[step].role)
		found = strstr(line, steps[step].words);
	if (found == NULL)
		return;
	found += strlen(steps[step].words);
	snprintf(d->heard[step], DEMO_WORD_MAX, "%.*s", (int)strcspn(found, " "), found);
	d->step++;
	if (steps[step].then != NULL)
		demo_check(d, steps[step].then(d));
}

static void demo_on_response(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct demo *d = arg;
	char reason[40], quoted[64];
	struct span type;

	if (rc != ERR_OK) {
		demo_check(d,
			err_set(&d->why, rc, "no answer through the tunnel: %s",
				err_text(rc, why)));
		return;
	}
	if (d->responses++ == 0) {
		type = http1_head_value(a->head, "Content-Type");
		fprintf(d->out,
			"answer   %u %s%s%s\n\n"
			"visit    status  first byte       bytes  connection\n",
			a->status, str_quote(reason, sizeof(reason), a->head->reason),
			type.n > 0 ? ", " : "", str_quote(quoted, sizeof(quoted), type));
	}
	fprintf(d->out, "%5u    %6u  %7.2f ms  %10zu  %s\n", d->responses, a->status,
		(double)a->first_us / 1000, a->body.n, a->is_reused ? "reused" : "new");
	if (d->has_page &&
		(!span_eq(a->body, buf_span(&d->page.text)) || a->status != 200 ||
			a->is_reused != (d->responses > 1))) {
		rc = err_set(&d->why, ERR_PROTO,
			"the response is not the page, or did not come over one connection");
	} else if (d->responses < DEMO_FETCHES) {
		rc = demo_fetch(d);
	} else {
		if (d->has_page)
			fprintf(d->out, "\nThe page arrived unchanged.\n");
		http_client_free(d->visitor);
		d->visitor = NULL;
		rc = d->tls == NULL ? demo_begin_lease(d) : demo_check_lease(d);
	}
	demo_check(d, rc);
}

static void demo_on_timer(void *arg)
{
	struct demo *d = arg;

	if (d->state != DEMO_ENDING) {
		demo_check(d,
			err_set(&d->why, ERR_TIMEOUT, "the %s was not ready within %d s",
				names[steps[d->step].role], DEMO_READY_MS / 1000));
		return;
	}
	demo_check(d,
		err_set(demo_why(d), ERR_TIMEOUT,
			"a process did not end within %d s of SIGTERM",
			DEMO_END_MS / 1000));
	runner_stop(d->runner, EXIT_CODE_FAILED); /* those that run are killed */
}

/* ---- the beginning ---- */

static void demo_on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct demo *d = arg;

	d->connector = NULL;
	stream_close(stream);
	if (rc == ERR_OK)
		rc = demo_begin_link(d);
	else
		err_set(&d->why, rc, "the target does not answer: %s", err_text(rc, why));
	demo_check(d, rc);
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
	struct connector_options o = {
		.loop = r->worker.loop,
		.host = d->target.host,
		.timeout_ms = DEMO_READY_MS / 2,
		.fn = demo_on_connected,
		.arg = d,
	};
	enum err rc;

	d->runner = r;
	demo_drop_settings();
	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		d->parts[role] = (struct demo_part){ .demo = d, .role = role };
	d->has_page = d->args->target == NULL;
	d->what = d->has_page ? "page" : "target";
	setvbuf(d->out, NULL, _IOLBF, 0); /* into a pipe, too */
	rc = loop_timer_open(r->worker.loop, demo_on_timer, d, &d->timer);
	if (rc == ERR_OK)
		rc = d->has_page ?
			demo_page_open(&d->page, &r->worker, &d->target.port, why) :
			addr_parse_listen(d->args->target, &d->target);
	if (rc != ERR_OK)
		return rc;
	if (d->has_page) {
		str_copy(d->target.host, sizeof(d->target.host), DEMO_LOCAL);
		fprintf(d->out, "page     http://%s:%u/: the service to publish\n\n",
			d->target.host, d->target.port);
	} else {
		fprintf(d->out, "target   %s, port %u: the service to publish\n\n",
			d->target.host, d->target.port);
	}
	/* Without a target that works, the demo could only show a failure. */
	o.port = d->target.port;
	return connector_open(&o, &d->connector);
}

static void demo_close(void *arg)
{
	struct demo *d = arg;

	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		child_close(d->parts[role].child);
	for (int i = 0; i < DEMO_TAPS; i++)
		demo_tap_close(&d->taps[i]);
	tls_context_free(d->tls);
	if (d->directory[0] != '\0')
		(void)nftw(d->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	demo_page_close(&d->page);
	loop_timer_close(d->timer);
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
		fprintf(c->out, "demo: failed: %s\n",
			err_text(demo.rc != ERR_OK ? demo.rc : ERR_SYS, &demo.why));
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
