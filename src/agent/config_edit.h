/*
 * Edits of tunnels and links in the text of a config, one value after the other.
 * Everything else in the text stays as its owner wrote it (text/toml_edit.h).
 */
#ifndef AGENT_CONFIG_EDIT_H
#define AGENT_CONFIG_EDIT_H

#include "base/buf.h"
#include "text/field.h"
#include "text/toml.h"

/* The table of the tunnel @id, named as agent/config.h names it, and its number in
 * @index, unless NULL. NULL: there is none. */
const struct toml_node *config_edit_find(const struct toml *t, const char *id,
	unsigned *index);

/* A text while it is changed. The first failure sticks. */
struct config_edit {
	struct toml *toml;     /* owned */
	const char *kind, *id; /* of the tunnel or link; borrowed */
	struct buf literal, next;
	enum err rc;
	struct why *why;
};

void config_edit_open(struct config_edit *e, const struct toml *t, const char *id,
	struct why *why);

/* The same for the link @id. */
void config_edit_open_link(struct config_edit *e, const struct toml *t, const char *id,
	struct why *why);

/* Each sets @key of the tunnel or link; what is NULL, empty, false or 0 removes it. */
void config_edit_text(struct config_edit *e, const char *key, const char *text);
void config_edit_list(struct config_edit *e, const char *key,
	const struct field_list *list);
void config_edit_number(struct config_edit *e, const char *key, int64_t number);
void config_edit_flag(struct config_edit *e, const char *key, bool flag);

/* @routes: structs route_config. */
void config_edit_routes(struct config_edit *e, const struct field_tables *routes);

/*
 * Writes the new text to @out.
 * ERR_NOENT: there is no such tunnel or link.  ERR_USAGE, ERR_SYNTAX: it cannot be
 * changed in this place.  ERR_LIMIT, ERR_NOMEM.
 */
enum err config_edit_close(struct config_edit *e, struct buf *out) MUST_USE;

/* A new tunnel behind the others. Errors as above. */
struct config_addition {
	const char *id, *name, *target;
	const struct field_list *relays;
};

enum err config_edit_add(const struct toml *t, const struct config_addition *a,
	struct buf *out, struct why *why) MUST_USE;

/* The managed link @id: changes it, or adds it behind the others. */
struct config_managed {
	const char *id, *server;
	const char *fingerprint; /* NULL: none, and one that is there is removed */
};

enum err config_edit_put_managed(const struct toml *t, const struct config_managed *m,
	struct buf *out, struct why *why) MUST_USE;

/* Sets the text @key of [agent], which is added at the end if it is missing. */
enum err config_edit_put_agent(const struct toml *t, const char *key, const char *value,
	struct buf *out, struct why *why) MUST_USE;

#endif
