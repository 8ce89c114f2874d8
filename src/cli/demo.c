/*
 * The course of the demo, as one state machine. It never sleeps: the server's log says where
 * the server listens, the client's log that the tunnel is open, SIGCHLD that either is gone.
 */
#include "cli/demo.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/demo_child.h"
#include "cli/demo_fetch.h"
#include "cli/demo_page.h"
#include "cli/demo_report.h"
#include "net/dialer.h"
#include "net/listener.h"
#include "text/hex.h"

#define LOCAL "127.0.0.1"
#define DEMO_USER "demo"
#define DEMO_FETCHES 2
#define DEMO_SIGNALS 3
#define DEMO_PORT_TRIES 5
#define DEMO_PASSWORD_BYTES 16
#define DEMO_READY_MS 10000 /* for all that comes before the visit */
#define DEMO_FETCH_MS 10000
#define DEMO_END_MS 5000 /* between SIGTERM and SIGKILL */

enum demo_state {
	DEMO_KNOCKING, /* at the target: is somebody there? */
	DEMO_STARTING_SERVER,
	DEMO_STARTING_CLIENT,
	DEMO_FETCHING,
	DEMO_OPEN,   /* until Ctrl-C */
	DEMO_ENDING, /* until both children have gone */
};

/* What was not ready when patience ended. */
static const char *const demo_awaited[] = {
	[DEMO_KNOCKING] = "the target",
	[DEMO_STARTING_SERVER] = "the server",
	[DEMO_STARTING_CLIENT] = "the client",
};

struct demo {
	const struct demo_options *o; /* borrowed: the caller's */
	enum demo_state state;
	struct loop *loop;
	struct loop_timer *patience;
	struct loop_signal *signals[DEMO_SIGNALS];
	struct dial *knock;
	struct demo_page *page; /* NULL: the target is somebody else's */
	struct demo_child *server, *client;
	struct demo_fetch *fetch;
	char password[2 * DEMO_PASSWORD_BYTES + 1]; /* secret */
	char fingerprint[64];                       /* of the server */
	uint16_t server_port, public_port;
	unsigned port_tries, answers;
	bool is_wrong; /* an answer was not what it should have been */
	int exit_code;
	struct why why; /* if it is not 0 */
};

/* ---- the end ---- */

static void demo_stop_if_alone(struct demo *d)
{
	if (d->server == NULL && d->client == NULL)
		loop_stop(d->loop);
}

static void demo_end(struct demo *d)
{
	if (d->state == DEMO_ENDING)
		return;
	d->state = DEMO_ENDING;
	dial_close(d->knock);
	d->knock = NULL;
	demo_fetch_close(d->fetch);
	d->fetch = NULL;
	if (d->client != NULL || d->server != NULL)
		fprintf(d->o->out, "\nending client and server\n");
	fflush(d->o->out);
	demo_child_signal(d->client, SIGTERM);
	demo_child_signal(d->server, SIGTERM);
	loop_timer_set(d->patience, DEMO_END_MS);
	demo_stop_if_alone(d);
}

/* The first failure is the one that is told. */
static void PRINTF_LIKE(2, 3) demo_fail(struct demo *d, const char *fmt, ...)
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

static void demo_on_patience_end(void *arg)
{
	struct demo *d = arg;

	if (d->state != DEMO_ENDING) {
		demo_fail(d, "%s was not ready within %d s", demo_awaited[d->state],
			DEMO_READY_MS / 1000);
		return;
	}
	demo_fail(d, "a process did not end within %d s of SIGTERM", DEMO_END_MS / 1000);
	demo_child_signal(d->client, SIGKILL);
	demo_child_signal(d->server, SIGKILL);
}

static void demo_on_signal(void *arg, int signo)
{
	struct demo *d = arg;

	(void)signo;
	if (d->state == DEMO_OPEN)
		demo_end(d);
	else
		demo_fail(d, "interrupted");
}

/* @which is d->server or d->client. */
static void demo_on_child_end(struct demo *d, struct demo_child **which, const char *name,
	int status)
{
	char text[CHILD_END_MAX];

	demo_child_close(*which);
	*which = NULL;
	child_print_end(status, text);
	if (d->state != DEMO_ENDING)
		demo_fail(d, "the %s ended early: %s", name, text);
	else if (status != 0)
		demo_fail(d, "the %s did not end well: %s", name, text);
	demo_stop_if_alone(d);
}

static void demo_on_server_end(void *arg, int status)
{
	struct demo *d = arg;

	demo_on_child_end(d, &d->server, "server", status);
}

static void demo_on_client_end(void *arg, int status)
{
	struct demo *d = arg;

	demo_on_child_end(d, &d->client, "client", status);
}

/* ---- the visit ---- */

