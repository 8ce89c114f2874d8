/*
 * Prints TOML documents as JSON: on standard input each is a line with its length in
 * bytes, and the document; on standard output each is a line. A table is an object, an
 * array an array, another value {"type":"integer","value":"1"} with the types of
 * toml-test; a document that cannot be read is {"error":"doc:1:2: ..."} in an array.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "text/json.h"
#include "text/toml.h"

#define OUT_MAX (64 << 20)

static void put_node(struct json_writer *w, const struct toml_node *n);

static void put_key(struct json_writer *w, struct span key)
{
	if (w->wants_comma)
		buf_put_u8(w->out, ',');
	w->wants_comma = false;
	json_put_text(w, key);
	buf_put_u8(w->out, ':');
	w->wants_comma = false;
}

static void put_value(struct json_writer *w, const char *type, struct span value)
{
	json_put_open(w);
	json_put_key(w, "type");
	json_put_text(w, span_str(type));
	json_put_key(w, "value");
	json_put_text(w, value);
	json_put_close(w);
}

static void put_tree(struct json_writer *w, const struct toml_node *n)
{
	bool is_table = n->kind == TOML_TABLE;
	const struct toml_node *c;

	if (is_table)
		json_put_open(w);
	else
		json_put_open_list(w);
	for (c = n->first; c != NULL; c = c->next) {
		if (is_table)
			put_key(w, c->key);
		put_node(w, c);
	}
	if (is_table)
		json_put_close(w);
	else
		json_put_close_list(w);
}

static void put_node(struct json_writer *w, const struct toml_node *n)
{
	static const char *const times[] = {
		[TOML_TIME_OFFSET] = "datetime",
		[TOML_TIME_LOCAL] = "datetime-local",
		[TOML_TIME_DATE] = "date-local",
		[TOML_TIME_CLOCK] = "time-local",
	};
	char text[40];

	switch (n->kind) {
	case TOML_TEXT:
		put_value(w, "string", n->text);
		break;
	case TOML_INT:
		snprintf(text, sizeof(text), "%" PRId64, n->number);
		put_value(w, "integer", span_str(text));
		break;
	case TOML_FLOAT:
		snprintf(text, sizeof(text), "%.17g", n->real);
		put_value(w, "float", span_str(text));
		break;
	case TOML_FLAG:
		put_value(w, "bool", span_str(n->flag ? "true" : "false"));
		break;
	case TOML_TIME:
		put_value(w, times[n->time], n->text);
		break;
	case TOML_ARRAY:
	case TOML_TABLE:
		put_tree(w, n);
		break;
	}
}

static void print_document(struct span text)
{
	struct why why = { "" };
	struct json_writer w;
	struct toml *t;
	struct buf out;

	buf_init(&out, OUT_MAX);
	json_writer_init(&w, &out);
	if (toml_parse(text, "doc", &t, &why) == ERR_OK) {
		put_node(&w, toml_root(t));
		toml_free(t);
	} else {
		json_put_open_list(&w);
		json_put_open(&w);
		json_put_key(&w, "error");
		json_put_text(&w, span_str(why.text));
		json_put_close(&w);
		json_put_close_list(&w);
	}
	if (out.failed != ERR_OK)
		abort();
	fwrite(buf_front(&out), 1, out.n, stdout);
	fputs("\n", stdout);
	buf_fini(&out);
}

int main(void)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		size_t n = strtoul(line, NULL, 10);
		uint8_t *text = malloc(n); /* of that size, for the sanitizer */

		if (text == NULL && n > 0)
			return 1;
		if (fread(text, 1, n, stdin) != n) {
			free(text);
			return 1;
		}
		print_document(span_of(text, n));
		free(text);
		fflush(stdout);
	}
	return 0;
}
