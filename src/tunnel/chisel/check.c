/* Checks of the options of a link's ends. */
#include "tunnel/chisel/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/base64.h"
#include "text/field.h"
#include "text/url.h"
#include "tunnel/chisel/url.h"

#define SHOWN_MAX 80
#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HOST_LETTERS DIGITS LETTERS "-._"
/* RFC 9110 section 5.6.2 */
#define TOKEN_LETTERS DIGITS LETTERS "!#$%&'*+-.^_`|~"

static enum err refuse(struct why *why, const char *value, const char *advice)
{
	char shown[SHOWN_MAX];

	str_quote(shown, sizeof(shown), span_str(value));
	return err_set(why, ERR_USAGE, "\"%s\" %s", shown, advice);
}

static bool is_made_of(struct span s, const char *letters)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || strchr(letters, s.p[i]) == NULL)
			return false;
	}
	return s.n > 0;
}

/* An IPv6 literal with or without brackets, maybe with a zone. */
static bool is_ipv6(struct span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr unused;
	size_t n = host.n;
	const char *p = (const char *)host.p;
	const char *zone;

	if (n >= 2 && p[0] == '[' && p[n - 1] == ']') {
		p++;
		n -= 2;
	}
	zone = memchr(p, '%', n);
	if (zone != NULL)
		n = (size_t)(zone - p);
	if (n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &unused) == 1;
}

static bool is_host(struct span host)
{
	return is_made_of(host, HOST_LETTERS) || is_ipv6(host);
}

enum err check_host(void *member, struct why *why)
{
	const char *host = *(char **)member;

	if (host == NULL || is_host(span_str(host)))
		return ERR_OK;
	return refuse(why, host,
		"is not a host; write an address or a name, without a port");
}

enum err check_auth(void *member, struct why *why)
{
	const char *auth = *(char **)member;

	if (auth == NULL || strchr(auth, ':') != NULL)
		return ERR_OK;
	return err_set(why, ERR_USAGE, "it has no colon; write <name>:<password>");
}

enum err check_tls_pair(const char *key, const char *cert, struct why *why)
{
	if ((key == NULL) == (cert == NULL))
		return ERR_OK;
	return err_set(why, ERR_USAGE, "%s needs %s: give both files, or none",
		key != NULL ? "--tls-key" : "--tls-cert",
		key != NULL ? "--tls-cert" : "--tls-key");
}

enum err check_hostname(void *member, struct why *why)
{
	const char *hostname = *(char **)member;
	char text[URL_TEXT_MAX];
	struct url url;

	if (hostname == NULL)
		return ERR_OK;
	snprintf(text, sizeof(text), "http://%s", hostname);
	if (strpbrk(hostname, "/?@") == NULL &&
		url_parse(span_str(text), &url, NULL) == ERR_OK)
		return ERR_OK;
	return refuse(why, hostname,
		"is not a host; write one such as example.com or example.com:8443");
}

static enum err read_url(const char *text, const char *example, struct url *out,
	struct why *why)
{
	struct why words = { "" };
	enum err rc = url_parse(span_str(text), out, &words);

	if (rc == ERR_OK)
		return ERR_OK;
	return err_set(why, ERR_USAGE, "%s; write one such as %s", err_text(rc, &words),
		example);
}

enum err check_backend(void *member, struct why *why)
{
	static const char example[] = "http://127.0.0.1:3000";
	const char *text = *(char **)member;
	struct url url;
	enum err rc = text != NULL ? read_url(text, example, &url, why) : ERR_OK;

	if (rc != ERR_OK || text == NULL || strcmp(url.scheme, "http") == 0 ||
		strcmp(url.scheme, "https") == 0)
		return rc;
	return err_set(why, ERR_USAGE,
		"it is reached by http or https, not %s; write one such as %s",
		url.scheme, example);
}

enum err check_proxy(void *member, struct why *why)
{
	static const char *const schemes[] = { "http", "socks", "socks5", "socks5h" };
	const char *text = *(char **)member;
	struct url url;
	enum err rc;

