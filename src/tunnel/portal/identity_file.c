/* Identity files. */
#include "tunnel/portal/identity_file.h"

#include <string.h>

#include "store/file.h"

static bool is_given(const char *text)
{
	return text != NULL && *text != '\0';
}

/* ---- the file ---- */

/* ERR_NOENT: there is no file. */
static enum err load(const char *path, enum identity_kind kind, struct identity *out,
	struct why *why)
{
	struct why inner = { "" };
	struct buf text;
	enum err rc;

	buf_init(&text, 2 * IDENTITY_FILE_MAX);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK) {
		if (text.n == 0)
			rc = err_set(&inner, ERR_SYNTAX, "the file is empty");
		else
			rc = identity_parse(kind, buf_span(&text), out, &inner);
		if (rc == ERR_OK)
			file_close_to_others(path);
		else
			err_set(why, rc, "%.120s: %s", path, err_text(rc, &inner));
	}
	buf_wipe(&text);
	return rc;
}

static enum err save(const char *path, const struct identity *id, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, IDENTITY_FILE_MAX);
	rc = identity_print(id, &text);
	if (rc == ERR_OK)
		rc = file_replace(path, 0600, buf_span(&text), why);
	else
		err_set(why, rc, "the identity cannot be written: %s", err_name(rc));
	buf_wipe(&text);
	return rc;
}

enum err identity_file_keep_name(const char *path, const struct identity *id,
	struct why *why)
{
	struct identity kept = { .kind = id->kind };
	enum err rc = is_given(path) ? load(path, id->kind, &kept, why) : ERR_NOENT;

	if (rc == ERR_OK && strcmp(kept.address, id->address) == 0 &&
		strcmp(kept.name, id->name) != 0) {
		memcpy(kept.name, id->name, sizeof(kept.name));
		rc = save(path, &kept, why);
	}
	identity_wipe(&kept);
	return rc == ERR_NOENT ? ERR_OK : rc;
}

/* ---- what is wished ---- */

static enum err load_or_make(const struct identity_wish *wish, struct identity *id,
	bool *is_changed, struct why *why)
{
	enum err rc = ERR_NOENT;

	if (is_given(wish->path))
		rc = load(wish->path, wish->kind, id, why);
	if (rc != ERR_NOENT)
		return rc;
	identity_generate(wish->kind, id);
	*is_changed = true;
	return ERR_OK;
}

/* The identity is that of the text; only if it has no name, that of the file counts. */
static enum err take_json(const struct identity_wish *wish, struct identity *id,
	bool *is_changed, struct why *why)
{
	struct identity kept;
	enum err rc;

	*is_changed = true;
	rc = identity_parse(wish->kind, span_str(wish->json), id, why);
	if (rc != ERR_OK || *id->name != '\0' || !is_given(wish->path))
		return rc;
	rc = load(wish->path, wish->kind, &kept, why);
	if (rc == ERR_NOENT)
		return ERR_OK;
	if (rc != ERR_OK)
		return rc;
	memcpy(id->name, kept.name, sizeof(kept.name));
	identity_wipe(&kept);
	return ERR_OK;
}

/* What goes into the file has the name that was there before, if @id's is only tried. */
static enum err finish(const struct identity_wish *wish, struct identity *id,
	bool is_changed, struct why *why)
{
	struct identity filed;
	bool is_tried = wish->is_name_tried && is_given(wish->name);
	char before[sizeof(id->name)];
	enum err rc = ERR_OK;

	memcpy(before, id->name, sizeof(before));
	if (is_given(wish->name))
		rc = identity_set_name(id, span_str(wish->name), why);
	if (rc != ERR_OK)
		return rc;
	if (!is_tried && strcmp(before, id->name) != 0)
		is_changed = true;
	if (identity_complete(id))
		is_changed = true;
	if (*id->name == '\0')
		return err_set(why, ERR_USAGE, "a relay's identity needs a name");
	if (!is_changed || !is_given(wish->path))
		return ERR_OK;
	filed = *id;
	if (is_tried)
		memcpy(filed.name, before, sizeof(before));
	rc = save(wish->path, &filed, why);
	identity_wipe(&filed);
	return rc;
}

enum err identity_obtain(const struct identity_wish *wish, struct identity *out,
	struct why *why)
{
	struct identity id = { .kind = wish->kind };
	bool is_changed = false;
	enum err rc;

	if (is_given(wish->json))
		rc = take_json(wish, &id, &is_changed, why);
	else
		rc = load_or_make(wish, &id, &is_changed, why);
	if (rc == ERR_OK)
		rc = finish(wish, &id, is_changed, why);
	if (rc == ERR_OK)
		*out = id;
	identity_wipe(&id);
	return rc;
}