static void demo_on_answer(void *arg, const struct demo_answer *answer)
{
	struct demo *d = arg;

	if (d->answers == 0)
		demo_report_answer(d->o->out, answer);
	demo_report_figures(d->o->out, d->answers, answer);
	d->answers++;
	if (d->page == NULL)
		return;
	if (!span_eq(buf_span(&answer->body), demo_page_last(d->page)))
		d->is_wrong = true;
	if (answer->status != 200 || answer->is_reused != (d->answers > 1))
		d->is_wrong = true;
}

static void demo_open(struct demo *d)
{
	if (d->page != NULL)
		fprintf(d->o->out, "\nThe page came through as it was sent.\n");
	if (d->o->is_once) {
		demo_end(d);
		return;
	}
	d->state = DEMO_OPEN;
	fprintf(d->o->out,
		"\nopen     http://" LOCAL ":%u/ in a browser; Ctrl-C ends this\n",
		d->public_port);
	fflush(d->o->out);
}

static void demo_on_fetched(void *arg, enum err rc, const struct why *why)
{
	struct demo *d = arg;

	demo_fetch_close(d->fetch);
	d->fetch = NULL;
	if (rc != ERR_OK)
		demo_fail(d, "no answer through the tunnel: %s", err_text(rc, why));
	else if (d->is_wrong)
		demo_fail(d,
			"what came through the tunnel is not the page, "
			"or not over one connection");
	else
		demo_open(d);
}

static void demo_visit(struct demo *d)
{
	struct demo_fetch_options o = {
		.loop = d->loop,
		.host = LOCAL,
		.port = d->public_port,
		.count = DEMO_FETCHES,
		.timeout_ms = DEMO_FETCH_MS,
		.on_answer = demo_on_answer,
		.on_end = demo_on_fetched,
		.arg = d,
	};

	d->state = DEMO_FETCHING;
	loop_timer_stop(d->patience);
	fprintf(d->o->out,
		"\nfetch    http://" LOCAL ":%u/, twice\n"
		"         visitor -> server -> client -> %s\n",
		d->public_port, d->page != NULL ? "page" : "target");
	fflush(d->o->out);
	if (demo_fetch_open(&o, &d->fetch) != ERR_OK)
		demo_fail(d, "no memory for a visitor");
}

/* ---- the client ---- */

static void demo_start_client(struct demo *d);

static void demo_on_client_line(void *arg, const char *line)
{
	struct demo *d = arg;

	if (d->state != DEMO_STARTING_CLIENT)
		return;
	if (strstr(line, "client: Connected") != NULL) {
		demo_visit(d);
	} else if (strstr(line, "Server cannot listen on") != NULL) {
		/* Somebody took the port between our look and the server's. */
		demo_child_close(d->client);
		d->client = NULL;
		demo_start_client(d);
	}
}

/* A port that was free a moment ago. */
static enum err demo_find_port(struct demo *d, struct why *why)
{
	struct listener *listener;
	struct addr at;
	enum err rc = listener_open(d->loop, LOCAL, 0, NULL, NULL, &listener, why);

	if (rc != ERR_OK)
		return rc;
	listener_addr(listener, &at);
	listener_close(listener);
	d->public_port = addr_port(&at);
	return ERR_OK;
}

