/* Relay URLs. */
#include "text/relay_url.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

/* The first of @c in @text and all behind it go. */
static struct span cut_tail(struct span text, char c)
{
	const uint8_t *at = text.n > 0 ? memchr(text.p, c, text.n) : NULL;

	return at == NULL ? text : span_of(text.p, (size_t)(at - text.p));
}

static void strip_path(char *path)
{
	static const char suffix[] = "/relay";
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] == '/')
		n--;
	path[n] = '\0';
	if (n >= strlen(suffix) && strcmp(path + n - strlen(suffix), suffix) == 0)
		path[n - strlen(suffix)] = '\0';
}

/* @text with a scheme in front, if it has none. */
static enum err add_scheme(struct span text, char out[URL_TEXT_MAX], struct why *why)
{
	bool has_scheme = memmem(text.p, text.n, "://", 3) != NULL;
	struct span slashes = span_of(text.p, 2);

	if (!has_scheme && text.n >= 2 && span_is(slashes, "//"))
		text = span_of(text.p + 2, text.n - 2);
	if (text.n + sizeof("https://") > URL_TEXT_MAX)
		return err_set(why, ERR_LIMIT, "the relay's URL is too long");
	snprintf(out, URL_TEXT_MAX, "%s%.*s", has_scheme ? "" : "https://", (int)text.n,
		(const char *)text.p);
	return ERR_OK;
}

/* RFC 1035 2.3.4. A dot at the end is the root of all names. */
static bool host_has_good_labels(const char *host)
{
	size_t all = strlen(host), n;

	if (all > 0 && host[all - 1] == '.')
		all--;
	if (all > NAMES_HOST_MAX)
		return false;
	for (size_t at = 0; at <= all; at += n + 1) {
		n = strcspn(host + at, ".");
		if (n == 0 || n > NAMES_LABEL_MAX)
			return false;
	}
	return true;
}

static enum err check_parts(const struct url *url, struct why *why)
{
	if (strcmp(url->scheme, "https") != 0)
		return err_set(why, ERR_SYNTAX,
			"the relay's URL must begin with https://");
	if (url->has_user)
		return err_set(why, ERR_SYNTAX, "the relay's URL may not name a user");
	if (!url->is_ip6 && !host_has_good_labels(url->host))
		return err_set(why, ERR_SYNTAX,
			"a part of the URL's host is empty or too long");
	return ERR_OK;
}

static enum err parse(struct span text, char out[URL_TEXT_MAX], struct why *why)
{
	char full[URL_TEXT_MAX];
	struct url url;
	enum err rc;

	text = cut_tail(cut_tail(names_trim(text), '#'), '?');
	if (text.n == 0 || memchr(text.p, '\0', text.n) != NULL)
		return err_set(why, ERR_SYNTAX, "the relay's URL is missing");
	rc = add_scheme(text, full, why);
	if (rc == ERR_OK)
		rc = url_parse(span_str(full), &url, why);
	if (rc == ERR_OK)
		rc = check_parts(&url, why);
	if (rc != ERR_OK)
		return rc;
	strip_path(url.path);
	url_print(&url, out);
	return ERR_OK;
}

enum err relay_url_parse(struct span text, char out[URL_TEXT_MAX], struct why *why)
{
	struct why words = { "" };
	enum err rc = parse(text, out, &words);

	if (rc == ERR_OK)
		return rc;
	return err_set(why, rc, "%s; write one such as https://relay.example.com",
		err_text(rc, &words));
}

enum err relay_url_host(const char *url, char out[NAMES_HOST_MAX + 1], struct why *why)
{
	struct url parts;
	enum err rc;

	rc = url_parse(span_str(url), &parts, why);
	if (rc != ERR_OK)
		return rc;
	return names_parse_host(span_str(parts.host), out, why);
}

enum err relay_url_check_host(const char *url, struct why *why)
{
	char host[NAMES_HOST_MAX + 1];
	enum err rc = relay_url_host(url, host, why);

	if (rc != ERR_OK || !names_host_is_address(host))
		return rc;
	return err_set(why, ERR_SYNTAX,
		"an address has no names below it for tunnels; write the relay's name,"
		" such as %s",
		names_host_is_local(host) ? "https://relay.localhost:4017" :
					    "https://relay.example.com");
}

/* ---- lists ---- */

static bool has_url(const struct relay_urls *list, const char *url)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->urls[i], url) == 0)
			return true;
	return false;
}

static enum err add_one(struct relay_urls *list, struct span text, struct why *why)
{
	char url[URL_TEXT_MAX], shown[80], **urls;
	struct why words = { "" };
	enum err rc;

	rc = relay_url_parse(text, url, &words);
	if (rc != ERR_OK)
		return err_set(why, rc, "\"%s\": %s",
			str_quote(shown, sizeof(shown), names_trim(text)),
			err_text(rc, &words));
	if (has_url(list, url))
		return ERR_OK;
	if (list->count == RELAY_URLS_MAX)
		return err_set(why, ERR_LIMIT, "more than %d relays; leave some out",
			RELAY_URLS_MAX);
	urls = realloc(list->urls, (list->count + 1) * sizeof(*urls));
	if (urls == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	list->urls = urls;
	urls[list->count] = strdup(url);
	if (urls[list->count] == NULL)
		return err_set(why, ERR_NOMEM, "no memory for the relay's URL");
	list->count++;
	return ERR_OK;
}

enum err relay_urls_add(struct relay_urls *list, struct span text, struct why *why)
{
	enum err rc = ERR_OK;

	while (text.n > 0 && rc == ERR_OK) {
		struct span one = cut_tail(text, ',');
		size_t used = one.n < text.n ? one.n + 1 : one.n;

		if (names_trim(one).n > 0)
			rc = add_one(list, one, why);
		text = span_of(text.p + used, text.n - used);
	}
	return rc;
}

void relay_urls_fini(struct relay_urls *list)
{
	for (unsigned i = 0; i < list->count; i++)
		free(list->urls[i]);
	free(list->urls);
	*list = (struct relay_urls){ .urls = NULL };
}
