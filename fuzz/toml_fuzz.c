/*
 * TOML: places lie within the text and say what stands there; an edit changes the one
 * value and nothing else, and a new document can be read. A relay can tell whether it has
 * settings.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/relay_config.h"
#include "text/field_toml.h"
#include "text/toml_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct toml_node *next_of(const struct toml_node *n)
{
	if (n->first != NULL)
		return n->first;
	while (n != NULL && n->next == NULL)
		n = n->parent;
	return n != NULL ? n->next : NULL;
}

static unsigned count_nodes(const struct toml *t)
{
	const struct toml_node *n;
	unsigned count = 0;

	for (n = toml_root(t); n != NULL; n = next_of(n))
		count++;
	return count;
}

static void check_places(const struct toml *t)
{
	const struct toml_node *n;

	for (n = toml_root(t); n != NULL; n = next_of(n)) {
		if ((size_t)n->at.at + n->at.n > toml_text(t).n ||
			(size_t)n->key_at.at + n->key_at.n > toml_text(t).n)
			abort();
		if (n->key.n > 0 && n->key.p[n->key.n] != '\0')
			abort();
	}
}

/* Parses what an edit has made. It must be a document, of @count nodes if not 0. */
static void check_edited(enum err rc, struct buf *out, unsigned count)
{
	struct toml *again;

	if (rc == ERR_OK) {
		rc = toml_parse(buf_span(out), "again", &again, NULL);
		if (rc == ERR_LIMIT || rc == ERR_NOMEM)
			return;
		if (rc != ERR_OK || (count != 0 && count_nodes(again) != count))
			abort();
		toml_free(again);
	}
}

static void edit(const struct toml *t, const struct toml_node *n, uint8_t how)
{
	struct buf out;
	bool is_leaf = n->parent != NULL && n->first == NULL;

	buf_init(&out, 2 * TOML_BYTES_MAX);
	if (how % 3 == 0)
		check_edited(toml_edit_value(t, n, span_str("'new'"), &out), &out,
			is_leaf ? count_nodes(t) : 0);
	else if (how % 3 == 1)
		check_edited(toml_edit_remove(t, n, &out), &out, 0);
	else if (n->kind == TOML_TABLE && toml_find(n, "added") == NULL)
		check_edited(toml_edit_add(t, n, "added", span_str("[1, 2]"), &out), &out,
			count_nodes(t) + 3);
	buf_fini(&out);
}

static void count_warning(void *arg, const char *text)
{
	*(size_t *)arg += strlen(text);
}

static void read_settings(const struct toml *t, bool is_strict)
{
	size_t warned = 0;
	const struct field_toml_options how = { .file = "file",
		.warn = is_strict ? NULL : count_warning,
		.arg = &warned };
	struct relay_options o, next;
	char restart[32];
	struct why why;

	memset(&o, 0, sizeof(o));
	memset(&next, 0, sizeof(next));
	if (field_defaults(&relay_fields, &o, &why) == ERR_OK &&
		field_read_toml(&relay_fields, toml_root(t), &how, &o, &why) == ERR_OK)
		field_reload(&relay_fields, &o, &next, restart, sizeof(restart));
	field_fini(&relay_fields, &o);
	field_fini(&relay_fields, &next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct toml_node *n;
	struct toml *t;
	struct why why;
	unsigned pick;

	if (size < 2 ||
		toml_parse(span_of(data + 2, size - 2), "file", &t, &why) != ERR_OK)
		return 0;
	check_places(t);
	read_settings(t, true);
	read_settings(t, false);
	pick = data[0] % count_nodes(t);
	for (n = toml_root(t); pick > 0; pick--)
		n = next_of(n);
	edit(t, n, data[1]);
	toml_free(t);
	return 0;
}