/* "host:port" of what is published. NULL: no memory. */
static char *demo_print_target(const struct demo *d)
{
	const char *host = d->page != NULL ? LOCAL : d->o->target_host;
	uint16_t port = d->page != NULL ? demo_page_port(d->page) : d->o->target_port;

	return str_printf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

static enum err demo_open_client(struct demo *d, struct why *why)
{
	char *target = demo_print_target(d);
	char *url = str_printf("http://" LOCAL ":%u", d->server_port);
	char *remote = target != NULL ?
		str_printf("R:" LOCAL ":%u:%s", d->public_port, target) :
		NULL;
	const char *const argv[] = { "adit", "client", "--fingerprint", d->fingerprint,
		url, remote, NULL };
	struct demo_child_options o = {
		.loop = d->loop,
		.out = d->o->out,
		.err = d->o->err,
		.user = DEMO_USER,
		.password = d->password,
		.argv = argv,
		.on_line = demo_on_client_line,
		.on_end = demo_on_client_end,
		.arg = d,
	};
	enum err rc = ERR_NOMEM;

	if (url != NULL && remote != NULL)
		rc = demo_child_open(&o, &d->client, why);
	free(target);
	free(url);
	free(remote);
	return rc;
}

static void demo_start_client(struct demo *d)
{
	struct why why = { "" };
	enum err rc;

	d->state = DEMO_STARTING_CLIENT;
	if (++d->port_tries > DEMO_PORT_TRIES) {
		demo_fail(d, "no port could be had for the public end of the tunnel");
		return;
	}
	rc = demo_find_port(d, &why);
	if (rc == ERR_OK)
		rc = demo_open_client(d, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}

/* ---- the server ---- */

static void demo_on_server_line(void *arg, const char *line)
{
	static const char fingerprint[] = "server: Fingerprint ";
	static const char listening[] = "server: Listening on http://" LOCAL ":";
	struct demo *d = arg;
	const char *found;
	unsigned long port;

	if (d->state != DEMO_STARTING_SERVER)
		return;
	found = strstr(line, fingerprint);
	if (found != NULL)
		str_copy(d->fingerprint, sizeof(d->fingerprint),
			found + strlen(fingerprint));
	found = strstr(line, listening);
	if (found == NULL || !str_to_uint(found + strlen(listening), UINT16_MAX, &port))
		return;
	d->server_port = (uint16_t)port;
	demo_start_client(d);
}

static void demo_start_server(struct demo *d)
{
	static const char *const argv[] = { "adit", "server", "--reverse", "--host",
		LOCAL, "--port", "0", NULL };
	struct demo_child_options o = {
		.loop = d->loop,
		.out = d->o->out,
		.err = d->o->err,
		.user = DEMO_USER,
		.password = d->password,
		.argv = argv,
		.on_line = demo_on_server_line,
		.on_end = demo_on_server_end,
		.arg = d,
	};
	struct why why = { "" };
	enum err rc;

	d->state = DEMO_STARTING_SERVER;
	rc = demo_child_open(&o, &d->server, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}

/* ---- the beginning ---- */

static void demo_on_knocked(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct demo *d = arg;

	(void)errnum;
	d->knock = NULL;
	if (rc != ERR_OK) {
		demo_fail(d, "the target does not answer: %s", err_text(rc, why));
		return;
	}
	close(fd);
	demo_start_server(d);
}

/* A tunnel to nowhere would only show that a visitor is turned away. */
static enum err demo_knock(struct demo *d)
{
	struct dial_options o = {
		.loop = d->loop,
		.host = d->o->target_host,
		.port = d->o->target_port,
		.timeout_ms = DEMO_READY_MS / 2,
		.fn = demo_on_knocked,
		.arg = d,
	};

	return dial_open(&o, &d->knock);
}

static enum err demo_begin(struct demo *d, struct why *why)
{
	FILE *out = d->o->out;
	enum err rc;

	loop_timer_set(d->patience, DEMO_READY_MS);
	if (d->o->target_host != NULL) {
		fprintf(out, "target   %s, port %u: the service to publish\n\n",
			d->o->target_host, d->o->target_port);
		return demo_knock(d);
	}
	rc = demo_page_open(d->loop, &d->page, why);
	if (rc != ERR_OK)
		return rc;
	fprintf(out, "page     http://" LOCAL ":%u/: the service to publish\n\n",
		demo_page_port(d->page));
	demo_start_server(d);
	return ERR_OK;
}

static void demo_make_password(struct demo *d)
{
	uint8_t bytes[DEMO_PASSWORD_BYTES];

	rand_bytes(bytes, sizeof(bytes));
	hex_encode(span_of(bytes, sizeof(bytes)), d->password);
	mem_wipe(bytes, sizeof(bytes));
}

static enum err demo_init(struct demo *d)
{
	static const int signals[DEMO_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
	enum err rc = loop_new(&d->loop);

	demo_make_password(d);
	if (rc == ERR_OK)
		rc = loop_timer_open(d->loop, demo_on_patience_end, d, &d->patience);
	for (int i = 0; i < DEMO_SIGNALS && rc == ERR_OK; i++)
		rc = loop_signal_open(d->loop, signals[i], demo_on_signal, d,
			&d->signals[i]);
	return rc;
}

static void demo_fini(struct demo *d)
{
	dial_close(d->knock);
	demo_fetch_close(d->fetch);
	demo_child_close(d->client);
	demo_child_close(d->server);
	demo_page_close(d->page);
	for (int i = 0; i < DEMO_SIGNALS; i++)
		loop_signal_close(d->signals[i]);
	loop_timer_close(d->patience);
	loop_free(d->loop);
	mem_wipe(d->password, sizeof(d->password));
}

int demo_run(const struct demo_options *o)
{
	struct demo d = { .o = o };
	enum err rc = demo_init(&d);

	if (rc == ERR_OK)
		rc = demo_begin(&d, &d.why);
	if (rc == ERR_OK)
		loop_run(d.loop);
	if (rc != ERR_OK)
		d.exit_code = EXIT_CODE_FAILED;
	if (d.exit_code == EXIT_CODE_DONE)
		fprintf(o->out, "demo: ok\n");
	else
		fprintf(o->out, "demo: failed: %s\n", err_text(rc, &d.why));
	demo_fini(&d);
	return d.exit_code;
}
