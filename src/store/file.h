/*
 * Small files that are read completely, and replaced atomically, so that a reader never
 * sees a part of one.
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Appends the file to @out, whose bound is also the file's. The memory is reserved at
 * once and not moved, so wiping @out wipes every copy.
 * ERR_NOENT: there is no such file.  ERR_LIMIT: it is larger.  ERR_SYS, ERR_NOMEM.
 * @why says more.
 */
enum err file_read(const char *path, struct buf *out, struct why *why) MUST_USE;

/*
 * Replaces the file by one with @text and @mode. A reader sees the old file or the new
 * one, also after a power failure.
 * ERR_SYS: it cannot be written, and the old file stays.  ERR_NOMEM.
 */
enum err file_replace(const char *path, mode_t mode, struct span text,
	struct why *why) MUST_USE;

/*
 * The same for a file of a person's: it keeps its mode, and its owner where that is
 * possible; behind a symbolic link, the target is replaced. ERR_NOENT: there is no such
 * file.
 */
enum err file_update(const char *path, struct span text, struct why *why) MUST_USE;

/* True if every user of this machine may read or write the file. False if there is no
 * such file. */
bool file_is_open_to_others(const char *path);

/*
 * Removes the permissions of group and others from a file with a secret. Does nothing if
 * the file has another owner.
 */
void file_close_to_others(const char *path);

/*
 * Takes an advisory lock on a directory. It is released when @fd is closed or the process
 * ends. Where a file system has no locks, this does nothing.
 * ERR_EXISTS: another process has the lock.  ERR_SYS.
 */
enum err file_lock_directory(const char *path, int *fd, struct why *why) MUST_USE;

/*
 * Makes a directory with mode 0700, and missing parents, unless it exists. @what is its
 * name in errors: "the state directory". ERR_SYS, ERR_NOMEM.
 */
enum err file_make_private_directory(const char *path, const char *what,
	struct why *why) MUST_USE;

/* The directory of the file at @path: ".", if @path has none. Owned. NULL: no memory. */
char *file_directory(const char *path) MUST_USE;

#endif
