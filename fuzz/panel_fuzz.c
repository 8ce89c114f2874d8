/*
 * Bodies of the panel's API: what is read without a complaint is written and read again
 * as the same; what is wrong is told as JSON.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "panel/panel_body.h"
#include "panel/panel_tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX ((size_t)1 << 20)

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* The issues are elements of an array. */
static void check_issues(const struct panel_issues *issues)
{
	struct buf text;
	json_t *array;

	buf_init(&text, OUT_MAX);
	check(buf_printf(&text, "[%.*s]", (int)issues->text.n,
		      (const char *)buf_front(&issues->text)) == ERR_OK);
	array = json_loadb((const char *)buf_front(&text), text.n, 0, NULL);
	check(issues->text.failed != ERR_OK || json_array_size(array) == issues->count);
	json_decref(array);
	buf_fini(&text);
}

static void check_spec(const struct panel_spec *spec)
{
	check(spec->port == 0 || spec->port >= PANEL_PORT_MIN);
	check(strchr("apr", spec->access[0]) != NULL);
	check(strchr(spec->subdomain, '.') == NULL);
	check(spec->target == NULL || strchr(spec->target, ':') != NULL);
}

static void write_and_read(const struct panel_spec *spec)
{
	struct panel_spec again = { .port = 0 };
	struct panel_body body = { NULL };
	struct panel_issues issues;
	struct json_writer w;
	struct buf text;

	buf_init(&text, OUT_MAX);
	panel_issues_init(&issues);
	json_writer_init(&w, &text);
	field_put_json(&panel_spec_fields, spec, &w);
	check(text.failed == ERR_OK);
	check(field_defaults(&panel_spec_fields, &again, NULL) == ERR_OK);
	check(panel_body_read(&body, &panel_spec_fields, buf_span(&text), &again, &issues,
		      NULL) == ERR_OK);
	/* A name and a port that were not given are not valid. */
	check(issues.count == (spec->port == 0) + (spec->subdomain[0] == '\0'));
	check(field_equal(&panel_spec_fields, spec, &again));
	panel_body_fini(&body);
	panel_issues_fini(&issues);
	field_fini(&panel_spec_fields, &again);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct panel_spec spec = { .port = 0 };
	struct panel_body body = { NULL };
	struct panel_issues issues;
	struct why why = { "" };
	enum err rc;

	if (size > PANEL_BODY_MAX)
		return 0;
	panel_issues_init(&issues);
	check(field_defaults(&panel_spec_fields, &spec, NULL) == ERR_OK);
	rc = panel_body_read(&body, &panel_spec_fields, span_of(data, size), &spec,
		&issues, &why);
	check(rc == ERR_OK || why.text[0] != '\0');
	check_issues(&issues);
	if (rc == ERR_OK && issues.count == 0) {
		check_spec(&spec);
		write_and_read(&spec);
	}
	panel_body_fini(&body);
	panel_issues_fini(&issues);
	field_fini(&panel_spec_fields, &spec);
	return 0;
}
