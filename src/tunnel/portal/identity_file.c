/* Identity files. */
#include "tunnel/portal/identity_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

static bool is_given(const char *text)
{
	return text != NULL && *text != '\0';
}

/* ---- the file ---- */

static enum err read_all(int fd, struct buf *out)
{
	uint8_t *to;
	ssize_t n;

	do {
		if (buf_reserve(out, 4096, &to) != ERR_OK)
			return out->failed;
		n = read(fd, to, 4096);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? ERR_SYS : ERR_OK;
}

static enum err write_all(int fd, struct span text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYS;
		text = span_of(text.p + n, text.n - (size_t)n);
	}
	return fsync(fd) == 0 ? ERR_OK : ERR_SYS;
}

/* The buf has held secrets. */
static void buf_wipe(struct buf *b)
{
	mem_wipe(b->p, b->cap);
	buf_fini(b);
}

/* ERR_NOENT: there is no file. */
static enum err load(const char *path, enum identity_kind kind, struct identity *out,
	struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct why inner = { "" };
	struct buf text;
	enum err rc;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOENT;
	if (fd < 0)
		return err_sys(why, errno, "cannot open %.120s", path);
	buf_init(&text, 2 * IDENTITY_FILE_MAX);
	rc = read_all(fd, &text);
	if (rc == ERR_SYS)
		err_sys(&inner, errno, "cannot read");
	close(fd);
	if (rc == ERR_OK)
		rc = identity_parse(kind, buf_span(&text), out, &inner);
	buf_wipe(&text);
	if (rc != ERR_OK)
		err_set(why, rc, "%.120s: %s", path, err_text(rc, &inner));
	return rc;
}

/* Who looks at @path sees the old file or the new one, and never a part. */
static enum err replace(const char *path, struct span text, struct why *why)
{
	char *temporary = str_printf("%s.XXXXXX", path);
	enum err rc = ERR_OK;
	int fd;

	if (temporary == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the identity");
	fd = mkostemp(temporary, O_CLOEXEC); /* of mode 0600 */
	if (fd < 0) {
		rc = err_sys(why, errno, "cannot write %.120s", path);
		goto out;
	}
	rc = write_all(fd, text);
	if (close(fd) != 0 || rc != ERR_OK || rename(temporary, path) != 0) {
		rc = err_sys(why, errno, "cannot write %.120s", path);
		unlink(temporary);
	}
out:
	free(temporary);
	return rc;
}

static enum err save(const char *path, const struct identity *id, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, IDENTITY_FILE_MAX);
	rc = identity_print(id, &text);
	if (rc == ERR_OK)
		rc = replace(path, buf_span(&text), why);
	else
		err_set(why, rc, "the identity cannot be written: %s", err_name(rc));
	buf_wipe(&text);
	return rc;
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

static enum err finish(const struct identity_wish *wish, struct identity *id,
	bool is_changed, struct why *why)
{
	char before[sizeof(id->name)];
	enum err rc = ERR_OK;

	memcpy(before, id->name, sizeof(before));
	if (is_given(wish->name))
		rc = identity_set_name(id, span_str(wish->name), why);
	if (rc != ERR_OK)
		return rc;
	if (strcmp(before, id->name) != 0)
		is_changed = true;
	if (identity_complete(id))
		is_changed = true;
	if (*id->name == '\0')
		return err_set(why, ERR_USAGE, "a relay's identity needs a name");
	return is_changed && is_given(wish->path) ? save(wish->path, id, why) : ERR_OK;
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
