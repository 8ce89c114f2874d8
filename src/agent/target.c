/* A target, read and printed. */
#include "agent/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/http_path.h"
#include "base/str.h"
#include "net/addr.h"

#define UNIX_PREFIX "unix:"
#define HTTP_PORT 80
#define HTTPS_PORT 443

bool target_host_is_local(const char *host)
{
	struct addr a;

	if (addr_from_literal(host, 0, &a) == ERR_OK)
		return addr_is_loopback(&a);
	return strcasecmp(host, "localhost") == 0 ||
		str_has_suffix_nocase(host, ".localhost");
}

/* The caller adds the text that is refused. */
static enum err refuse(struct why *why)
{
	return err_set(why, ERR_SYNTAX,
		"write a port, host:port, http://host:port, https://host:port or"
		" unix:/path");
}

/* Without a scheme, "localhost:3000/x" is not a URL. */
static enum err refuse_path(bool may_have_path, struct why *why)
{
	return err_set(why, ERR_SYNTAX, "%s",
		may_have_path ?
			"a path needs the scheme, as in http://localhost:8000/api" :
			"a target has no path: leave it out, or write a route with"
			" --http-route");
}

static enum err refuse_port(struct why *why)
{
	return err_set(why, ERR_SYNTAX, "a port is a number from 1 to 65535");
}

/* ---- host and port ---- */

static bool host_is_good(struct span host)
{
	for (size_t i = 0; i < host.n; i++) {
		if (host.p[i] <= ' ' || host.p[i] >= 0x7f ||
			strchr("/\\?#@\"'<>[]", host.p[i]) != NULL)
			return false;
	}
	return host.n > 0 && host.n < URL_HOST_MAX;
}

static bool port_read(struct span text, uint16_t *out)
{
	char digits[6];
	unsigned long port;

	if (text.n == 0 || text.n >= sizeof(digits))
		return false;
	memcpy(digits, text.p, text.n);
	digits[text.n] = '\0';
	if (!str_to_uint(digits, 65535, &port) || port == 0)
		return false;
	*out = (uint16_t)port;
	return true;
}

static void set_host(struct target *t, struct span host)
{
	memcpy(t->host, host.p, host.n);
	t->host[host.n] = '\0';
}

/* "::1" or "[::1]" has colons, but no port. */
static bool literal_read(struct span text, struct target *out)
{
	struct addr a;

	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		text = span_of(text.p + 1, text.n - 2);
	if (!host_is_good(text))
		return false;
	set_host(out, text);
	return addr_from_literal(out->host, 0, &a) == ERR_OK;
}

static bool is_number(struct span text)
{
	while (text.n > 0 && text.p[text.n - 1] >= '0' && text.p[text.n - 1] <= '9')
		text.n--;
	return text.n == 0;
}

static enum err parse_host_port(struct span text, struct target *out, struct why *why)
{
	struct span host, port;

	out->port = HTTP_PORT;
	if (port_read(text, &out->port)) {
		set_host(out, span_str("127.0.0.1"));
		return ERR_OK;
	}
	if (is_number(text))
		return refuse_port(why);
	if (literal_read(text, out))
		return ERR_OK;
	if (memchr(text.p, ':', text.n) == NULL) {
		host = text;
	} else if (addr_split(text, &host, &port) != ERR_OK) {
		return refuse(why);
	} else if (!port_read(port, &out->port)) {
		return refuse_port(why);
	}
	if (host.n == 0)
		host = span_str("127.0.0.1");
	if (text.p[0] == '[' ? !literal_read(host, out) : !host_is_good(host))
		return refuse(why);
	set_host(out, host);
	return ERR_OK;
}

/* ---- the other forms ---- */

static enum err parse_unix(struct span text, struct target *out, struct why *why)
{
	struct span path = span_of(text.p + strlen(UNIX_PREFIX),
		text.n - strlen(UNIX_PREFIX));

	if (path.n == 0 || path.p[0] != '/' || memchr(path.p, '\0', path.n) != NULL)
		return err_set(why, ERR_SYNTAX,
			"a Unix socket needs an absolute path: unix:/run/app.sock");
	if (path.n >= TARGET_UNIX_MAX)
		return err_set(why, ERR_LIMIT,
			"a Unix socket's path has at most %d characters",
			TARGET_UNIX_MAX - 1);
	memcpy(out->unix_path, path.p, path.n);
	out->unix_path[path.n] = '\0';
	set_host(out, span_str("localhost"));
	out->port = HTTP_PORT;
	return ERR_OK;
}

static enum err set_scheme(struct target *out, const struct url *url, struct why *why)
{
	bool is_insecure = strcmp(url->scheme, "https+insecure") == 0;

