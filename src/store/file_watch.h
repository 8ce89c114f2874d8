/*
 * A file watch reports that some files have changed, in any way: written, replaced by
 * renaming, or exchanged behind a link, as editors, ACME clients and Kubernetes do. It
 * watches their directories. It also looks at the files every 10 s, for changes behind
 * links and for systems that do not report changes.
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
	uint32_t
		settle_ms; /* from the first change to the call: changes come in bursts */
	uint32_t look_ms;  /* 0: FILE_WATCH_LOOK_MS */
	void (*on_change)(void *arg);
	void *arg;
};

/* Changes are relative to the files' state at this call; they need not exist.
 * ERR_NOMEM. */
enum err file_watch_open(const struct file_watch_options *o,
	struct file_watch **out) MUST_USE;

/* Changes are relative to the state at this call; to be called before the files are
 * read. */
void file_watch_note(struct file_watch *w);

/* on_change is not called any more. NULL is fine. */
void file_watch_close(struct file_watch *w);

#endif
