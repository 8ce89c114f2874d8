/* Agents whose key the relay makes: a PKCS#12 file for each. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "crypto/p12.h"
#include "panel/panel_priv.h"
#include "store/file.h"
#include "text/hex.h"

static char *directory_of(const struct panel *p, const char *label)
{
	return str_printf("%s/pki/agents/%s", p->o.state_dir, label);
}

static char *file_of(const struct panel *p, const char *label)
{
	return str_printf("%s/pki/agents/%s/client.p12", p->o.state_dir, label);
}

void panel_remove_p12(const struct panel *p, const char *label)
{
	char *directory = directory_of(p, label), *file = file_of(p, label);

	if (file != NULL && unlink(file) == 0 && directory != NULL)
		(void)rmdir(directory);
	free(directory);
	free(file);
}

static enum err write_file(struct panel *p, const struct panel_agent *a,
	const struct authority_pair *pair, const char *password, struct why *why)
{
	char *directory = directory_of(p, a->label), *file = file_of(p, a->label);
	struct p12_order order = {
		.cert = buf_span(&pair->cert),
		.key = buf_span(&pair->key),
		.name = a->label,
		.password = password,
		.encryption = P12_LEGACY,
	};
	const struct authority *authority;
	struct buf ca, out;
	enum err rc = ERR_NOMEM;

	buf_init(&ca, AUTHORITY_FILE_MAX);
	buf_init(&out, P12_FILE_MAX);
	if (directory != NULL && file != NULL)
		rc = panel_authority(p, &authority, why);
	if (rc == ERR_OK)
		rc = authority_put(authority, &ca, NULL);
	order.chain = buf_span(&ca);
	if (rc == ERR_OK)
		rc = p12_write(&order, &out, why);
	if (rc == ERR_OK)
		rc = file_make_private_directory(directory, "the directory of the file",
			why);
	if (rc == ERR_OK)
		rc = file_replace(file, 0600, buf_span(&out), why);
	buf_fini(&ca);
	buf_wipe(&out);
	free(directory);
	free(file);
	return rc;
}

static enum err issue(struct panel *p, struct panel_agent *a, const char *password,
	struct why *why)
{
	char name[PANEL_LABEL_SIZE + sizeof("agent:")];
	struct authority_pair pair = { .of.ends_s = 0 };
	const struct authority_order order = {
		.name = name,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
		.days = AUTHORITY_CLIENT_DAYS,
	};
	const struct authority *authority;
	enum err rc = panel_authority(p, &authority, why);

	snprintf(name, sizeof(name), "agent:%s", a->label);
	if (rc == ERR_OK)
		rc = authority_issue_client(authority, &order, &pair, why);
	if (rc == ERR_OK)
		rc = panel_agent_certify(a, &pair, why);
	if (rc == ERR_OK)
		rc = write_file(p, a, &pair, password, why);
	authority_pair_wipe(&pair);
	return rc;
}

enum err panel_make_p12(struct panel *p, const struct panel_caller *caller,
	const char *label, const struct panel_rights *rights,
	char password[PANEL_P12_PASSWORD_SIZE], const struct panel_agent **out,
	struct why *why)
{
	struct panel_agent *a = NULL;
	char text[PANEL_P12_PASSWORD_SIZE];
	enum err rc = panel_check_label(p, label, why);

	hex_random(PANEL_P12_PASSWORD_SIZE / 2, text);
	if (rc == ERR_OK)
		rc = panel_agent_new(label, "p12", rights, &a, why);
	if (rc == ERR_OK)
		rc = issue(p, a, text, why);
	if (rc != ERR_OK) {
		panel_agent_free(a);
		return rc;
	}
	rc = panel_add_agent(p, caller, a, why);
	if (rc == ERR_OK) {
		memcpy(password, text, sizeof(text));
		*out = a;
	} else {
		panel_remove_p12(p, label);
	}
	mem_wipe(text, sizeof(text));
	return rc;
}

enum err panel_read_p12(const struct panel *p, const char *label, struct buf *out,
	struct why *why)
{
	char *file = file_of(p, label);
	enum err rc = file != NULL ? file_read(file, out, NULL) : ERR_NOMEM;

	free(file);
	if (rc == ERR_NOENT)
		return err_set(why, rc, "there is no file for %.60s", label);
	return rc;
}
