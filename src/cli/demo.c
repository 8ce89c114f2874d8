/* The course of the demo: what all of it has in common. */
#include "cli/demo.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/demo_inside.h"
#include "cli/demo_report.h"

#define DEMO_FETCHES 2
#define DEMO_READY_MS 10000 /* for all that comes before a visit */
#define DEMO_FETCH_MS 10000
#define DEMO_END_MS 8000 /* after the first SIGTERM; who unregisters may take 5 s */

/* What was not ready when patience ended. */
static const char *const demo_awaited[] = {
	[DEMO_KNOCKING] = "the target",
	[DEMO_STARTING_SERVER] = "the server",
	[DEMO_STARTING_CLIENT] = "the client",
	[DEMO_STARTING_RELAY] = "the relay",
	[DEMO_STARTING_EXPOSE] = "the agent",
};

static const char *const demo_role_names[] = {
	[DEMO_CLIENT] = "client",
	[DEMO_EXPOSE] = "agent",
	[DEMO_SERVER] = "server",
	[DEMO_RELAY] = "relay",
};

/* ---- the end ---- */

/* One after the other, so that who unregisters finds somebody to tell. */
static void demo_end_next(struct demo *d)
{
	for (enum demo_role role = 0; role < DEMO_ROLES; role++) {
		if (d->parts[role].child == NULL)
			continue;
		demo_child_signal(d->parts[role].child, SIGTERM);
		return;
	}
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
	fprintf(d->o->out, "\nending what was started\n");
	fflush(d->o->out);
	loop_timer_set(d->patience, DEMO_END_MS);
	demo_end_next(d);
}

/* The first failure is the one that is told. */
void demo_fail(struct demo *d, const char *fmt, ...)
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
	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		demo_child_signal(d->parts[role].child, SIGKILL);
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

/* ---- children ---- */

static void demo_on_child_end(void *arg, int status)
{
	struct demo_part *part = arg;
	struct demo *d = part->demo;
	const char *name = demo_role_names[part->role];
	char text[CHILD_END_MAX];

	demo_drop(d, part->role);
	child_print_end(status, text);
	if (d->state != DEMO_ENDING)
		demo_fail(d, "the %s ended early: %s", name, text);
	else if (status != 0)
		demo_fail(d, "the %s did not end well: %s", name, text);
	if (d->state == DEMO_ENDING)
		demo_end_next(d);
}

static void demo_on_child_line(void *arg, const char *line)
{
	struct demo_part *part = arg;

	part->on_line(part->demo, line);
}

enum err demo_start(struct demo *d, enum demo_role role, const struct demo_start *how,
	struct why *why)
{
	struct demo_part *part = &d->parts[role];
	struct demo_child_options o = {
		.loop = d->loop,
		.out = d->o->out,
		.err = d->o->err,
		.user = how->user,
		.password = how->password,
		.argv = how->argv,
		.on_line = demo_on_child_line,
		.on_end = demo_on_child_end,
		.arg = part,
	};

	part->on_line = how->on_line;
	return demo_child_open(&o, &part->child, why);
}

void demo_drop(struct demo *d, enum demo_role role)
{
	demo_child_close(d->parts[role].child);
	d->parts[role].child = NULL;
}

void demo_await(struct demo *d, enum demo_state state)
{
	d->state = state;
	loop_timer_set(d->patience, DEMO_READY_MS);
}

/* ---- visits ---- */

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

static void demo_on_fetched(void *arg, enum err rc, const struct why *why)
{
	struct demo *d = arg;

	demo_fetch_close(d->fetch);
	d->fetch = NULL;
	if (rc != ERR_OK) {
		demo_fail(d, "no answer through the tunnel: %s", err_text(rc, why));
		return;
	}
	if (d->is_wrong) {
		demo_fail(d,
			"what came through the tunnel is not the page, "
			"or not over one connection");
		return;
	}
	if (d->page != NULL)
		fprintf(d->o->out, "\nThe page came through as it was sent.\n");
	d->after_visit(d);
}

void demo_visit(struct demo *d, enum demo_state state, struct demo_fetch_options *how,
	void (*next)(struct demo *d))
{
	d->state = state;
	loop_timer_stop(d->patience);
	fflush(d->o->out);
	d->answers = 0;
	d->after_visit = next;
	how->loop = d->loop;
	how->count = DEMO_FETCHES;
	how->timeout_ms = DEMO_FETCH_MS;
	how->on_answer = demo_on_answer;
	how->on_end = demo_on_fetched;
	how->arg = d;
	if (demo_fetch_open(how, &d->fetch) != ERR_OK)
		demo_fail(d, "no memory for a visitor");
}

void demo_open(struct demo *d)
{
	if (d->o->is_once) {
		demo_end(d);
		return;
	}
	d->state = DEMO_OPEN;
	fprintf(d->o->out, "\nopen     http://" DEMO_LOCAL ":%u/ in a browser\n",
		d->link.public_port);
	demo_lease_print_open(d);
	fprintf(d->o->out, "         Ctrl-C ends this\n");
	fflush(d->o->out);
}

/* ---- the beginning ---- */

const char *demo_target_host(const struct demo *d)
{
	return d->page != NULL ? DEMO_LOCAL : d->o->target_host;
}

uint16_t demo_target_port(const struct demo *d)
{
	return d->page != NULL ? demo_page_port(d->page) : d->o->target_port;
}

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
	demo_link_begin(d);
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

	demo_await(d, DEMO_KNOCKING);
	if (d->o->target_host != NULL) {
		fprintf(out, "target   %s, port %u: the service to publish\n\n",
			d->o->target_host, d->o->target_port);
		return demo_knock(d);
	}
	rc = demo_page_open(d->loop, &d->page, why);
	if (rc != ERR_OK)
		return rc;
	fprintf(out, "page     http://" DEMO_LOCAL ":%u/: the service to publish\n\n",
		demo_page_port(d->page));
	demo_link_begin(d);
	return ERR_OK;
}

static enum err demo_init(struct demo *d)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	enum err rc = loop_new(&d->loop);

	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		d->parts[role] = (struct demo_part){ .demo = d, .role = role };
	if (rc == ERR_OK)
		rc = loop_timer_open(d->loop, demo_on_patience_end, d, &d->patience);
	if (rc == ERR_OK)
		rc = loop_signals_open(d->loop, signals, demo_on_signal, d, &d->signals);
	return rc;
}

static void demo_fini(struct demo *d)
{
	dial_close(d->knock);
	demo_fetch_close(d->fetch);
	for (enum demo_role role = 0; role < DEMO_ROLES; role++)
		demo_drop(d, role);
	demo_lease_fini(d);
	demo_page_close(d->page);
	loop_signals_close(d->signals);
	loop_timer_close(d->patience);
	loop_free(d->loop);
	mem_wipe(&d->link, sizeof(d->link));
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
