/* The agent as a service: the steps of run, restart and stop. */
#include "cli/agent_manage.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/agent_request.h"
#include "cli/agent_service.h"

#define RUN_MS 30000     /* portal-protocol 15.9 */
#define RESTART_MS 45000 /* likewise */
#define STOP_MS 20000    /* more than an agent takes */
#define POLL_MS 100

/* What the steps work with. */
struct manage {
	struct call *c;
	struct agent_whereabouts where;
	struct agent_config *config;
	struct agent_service found;
	struct service *service;
};

static enum err manage_open(struct manage *m, struct call *c,
	const struct agent_args *args)
{
	enum err rc = agent_whereabouts(c, args, &m->where, &c->why);

	m->c = c;
	m->service = &m->found.service;
	if (rc == ERR_OK)
		rc = agent_service_init(&m->found, c->persona->agent, &m->where, &c->why);
	return rc;
}

/* To start an agent, its config has to be right. */
static enum err manage_open_to_start(struct manage *m, struct call *c,
	const struct agent_args *args)
{
	struct config_source source;
	struct agent_place place;
	enum err rc = agent_place_find(c, args, &place, &c->why);

	m->service = &m->found.service;
	source = agent_place_source(c, &place);
	if (rc == ERR_OK)
		rc = agent_config_read(&source, NULL, &m->config, &c->why);
	if (rc == ERR_NOENT)
		return err_set(&c->why, rc, "there is no config %.150s", place.config);
	if (rc == ERR_OK)
		rc = manage_open(m, c, args);
	if (rc == ERR_OK)
		rc = agent_service_allow(&m->found, m->config, &c->why);
	return rc;
}

static void manage_free(struct manage *m)
{
	agent_service_fini(&m->found);
	agent_config_free(m->config);
	free(m);
}

/* ---- the agent ---- */

/* The status of the agent that runs. NULL: none responds. */
static json_t *ask(const struct manage *m)
{
	json_t *status = NULL;

	if (agent_request(m->where.state_dir, "GET", "/v1/agent/status", NULL, &status,
		    NULL) != ERR_OK)
		return NULL;
	return status;
}

static long pid_of(const json_t *status)
{
	return (long)json_integer_value(json_object_get(status, "pid"));
}

/* The status of an agent that is not process @except. NULL: none within @ms. */
static json_t *wait_for_agent(const struct manage *m, long except, uint64_t ms)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t until = clock_now_ms() + ms;
	json_t *status;

	for (;;) {
		status = ask(m);
		if (status != NULL && (except == 0 || pid_of(status) != except))
			return status;
		json_decref(status);
		if (clock_now_ms() >= until)
			return NULL;
		nanosleep(&pause, NULL);
	}
}

