/* The config request, in the order of Go's members. */
#include "tunnel/chisel/config.h"

#include <jansson.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/field_json.h"

/* A remote, and what its JSON has besides. */
struct remote_json {
	struct remote r;
	char local_proto[8], remote_proto[8];
};

#define AT(member) FIELD_AT(struct remote_json, member)

static const struct field remote_rows[] = {
	{ "LocalHost", FIELD_CHARS, AT(r.local_host) },
	{ "LocalPort", FIELD_CHARS, AT(r.local_port) },
	{ "LocalProto", FIELD_CHARS, AT(local_proto) },
	{ "RemoteHost", FIELD_CHARS, AT(r.remote_host) },
	{ "RemotePort", FIELD_CHARS, AT(r.remote_port) },
	{ "RemoteProto", FIELD_CHARS, AT(remote_proto) },
	{ "Socks", FIELD_BOOL, AT(r.is_socks) },
	{ "Reverse", FIELD_BOOL, AT(r.is_reverse) },
	{ "Stdio", FIELD_BOOL, AT(r.is_stdio) },
	{ "LastPort", FIELD_PORT, true, AT(r.last_port) }, /* our own extension */
};

static const struct field_table remote_fields = FIELD_TABLE_OF(struct remote_json,
	remote_rows);

struct config_json {
	char *version;
	struct field_tables remotes; /* struct remote_json */
	char client[CONFIG_CLIENT_MAX], run[CONFIG_RUN_MAX];
};

#undef AT
#define AT(member) FIELD_AT(struct config_json, member)

static const struct field config_rows[] = {
	{ "Version", FIELD_TEXT, AT(version) },
	{ "Remotes", FIELD_TABLES, AT(remotes), .max = CONFIG_REMOTES_MAX,
		.of = &remote_fields },
	{ "Client", FIELD_CHARS, AT(client) },
	{ "Run", FIELD_CHARS, AT(run) },
};

static const struct field_table config_fields = FIELD_TABLE_OF(struct config_json,
	config_rows);

/* ---- print ---- */

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	json_put_key(w, key);
	json_put_text(w, span_str(text));
}

/* The failures of these puts stick in @out, and are looked at once, at the end. */
enum err chisel_config_print(const struct chisel_config *c, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	put_text(&w, "Version", c->version);
	json_put_key(&w, "Remotes");
	if (c->count == 0)
		json_put_null(&w);
	else
		json_put_open_list(&w);
	for (unsigned i = 0; i < c->count; i++) {
		struct remote_json d = { .r = c->remotes[i] };

		memcpy(d.local_proto, d.r.is_udp ? "udp" : "tcp", 4);
		memcpy(d.remote_proto, d.local_proto, 4);
		field_put_json(&remote_fields, &d, &w);
	}
	if (c->count > 0)
		json_put_close_list(&w);
	if (c->client[0] != '\0')
		put_text(&w, "Client", c->client);
	if (c->run[0] != '\0')
		put_text(&w, "Run", c->run);
	json_put_close(&w);
	return out->failed;
}

/* ---- parse ---- */

/* Takes off a last character of several bytes (RFC 3629 3): a cut may have halved it. */
static void drop_half_character(char *text)
{
	size_t n = strlen(text), at = n;

	while (at > 0 && ((uint8_t)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (uint8_t)text[at - 1] >= 0xc0)
		text[at - 1] = '\0';
}

/* Clients before 1.7 know no protocols: theirs are tcp. */
static bool proto_is(const char *text, bool *is_udp)
{
	*is_udp = strcasecmp(text, "udp") == 0;
	return *is_udp || *text == '\0' || strcasecmp(text, "tcp") == 0;
}

/* Hosts and ports go into logs and access lists: each is well formed, or empty. */
static enum err finish_remote(struct remote_json *d)
{
	const char *hosts[] = { d->r.local_host, d->r.remote_host };
	const char *ports[] = { d->r.local_port, d->r.remote_port };
	bool is_remote_udp;

	for (size_t i = 0; i < 2; i++) {
		if (*hosts[i] != '\0' && !remote_host_is_good(hosts[i]))
			return ERR_SYNTAX;
		if (*ports[i] != '\0' && !remote_port_is_good(ports[i]) &&
			!(i == 0 && remote_local_port_is_good(ports[i])))
			return ERR_SYNTAX;
	}
	if (!proto_is(d->local_proto, &d->r.is_udp) ||
		!proto_is(d->remote_proto, &is_remote_udp) ||
		d->r.is_udp != is_remote_udp)
		return ERR_SYNTAX;
	return remote_check(&d->r, NULL);
}

enum err chisel_config_parse(struct span text, struct chisel_config *out)
{
	struct chisel_config c = { .count = 0 };
	struct config_json r = { .version = NULL };
	struct remote_json *remotes;
	json_t *root;
	enum err rc;

	if (text.n > CONFIG_BYTES_MAX)
		return ERR_LIMIT;
	root = json_loadb((const char *)text.p, text.n, 0, NULL);
	if (root == NULL)
		return ERR_SYNTAX;
	rc = field_read_json_value(&config_fields, root, &r, NULL);
	remotes = r.remotes.v;
	if (rc == ERR_OK)
		c.remotes = calloc(r.remotes.n + 1, sizeof(*c.remotes));
	if (rc == ERR_OK && c.remotes == NULL)
		rc = ERR_NOMEM;
	for (; rc == ERR_OK && c.count < r.remotes.n; c.count++) {
		rc = finish_remote(&remotes[c.count]);
		c.remotes[c.count] = remotes[c.count].r;
	}
	/* A version is for a log line only: better cut than refused. */
	if (r.version != NULL && !str_copy(c.version, sizeof(c.version), r.version))
		drop_half_character(c.version);
	str_copy(c.client, sizeof(c.client), r.client);
	str_copy(c.run, sizeof(c.run), r.run);
	field_fini(&config_fields, &r);
	json_decref(root);
	if (rc == ERR_OK)
		*out = c;
	else
		chisel_config_fini(&c);
	return rc;
}

void chisel_config_fini(struct chisel_config *c)
{
	free(c->remotes);
	c->remotes = NULL;
	c->count = 0;
}

/* ---- the ports that a server chose ---- */

enum err chisel_ports_print(const uint16_t *ports, unsigned count, struct buf *out)
{
	buf_put_str(out, "{\"Ports\":[");
	for (unsigned i = 0; i < count; i++)
		buf_printf(out, "%s%u", i == 0 ? "" : ",", ports[i]);
	buf_put_str(out, "]}");
	return out->failed;
}

enum err chisel_ports_parse(struct span text, uint16_t *ports, unsigned count)
{
	json_t *root = NULL, *list = NULL;
	uint16_t got[CONFIG_REMOTES_MAX];
	enum err rc = ERR_OK;

	if (text.n > CONFIG_BYTES_MAX || count > CONFIG_REMOTES_MAX)
		return ERR_LIMIT;
	root = json_loadb((const char *)text.p, text.n, 0, NULL);
	list = json_object_get(root, "Ports");
	if (!json_is_array(list) || json_array_size(list) != count)
		rc = ERR_SYNTAX;
	for (unsigned i = 0; i < count && rc == ERR_OK; i++) {
		const json_t *port = json_array_get(list, i);

		if (!json_is_integer(port) || json_integer_value(port) < 0 ||
			json_integer_value(port) > UINT16_MAX)
			rc = ERR_SYNTAX;
		got[i] = (uint16_t)json_integer_value(port);
	}
	if (rc == ERR_OK && count > 0)
		memcpy(ports, got, count * sizeof(*ports));
	json_decref(root);
	return rc;
}
