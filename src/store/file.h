/*
 * Small files that people and programs know by their path: read as a whole, and replaced
 * as a whole, so that a reader never sees half of one.
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Reads all of it to the end of @out, whose bound is that of the file. What is read is in
 * one piece of memory from the start, so that wiping @out wipes all of it.
 * ERR_NOENT: there is none.  ERR_LIMIT: it is larger.  ERR_SYS, ERR_NOMEM. @why has the
 * words.
 */
enum err file_read(const char *path, struct buf *out, struct why *why) MUST_USE;

/*
 * Puts @text in its place, with that mode. A reader sees the old file or the new one,
 * also after a loss of power.
 * ERR_SYS: it cannot be written, and the old one stays.  ERR_NOMEM.
 */
enum err file_replace(const char *path, mode_t mode, struct span text,
	struct why *why) MUST_USE;

/* Whether every user of this machine may read or write it. False: it is not there. */
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

/* The directory of the file at @path: ".", if @path has none. Owned. NULL: no memory. */
char *file_directory(const char *path) MUST_USE;

#endif
