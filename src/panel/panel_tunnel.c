/* A tunnel: its fields, and the check of each. */
#include "panel/panel_tunnel.h"

#include <stdio.h>

#include "base/str.h"
#include "base/utf8.h"
#include "tunnel/chisel/remote.h"

#define LABEL_MAX 50

static const char *const kinds[] = { "app", "tcp", "udp" };
static const char *const accesses[] = { "public", "authenticated", "restricted" };

/* ---- checks ---- */

static bool is_label(const char *text, size_t max)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= max && text[n] == '\0' && text[0] != '-';
}

bool panel_label_is_good(const char *text)
{
	return is_label(text, LABEL_MAX);
}

static enum err check_subdomain(void *member, struct why *why)
{
	const char *text = member;

	if (is_label(text, NAMES_LABEL_MAX) && text[strlen(text) - 1] != '-')
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"write lower-case letters, digits and \"-\" between them, at most 63, such"
		" as my-app");
}

static enum err check_description(void *member, struct why *why)
{
	const char *text = *(char **)member;
	struct span rest = span_str(text != NULL ? text : "");
	unsigned n = 0;
	uint32_t c;

	for (; rest.n > 0; n++)
		if (!utf8_take(&rest, &c))
			c = 0xfffd;
	if (n <= PANEL_NOTE_MAX)
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "it has %u characters; write at most %d", n,
		PANEL_NOTE_MAX);
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n; i++)
		found = found || strcmp(words[i], text) == 0;
	return found;
}

static enum err check_kind(void *member, struct why *why)
{
	if (is_one_of(member, kinds, mem_count(kinds)))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "write app, tcp or udp");
}

static enum err check_access(void *member, struct why *why)
{
	if (is_one_of(member, accesses, mem_count(accesses)))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX, "write public, authenticated or restricted");
}

static enum err check_agent(void *member, struct why *why)
{
	const char *text = member;

	if (text[0] == '\0' || panel_label_is_good(text))
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"write the label of an agent: lower-case letters, digits and \"-\", at most"
		" %d",
		LABEL_MAX);
}

/* "host:port", also with the port of "[::1]:80". */
static bool is_host_and_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[REMOTE_HOST_MAX];
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;

	if (n == 0 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return remote_host_is_good(host) && remote_port_is_good(colon + 1);
}