	if (is_insecure || strcmp(url->scheme, "https") == 0)
		out->is_tls = true;
	else if (strcmp(url->scheme, "http") != 0)
		return refuse(why);
	out->port = url->port != 0 ? url->port : out->is_tls ? HTTPS_PORT : HTTP_PORT;
	out->skip_verify = out->is_tls &&
		(is_insecure || target_host_is_local(url->host));
	return ERR_OK;
}

/* @path is a URL's path with its query. */
static enum err set_path(struct target_path *out, const char *path, struct why *why)
{
	struct span all = span_str(path);
	const char *query = strchr(path, '?');
	struct buf clean;
	enum err rc;

	if (query != NULL) {
		all.n = (size_t)(query - path);
		str_copy(out->query, sizeof(out->query), query + 1);
	}
	buf_init(&clean, sizeof(out->path) - 1);
	rc = http_path_clean_prefix(all, &clean, why);
	if (rc == ERR_OK)
		memcpy(out->path, buf_span(&clean).p, clean.n);
	out->path[rc == ERR_OK ? clean.n : 0] = '\0';
	buf_fini(&clean);
	return rc;
}

/* @path: of an upstream; NULL: the target has none. */
static enum err parse_url(struct span text, struct target *out, struct target_path *path,
	struct why *why)
{
	const uint8_t *fragment = memchr(text.p, '#', text.n);
	char authority[URL_TEXT_MAX];
	struct span rest = text;
	struct url url;
	enum err rc;

	if (fragment != NULL && path != NULL)
		rest.n = (size_t)(fragment - text.p);
	rc = url_parse(rest, &url, why);
	if (rc == ERR_OK)
		rc = set_scheme(out, &url, why);
	if (rc != ERR_OK)
		return rc;
	if (url.host[0] == '\0')
		return refuse(why);
	str_copy(out->host, sizeof(out->host), url.host);
	target_print_authority(out, authority);
	if (url.has_user || url.has_password)
		return err_set(why, ERR_SYNTAX,
			"a target has no user and no password: write %s://%s", url.scheme,
			authority);
	if (path == NULL && url.path[0] != '\0' && strcmp(url.path, "/") != 0)
		return err_set(why, ERR_SYNTAX,
			"a target has no path: write %s://%s, or a route with --http-route",
			url.scheme, authority);
	if (path == NULL || url.path[0] == '\0')
		return ERR_OK;
	return set_path(path, url.path, why);
}

static enum err parse(struct span text, struct target *out, struct target_path *path,
	struct why *why)
{
	struct target t = { .port = 0 };
	enum err rc;

	text = span_trim(text);
	if (text.n == 0)
		rc = refuse(why);
	else if (text.n >= strlen(UNIX_PREFIX) &&
		memcmp(text.p, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		rc = parse_unix(text, &t, why);
	else if (memmem(text.p, text.n, "://", 3) != NULL)
		rc = parse_url(text, &t, path, why);
	else if (text.p[0] != '/' && memchr(text.p, '/', text.n) != NULL)
		rc = refuse_path(path != NULL, why);
	else
		rc = parse_host_port(text, &t, why);
	if (rc == ERR_OK)
		*out = t;
	return rc;
}

enum err target_parse(struct span text, struct target *out, struct why *why)
{
	return parse(text, out, NULL, why);
}

enum err target_parse_upstream(struct span text, struct target *out,
	struct target_path *path, struct why *why)
{
	*path = (struct target_path){ .path = "/" };
	return parse(text, out, path, why);
}

/* ---- printing ---- */

static bool port_is_implied(const struct target *t)
{
	return t->port == (t->is_tls ? HTTPS_PORT : HTTP_PORT);
}

static const char *print_host_port(const struct target *t, bool has_port,
	char to[URL_TEXT_MAX])
{
	bool is_ip6 = strchr(t->host, ':') != NULL;
	int n = snprintf(to, URL_TEXT_MAX, "%s%s%s", is_ip6 ? "[" : "", t->host,
		is_ip6 ? "]" : "");

	if (has_port)
		snprintf(to + n, URL_TEXT_MAX - (size_t)n, ":%u", t->port);
	return to;
}

const char *target_print_authority(const struct target *t, char to[URL_TEXT_MAX])
{
	return print_host_port(t, !port_is_implied(t), to);
}

const char *target_print(const struct target *t, char to[URL_TEXT_MAX])
{
	char host[URL_TEXT_MAX];

	if (t->unix_path[0] != '\0')
		snprintf(to, URL_TEXT_MAX, UNIX_PREFIX "%s", t->unix_path);
	else if (t->is_tls)
		snprintf(to, URL_TEXT_MAX, "https://%s", target_print_authority(t, host));
	else
		print_host_port(t, true, to);
	return to;
}
