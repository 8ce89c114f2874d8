/*
 * JSON bodies of the panel's API. Unlike the reader of one message, it reports all that
 * is wrong, each with its place, as the forms of a page need it. Keys that are unknown
 * are ignored.
 */
#ifndef PANEL_PANEL_BODY_H
#define PANEL_PANEL_BODY_H

#include "base/buf.h"
#include "text/field_json.h"

#define PANEL_BODY_MAX 16384
#define PANEL_ISSUES_MAX 16384 /* bytes of text */

/* What is wrong with a body: objects of "path" and "message" with commas. */
struct panel_issues {
	struct buf text;
	unsigned count;
};

void panel_issues_init(struct panel_issues *i);
void panel_issues_fini(struct panel_issues *i);

/* @member: of the body; NULL: the body as a whole. */
void panel_issues_add(struct panel_issues *i, const char *member, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* A body that was read. */
struct panel_body {
	struct json_t *root; /* owned; NULL: it is not a JSON object */
};

/*
 * Sets the members that @text has, in @object, a struct with defaults or with the values
 * that are to change; null sets the default. The caller frees members with field_fini(),
 * also after an error.
 *
 * ERR_SYNTAX: it is not JSON; @why has more.  ERR_NOMEM. What is wrong with members goes
 * to @issues, and those members stay.
 */
enum err panel_body_read(struct panel_body *body, const struct field_table *fields,
	struct span text, void *object, struct panel_issues *issues,
	struct why *why) MUST_USE;
void panel_body_fini(struct panel_body *body);

/* Does the body have the member, by its name or alias? */
bool panel_body_has(const struct panel_body *body, const struct field_table *fields,
	const char *name);

#endif
