/* The agent's log: the last lines, as the control API returns them. */
#include "base/str.h"
#include "text/field_json.h"
#include "tui/model.h"

struct page {
	struct field_tables lines; /* of struct model_line */
	int64_t next;
};

static const struct field line_rows[] = {
	{ "n", FIELD_NUMBER, FIELD_AT(struct model_line, n) },
	{ "at", FIELD_TEXT, FIELD_AT(struct model_line, at) },
	{ "level", FIELD_TEXT, FIELD_AT(struct model_line, level) },
	{ "text", FIELD_TEXT, FIELD_AT(struct model_line, text) },
};

static const struct field_table line_table = FIELD_TABLE_OF(struct model_line, line_rows);

static const struct field page_rows[] = {
	{ "lines", FIELD_TABLES, FIELD_AT(struct page, lines), .max = 4096,
		.of = &line_table },
	{ "next", FIELD_NUMBER, FIELD_AT(struct page, next) },
};

static const struct field_table page_table = FIELD_TABLE_OF(struct page, page_rows);

const struct model_line *model_log_line(const struct model *m, unsigned i)
{
	return &m->log[(m->log_first + i) % MODEL_LOG_MAX];
}

/* A view that was scrolled back stays where it is. */
static void take_line(struct model *m, struct model_line *line)
{
	struct model_line *to;

	if (m->log_count == MODEL_LOG_MAX) {
		field_fini(&line_table, &m->log[m->log_first]);
		m->log_first = (m->log_first + 1) % MODEL_LOG_MAX;
		m->log_count--;
	}
	to = &m->log[(m->log_first + m->log_count) % MODEL_LOG_MAX];
	*to = *line;
	*line = (struct model_line){ .n = 0 };
	m->log_count++;
	if (m->log_back > 0 && m->log_back + 1 < m->log_count)
		m->log_back++;
}

enum err model_read_log(struct model *m, struct span body, struct why *why)
{
	struct page page;
	enum err rc = field_read_json(&page_table, "data", body, &page, why);

	if (rc != ERR_OK)
		return rc;
	for (unsigned i = 0; i < page.lines.n; i++)
		take_line(m, (struct model_line *)page.lines.v + i);
	if (page.next > m->log_next)
		m->log_next = page.next;
	field_fini(&page_table, &page);
	return ERR_OK;
}
