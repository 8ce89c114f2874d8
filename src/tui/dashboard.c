/* The dashboard: polls the agent, sends changes, and connects model, view and screen. */
#include "tui/dashboard.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "tui/agent_client.h"
#include "tui/keys.h"
#include "tui/screen.h"
#include "tui/view.h"

#define POLL_MS 2000
#define RETRY_MS 500 /* while no agent runs */
#define POLL_TIMEOUT_MS 5000
#define CHANGE_TIMEOUT_MS 10000
#define AFTER_CHANGE_MS 100 /* an agent shows the effect of a change within that time */
#define WHEEL_LINES 3

struct dashboard {
	struct dashboard_options o;
	struct screen *screen;
	struct agent_client *client;
	struct loop_timer *poll;
	struct model model;
	struct view view;
	struct grid grid;
	bool has_poll, has_log_poll; /* requests without a response */
	struct list changes;         /* that are to be sent */
	struct change *sent;         /* owned; NULL: none waits for its result */
	struct child *opener;
	bool is_opening;  /* it has not started the browser yet */
	bool is_quitting; /* as soon as it has */
};

static void draw(struct dashboard *d)
{
	unsigned rows, columns;

	screen_size(d->screen, &rows, &columns);
	if ((rows != d->grid.rows || columns != d->grid.columns) &&
		grid_resize(&d->grid, rows, columns) != ERR_OK)
		return;
	d->model.now_ms = clock_wall_ms();
	view_draw(&d->view, &d->model, &d->grid);
	screen_set_cursor(d->screen, d->view.has_cursor, d->view.cursor_row,
		d->view.cursor_column);
	screen_show(d->screen, &d->grid);
}

/* ---- responses ---- */

/* Why a response is a failure, or NULL: it is none. Prints to @to. */
static const char *failure(enum err rc, const struct agent_reply *reply,
	const struct why *why, char to[MODEL_MESSAGE_MAX])
{
	char *message;

	if (rc != ERR_OK) {
		snprintf(to, MODEL_MESSAGE_MAX, "%s", err_text(rc, why));
		return to;
	}
	if (reply->status >= 200 && reply->status < 300)
		return NULL;
	message = status_parse_error(reply->body);
	if (reply->status == 401)
		snprintf(to, MODEL_MESSAGE_MAX,
			"the agent refuses the token in its endpoint file; is it another agent?");
	else if (message != NULL)
		snprintf(to, MODEL_MESSAGE_MAX, "%s", message);
	else
		snprintf(to, MODEL_MESSAGE_MAX, "the agent responds with status %u",
			reply->status);
	free(message);
	return to;
}

/* ---- the log ---- */

static void on_log(void *arg, enum err rc, const struct agent_reply *reply,
	const struct why *why)
{
	struct dashboard *d = arg;

	(void)why;
	d->has_log_poll = false;
	if (rc != ERR_OK)
		return;
	if (reply->status == 404)
		d->model.has_no_log_api = true;
	else if (reply->status == 200)
		(void)!model_read_log(&d->model, reply->body, NULL);
	draw(d);
}

static void poll_log(struct dashboard *d)
{
	char target[64];
	const struct agent_request q = {
		.method = "GET",
		.target = target,
		.timeout_ms = POLL_TIMEOUT_MS,
		.fn = on_log,
		.arg = d,
	};

	if (d->has_log_poll || d->model.has_no_log_api || d->model.pane != MODEL_LOG ||
		!model_is_live(&d->model))
		return;
	snprintf(target, sizeof(target), "/v1/agent/log?after=%lld",
		(long long)d->model.log_next);
	d->has_log_poll = agent_client_send(d->client, &q, NULL) == ERR_OK;
}

/* ---- the status ---- */

static void lose(struct dashboard *d, const char *why)
{
	d->model.now_ms = clock_wall_ms();
	model_lose(&d->model, why);
	loop_timer_set(d->poll, RETRY_MS);
}

static void on_status(void *arg, enum err rc, const struct agent_reply *reply,
	const struct why *why)
{
	struct dashboard *d = arg;
	char text[MODEL_MESSAGE_MAX];
	const char *trouble = failure(rc, reply, why, text);
	struct why words = { "" };
	struct status s;

	d->has_poll = false;
	d->model.now_ms = clock_wall_ms();
	if (trouble == NULL && status_parse(reply->body, &s, &words) != ERR_OK) {
		snprintf(text, sizeof(text), "the agent's status cannot be read: %s",
			words.text);
		trouble = text;
	}
	if (trouble != NULL)
		lose(d, trouble);
	else
		model_take_status(&d->model, &s);
	poll_log(d);
	draw(d);
}

