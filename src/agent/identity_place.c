/* Where the identities of tunnels are. */
#include "agent/identity_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "store/file.h"
#include "tunnel/portal/identity.h"

#define IDENTITY_FILE "identity.json"
#define USER_FILE "identity.json.user" /* the id of the tunnel that uses it */

static enum err put_path(char out[AGENT_PATH_MAX], const char *directory, const char *id,
	const char *file, struct why *why)
{
	int n = snprintf(out, AGENT_PATH_MAX, "%s%s%s/%s", directory,
		id[0] != '\0' ? "/" : "", id, file);

	if (n > 0 && n < AGENT_PATH_MAX)
		return ERR_OK;
	return err_set(why, ERR_LIMIT,
		"the path of the identity of \"%.60s\" is too long", id);
}

static enum err make_folder(const char *path, struct why *why)
{
	char *folder = file_directory(path);
	enum err rc = folder == NULL ?
		err_set(why, ERR_NOMEM, "out of memory") :
		file_make_private_directory(folder, "the folder of an identity", why);

	free(folder);
	return rc;
}

/* The tunnel that uses identity.json is the one that is stored; before there is one,
 * that whose name the identity has. */
static bool used_common_file(const char *state_dir, const struct tunnel_config *t,
	struct span text)
{
	char path[AGENT_PATH_MAX], label[NAMES_LABEL_MAX + 1];
	struct identity id;
	struct buf user;
	bool yes;
	enum err rc = put_path(path, state_dir, "", USER_FILE, NULL);

	buf_init(&user, AGENT_ID_MAX + 1);
	if (rc == ERR_OK)
		rc = file_read(path, &user, NULL);
	yes = rc == ERR_OK && span_is(buf_span(&user), t->id);
	if (rc == ERR_NOENT && t->lease.name != NULL &&
		names_parse_label(span_str(t->lease.name), label, NULL) == ERR_OK &&
		identity_parse(IDENTITY_CLIENT, text, &id, NULL) == ERR_OK) {
		yes = strcmp(id.name, label) == 0;
		identity_wipe(&id);
	}
	buf_fini(&user);
	return yes;
}

/* Copies identity.json to @path, if it is that of @t. */
static enum err take_common_file(const char *state_dir, const struct tunnel_config *t,
	const char *path, struct why *why)
{
	char common[AGENT_PATH_MAX];
	struct buf text;
	enum err rc = put_path(common, state_dir, "", IDENTITY_FILE, why);

	buf_init(&text, IDENTITY_FILE_MAX);
	if (rc == ERR_OK)
		rc = file_read(common, &text, why);
	if (rc == ERR_OK && used_common_file(state_dir, t, buf_span(&text)))
		rc = file_replace(path, 0600, buf_span(&text), why);
	buf_wipe(&text);
	return rc == ERR_NOENT ? ERR_OK : rc;
}

static enum err note_user(const char *state_dir, const char *id, struct why *why)
{
	char path[AGENT_PATH_MAX];
	struct buf old;
	enum err rc = put_path(path, state_dir, "", USER_FILE, why);

	buf_init(&old, AGENT_ID_MAX + 1);
	if (rc == ERR_OK &&
		(file_read(path, &old, NULL) != ERR_OK || !span_is(buf_span(&old), id)))
		rc = file_replace(path, 0600, span_str(id), why);
	buf_fini(&old);
	return rc;
}

enum err identity_place(const struct agent_config *c, const struct tunnel_config *t,
	char out[AGENT_PATH_MAX], struct why *why)
{
	enum err rc;

	if (t->lease.identity_path != NULL) {
		str_copy(out, AGENT_PATH_MAX, t->lease.identity_path);
		return make_folder(out, why);
	}
	rc = put_path(out, c->state_dir, t->id, IDENTITY_FILE, why);
	if (rc != ERR_OK || access(out, F_OK) == 0)
		return rc;
	if (c->tunnels.n == 1) {
		rc = put_path(out, c->state_dir, "", IDENTITY_FILE, why);
		return rc == ERR_OK ? note_user(c->state_dir, t->id, why) : rc;
	}
	rc = make_folder(out, why);
	return rc == ERR_OK ? take_common_file(c->state_dir, t, out, why) : rc;
}
