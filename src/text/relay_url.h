/*
 * The URLs of relays, and lists of them.
 *
 * They are compared as text in their canonical form, so port and path matter: with and
 * without ":443" are two relays.
 */
#ifndef TEXT_RELAY_URL_H
#define TEXT_RELAY_URL_H

#include "text/names.h"
#include "text/url.h"

#define RELAY_URLS_MAX 64

/*
 * "relay.example.com/" is "https://relay.example.com": https is understood, and neither a
 * query, a fragment, slashes at the end nor a last "/relay" belong to it.
 * ERR_SYNTAX, ERR_LIMIT: @why says what is wrong.
 */
enum err relay_url_parse(struct span text, char out[URL_TEXT_MAX],
	struct why *why) MUST_USE;

/* The host in @url, which is canonical: the names of leases end in it.
 * Errors as above. */
enum err relay_url_host(const char *url, char out[NAMES_HOST_MAX + 1],
	struct why *why) MUST_USE;

/* Can it have tunnels below its name? ERR_SYNTAX: its host is an address. */
enum err relay_url_check_host(const char *url, struct why *why) MUST_USE;

/* No two are equal, and they are in the order in which they came. Begins as zeros. */
struct relay_urls {
	char **urls;
	unsigned count;
};

/*
 * Adds the URLs in @text, which has commas between them; empty ones are left out. If one
 * is wrong, those before it have been added.  ERR_LIMIT: there are too many.
 */
enum err relay_urls_add(struct relay_urls *list, struct span text,
	struct why *why) MUST_USE;

void relay_urls_fini(struct relay_urls *list);

#endif
