/* The config of an agent with a managed link. */
#include "cli/setup_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_link.h"
#include "base/str.h"
#include "store/file.h"
#include "tunnel/chisel/url.h"

#define HEAD "# The config of an agent: adit-agent.toml(5) has every key.\n"
#define IDS_MAX 100 /* links with the same host */
#define FREE_ADDR "127.0.0.1:0"

static bool is_same_server(const char *a, const char *b)
{
	struct url one, other;

	return a != NULL && chisel_url_parse(span_str(a), &one, NULL) == ERR_OK &&
		chisel_url_parse(span_str(b), &other, NULL) == ERR_OK &&
		strcmp(one.scheme, other.scheme) == 0 && one.port == other.port &&
		strcasecmp(one.host, other.host) == 0;
}

static const struct link_config *link_of_id(const struct agent_config *c, const char *id)
{
	for (unsigned i = 0; i < c->links.n; i++)
		if (strcmp(agent_config_link(c, i)->id, id) == 0)
			return agent_config_link(c, i);
	return NULL;
}

/* That of the link to the same server, or a new one. */
static enum err choose_id(const struct agent_config *is, const struct setup_link *link,
	char id[ENROL_ID_MAX], struct why *why)
{
	char base[ENROL_ID_MAX];

	for (unsigned i = 0; is != NULL && i < is->links.n; i++) {
		const struct link_config *l = agent_config_link(is, i);

		if (l->is_managed && is_same_server(l->server, link->server)) {
			str_copy(id, ENROL_ID_MAX, l->id);
			return ERR_OK;
		}
	}
	enrol_link_id(link->relay, base);
	str_copy(id, ENROL_ID_MAX, base);
	for (unsigned n = 2; is != NULL && link_of_id(is, id) != NULL; n++) {
		if (n > IDS_MAX)
			return err_set(why, ERR_LIMIT,
				"the config has %d links to %.60s: remove some", IDS_MAX,
				base);
		snprintf(id, ENROL_ID_MAX, "%.119s-%u", base, n);
	}
	return ERR_OK;
}

/* ---- edits, one after the other ---- */

/* The text after an edit takes the place of @s->text. */
static enum err take(struct setup_config *s, struct buf *next, enum err rc)
{
	if (rc == ERR_OK) {
		buf_wipe(&s->text);
		s->text = *next;
	} else {
		buf_wipe(next);
	}
	return rc;
}

static enum err put_setting(struct setup_config *s, const char *path, const char *key,
	const char *value, struct why *why)
{
	struct toml *toml = NULL;
	struct buf next;
	enum err rc = toml_parse(buf_span(&s->text), path, &toml, why);

	buf_init(&next, TOML_BYTES_MAX + 1);
	if (rc == ERR_OK)
		rc = config_edit_put_agent(toml, key, value, &next, why);
	toml_free(toml);
	return take(s, &next, rc);
}

static enum err put_link(struct setup_config *s, const char *path,
	const struct config_managed *m, struct why *why)
{
	struct toml *toml = NULL;
	struct buf next;
	enum err rc = toml_parse(buf_span(&s->text), path, &toml, why);

	buf_init(&next, TOML_BYTES_MAX + 1);
	if (rc == ERR_OK)
		rc = config_edit_put_managed(toml, m, &next, why);
	toml_free(toml);
	return take(s, &next, rc);
}

/* The agent finds a state directory that was given by its config alone. Beside another
 * agent of this user the usual control address is taken. */
static enum err put_places(struct setup_config *s, const struct agent_args *args,
	const struct agent_place *place, const char *state_dir, struct why *why)
{
	enum err rc = ERR_OK;

	if (args->state_dir == NULL)
		return rc;
	if (state_dir != NULL && strcmp(state_dir, place->default_state_dir) != 0)
		return err_set(why, ERR_EXISTS,
			"%.80s has the state directory %.80s: leave --state-dir out, or give"
			" another --config",
			place->config, state_dir);
	if (state_dir == NULL)
		rc = put_setting(s, place->config, "state_dir", place->default_state_dir,
			why);
	if (rc == ERR_OK && s->is_new)
		rc = put_setting(s, place->config, "control_addr", FREE_ADDR, why);
	return rc;
}