static bool wait_for_end(const struct manage *m)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t until = clock_now_ms() + STOP_MS;
	json_t *status;

	while ((status = ask(m)) != NULL) {
		json_decref(status);
		if (clock_now_ms() >= until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* ---- what is said ---- */

static void say_where(const struct manage *m)
{
	struct service_place place;
	char words[300];

	if (service_find(m->service, &place, NULL) != ERR_OK)
		return;
	fprintf(m->c->out, "  config: %s\n  state directory: %s\n", m->where.config,
		m->where.state_dir);
	fprintf(m->c->out, "  %s: %s, of %s; %s\n", place.kind, place.path,
		m->service->is_system ? "root" : "this user",
		service_explain_start(m->service, words, sizeof(words)));
}

/* In the words of stock agents. */
static void say_agent(const struct manage *m, const char *verb, const json_t *status)
{
	const char *addr = json_string_value(json_object_get(status, "control_addr"));
	size_t n = json_array_size(json_object_get(status, "tunnels"));

	fprintf(m->c->out, "%s %s at %s with %zu tunnel(s).\n",
		m->c->persona->agent->title, verb, addr != NULL ? addr : "?", n);
	say_where(m);
}

static enum err no_answer(const struct manage *m, unsigned seconds)
{
	return err_set(&m->c->why, ERR_TIMEOUT,
		"the service %s was started, and its agent does not respond within %u s;"
		" %s agent logs shows why",
		m->service->name, seconds, m->c->persona->name);
}

/* ---- run ---- */

/* An agent that runs, and is not the service's, has the state directory. */
static enum err check_others(const struct manage *m, const struct service_state *state)
{
	json_t *status;
	long pid;

	if (state->pid > 0)
		return ERR_OK;
	status = ask(m);
	if (status == NULL)
		return ERR_OK;
	pid = pid_of(status);
	json_decref(status);
	return err_set(&m->c->why, ERR_EXISTS,
		"an agent runs already, in the foreground, process %ld, with the state"
		" directory %.100s: stop it first",
		pid, m->where.state_dir);
}

static enum err install_and_start(const struct manage *m)
{
	struct service_change change = { .is_new = false };
	struct service_state state;
	struct why why = { "" };
	enum err rc = service_check(m->service, &m->c->why);

	if (rc == ERR_OK)
		rc = service_read_state(m->service, &state, &m->c->why);
	if (rc == ERR_OK)
		rc = check_others(m, &state);
	if (rc == ERR_OK)
		rc = service_install(m->service, &change, &m->c->why);
	if (rc != ERR_OK)
		return rc;
	rc = service_start(m->service, &m->c->why);
	if (rc != ERR_OK && change.is_new &&
		service_remove(m->service, NULL, &why) != ERR_OK)
		command_print_error(m->c->err, LOG_WARN, m->c->persona->name, why.text);
	if (rc == ERR_OK && change.is_changed && !change.is_new && state.pid > 0)
		fprintf(m->c->out,
			"The service has changed: %s agent restart applies it.\n",
			m->c->persona->name);
	return rc;
}

enum err agent_manage_run(struct call *c, const struct agent_args *args)
{
	struct manage *m = mem_new(m);
	json_t *status = NULL;
	enum err rc;

	if (m == NULL)
		return err_set(&c->why, ERR_NOMEM, "out of memory");
	rc = manage_open_to_start(m, c, args);
	m->service->may_replace = args->may_replace;
	if (rc == ERR_OK)
		rc = install_and_start(m);
	if (rc == ERR_OK) {
		status = wait_for_agent(m, 0, RUN_MS);
		rc = status != NULL ? ERR_OK : no_answer(m, RUN_MS / 1000);
	}
	if (rc == ERR_OK)
		say_agent(m, "running", status);
	json_decref(status);
	manage_free(m);
	return rc;
}

enum err agent_manage_check(struct call *c, const struct agent_whereabouts *where,
	bool may_replace)
{
	struct agent_service *found = mem_new(found);
	struct service_place place;
	enum err rc;

	if (found == NULL)
		return err_set(&c->why, ERR_NOMEM, "out of memory");
	rc = agent_service_init(found, c->persona->agent, where, &c->why);
	if (rc == ERR_OK)
		rc = service_check(&found->service, &c->why);
	if (rc == ERR_OK)
		rc = service_find(&found->service, &place, &c->why);
	if (rc == ERR_OK && place.exists && !place.is_ours && !may_replace)
		rc = err_set(&c->why, ERR_EXISTS,
			"%.150s was not written by adit: " SERVICE_FLAG " replaces it",
			place.path);
	agent_service_fini(found);
	free(found);
	return rc;
}

/* ---- restart ---- */

enum err agent_manage_restart(struct call *c, const struct agent_args *args)
{
	struct manage *m = mem_new(m);
	struct service_place place;
	json_t *status = NULL;
	long before = 0;
	enum err rc;

	if (m == NULL)
		return err_set(&c->why, ERR_NOMEM, "out of memory");
	rc = manage_open_to_start(m, c, args);
	if (rc == ERR_OK)
		rc = service_check(m->service, &c->why);
	if (rc == ERR_OK)
		rc = service_find_installed(m->service, &place, &c->why);
	if (rc == ERR_OK) {
		status = ask(m);
		before = pid_of(status);
		json_decref(status);
		rc = service_restart(m->service, &c->why);
	}
	if (rc == ERR_OK) {
		status = wait_for_agent(m, before, RESTART_MS);
		rc = status != NULL ? ERR_OK : no_answer(m, RESTART_MS / 1000);
		if (rc == ERR_OK)
			say_agent(m, "restarted", status);
		json_decref(status);
	}
	manage_free(m);
	return rc;
}

/* ---- stop ---- */

/* Ends the service, if there is one. True: it was there. */
static bool stop_service(struct manage *m, enum err *rc)
{
	struct service_state state = { .phase = SERVICE_ABSENT };
	struct service_place place;

	*rc = ERR_OK;
	if (service_find(m->service, &place, NULL) != ERR_OK || !place.exists)
		return false;
	*rc = service_read_state(m->service, &state, &m->c->why);
	if (*rc != ERR_OK)
		return false;
	if (state.phase == SERVICE_STOPPED && !state.is_enabled)
		return false;
	*rc = service_stop(m->service, &m->c->why);
	return *rc == ERR_OK;
}

static void say_stopped(const struct manage *m, bool was_service)
{
	const struct persona *p = m->c->persona;

	fprintf(m->c->out, "%s stopped.\n", p->agent->title);
	if (was_service)
		fprintf(m->c->out,
			"  the service %s is disabled: it does not start again before"
			" %s agent run\n",
			m->service->name, p->name);
}

enum err agent_manage_stop(struct call *c, const struct agent_args *args)
{
	struct manage *m = mem_new(m);
	struct why why = { "" };
	json_t *data = NULL;
	bool was_service;
	enum err rc, asked;

	if (m == NULL)
		return err_set(&c->why, ERR_NOMEM, "out of memory");
	rc = manage_open(m, c, args);
	if (rc != ERR_OK) {
		manage_free(m);
		return rc;
	}
	was_service = stop_service(m, &rc);
	/* One that runs in the foreground, or whose service manager has failed. */
	asked = agent_request(m->where.state_dir, "POST", "/v1/agent/shutdown", NULL,
		&data, &why);
	json_decref(data);
	if (asked == ERR_OK && rc != ERR_OK)
		command_print_error(c->err, LOG_WARN, c->persona->name, c->why.text);
	if (asked == ERR_OK)
		rc = wait_for_end(m) ?
			ERR_OK :
			err_set(&c->why, ERR_TIMEOUT,
				"the agent has not ended after %d s", STOP_MS / 1000);
	else if (!was_service && rc == ERR_OK)
		rc = err_set(&c->why, asked, "%s", why.text);
	if (rc == ERR_OK)
		say_stopped(m, was_service);
	manage_free(m);
	return rc;
}
