/* The credentials of a managed link on disk. */
#include "agent/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_link.h"
#include "base/str.h"
#include "store/file.h"

/* Only files that this module writes are in it. */
static void remove_directory(const char *path)
{
	static const char *const names[] = { AGENT_LINK_KEY, AGENT_LINK_CERT,
		AGENT_LINK_CA };

	for (size_t i = 0; i < mem_count(names); i++) {
		char *file = str_printf("%s/%s", path, names[i]);

		if (file != NULL)
			(void)unlink(file);
		free(file);
	}
	(void)rmdir(path);
}

static void sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* A run that was killed between two renames has left @old and no directory. */
static void clear_leftovers(const struct credentials *c)
{
	if (access(c->directory, F_OK) != 0)
		(void)rename(c->old, c->directory);
	remove_directory(c->old);
	remove_directory(c->fresh);
}

enum err credentials_begin(const char *directory, struct credentials *out,
	struct why *why)
{
	char *parent = file_directory(directory);
	const char *slash = strrchr(directory, '/');
	const char *base = slash != NULL ? slash + 1 : directory;
	enum err rc = ERR_OK;

	*out = (struct credentials){ .lock = -1 };
	out->directory = strdup(directory);
	if (parent != NULL) {
		out->fresh = str_printf("%s/.%s.new", parent, base);
		out->old = str_printf("%s/.%s.old", parent, base);
	}
	if (out->directory == NULL || out->fresh == NULL || out->old == NULL)
		rc = err_set(why, ERR_NOMEM, "out of memory");
	if (rc == ERR_OK)
		rc = file_make_private_directory(parent, "the directory of credentials",
			why);
	if (rc == ERR_OK)
		rc = file_lock_directory(parent, &out->lock, why);
	if (rc == ERR_EXISTS)
		err_set(why, rc,
			"another setup writes to %.150s: wait until it has ended",
			parent);
	free(parent);
	if (rc != ERR_OK)
		return rc;
	clear_leftovers(out);
	if (mkdir(out->fresh, 0700) != 0)
		return err_sys(why, errno, "%.150s cannot be made", out->fresh);
	return ERR_OK;
}

enum err credentials_put(struct credentials *c, const char *name, struct span text,
	struct why *why)
{
	char *path = str_printf("%s/%s", c->fresh, name);
	enum err rc = path != NULL ? file_replace(path, 0600, text, why) :
				     err_set(why, ERR_NOMEM, "out of memory");

	free(path);
	return rc;
}

enum err credentials_place(struct credentials *c, struct why *why)
{
	char *parent;

	if (rename(c->directory, c->old) == 0)
		c->had_old = true;
	else if (errno != ENOENT)
		return err_sys(why, errno, "%.150s cannot be replaced", c->directory);
	if (rename(c->fresh, c->directory) != 0) {
		err_sys(why, errno, "%.150s cannot be made", c->directory);
		if (c->had_old && rename(c->old, c->directory) == 0)
			c->had_old = false;
		return ERR_SYS;
	}
	c->is_placed = true;
	parent = file_directory(c->directory);
	if (parent != NULL)
		sync_directory(parent);
	free(parent);
	return ERR_OK;
}

void credentials_end(struct credentials *c, bool keeps)
{
	if (c->is_placed && !keeps) {
		remove_directory(c->directory);
		if (c->had_old)
			(void)rename(c->old, c->directory);
	} else if (c->is_placed && c->had_old) {
		remove_directory(c->old);
	}
	if (c->fresh != NULL && c->lock >= 0 && !c->is_placed)
		remove_directory(c->fresh);
	if (c->lock >= 0)
		close(c->lock);
	free(c->directory);
	free(c->fresh);
	free(c->old);
	*c = (struct credentials){ .lock = -1 };
}
