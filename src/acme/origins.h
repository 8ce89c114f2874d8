/*
 * HTTP requests to the URLs that a CA gives: a pool of connections for each of its
 * origins, through the proxy that the environment asks for. For acme/client alone.
 */
#ifndef ACME_ORIGINS_H
#define ACME_ORIGINS_H

#include "http/client.h"
#include "loop/loop.h"

#define ACME_ORIGINS_MAX 4 /* hosts and ports that a CA may spread over */

struct acme_origins;

/*
 * @url is that of the directory; @ca_file replaces the system's roots unless it is NULL.
 * @on_deferred is called at the end of the turn after acme_origins_defer().
 * ERR_USAGE: @url is not https, nor http to this machine.  ERR_SYNTAX, ERR_SYS: @ca_file.
 */
enum err acme_origins_new(struct loop *loop, const char *url, const char *ca_file,
	void (*on_deferred)(void *arg), void *arg, struct acme_origins **out,
	struct why *why) MUST_USE;
void acme_origins_free(struct acme_origins *o); /* NULL is fine */
void acme_origins_defer(struct acme_origins *o);

/* The host of the directory. */
const char *acme_origins_host(const struct acme_origins *o);

struct acme_fetch {
	const char *method, *url;
	struct span body; /* a JWS, or empty */
	size_t answer_max;
	http_response_fn *fn; /* as http_client_send() calls it */
	void *arg;
};

/*
 * ERR_PROTO: the URL is not one that may be used.  ERR_LIMIT: that would be one origin
 * too many.  ERR_SYNTAX: a proxy's variable is wrong.  ERR_NOMEM.  @why says more.
 */
enum err acme_origins_fetch(struct acme_origins *o, const struct acme_fetch *f,
	struct http_transfer **out, struct why *why) MUST_USE;

#endif
