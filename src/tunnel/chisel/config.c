/* The config request, read with jansson and written by hand, in the order of Go. */
#include "tunnel/chisel/config.h"

#include <jansson.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

/* ---- print ---- */

/* Go escapes what could end a script in a page, too. */
static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && strchr("\"\\<>&", c) == NULL;
}

/* The failures of these puts stick in @out, and are looked at once, at the end. */
static void put_string(struct buf *out, const char *text)
{
	buf_put_u8(out, '"');
	for (; *text != '\0'; text++) {
		if (is_plain(*text))
			buf_put_u8(out, (uint8_t)*text);
		else
			buf_printf(out, "\\u%04x", (unsigned char)*text);
	}
	buf_put_u8(out, '"');
}

static void put_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "\"%s\":", key);
	put_string(out, value);
}

static void put_flag(struct buf *out, const char *key, bool value)
{
	buf_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_remote(struct buf *out, const struct remote *r)
{
	const char *proto = r->is_udp ? "udp" : "tcp";

	buf_put_u8(out, '{');
	put_member(out, "LocalHost", r->local_host);
	buf_put_u8(out, ',');
	put_member(out, "LocalPort", r->local_port);
	buf_put_u8(out, ',');
	put_member(out, "LocalProto", proto);
	buf_put_u8(out, ',');
	put_member(out, "RemoteHost", r->remote_host);
	buf_put_u8(out, ',');
	put_member(out, "RemotePort", r->remote_port);
	buf_put_u8(out, ',');
	put_member(out, "RemoteProto", proto);
	put_flag(out, "Socks", r->is_socks);
	put_flag(out, "Reverse", r->is_reverse);
	put_flag(out, "Stdio", r->is_stdio);
	if (r->last_port != 0)
		buf_printf(out, ",\"LastPort\":%u", r->last_port);
	buf_put_u8(out, '}');
}

static void put_remotes(struct buf *out, const struct chisel_config *c)
{
	if (c->count == 0) {
		buf_put_str(out, "null");
		return;
	}
	for (unsigned i = 0; i < c->count; i++) {
		buf_put_u8(out, i == 0 ? '[' : ',');
		put_remote(out, &c->remotes[i]);
	}
	buf_put_u8(out, ']');
}

enum err chisel_config_print(const struct chisel_config *c, struct buf *out)
{
	buf_put_u8(out, '{');
	put_member(out, "Version", c->version);
	buf_put_str(out, ",\"Remotes\":");
	put_remotes(out, c);
	if (c->client[0] != '\0') {
		buf_put_u8(out, ',');
		put_member(out, "Client", c->client);
	}
	if (c->run[0] != '\0') {
		buf_put_u8(out, ',');
		put_member(out, "Run", c->run);
	}
	buf_put_u8(out, '}');
	return out->failed;
}

/* ---- parse ---- */

/* The readers of values leave what was there for null, as Go does. */

static enum err read_string(const json_t *value, char *to, size_t size)
{
	if (json_is_null(value))
		return ERR_OK;
	if (!json_is_string(value))
		return ERR_SYNTAX;
	if (json_string_length(value) >= size)
		return ERR_LIMIT;
	str_copy(to, size, json_string_value(value));
	return ERR_OK;
}

static enum err read_flag(const json_t *value, bool *to)
{
	if (json_is_null(value))
		return ERR_OK;
	if (!json_is_boolean(value))
		return ERR_SYNTAX;
	*to = json_is_true(value);
	return ERR_OK;
}

/* Takes off a last character of several bytes (RFC 3629 3): a cut may have halved it. */
static void drop_half_character(char *text)
{
	size_t n = strlen(text), at = n;

	while (at > 0 && ((uint8_t)text[at - 1] & 0xc0) == 0x80)
		at--;
	if (at > 0 && (uint8_t)text[at - 1] >= 0xc0)
		text[at - 1] = '\0';
}

/* A version is for a log line only: better cut than refused. */
static enum err read_version(const json_t *value, char to[CONFIG_VERSION_MAX])
{
	if (json_is_null(value))
		return ERR_OK;
	if (!json_is_string(value))
		return ERR_SYNTAX;
	if (!str_copy(to, CONFIG_VERSION_MAX, json_string_value(value)))
		drop_half_character(to);
	return ERR_OK;
}

static enum err read_port(const json_t *value, uint16_t *to)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		json_integer_value(value) > UINT16_MAX)
		return ERR_SYNTAX;
	*to = (uint16_t)json_integer_value(value);
	return ERR_OK;
}

struct remote_draft {
	struct remote r;
	char local_proto[8], remote_proto[8];
};

