/* The managed links of a running agent. */
#include "cli/agent_links.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/config.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/agent_request.h"
#include "text/timefmt.h"

#define POLL_MS 100
#define TOLD_MS 3000 /* from the opening of a link to its tunnels, at most */
#define SHOWN_MAX 600

/* Relays have a part in the texts: fit for a terminal. */
static const char *text_of(const json_t *object, const char *key, char to[SHOWN_MAX])
{
	const char *text = json_string_value(json_object_get(object, key));

	return str_quote(to, SHOWN_MAX, span_str(text != NULL ? text : ""));
}

const json_t *agent_links_find(const json_t *status, const char *id)
{
	const json_t *link;
	size_t i;

	json_array_foreach(json_object_get(status, "links"), i, link)
	{
		const char *is = json_string_value(json_object_get(link, "id"));

		if (is != NULL && strcmp(is, id) == 0)
			return link;
	}
	return NULL;
}

bool agent_links_is_managed(const json_t *link)
{
	return json_is_true(json_object_get(link, "managed"));
}

static bool is_open(const json_t *link)
{
	const char *state = json_string_value(json_object_get(link, "state"));

	return state != NULL && strcmp(state, "running") == 0;
}

/* ---- for people ---- */

void agent_links_print_connection(FILE *out, const json_t *link)
{
	int64_t rtt_ms = (int64_t)json_integer_value(json_object_get(link, "rtt_ms"));
	char since[SHOWN_MAX], local[SHOWN_MAX];

	if (!is_open(link))
		return;
	fprintf(out, "    connected since %s", text_of(link, "since", since));
	if (text_of(link, "local_addr", local)[0] != '\0')
		fprintf(out, ", from %s", local);
	if (json_object_get(link, "rtt_ms") != NULL)
		fprintf(out, ", round trip %" PRId64 " ms", rtt_ms);
	fputc('\n', out);
}

static void print_tunnel(FILE *out, const json_t *t)
{
	char host[SHOWN_MAX], target[SHOWN_MAX], access[SHOWN_MAX];

	fprintf(out, "    https://%s -> %s", text_of(t, "host", host),
		text_of(t, "target", target));
	if (strcmp(text_of(t, "access", access), "public") != 0 && access[0] != '\0')
		fprintf(out, " (%s)", access);
	fprintf(out, "%s\n",
		json_is_true(json_object_get(t, "paused")) ? " (paused)" : "");
}

void agent_links_print_tunnels(FILE *out, const json_t *link, const char *label)
{
	const json_t *tunnels = json_object_get(link, "tunnels"), *t;
	size_t i;

	json_array_foreach(tunnels, i, t)
	{
		print_tunnel(out, t);
	}
	if (json_array_size(tunnels) == 0)
		fprintf(out,
			"    no tunnels yet: add one at the relay, such as adit relay tunnel add"
			" myapp 3000%s%s --access public\n",
			label != NULL ? " --agent " : "", label != NULL ? label : "");
}

/* ---- for programs ---- */

json_t *agent_links_tunnels(const json_t *link)
{
	json_t *list = json_array();
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(link, "tunnels"), i, t)
	{
		const char *host = json_string_value(json_object_get(t, "host"));
		char url[SHOWN_MAX];

		snprintf(url, sizeof(url), "https://%s", host != NULL ? host : "");
		(void)json_array_append_new(list,
			json_pack("{s:s, s:O?, s:O?, s:O?, s:O?}", "url", url, "host",
				json_object_get(t, "host"), "target",
				json_object_get(t, "target"), "access",
				json_object_get(t, "access"), "paused",
				json_object_get(t, "paused")));
	}
	return list;
}

/* ---- the agent ---- */

enum err agent_links_reconnect(const char *state_dir, const char *id, struct why *why)
{
	char path[AGENT_ID_MAX * 3 + 64] = "/v1/agent/links/";
	size_t n = strlen(path);
	json_t *data = NULL;
	enum err rc;

	for (; *id != '\0' && n + 16 < sizeof(path); id++)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "%%%02X",
			(unsigned char)*id);
	snprintf(path + n, sizeof(path) - n, "/reconnect");
	rc = agent_request(state_dir, "POST", path, NULL, &data, why);
	json_decref(data);
	return rc;
}

static enum err explain(const json_t *status, const char *id, uint32_t ms,
	struct why *why)
{
	const json_t *link = agent_links_find(status, id);
	char error[SHOWN_MAX];

	text_of(link, "last_error", error);
	if (link == NULL)
		return err_set(why, ERR_TIMEOUT,
			"the agent has no link \"%.60s\": %.150s", id,
			text_of(status, "config_error", error)[0] != '\0' ?
				error :
				"its config has changed");
	if (error[0] != '\0')
		return err_set(why, ERR_TIMEOUT, "the link %.60s is not open: %.170s", id,
			error);
	return err_set(why, ERR_TIMEOUT, "the link %.60s is not open after %u s", id,
		ms / 1000);
}

/* Is its next attempt later than in @ms? Then a person has to do something first. */
static bool is_later(const json_t *link, uint64_t ms)
{
	const char *text = json_string_value(json_object_get(link, "next_try_at"));
	struct timestamp at;

	return text != NULL && timefmt_parse(span_str(text), &at) == ERR_OK &&
		at.s > (int64_t)((clock_wall_ms() + ms) / 1000);
}

enum err agent_links_wait(const char *state_dir, const char *id, uint32_t ms,
	json_t **status, struct why *why)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t until = clock_now_ms() + ms, told_until = 0;
	json_t *now = NULL;

	for (;;) {
		const json_t *link;
		enum err rc = agent_request(state_dir, "GET", "/v1/agent/status", NULL,
			&now, why);

		if (rc != ERR_OK)
			return rc;
		link = agent_links_find(now, id);
		if (link != NULL && is_open(link)) {
			if (told_until == 0)
				told_until = clock_now_ms() + TOLD_MS;
			if (json_object_get(link, "tunnels_at") != NULL ||
				clock_now_ms() >= told_until)
				break;
		} else if (clock_now_ms() >= until ||
			is_later(link, until - clock_now_ms())) {
			rc = explain(now, id, ms, why);
			json_decref(now);
			return rc;
		}
		json_decref(now);
		nanosleep(&pause, NULL);
	}
	*status = now;
	return ERR_OK;
}
