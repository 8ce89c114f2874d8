/*
 * A file watch tells when some files have changed, in whatever way: written, replaced by
 * renaming, or swapped behind a link, as editors, ACME clients and Kubernetes do it. It
 * watches their directories. What it does not see there, or on systems that do not tell,
 * it finds by looking at the files every 10 s.
 */
#ifndef STORE_FILE_WATCH_H
#define STORE_FILE_WATCH_H

#include <stdint.h>

#include "loop/loop.h"

#define FILE_WATCH_MAX 4
#define FILE_WATCH_LOOK_MS 10000

struct file_watch;

struct file_watch_options {
	struct loop *loop; /* borrowed: outlives the watch */
	/* borrowed: files or directories; NULL is none */
	const char *paths[FILE_WATCH_MAX];
	uint32_t settle_ms; /* from the first change to the call: they come in bursts */
	uint32_t look_ms;   /* 0: FILE_WATCH_LOOK_MS */
	void (*on_change)(void *arg);
	void *arg;
};

/* What the files are now is no change; they need not be there. ERR_NOMEM. */
enum err file_watch_open(const struct file_watch_options *o,
	struct file_watch **out) MUST_USE;

/* What they are now is no change from here on: before they are read. */
void file_watch_note(struct file_watch *w);

/* on_change is not called any more. NULL is fine. */
void file_watch_close(struct file_watch *w);

#endif
