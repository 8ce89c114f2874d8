/*
 * TOML: places lie within the text and say what stands there. A relay can tell whether it
 * has settings, leniently, too.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/relay_config.h"
#include "text/field_toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct toml_node *next_of(const struct toml_node *n)
{
	if (n->first != NULL)
		return n->first;
	while (n != NULL && n->next == NULL)
		n = n->parent;
	return n != NULL ? n->next : NULL;
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
	toml_free(t);
	return 0;
}