static bool is_socket(const char *text)
{
	static const char start[] = "unix:/";

	if (!str_has_prefix(text, start) || text[sizeof(start) - 1] == '\0')
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

/* A port alone is one of localhost. */
static enum err check_target(void *member, struct why *why)
{
	char **text = member, *whole;

	if (*text == NULL || is_host_and_port(*text) || is_socket(*text))
		return ERR_OK;
	if (!remote_port_is_good(*text))
		return err_set(why, ERR_SYNTAX,
			"write host and port such as localhost:3000, or unix:/path");
	whole = str_printf("localhost:%s", *text);
	if (whole == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	free(*text);
	*text = whole;
	return ERR_OK;
}

/* The edge does not send them yet: a setting without an effect would mislead. */
static enum err check_proxy_protocol(void *member, struct why *why)
{
	const char *text = member;

	if (text[0] == '\0')
		return ERR_OK;
	return err_set(why, ERR_SYNTAX,
		"PROXY headers for the app are not supported yet; leave it out");
}

/* ---- fields ---- */

#define AT(member) FIELD_AT(struct panel_limits, member)

static const struct field limit_rows[] = {
	{ "connections", FIELD_COUNT, AT(connections) },
	{ "clientConnections", FIELD_COUNT, AT(client_connections) },
	{ "requestsPerSecond", FIELD_COUNT, AT(requests_per_s) },
	{ "clientRequestsPerSecond", FIELD_COUNT, AT(client_requests_per_s) },
	{ "bytesPerSecond", FIELD_BYTES, AT(bytes_per_s) },
	{ "bodyBytes", FIELD_BYTES, AT(body_bytes) },
	{ "idleSeconds", FIELD_COUNT, AT(idle_s) },
};

static const struct field_table limit_fields = FIELD_TABLE_OF(struct panel_limits,
	limit_rows);

#undef AT
#define AT(member) FIELD_AT(struct panel_edge, member)

static const struct field edge_rows[] = {
	{ "hsts", FIELD_BOOL, AT(has_hsts), .initial = "true" },
	{ "proxyProtocol", FIELD_CHARS, AT(proxy_protocol), .is_nullable = true,
		.check = check_proxy_protocol },
	{ "limits", FIELD_TABLE, AT(limits), .is_optional = true, .of = &limit_fields },
};

const struct field_table panel_edge_fields = FIELD_TABLE_OF(struct panel_edge, edge_rows);

#undef AT
#define AT(member) FIELD_AT(struct panel_spec, member)

static const struct field spec_rows[] = {
	{ "subdomain", FIELD_CHARS, AT(subdomain), .check = check_subdomain },
	{ "port", FIELD_PORT, AT(port), .min = PANEL_PORT_MIN, .max = UINT16_MAX },
	{ "description", FIELD_TEXT, AT(description), .text_max = 4 * PANEL_NOTE_MAX + 1,
		.is_nullable = true, .check = check_description },
	{ "type", FIELD_CHARS, AT(kind), .initial = "app", .check = check_kind },
	{ "accessMode", FIELD_CHARS, AT(access), .initial = "restricted",
		.check = check_access },
	{ "enabled", FIELD_BOOL, AT(is_enabled), .initial = "true" },
	{ "agent", FIELD_CHARS, AT(agent), .alias = "agentLabel", .is_nullable = true,
		.check = check_agent },
	{ "target", FIELD_TEXT, AT(target), .text_max = PANEL_TARGET_SIZE,
		.is_nullable = true, .check = check_target },
	{ .kind = FIELD_TABLE, AT(edge), .of = &panel_edge_fields },
};

const struct field_table panel_spec_fields = FIELD_TABLE_OF(struct panel_spec, spec_rows);

static char *dup_or_null(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

enum err panel_spec_copy(const struct panel_spec *from, struct panel_spec *to)
{
	struct panel_spec copy = *from;

	copy.description = dup_or_null(from->description);
	copy.target = dup_or_null(from->target);
	if ((copy.description == NULL) != (from->description == NULL) ||
		(copy.target == NULL) != (from->target == NULL)) {
		field_fini(&panel_spec_fields, &copy);
		return ERR_NOMEM;
	}
	*to = copy;
	return ERR_OK;
}

/* ---- the tunnel ---- */

void panel_tunnel_free(struct panel_tunnel *t)
{
	if (t == NULL)
		return;
	field_fini(&panel_spec_fields, &t->spec);
	free(t);
}

enum panel_kind panel_tunnel_kind(const struct panel_tunnel *t)
{
	return t->spec.kind[0] == 't'  ? PANEL_TCP :
		t->spec.kind[0] == 'u' ? PANEL_UDP :
					 PANEL_APP;
}

/* An unknown word would be of a newer adit: the strictest applies. */
enum panel_access panel_tunnel_access(const struct panel_tunnel *t)
{
	return strcmp(t->spec.access, "public") == 0         ? PANEL_PUBLIC :
		strcmp(t->spec.access, "authenticated") == 0 ? PANEL_AUTHENTICATED :
							       PANEL_RESTRICTED;
}

const char *panel_tunnel_target(const struct panel_tunnel *t, char to[PANEL_TARGET_SIZE])
{
	if (t->spec.target != NULL)
		str_copy(to, PANEL_TARGET_SIZE, t->spec.target);
	else
		snprintf(to, PANEL_TARGET_SIZE, "localhost:%u", t->spec.port);
	return to;
}

const char *panel_print_time(uint64_t ms, char to[PANEL_TIME_SIZE])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	to[0] = '\0';
	if (ms == 0 || gmtime_r(&s, &tm) == NULL)
		return to;
	n = strftime(to, PANEL_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to + n, PANEL_TIME_SIZE - n, ".%03uZ", (unsigned)(ms % 1000));
	return to;
}