/* Does the file itself set a state directory? */
static bool sets_state_dir(struct span text)
{
	const struct toml_node *agent;
	struct toml *toml = NULL;
	bool sets = false;

	if (toml_parse(text, AGENT_CONFIG_NAME, &toml, NULL) == ERR_OK) {
		agent = toml_find(toml_root(toml), "agent");
		sets = agent != NULL && toml_find(agent, "state_dir") != NULL;
	}
	toml_free(toml);
	return sets;
}

/* ---- the whole ---- */

static enum err read_old(struct setup_config *s, const struct config_source *source,
	struct agent_config **is, struct why *why)
{
	enum err rc = agent_config_read(source, &s->old, is, why);

	s->is_new = rc == ERR_NOENT;
	if (!s->is_new)
		return rc;
	why->text[0] = '\0';
	return buf_put_str(&s->text, HEAD);
}

static enum err find_credentials(struct setup_config *s, const char *id)
{
	s->link = link_of_id(s->config, id);
	if (s->link == NULL)
		return ERR_NOENT;
	s->credentials = s->link->credentials != NULL ?
		strdup(s->link->credentials) :
		str_printf("%s/" AGENT_LINK_DIRECTORY "/%s", s->config->state_dir, id);
	return s->credentials != NULL ? ERR_OK : ERR_NOMEM;
}

enum err setup_config_make(const struct call *c, const struct agent_args *args,
	const struct agent_place *place, const struct setup_link *link,
	struct setup_config *out, struct why *why)
{
	struct config_source source = agent_place_source(c, place);
	struct agent_config *is = NULL;
	char id[ENROL_ID_MAX];
	const struct config_managed managed = { id, link->server, link->fingerprint };
	enum err rc;

	*out = (struct setup_config){ .is_new = false };
	buf_init(&out->old, TOML_BYTES_MAX + 1);
	buf_init(&out->text, TOML_BYTES_MAX + 1);
	rc = read_old(out, &source, &is, why);
	if (rc == ERR_OK && !out->is_new)
		rc = buf_put_span(&out->text, buf_span(&out->old));
	if (rc == ERR_OK)
		rc = choose_id(is, link, id, why);
	if (rc == ERR_OK)
		rc = put_places(out, args, place,
			is != NULL && sets_state_dir(buf_span(&out->old)) ?
				is->state_dir :
				NULL,
			why);
	if (rc == ERR_OK)
		rc = put_link(out, place->config, &managed, why);
	if (rc == ERR_OK)
		rc = agent_config_parse(&source, buf_span(&out->text), &out->config, why);
	if (rc == ERR_OK)
		rc = find_credentials(out, id);
	agent_config_free(is);
	return rc;
}

void setup_config_fini(struct setup_config *s)
{
	agent_config_free(s->config);
	free(s->credentials);
	buf_wipe(&s->old);
	buf_wipe(&s->text);
	*s = (struct setup_config){ .is_new = false };
}

enum err setup_config_write(const struct setup_config *s, const char *path,
	struct why *why)
{
	char *directory;
	enum err rc;

	if (!s->is_new && span_eq(buf_span(&s->old), buf_span(&s->text)))
		return ERR_OK;
	if (!s->is_new)
		return file_update(path, buf_span(&s->text), why);
	directory = file_directory(path);
	rc = directory != NULL ? file_make_private_directory(directory,
					 "the directory of the config", why) :
				 err_set(why, ERR_NOMEM, "out of memory");
	free(directory);
	return rc == ERR_OK ? file_replace(path, 0600, buf_span(&s->text), why) : rc;
}
