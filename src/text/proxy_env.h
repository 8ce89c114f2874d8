/*
 * The outbound proxy that the environment asks for, as Go's net/http reads it:
 * HTTPS_PROXY for connections with TLS, HTTP_PROXY for others, and NO_PROXY for
 * destinations that are reached directly. ALL_PROXY is used if the first two are not
 * set, as curl does.
 *
 * The name in capitals is used before the one in lower case. An empty variable is not
 * set.
 */
#ifndef TEXT_PROXY_ENV_H
#define TEXT_PROXY_ENV_H

#include "text/url.h"

struct proxy_variable {
	const char *name, *value; /* borrowed: of the environment; NULL: not set */
};

struct proxy_env {
	struct proxy_variable https, http, all, no;
};

/*
 * @get is getenv(). HTTP_PROXY is ignored in a CGI program (if REQUEST_METHOD is set),
 * where it may be a header of the request.
 */
void proxy_env_read(struct proxy_env *e, char *(*get)(const char *name));

/*
 * The proxy for a connection to @host, without brackets, and @port: an http, socks5 or
 * socks5h URL, which has a port. A value without a scheme is http.
 *
 * ERR_NOENT: the connection is direct.  ERR_SYNTAX: @why has the variable and what to
 * write.
 */
enum err proxy_env_find(const struct proxy_env *e, bool has_tls, const char *host,
	uint16_t port, struct url *out, struct why *why) MUST_USE;

/*
 * Is the destination reached directly? This machine is; and what @list (NULL: nothing)
 * names, between commas or spaces: a domain with all below it, ".example.com" or
 * "*.example.com" only what is below; an address, or a range such as 10.0.0.0/8; each but
 * a range perhaps with a port, "example.com:8443"; "*" is everything. What is none of
 * these is ignored.
 */
bool proxy_env_is_direct(const char *list, const char *host, uint16_t port);

#endif
