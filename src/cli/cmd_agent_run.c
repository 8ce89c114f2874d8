/* adit agent run: tunnels that outlive the terminal. */
#include <unistd.h>

#include "agent/agent.h"
#include "base/str.h"
#include "cli/agent_manage.h"
#include "cli/runner.h"
#include "tui/dashboard.h"

#define AT(member) FIELD_AT(struct agent_args, member)

static const struct field rows[] = {
	{ .kind = FIELD_TABLE,
		.size = sizeof(struct agent_args),
		.of = &agent_place_fields },
	{ "foreground", FIELD_BOOL, AT(is_foreground),
		.help = "run here, until a signal stops it" },
	{ "no_dashboard", FIELD_BOOL, AT(has_no_dashboard),
		.help = "with --foreground in a terminal, log instead of showing the"
			" dashboard" },
	{ "service", FIELD_BOOL, AT(is_service),
		.help = "for service managers: the agent itself, without a terminal" },
	{ "force", FIELD_BOOL, AT(may_replace),
		.help = "replace the service's file even if adit has not written it" },
	{ .kind = FIELD_TABLE, AT(daemon), .of = &log_fields },
};
static const struct field_table fields = FIELD_TABLE_OF(struct agent_args, rows);

struct running {
	const struct call *call;
	struct agent_place place;
	char state_dir[AGENT_PATH_MAX];
	struct runner *runner;
	struct agent *agent;
	struct dashboard *dashboard; /* in a terminal; or NULL */
	bool wants_dashboard;
};

static void on_ended(void *owner)
{
	struct running *x = owner;

	runner_stop(x->runner, EXIT_CODE_DONE);
}

static void running_end(void *arg, bool is_again);

static void on_quit(void *arg)
{
	running_end(arg, false);
}

/* The terminal is the dashboard's, and the log goes to its pane. */
static void open_dashboard(struct running *x)
{
	struct dashboard_options o = {
		.loop = x->runner->worker.loop,
		.state_dir = x->state_dir,
		.start_command = "",
		.on_quit = on_quit,
		.arg = x,
	};
	struct why why = { "" };
	enum err rc;

	str_copy(x->state_dir, sizeof(x->state_dir), agent_state_dir(x->agent));
	rc = dashboard_open(&o, &x->dashboard, &why);
	if (rc == ERR_OK)
		log_set_quiet(true);
	else
		log_warn(&x->runner->log, "no dashboard: %s", err_text(rc, &why));
}

static void close_dashboard(struct running *x)
{
	dashboard_close(x->dashboard);
	x->dashboard = NULL;
	log_set_quiet(false);
}

static enum err running_open(void *arg, struct runner *r, struct why *why)
{
	struct running *x = arg;
	struct agent_options o = {
		.worker = &r->worker,
		.notify = r->notify,
		.log = &r->log,
		.config_path = x->place.config,
		.names = x->call->persona->agent,
		.default_state_dir = x->place.default_state_dir,
		.is_lenient = x->call->persona->only_warns,
		.on_ended = on_ended,
		.owner = x,
	};

	enum err rc;

	x->runner = r;
	rc = agent_open(&o, &x->agent, why);
	if (rc == ERR_OK && x->wants_dashboard)
		open_dashboard(x);
	return rc;
}

static void running_reload(void *arg)
{
	struct running *x = arg;

	agent_reload(x->agent);
}

static void running_on_network(void *arg, const char *reason)
{
	struct running *x = arg;

	agent_retry_now(x->agent, reason);
}

static void running_end(void *arg, bool is_again)
{
	struct running *x = arg;

	if (is_again) {
		runner_stop(x->runner, EXIT_CODE_FAILED);
		return;
	}
	if (x->dashboard != NULL)
		close_dashboard(x);
	log_info(&x->runner->log, "unregistering; a second signal stops at once");
	agent_leave(x->agent);
}

static void running_close(void *arg)
{
	struct running *x = arg;

	close_dashboard(x);
	agent_close(x->agent);
}

static const struct runner_ops running_ops = {
	.name = "agent",
	.open = running_open,
	.reload = running_reload,
	.on_network = running_on_network,
	.end = running_end,
	.close = running_close,
};

/* A service has the path of its config, and no other. */
static enum err check_state_dir(struct call *c, const struct agent_args *args)
{
	const struct agent_args config_alone = { .config = args->config };
	struct agent_place given, place;
	struct agent_config *config = NULL;
	struct config_source source;
	enum err rc;

	if (args->state_dir == NULL)
		return ERR_OK;
	rc = agent_place_find(c, args, &given, &c->why);
	if (rc == ERR_OK)
		rc = agent_place_find(c, &config_alone, &place, &c->why);
	if (rc != ERR_OK)
		return rc;
	str_copy(place.config, sizeof(place.config), given.config);
	source = agent_place_source(c, &place);
	rc = agent_config_read(&source, NULL, &config, &c->why);
	if (rc == ERR_OK && strcmp(config->state_dir, given.default_state_dir) != 0)
		rc = err_set(&c->why, ERR_USAGE,
			"a service takes its state directory from the config: write state_dir"
			" = \"%.80s\" below [agent] in %.80s",
			given.default_state_dir, given.config);
	agent_config_free(config);
	return rc;
}

static int run(struct call *c, void *object)
{
	struct agent_args *args = object;
	struct running running = { .call = c };
	int exit_code;
	enum err rc;

	if (!args->is_foreground && !args->is_service) {
		loop_signals_release(); /* Ctrl-C ends it */
		rc = check_state_dir(c, args);
		if (rc == ERR_OK)
			rc = agent_manage_run(c, args);
		return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc);
	}
	rc = daemon_start(&args->daemon, &c->why);
	if (rc == ERR_OK)
		rc = agent_place_find(c, args, &running.place, &c->why);
	if (rc != ERR_OK)
		return call_fail(c, rc);
	running.wants_dashboard = args->is_foreground && !args->is_service &&
		!args->has_no_dashboard && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	exit_code = runner_run(&running_ops, &running);
	if (running.wants_dashboard && exit_code == EXIT_CODE_DONE)
		fprintf(c->out, "%s stopped.\n", c->persona->agent->title);
	return exit_code;
}

const struct command command_agent_run = {
	.name = "agent run",
	.arguments = "[--foreground] [flags]",
	.summary = "keep the tunnels and links of a config running",
	.about =
		"Installs the agent as a service of the system (root) or of this user, starts it\n"
		"and waits until it responds; with --foreground it runs here instead.\n"
		"\n"
		"The agent publishes every tunnel of its config and opens every link, and keeps\n"
		"them up, whatever fails. A change of the file takes effect within a second,\n"
		"and touches only what has changed; a mistake in it is reported, and the agent\n"
		"goes on as before.\n"
		"\n"
		"SIGINT and SIGTERM unregister and exit, SIGHUP reads the config again.\n",
	.examples = "  @ agent run\n"
		    "  @ agent run --config config.toml --foreground\n",
	.fields = &fields,
	.run = run,
	.has_flags_only = true,
	.stays = true,
};
