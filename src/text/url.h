/*
 * URLs with an authority: scheme://user:password@host:port/path?query. Read strictly:
 * visible ASCII only, and no fragment.
 */
#ifndef TEXT_URL_H
#define TEXT_URL_H

#include "base/err.h"
#include "base/span.h"

#define URL_SCHEME_MAX 16
#define URL_LOGIN_MAX 256
#define URL_HOST_MAX 256
#define URL_PATH_MAX 1024
#define URL_TEXT_MAX 1400 /* without user and password */

struct url {
	char scheme[URL_SCHEME_MAX]; /* in lower case */
	char user[URL_LOGIN_MAX];    /* percent-decoded, as is the password */
	char password[URL_LOGIN_MAX];
	bool has_user, has_password;
	bool is_ip6;             /* the host is an IPv6 address */
	char host[URL_HOST_MAX]; /* without brackets */
	uint16_t port;           /* 0: the URL has none */
	char path[URL_PATH_MAX]; /* and the query, as they are; begins with '/' */
};

/* ERR_SYNTAX, ERR_LIMIT: @why says what is wrong, and repeats no password. */
enum err url_parse(struct span text, struct url *out, struct why *why) MUST_USE;

/* "host:port", or "host" if there is no port; IPv6 in brackets. Returns @to. */
const char *url_print_authority(const struct url *u, char to[URL_TEXT_MAX]);

/* The whole URL without user and password, fit for a log line. Returns @to. */
const char *url_print(const struct url *u, char to[URL_TEXT_MAX]);

#endif