static enum err read_remote_member(const char *key, const json_t *value,
	struct remote_draft *d)
{
	struct remote *r = &d->r;
	const struct {
		const char *key;
		char *text;
		size_t size;
		bool *flag; /* or NULL: it is text */
	} members[] = {
		{ "LocalHost", r->local_host, sizeof(r->local_host), NULL },
		{ "LocalPort", r->local_port, sizeof(r->local_port), NULL },
		{ "LocalProto", d->local_proto, sizeof(d->local_proto), NULL },
		{ "RemoteHost", r->remote_host, sizeof(r->remote_host), NULL },
		{ "RemotePort", r->remote_port, sizeof(r->remote_port), NULL },
		{ "RemoteProto", d->remote_proto, sizeof(d->remote_proto), NULL },
		{ "Socks", NULL, 0, &r->is_socks },
		{ "Reverse", NULL, 0, &r->is_reverse },
		{ "Stdio", NULL, 0, &r->is_stdio },
	};

	for (size_t i = 0; i < mem_count(members); i++) {
		if (strcasecmp(key, members[i].key) != 0)
			continue;
		if (members[i].flag != NULL)
			return read_flag(value, members[i].flag);
		return read_string(value, members[i].text, members[i].size);
	}
	/* Our own extension. */
	return strcasecmp(key, "LastPort") == 0 ? read_port(value, &r->last_port) :
						  ERR_OK;
}

/* Clients before 1.7 know no protocols: theirs are tcp. */
static bool proto_is(const char *text, bool *is_udp)
{
	*is_udp = strcasecmp(text, "udp") == 0;
	return *is_udp || *text == '\0' || strcasecmp(text, "tcp") == 0;
}

/* What goes into logs and access lists must be a host and a port, or nothing. */
static enum err finish_remote(struct remote_draft *d)
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

static enum err read_remote(const json_t *value, struct remote *out)
{
	struct remote_draft d = { .local_proto = "" };
	enum err rc = ERR_OK;
	void *it;

	if (!json_is_object(value))
		return ERR_SYNTAX;
	for (it = json_object_iter((json_t *)value); it != NULL && rc == ERR_OK;
		it = json_object_iter_next((json_t *)value, it))
		rc = read_remote_member(json_object_iter_key(it),
			json_object_iter_value(it), &d);
	if (rc == ERR_OK)
		rc = finish_remote(&d);
	if (rc == ERR_OK)
		*out = d.r;
	return rc;
}

static enum err read_remotes(const json_t *value, struct chisel_config *c)
{
	size_t n = json_array_size(value);
	enum err rc = ERR_OK;

	if (json_is_null(value))
		return ERR_OK;
	if (!json_is_array(value))
		return ERR_SYNTAX;
	if (n > CONFIG_REMOTES_MAX)
		return ERR_LIMIT;
	free(c->remotes); /* of a key that came before in another case */
	c->count = 0;
	c->remotes = n == 0 ? NULL : calloc(n, sizeof(*c->remotes));
	if (c->remotes == NULL && n > 0)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		const json_t *element = json_array_get(value, i);

		if (json_is_null(element))
			continue;
		rc = read_remote(element, &c->remotes[c->count]);
		if (rc == ERR_OK)
			c->count++;
	}
	return rc;
}

static enum err read_member(const char *key, const json_t *value, struct chisel_config *c)
{
	if (strcasecmp(key, "Version") == 0)
		return read_version(value, c->version);
	if (strcasecmp(key, "Remotes") == 0)
		return read_remotes(value, c);
	if (strcasecmp(key, "Client") == 0)
		return read_string(value, c->client, sizeof(c->client));
	if (strcasecmp(key, "Run") == 0)
		return read_string(value, c->run, sizeof(c->run));
	return ERR_OK;
}

static enum err read_config(json_t *root, struct chisel_config *c)
{
	enum err rc = ERR_OK;
	void *it;

	if (!json_is_object(root))
		return ERR_SYNTAX;
	for (it = json_object_iter(root); it != NULL && rc == ERR_OK;
		it = json_object_iter_next(root, it))
		rc = read_member(json_object_iter_key(it), json_object_iter_value(it), c);
	return rc;
}

enum err chisel_config_parse(struct span text, struct chisel_config *out)
{
	struct chisel_config c = { .count = 0 };
	json_t *root;
	enum err rc;

	if (text.n > CONFIG_BYTES_MAX)
		return ERR_LIMIT;
	root = json_loadb((const char *)text.p, text.n, 0, NULL);
	if (root == NULL)
		return ERR_SYNTAX;
	rc = read_config(root, &c);
	json_decref(root);
	if (rc != ERR_OK) {
		chisel_config_fini(&c);
		return rc;
	}
	*out = c;
	return ERR_OK;
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
	for (unsigned i = 0; i < count && rc == ERR_OK; i++)
		rc = read_port(json_array_get(list, i), &got[i]);
	if (rc == ERR_OK && count > 0)
		memcpy(ports, got, count * sizeof(*ports));
	json_decref(root);
	return rc;
}
