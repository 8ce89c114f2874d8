/* Small files, read and replaced as a whole. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define FILE_PIECE 4096

/* ---- read ---- */

/* Reserves room for the file's size. A file that grows meanwhile, or reports no size,
 * gets more room later. */
static enum err read_all(int fd, struct buf *out)
{
	struct stat st;
	size_t room = FILE_PIECE;
	uint8_t *to;
	ssize_t n;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size < out->max)
		room = (size_t)st.st_size + 1; /* one more, to find the end */
	do {
		if (room > out->max - out->n)
			room = out->max - out->n;
		if (room == 0)
			return ERR_LIMIT;
		if (buf_reserve(out, room, &to) != ERR_OK)
			return out->failed;
		n = read(fd, to, room);
		if (n > 0)
			buf_commit(out, (size_t)n);
		room = FILE_PIECE;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? ERR_SYS : ERR_OK;
}

enum err file_read(const char *path, struct buf *out, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err rc;

	if (fd < 0) {
		rc = errno == ENOENT || errno == ENOTDIR ? ERR_NOENT : ERR_SYS;
		err_sys(why, errno, "%.150s cannot be read", path);
		return rc;
	}
	rc = read_all(fd, out);
	if (rc == ERR_SYS)
		err_sys(why, errno, "%.150s cannot be read", path);
	else if (rc == ERR_LIMIT)
		err_set(why, rc, "%.150s is larger than %zu bytes", path, out->max - 1);
	else if (rc != ERR_OK)
		err_set(why, rc, "no memory for %.150s", path);
	close(fd);
	return rc;
}

/* ---- replace ---- */

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
	return ERR_OK;
}

/* The directory has the name of the file. Not every file system supports this. */
static void sync_directory(const char *path)
{
	char *directory = file_directory(path);
	int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				     -1;

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(directory);
}

/* @owner may be NULL: this user's. Giving a file away needs rights; it goes on without
 * them. */
static enum err replace(const char *path, mode_t mode, const struct stat *owner,
	struct span text, struct why *why)
{
	char *temporary = str_printf("%s.XXXXXX", path);
	enum err rc = ERR_SYS;
	int fd;

	if (temporary == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %.150s", path);
	fd = mkostemp(temporary,
		O_CLOEXEC); /* mode 0600: others can never read a secret */
	if (fd >= 0 && owner != NULL)
		(void)!fchown(fd, owner->st_uid, owner->st_gid);
	if (fd >= 0 && write_all(fd, text) == ERR_OK && fchmod(fd, mode) == 0 &&
		fsync(fd) == 0 && rename(temporary, path) == 0)
		rc = ERR_OK;
	if (rc != ERR_OK)
		err_sys(why, errno, "%.150s cannot be written", path);
	if (rc != ERR_OK && fd >= 0)
		(void)unlink(temporary);
	if (fd >= 0)
		close(fd);
	if (rc == ERR_OK)
		sync_directory(path);
	free(temporary);
	return rc;
}

enum err file_replace(const char *path, mode_t mode, struct span text, struct why *why)
{
	return replace(path, mode, NULL, text, why);
}

enum err file_update(const char *path, struct span text, struct why *why)
{
	char *target = realpath(path, NULL);
	struct stat st;
	enum err rc;

	if (target == NULL || stat(target, &st) != 0) {
		rc = errno == ENOENT ? ERR_NOENT : ERR_SYS;
		err_sys(why, errno, "%.150s cannot be written", path);
	} else {
		rc = replace(target, st.st_mode & 07777, &st, text, why);
	}
	free(target);
	return rc;
}

/* ---- modes ---- */

bool file_is_open_to_others(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

void file_close_to_others(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		(st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		(void)fchmod(fd, st.st_mode & S_IRWXU);
	close(fd);
}

/* ---- directories ---- */

char *file_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return span_dup(span_of(path, slash == path ? 1 : (size_t)(slash - path)));
}

enum err file_make_private_directory(const char *path, const char *what, struct why *why)
{
	char *parent = strdup(path), *slash;
	enum err rc = ERR_OK;

	if (parent == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a path");
	for (slash = strchr(parent + 1, '/'); slash != NULL;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(parent, 0755); /* the last mkdir() reports errors */
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = err_sys(why, errno, "cannot make %s %.100s", what, path);
	free(parent);
	return rc;
}

enum err file_lock_directory(const char *path, int *fd, struct why *why)
{
	int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0)
		return err_sys(why, errno, "%.150s cannot be read", path);
	if (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		close(lock);
		return err_set(why, ERR_EXISTS, "%.150s is in use by another adit", path);
	}
	*fd = lock;
	return ERR_OK;
}
