/* A file watch reports that some files have changed, in any way. */
#include "store/file_watch.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/str.h"
#include "store/file.h"

#define WATCHES_MAX (2 * FILE_WATCH_MAX)

struct file_watch {
	struct file_watch_options o;
	uint64_t seen[FILE_WATCH_MAX]; /* the state of each file at the last look */
	struct loop_watch *watches[WATCHES_MAX];
	unsigned count;
	struct loop_timer *settle, *look;
};

/* ---- the state of a file ---- */

/* FNV-1a is enough: no adversary chooses the data. */
static uint64_t mix(uint64_t sum, const void *p, size_t n)
{
	const uint8_t *byte = p;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ byte[i]) * 0x100000001b3U;
	return sum;
}

static uint64_t mix_stat(uint64_t sum, const struct stat *st)
{
	sum = mix(sum, &st->st_dev, sizeof(st->st_dev));
	sum = mix(sum, &st->st_ino, sizeof(st->st_ino));
	sum = mix(sum, &st->st_size, sizeof(st->st_size));
	sum = mix(sum, &st->st_mtim, sizeof(st->st_mtim));
	return mix(sum, &st->st_ctim, sizeof(st->st_ctim));
}

/* The state of a directory includes that of its entries. */
static uint64_t mix_entries(uint64_t sum, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' &&
			fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
			sum = mix_stat(sum, &st);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

/* 0: there is no such file, or it is not accessible. */
static uint64_t look_at(const char *path)
{
	struct stat st;
	uint64_t sum;

	if (stat(path, &st) != 0)
		return 0;
	sum = mix_stat(0xcbf29ce484222325U, &st);
	return S_ISDIR(st.st_mode) ? mix_entries(sum, path) : sum;
}

static bool file_watch_has_changed(struct file_watch *w)
{
	bool has_changed = false;

	for (unsigned i = 0; i < FILE_WATCH_MAX; i++) {
		uint64_t is = w->o.paths[i] != NULL ? look_at(w->o.paths[i]) : 0;

		has_changed = has_changed || is != w->seen[i];
		w->seen[i] = is;
	}
	return has_changed;
}

void file_watch_note(struct file_watch *w)
{
	(void)file_watch_has_changed(w);
}

/* ---- when to look ---- */

static void file_watch_on_settled(void *arg)
{
	struct file_watch *w = arg;

	if (file_watch_has_changed(w))
		w->o.on_change(w->o.arg);
}

static void file_watch_on_look(void *arg)
{
	struct file_watch *w = arg;

	loop_timer_set(w->look, w->o.look_ms);
	file_watch_on_settled(w);
}

/* Called for any entry: the target of a link may have another name. */
static void file_watch_on_entry(void *arg, const char *name)
{
	struct file_watch *w = arg;

	(void)name;
	if (!loop_timer_is_set(
		    w->settle)) /* else a busy directory would delay it for ever */
		loop_timer_set(w->settle, w->o.settle_ms);
}

/* ---- the beginning and the end ---- */

/* If a directory cannot be watched, the regular look finds the changes. */
static void file_watch_add(struct file_watch *w, const char *directory)
{
	if (directory != NULL &&
		loop_watch_open(w->o.loop, directory, file_watch_on_entry, w,
			&w->watches[w->count]) == ERR_OK)
		w->count++;
}

static void file_watch_add_path(struct file_watch *w, const char *path)
{
	char *directory = file_directory(path);
	struct stat st;

	file_watch_add(w, directory);
	free(directory);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		file_watch_add(w, path);
}

enum err file_watch_open(const struct file_watch_options *o, struct file_watch **out)
{
	struct file_watch *w = mem_new(w);
	enum err rc;

	if (w == NULL)
		return ERR_NOMEM;
	w->o = *o;
	if (w->o.look_ms == 0)
		w->o.look_ms = FILE_WATCH_LOOK_MS;
	rc = loop_timer_open(o->loop, file_watch_on_settled, w, &w->settle);
	if (rc == ERR_OK)
		rc = loop_timer_open(o->loop, file_watch_on_look, w, &w->look);
	if (rc != ERR_OK) {
		file_watch_close(w);
		return rc;
	}
	for (unsigned i = 0; i < FILE_WATCH_MAX; i++) {
		if (o->paths[i] != NULL)
			file_watch_add_path(w, o->paths[i]);
	}
	file_watch_note(w);
	loop_timer_set(w->look, w->o.look_ms);
	*out = w;
	return ERR_OK;
}

void file_watch_close(struct file_watch *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < w->count; i++)
		loop_watch_close(w->watches[i]);
	loop_timer_close(w->settle);
	loop_timer_close(w->look);
	free(w);
}
