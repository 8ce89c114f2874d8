/* The private CA of the panel: its two files. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "panel/panel_priv.h"
#include "store/file.h"

#define AUTHORITY_NAME "adit CA"

struct files {
	char *directory, *cert_path, *key_path; /* owned */
	struct buf cert, key;
};

static enum err files_init(struct files *f, const char *state_dir, struct why *why)
{
	f->directory = str_printf("%s/pki", state_dir);
	f->cert_path = str_printf("%s/pki/ca.crt", state_dir);
	f->key_path = str_printf("%s/pki/ca.key", state_dir);
	buf_init(&f->cert, AUTHORITY_FILE_MAX);
	buf_init(&f->key, AUTHORITY_FILE_MAX);
	if (f->directory == NULL || f->cert_path == NULL || f->key_path == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	return ERR_OK;
}

static void files_fini(struct files *f)
{
	free(f->directory);
	free(f->cert_path);
	free(f->key_path);
	buf_fini(&f->cert);
	buf_wipe(&f->key);
}

/* The certificate is written last: without it nothing was issued. */
static enum err make(const struct panel *p, struct files *f, struct authority **out,
	struct why *why)
{
	struct authority *a = NULL;
	enum err rc = file_make_private_directory(f->directory, "the directory of the CA",
		why);

	if (rc == ERR_OK)
		rc = authority_make(AUTHORITY_NAME, (int64_t)(clock_wall_ms() / 1000), &a,
			why);
	if (rc == ERR_OK)
		rc = authority_put(a, &f->cert, &f->key);
	if (rc == ERR_OK)
		rc = file_replace(f->key_path, 0600, buf_span(&f->key), why);
	if (rc == ERR_OK)
		rc = file_replace(f->cert_path, 0600, buf_span(&f->cert), why);
	if (rc != ERR_OK) {
		authority_free(a);
		return rc;
	}
	log_info(p->o.log, "panel: %s: made a private CA for agents and administrators",
		f->cert_path);
	*out = a;
	return ERR_OK;
}

static enum err load(struct files *f, struct authority **out, struct why *why)
{
	struct why words = { "" };
	enum err rc = file_read(f->key_path, &f->key, &words);

	if (rc == ERR_OK)
		rc = authority_load(buf_span(&f->cert), buf_span(&f->key), out, &words);
	if (rc == ERR_OK)
		return rc;
	return err_set(why, rc == ERR_NOENT ? ERR_SYS : rc,
		"the private CA in %.100s cannot be used: %.100s", f->directory,
		err_text(rc, &words));
}

enum err panel_authority(struct panel *p, const struct authority **out, struct why *why)
{
	struct files f = { .directory = NULL };
	enum err rc = ERR_OK;

	if (p->authority == NULL) {
		rc = files_init(&f, p->o.state_dir, why);
		if (rc == ERR_OK)
			rc = file_read(f.cert_path, &f.cert, why);
		if (rc == ERR_OK)
			rc = load(&f, &p->authority, why);
		else if (rc == ERR_NOENT)
			rc = make(p, &f, &p->authority, why);
		files_fini(&f);
	}
	if (rc == ERR_OK)
		*out = p->authority;
	return rc;
}