static void on_poll(void *arg)
{
	struct dashboard *d = arg;
	const struct agent_request q = {
		.method = "GET",
		.target = "/v1/agent/status",
		.timeout_ms = POLL_TIMEOUT_MS,
		.fn = on_status,
		.arg = d,
	};
	struct why why = { "" };
	enum err rc;

	loop_timer_set(d->poll, POLL_MS);
	if (d->has_poll)
		return;
	rc = agent_client_send(d->client, &q, &why);
	d->has_poll = rc == ERR_OK;
	if (rc == ERR_OK)
		return;
	lose(d, err_text(rc, &why));
	draw(d);
}

/* ---- changes ---- */

static void send_next(struct dashboard *d);

/* Takes the change that was sent. @trouble NULL: it succeeded. */
static void end_change(struct dashboard *d, const char *trouble)
{
	struct change *c = d->sent, *then = c->then;

	d->sent = NULL;
	if (trouble == NULL && then != NULL) {
		c->then = NULL;
		then->selects = c->selects;
		c->selects = NULL;
		change_free(c);
		list_add_front(&d->changes, &then->in_queue);
		return;
	}
	d->model.waiting--;
	model_take_result(&d->model, c, trouble);
	loop_timer_set(d->poll, AFTER_CHANGE_MS);
}

static void on_result(void *arg, enum err rc, const struct agent_reply *reply,
	const struct why *why)
{
	struct dashboard *d = arg;
	char text[MODEL_MESSAGE_MAX];

	end_change(d, failure(rc, reply, why, text));
	send_next(d);
	draw(d);
}

static void send_next(struct dashboard *d)
{
	struct change *c;
	struct why why = { "" };
	enum err rc;

	while (d->sent == NULL && !list_is_empty(&d->changes)) {
		c = list_first(&d->changes, struct change, in_queue);
		list_remove(&c->in_queue);
		d->sent = c;
		rc = agent_client_send(d->client,
			&(struct agent_request){ .method = c->method,
				.target = c->target,
				.body = buf_span(&c->body),
				.timeout_ms = CHANGE_TIMEOUT_MS,
				.fn = on_result,
				.arg = d },
			&why);
		if (rc != ERR_OK)
			end_change(d, err_text(rc, &why));
	}
}

/* ---- the browser ---- */

static void opener_has_started(struct dashboard *d)
{
	d->is_opening = false;
	if (d->is_quitting)
		d->o.on_quit(d->o.arg);
}

static void opener_on_line(void *arg, const char *line)
{
	(void)line;
	opener_has_started(arg);
}

static void opener_on_end(void *arg, int status)
{
	struct dashboard *d = arg;
	char end[CHILD_END_MAX];

	if (status != 0) {
		model_say(&d->model, MODEL_BAD,
			"no browser opened the URL (%s): y copies it",
			child_print_end(status, end));
		draw(d);
	}
	opener_has_started(d);
}

/*
 * The shell is a child of ours and ends with us; the opener is a child of the shell, and
 * lives on: a browser that it starts must not end with the dashboard. A user who leaves
 * at once waits for the line that says that the opener runs.
 */
static void open_url(struct dashboard *d, const char *url)
{
	static const char script[] =
		"for opener in xdg-open open; do\n"
		"  command -v \"$opener\" >/dev/null 2>&1 || continue\n"
		"  \"$opener\" \"$1\" </dev/null >/dev/null 2>&1 &\n"
		"  echo started\n"
		"  wait $!\n"
		"  exit\n"
		"done\n"
		"exit 127\n";
	const char *const argv[] = { "sh", "-c", script, "sh", url, NULL };
	const struct child_options o = {
		.loop = d->o.loop,
		.path = "/bin/sh",
		.argv = argv,
		.on_line = opener_on_line,
		.on_end = opener_on_end,
		.arg = d,
	};
	struct why why = { "" };
	enum err rc;

	if (d->is_opening)
		return;
	child_close(d->opener);
	d->opener = NULL;
	rc = child_open(&o, &d->opener, &why);
	d->is_opening = rc == ERR_OK;
	if (rc != ERR_OK)
		model_say(&d->model, MODEL_BAD, "%s", err_text(rc, &why));
}

/* ---- input ---- */

/* Takes @e. The dashboard may be closed after it. */
static void apply(struct dashboard *d, struct keys_effect *e)
{
	bool quits = e->quits;

	if (e->change != NULL) {
		list_add(&d->changes, &e->change->in_queue);
		e->change = NULL;
		send_next(d);
	}
	if (e->copies != NULL)
		screen_copy(d->screen, e->copies);
	if (e->opens != NULL)
		open_url(d, e->opens);
	if (e->redraws)
		screen_repair(d->screen);
	if (e->suspends)
		screen_suspend(d->screen);
	keys_effect_fini(e);
	if (quits && d->is_opening) {
		d->is_quitting = true;
	} else if (quits) {
		d->o.on_quit(d->o.arg);
		return;
	}
	poll_log(d);
	draw(d);
}

static void on_key(void *arg, uint32_t key)
{
	struct dashboard *d = arg;
	struct keys_effect e = { .quits = false };

	keys_press(&d->model, key, &e);
	apply(d, &e);
}