	if (text == NULL)
		return ERR_OK;
	rc = read_url(text, "http://<host>:<port> or socks5://<host>:<port>", &url, why);
	if (rc != ERR_OK)
		return rc;
	mem_wipe(url.password, sizeof(url.password));
	for (size_t i = 0; i < mem_count(schemes); i++) {
		if (strcmp(url.scheme, schemes[i]) != 0)
			continue;
		if (i > 0 && url.port == 0)
			return err_set(why, ERR_USAGE,
				"it has no port; write socks5://<host>:<port>");
		return ERR_OK;
	}
	return err_set(why, ERR_USAGE,
		"it cannot be %s; write http://<host>:<port> or socks5://<host>:<port>",
		url.scheme);
}

enum err check_server(const char *text, struct why *why)
{
	struct why words = { "" };
	struct url url;
	enum err rc = chisel_url_parse(span_str(text), &url, &words);

	if (rc == ERR_OK)
		return ERR_OK;
	return err_set(why, ERR_USAGE, "%s; write https://<host> or <host>:<port>",
		err_text(rc, &words));
}

/* Sixteen pairs of hexadecimal digits, joined by colons. */
static bool is_md5(const char *text)
{
	size_t n = strlen(text);

	if (n != 16 * 3 - 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

enum err check_fingerprint(void *member, struct why *why)
{
	const char *text = *(char **)member;
	uint8_t sha256[32];
	size_t n = 0;

	if (text == NULL || is_md5(text))
		return ERR_OK;
	if (base64_decode(BASE64_PADDED, span_str(text), sha256, sizeof(sha256), &n) ==
			ERR_OK &&
		n == sizeof(sha256))
		return ERR_OK;
	return refuse(why, text,
		"is not one; copy the 44 characters that the server logs when it starts");
}

/* The value may be a secret, so a refusal shows the name only. */
static enum err refuse_header(struct why *why, struct span name, const char *advice)
{
	char shown[SHOWN_MAX];

	str_quote(shown, sizeof(shown), name);
	return err_set(why, ERR_USAGE, "\"%s\" %s", shown, advice);
}

static enum err check_header(const char *header, struct why *why)
{
	static const char *const ours[] = { "Upgrade", "Connection", "Sec-WebSocket-Key",
		"Sec-WebSocket-Version", "Sec-WebSocket-Extensions",
		"Sec-WebSocket-Protocol" };
	const char *colon = strchr(header, ':');
	struct span name;

	if (colon == NULL)
		return err_set(why, ERR_USAGE,
			"it has no colon; write \"<name>: <value>\"");
	name = span_of(header, (size_t)(colon - header));
	if (!is_made_of(name, TOKEN_LETTERS))
		return refuse_header(why, name,
			"is not a header name: write \"<name>: <value>\"");
	for (const char *c = colon + 1; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c) && *c != '\t')
			return refuse_header(why, name,
				"has control characters in its value: write one line");
	}
	for (size_t i = 0; i < mem_count(ours); i++) {
		if (span_is_nocase(name, ours[i]))
			return refuse_header(why, name,
				"is needed for the tunnel itself: leave it out");
	}
	return ERR_OK;
}

static bool is_same_header(const char *a, const char *b)
{
	size_t n = strcspn(a, ":");

	return n == strcspn(b, ":") && strncasecmp(a, b, n) == 0;
}

enum err check_headers(void *member, struct why *why)
{
	struct field_list *list = member;
	enum err rc = ERR_OK;
	unsigned n = 0;

	for (unsigned i = 0; i < list->n && rc == ERR_OK; i++)
		rc = check_header(list->v[i], why);
	if (rc != ERR_OK)
		return rc;
	for (unsigned i = 0; i < list->n; i++) {
		unsigned j = i + 1;

		while (j < list->n && !is_same_header(list->v[i], list->v[j]))
			j++;
		if (j == list->n)
			list->v[n++] = list->v[i];
		else
			free(list->v[i]);
	}
	list->v[n] = NULL;
	list->n = n;
	return ERR_OK;
}
