/* The files of certificates. */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "acme/certificate_priv.h"
#include "base/str.h"
#include "store/file.h"

#define WILDCARD_FILE "+wildcard." /* no host has a plus */

enum err certificate_file_name(struct certificate *x, struct why *why)
{
	const char *directory = x->owner->o.directory;

	if (directory == NULL)
		return ERR_OK;
	if (str_has_prefix(x->name, "*."))
		x->path = str_printf("%s/" WILDCARD_FILE "%s", directory, x->name + 2);
	else
		x->path = str_printf("%s/%s", directory, x->name);
	return x->path != NULL ? ERR_OK : err_set(why, ERR_NOMEM, "no memory for a path");
}

static enum err pair_load(const char *path, const char *name, struct acme_pair *out,
	struct why *why)
{
	struct why detail = { "" };
	struct buf text;
	enum err rc;

	buf_init(&text, ACME_PAIR_MAX);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK) {
		rc = acme_pair_read(buf_span(&text), name, out, &detail);
		if (rc != ERR_OK)
			(void)err_set(why, rc, "%.120s: %s", path, err_text(rc, &detail));
	}
	buf_wipe(&text);
	return rc;
}

enum err certificate_file_read(const struct certificate *x, struct acme_pair *out,
	struct why *why)
{
	return x->path != NULL ? pair_load(x->path, x->name, out, why) : ERR_NOENT;
}

enum err certificate_file_write(const struct certificate *x, struct why *why)
{
	struct buf text;
	enum err rc;

	if (x->path == NULL)
		return ERR_OK;
	buf_init(&text, ACME_PAIR_MAX);
	rc = acme_pair_put(&x->pair, &text);
	if (rc == ERR_OK)
		rc = file_replace(x->path, 0600, buf_span(&text), why);
	buf_wipe(&text);
	return rc;
}

/* ---- leftovers ---- */

/* The name that a file is for. False: none. */
static bool name_of_file(const char *file, char name[NAMES_HOST_MAX + 3])
{
	char host[NAMES_HOST_MAX + 1];
	bool is_wildcard = str_has_prefix(file, WILDCARD_FILE);

	if (is_wildcard)
		file += strlen(WILDCARD_FILE);
	if (names_parse_host(span_str(file), host, NULL) != ERR_OK ||
		strcmp(host, file) != 0)
		return false;
	(void)snprintf(name, NAMES_HOST_MAX + 3, "%s%s", is_wildcard ? "*." : "", host);
	return true;
}

/* Only what we have written, and is of no use to anyone. */
static void file_sweep(const struct acme_certificates *c, const char *file, int64_t now_s)
{
	char name[NAMES_HOST_MAX + 3];
	struct acme_pair pair;
	char *path;

	if (!name_of_file(file, name) || map_find(&c->by_name, span_str(name)) != NULL)
		return;
	path = str_printf("%s/%s", c->o.directory, file);
	if (path != NULL && pair_load(path, name, &pair, NULL) == ERR_OK) {
		if (pair.ca != NULL && pair.ends_s < now_s && unlink(path) == 0)
			log_info(c->o.log,
				"certificate of %s: removed: it has expired, and the name is "
				"not served any more",
				name);
		acme_pair_wipe(&pair);
	}
	free(path);
}

void certificate_files_sweep(const struct acme_certificates *c, int64_t now_s)
{
	DIR *directory = c->o.directory != NULL ? opendir(c->o.directory) : NULL;
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			file_sweep(c, entry->d_name, now_s);
	if (directory != NULL)
		closedir(directory);
}
