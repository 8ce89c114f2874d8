/* URLs, RFC 3986 with an authority. */
#include "text/url.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/str.h"
#include "text/hex.h"

static bool is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Cuts what is before the first of @stops, or everything; the stop stays in @in. */
static struct span cut_until(struct span *in, const char *stops)
{
	struct span head = span_of(in->p, 0);

	while (head.n < in->n && strchr(stops, in->p[head.n]) == NULL)
		head.n++;
	*in = span_of(in->p + head.n, in->n - head.n);
	return head;
}

static enum err copy(char *to, size_t size, struct span from, struct why *why)
{
	if (from.n >= size)
		return err_set(why, ERR_LIMIT, "a part of the URL is too long");
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
	return ERR_OK;
}

static enum err parse_scheme(struct span *in, struct url *u, struct why *why)
{
	struct span scheme = cut_until(in, ":/?#");
	struct span separator;
	bool is_good = scheme.n > 0 && is_alpha(scheme.p[0]);

	for (size_t i = 0; i < scheme.n; i++)
		if (!is_alpha(scheme.p[i]) && !is_digit(scheme.p[i]) &&
			strchr("+-.", scheme.p[i]) == NULL)
			is_good = false;
	if (!is_good || !span_cut(in, 3, &separator) || !span_is(separator, "://"))
		return err_set(why, ERR_SYNTAX,
			"the URL must begin with a scheme and \"://\"");
	if (copy(u->scheme, sizeof(u->scheme), scheme, why) != ERR_OK)
		return ERR_LIMIT;
	str_lower(u->scheme);
	return ERR_OK;
}

/* Undoes percent-encoding; what comes out must still be text. */
static enum err decode(char *to, size_t size, struct span in, struct why *why)
{
	size_t n = 0;

	while (in.n > 0) {
		bool is_escape = in.p[0] == '%';
		int c = is_escape ? hex_escape(in) : in.p[0];

		if (is_escape && c < 0x20)
			return err_set(why, ERR_SYNTAX,
				"a %%-escape in the URL is invalid");
		in = span_of(in.p + (is_escape ? 3 : 1), in.n - (is_escape ? 3 : 1));
		if (n + 1 >= size)
			return err_set(why, ERR_LIMIT, "a part of the URL is too long");
		to[n++] = (char)c;
	}
	to[n] = '\0';
	return ERR_OK;
}

static enum err parse_login(struct span in, struct url *u, struct why *why)
{
	struct span user = cut_until(&in, ":");
	enum err rc = decode(u->user, sizeof(u->user), user, why);

	u->has_user = true;
	if (rc != ERR_OK || in.n == 0)
		return rc;
	in = span_of(in.p + 1, in.n - 1);
	if (memchr(in.p, ':', in.n) != NULL)
		return err_set(why, ERR_SYNTAX,
			"a colon in the URL's password must be %%3A");
	u->has_password = true;
	return decode(u->password, sizeof(u->password), in, why);
}

static enum err parse_port(struct span in, struct url *u, struct why *why)
{
	char text[8];
	unsigned long port;

	if (in.n == 0)
		return ERR_OK;
	in = span_of(in.p + 1, in.n - 1); /* the colon */
	if (copy(text, sizeof(text), in, NULL) != ERR_OK ||
		!str_to_uint(text, UINT16_MAX, &port) || port == 0)
		return err_set(why, ERR_SYNTAX, "the URL's port must be 1 to 65535");
	u->port = (uint16_t)port;
	return ERR_OK;
}

/* Takes "[...]" off the front. */
static enum err parse_ip6(struct span *in, struct url *u, struct why *why)
{
	struct in6_addr ip;
	struct span inner, rest = span_of(in->p + 1, in->n - 1);

	inner = cut_until(&rest, "]");
	if (rest.n == 0 || copy(u->host, sizeof(u->host), inner, NULL) != ERR_OK ||
		inet_pton(AF_INET6, u->host, &ip) != 1 ||
		(rest.n > 1 && rest.p[1] != ':'))
		return err_set(why, ERR_SYNTAX, "the URL's IPv6 address is invalid");
	u->is_ip6 = true;
	*in = span_of(rest.p + 1, rest.n - 1);
	return ERR_OK;
}

static enum err parse_name(struct span *in, struct url *u, struct why *why)
{
	struct span name = cut_until(in, ":");

	if (name.n == 0)
		return err_set(why, ERR_SYNTAX, "the URL has no host");
	for (size_t i = 0; i < name.n; i++)
		if (!is_alpha(name.p[i]) && !is_digit(name.p[i]) &&
			strchr("-._", name.p[i]) == NULL)
			return err_set(why, ERR_SYNTAX,
				"the URL's host is not a host name");
	return copy(u->host, sizeof(u->host), name, why);
}

static enum err parse_authority(struct span in, struct url *u, struct why *why)
{
	const uint8_t *at = memchr(in.p, '@', in.n);
	struct span login = { 0 };
	enum err rc;

	if (at != NULL) {
		login = span_of(in.p, (size_t)(at - in.p));
		in = span_of(at + 1, in.n - login.n - 1);
		rc = parse_login(login, u, why);
		if (rc != ERR_OK)
			return rc;
	}
	rc = in.n > 0 && in.p[0] == '[' ? parse_ip6(&in, u, why) :
					  parse_name(&in, u, why);
	if (rc != ERR_OK)
		return rc;
	return parse_port(in, u, why);
}

static enum err parse_path(struct span in, struct url *u, struct why *why)
{
	if (in.n > 0 && memchr(in.p, '#', in.n) != NULL)
		return err_set(why, ERR_SYNTAX, "the URL has a fragment (\"#\")");
	u->path[0] = '/';
	if (in.n > 0 && in.p[0] == '/')
		return copy(u->path, sizeof(u->path), in, why);
	return copy(u->path + 1, sizeof(u->path) - 1, in, why);
}

enum err url_parse(struct span text, struct url *out, struct why *why)
{
	struct url u = { .port = 0 };
	struct span authority;
	enum err rc;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return err_set(why, ERR_SYNTAX,
				"the URL has spaces or characters that are not ASCII");
	rc = parse_scheme(&text, &u, why);
	if (rc != ERR_OK)
		return rc;
	authority = cut_until(&text, "/?#");
	rc = parse_authority(authority, &u, why);
	if (rc == ERR_OK)
		rc = parse_path(text, &u, why);
	if (rc == ERR_OK)
		*out = u;
	return rc;
}

const char *url_print_authority(const struct url *u, char to[URL_TEXT_MAX])
{
	int n = snprintf(to, URL_TEXT_MAX, u->is_ip6 ? "[%s]" : "%s", u->host);

	if (u->port != 0)
		snprintf(to + n, URL_TEXT_MAX - (size_t)n, ":%u", u->port);
	return to;
}

const char *url_print(const struct url *u, char to[URL_TEXT_MAX])
{
	char authority[URL_TEXT_MAX];

	snprintf(to, URL_TEXT_MAX, "%s://%s%s", u->scheme,
		url_print_authority(u, authority), u->path);
	return to;
}
