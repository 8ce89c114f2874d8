/* adit server: the server end of links, with Chisel's command line. */
#include "cli/command.h"

#include "base/log.h"
#include "cli/keygen.h"
#include "cli/persona.h"
#include "cli/runner.h"
#include "cli/server_args.h"

struct serving {
	const struct link_server_options *options;
	struct runner *runner;
	struct link_server *server;
};

static enum err serving_open(void *arg, struct runner *r, struct why *why)
{
	struct serving *x = arg;

	x->runner = r;
	return link_server_open(x->options, &r->worker, r->notify, &x->server, why);
}

static void serving_reload(void *arg)
{
	struct serving *x = arg;

	link_server_reload(x->server);
}

static void serving_report(void *arg)
{
	struct serving *x = arg;

	link_server_report(x->server);
}

static void serving_end(void *arg, bool is_again)
{
	struct serving *x = arg;

	(void)is_again;
	link_server_end(x->server);
	runner_stop(x->runner, EXIT_CODE_DONE);
}

static void serving_close(void *arg)
{
	struct serving *x = arg;

	link_server_close(x->server);
}

static const struct runner_ops serving_ops = {
	.name = "server",
	.open = serving_open,
	.reload = serving_reload,
	.report = serving_report,
	.end = serving_end,
	.close = serving_close,
};

static int serve(const struct call *c, struct server_args *args)
{
	struct serving serving = { .server = NULL };
	struct why why = { "" };
	struct log log;
	enum err rc;

	rc = call_refuse_words(c, &why);
	if (rc == ERR_OK)
		rc = server_args_check(args, &why);
	if (rc == ERR_OK && args->keygen != NULL) {
		rc = keygen_write(
			&(struct keygen_options){
				.path = args->keygen,
				.seed = args->link.key_seed,
				.replaces = args->forces || c->persona->is_lenient,
				.out = c->out,
				.err = c->err,
			},
			&why);
		return rc == ERR_OK ? EXIT_CODE_DONE : call_fail(c, rc, &why);
	}
	if (rc == ERR_OK)
		rc = daemon_start(&args->daemon, &why);
	if (rc != ERR_OK)
		return call_fail(c, rc, &why);
	log_init(&log, NULL, "server");
	if (args->link.key_seed != NULL && args->link.key_file == NULL)
		log_warn(&log,
			"--key (or CHISEL_KEY): whoever guesses the seed has the key;"
			" keep one in a file with --keygen and use --keyfile");
	serving.options = &args->link;
	return runner_run(&serving_ops, &serving);
}

static int run(struct call *c)
{
	struct server_args args = { .keygen = NULL };
	int exit_code;

	if (call_read(c, &args, &exit_code))
		exit_code = serve(c, &args);
	field_fini(&server_fields, &args);
	return exit_code;
}

const struct command command_server = {
	.name = "server",
	.arguments = "[flags]",
	.summary = "take tunnels from clients (the public end)",
	.about =
		"Takes tunnels from adit and Chisel clients over HTTP, and carries TCP, UDP and\n"
		"SOCKS5 both ways. Without --auth and --authfile every client that reaches it\n"
		"may use it.\n"
		"\n"
		"SIGINT and SIGTERM end it, SIGHUP reads files again, SIGUSR2 logs\n"
		"statistics. GET /health answers OK, GET /version the version.\n",
	.examples = "  @ server --reverse --port 9090 --host 127.0.0.1\n"
		    "  AUTH=ann:secret @ server --reverse --keyfile /etc/adit/host.key\n"
		    "  @ server --keygen /etc/adit/host.key\n",
	.fields = &server_fields,
	.run = run,
	.stays = true,
};