static void on_paste(void *arg, struct span text)
{
	struct dashboard *d = arg;

	keys_paste(&d->model, text);
	draw(d);
}

static void turn_wheel(struct dashboard *d, const struct view_hit *hit, bool is_up)
{
	struct model *m = &d->model;
	enum model_pane pane = hit != NULL ? hit->pane : m->pane;
	unsigned by = pane == MODEL_LOG ? WHEEL_LINES : 1, at = model_at(m, pane);

	if (m->has_help)
		m->help_top = !is_up              ? m->help_top + WHEEL_LINES :
			m->help_top > WHEEL_LINES ? m->help_top - WHEEL_LINES :
						    0;
	else if (m->dialog == MODEL_NO_DIALOG && is_up)
		model_select(m, pane, at > by ? at - by : 0);
	else if (m->dialog == MODEL_NO_DIALOG)
		model_select(m, pane, at + by);
}

static void on_mouse(void *arg, enum screen_mouse what, unsigned row, unsigned column)
{
	struct dashboard *d = arg;
	const struct view_hit *hit = view_find(&d->view, row, column);
	bool is_free = d->model.dialog == MODEL_NO_DIALOG && !d->model.has_help;

	if (what != SCREEN_PRESS) {
		turn_wheel(d, hit, what == SCREEN_WHEEL_UP);
	} else if (hit != NULL && hit->kind == VIEW_HIT_KEY) {
		if (is_free)
			d->model.pane = hit->pane;
		on_key(d, hit->arg);
		return;
	} else if (hit != NULL && is_free) {
		d->model.pane = hit->pane;
		d->model.is_editing = false;
		if (hit->kind == VIEW_HIT_ROW)
			model_select(&d->model, hit->pane, hit->arg);
	}
	poll_log(d);
	draw(d);
}

static void on_resize(void *arg)
{
	draw(arg);
}

static void on_end(void *arg)
{
	struct dashboard *d = arg;

	d->o.on_quit(d->o.arg);
}

/* ---- opened, and closed ---- */

static enum err open_parts(struct dashboard *d, struct why *why)
{
	const struct screen_options o = {
		.loop = d->o.loop,
		.on_key = on_key,
		.on_paste = on_paste,
		.on_mouse = on_mouse,
		.on_resize = on_resize,
		.on_end = on_end,
		.arg = d,
	};
	enum err rc = agent_client_new(d->o.loop, d->o.state_dir, &d->client);

	if (rc == ERR_OK)
		rc = loop_timer_open(d->o.loop, on_poll, d, &d->poll);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for the dashboard");
	return screen_open(&o, &d->screen, why);
}

enum err dashboard_open(const struct dashboard_options *o, struct dashboard **out,
	struct why *why)
{
	struct dashboard *d = mem_new(d);
	enum err rc;

	if (d == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the dashboard");
	d->o = *o;
	list_init(&d->changes);
	model_init(&d->model);
	if (o->start_command != NULL)
		str_copy(d->model.start_command, sizeof(d->model.start_command),
			o->start_command);
	rc = open_parts(d, why);
	if (rc != ERR_OK) {
		dashboard_close(d);
		return rc;
	}
	d->model.is_ascii = d->grid.is_ascii = screen_is_ascii(d->screen);
	on_poll(d);
	draw(d);
	*out = d;
	return ERR_OK;
}

void dashboard_close(struct dashboard *d)
{
	struct list *it, *tmp;

	if (d == NULL)
		return;
	screen_close(d->screen);
	loop_timer_close(d->poll);
	agent_client_free(d->client);
	child_close(d->opener);
	list_each(it, tmp, &d->changes) {
		struct change *c = list_object(it, struct change, in_queue);

		list_remove(&c->in_queue);
		change_free(c);
	}
	change_free(d->sent);
	model_fini(&d->model);
	grid_fini(&d->grid);
	free(d);
}

/* ---- on a loop of its own ---- */

static void stop(void *arg)
{
	loop_stop(arg);
}

static void on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

enum err dashboard_run(const struct dashboard_options *o, struct why *why)
{
	struct dashboard_options own = *o;
	struct loop_signals *signals = NULL;
	struct dashboard *d = NULL;
	struct loop *loop = NULL;
	enum err rc = loop_new(&loop);

	if (rc == ERR_OK)
		rc = loop_signals_open(loop, (const int[]){ SIGINT, SIGTERM, SIGHUP, 0 },
			on_signal, loop, &signals);
	if (rc != ERR_OK) {
		err_set(why, rc, "cannot set up the event loop: %s", err_name(rc));
		goto out;
	}
	own.loop = loop;
	own.on_quit = stop;
	own.arg = loop;
	rc = dashboard_open(&own, &d, why);
	if (rc == ERR_OK)
		loop_run(loop);
out:
	dashboard_close(d);
	loop_signals_close(signals);
	loop_free(loop);
	return rc;
}
