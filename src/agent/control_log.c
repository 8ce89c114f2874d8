/* The agent's log, and the description of its API. */
#include "agent/control_priv.h"

#include "base/log_ring.h"
#include "base/str.h"
#include "http/openapi.h"

/* ---- the log ---- */

struct line_view {
	int64_t number;
	struct timestamp at;
	const char *level, *text;
};

#define AT(member) FIELD_AT(struct line_view, member)

static const struct field line_rows[] = {
	{ "n", FIELD_NUMBER, AT(number) },
	{ "at", FIELD_TIME, AT(at) },
	{ "level", FIELD_TEXT, AT(level) },
	{ "text", FIELD_TEXT, AT(text) },
};
static const struct field_table line_fields = FIELD_TABLE_OF(struct line_view, line_rows);

struct log_view {
	struct field_series *lines;
	int64_t next;
};

static const struct field log_rows[] = {
	{ "lines", FIELD_SERIES, FIELD_AT(struct log_view, lines), .of = &line_fields },
	{ "next", FIELD_NUMBER, FIELD_AT(struct log_view, next) },
};
static const struct field_table log_fields = FIELD_TABLE_OF(struct log_view, log_rows);

struct line_series {
	struct field_series series; /* first */
	struct log_ring *ring;
	uint64_t after, last;
	struct log_ring_line line;
	struct line_view view;
};

/* Lines that are logged meanwhile are for the next call. */
static const void *next_line(struct field_series *series)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	struct line_series *s = (struct line_series *)series;

	if (!log_ring_next(s->ring, s->after, &s->line) || s->line.number > s->last)
		return NULL;
	s->after = s->line.number;
	s->view = (struct line_view){
		.number = (int64_t)s->line.number,
		.at = timefmt_of_ms(s->line.at_ms),
		.level = levels[s->line.level],
		.text = s->line.text,
	};
	return &s->view;
}

/* False: the call was refused. Without the parameter, @after is 0. */
static bool read_after(struct api_call *call, unsigned long *after)
{
	char text[32] = "";
	struct why why;

	if (!api_query(call, "after", text, sizeof(text)) &&
		strstr(call->target, "after") == NULL)
		str_copy(text, sizeof(text), "0");
	if (str_to_uint(text, INT64_MAX, after))
		return true;
	err_set(&why, ERR_SYNTAX,
		"after is the number of a line: write ?after=0 for all lines");
	control_refuse(call, &why);
	return false;
}

static void answer_log(void *context, struct api_call *call)
{
	const struct control *c = context;
	struct line_series lines = { .series.next = next_line, .ring = c->agent->lines };
	struct log_view view = { .lines = &lines.series };
	unsigned long after;

	if (!read_after(call, &after))
		return;
	lines.last = log_ring_last(lines.ring);
	/* A number of an agent that ran before: all lines are new. */
	lines.after = after <= lines.last ? after : 0;
	view.next = (int64_t)lines.last;
	api_reply(call, &view);
}

/* ---- the description ---- */

static void describe(void *context, struct api_call *call)
{
	const struct control *c = context;
	enum err rc = openapi_put(&c->api.o, "adit agent", ADIT_VERSION, &call->answer);

	api_reply_json(call, 200, rc);
}

static const struct api_operation rows[] = {
	{ "GET", "/v1/agent/log", &control_bearer, answer_log, .response = &log_fields,
		.query = "after", .is_query_optional = true,
		.summary = "the lines of the log behind that number, 500 at most",
		.is_own = true },
	{ "GET", "/v1/agent/openapi.json", &control_bearer, describe,
		.type = "application/json", .summary = "the description of the API",
		.is_at_once = true, .is_own = true },
};

const struct api_table control_log_table = API_TABLE_OF(rows);
