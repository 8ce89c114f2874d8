/*
 * Small files that people and programs know by their path: read as a whole, and replaced
 * as a whole, so that nobody ever sees half of one.
 */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Reads all of it to the end of @out, whose bound is that of the file. What is read is in
 * one piece of memory from the start, so that a caller who wipes @out has wiped all of
 * it.
 * ERR_NOENT: there is none.  ERR_LIMIT: it is larger.  ERR_SYS, ERR_NOMEM. @why has the
 * words.
 */
enum err file_read(const char *path, struct buf *out, struct why *why) MUST_USE;

/*
 * Puts @text in its place, with that mode. Whoever looks sees the old file or the new
 * one, also after a loss of power.
 * ERR_SYS: it cannot be written, and the old one stays.  ERR_NOMEM.
 */
enum err file_replace(const char *path, mode_t mode, struct span text,
	struct why *why) MUST_USE;

/* Whether everybody on this machine may read or write it. False: it is not there. */
bool file_is_open_to_others(const char *path);

/*
 * Takes a secret that has come here open to all, by a copy perhaps, from all but its
 * owner. Only if it is a file of ours: what others have put there is theirs to close.
 */
void file_close_to_others(const char *path);

/*
 * Keeps others who ask for the same out of a directory until @fd is closed, or we end in
 * whatever way. Where there are no such locks, it keeps nobody out.
 * ERR_EXISTS: another one is there.  ERR_SYS.
 */
enum err file_lock_directory(const char *path, int *fd, struct why *why) MUST_USE;

#endif
