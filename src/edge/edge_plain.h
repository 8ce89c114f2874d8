/*
 * Port 80: names that are served on port 443 are redirected there, and challenges of a CA
 * are answered. All else gets 404.
 */
#ifndef EDGE_EDGE_PLAIN_H
#define EDGE_EDGE_PLAIN_H

#include "base/log.h"
#include "http/server.h"
#include "serve/route.h"

struct edge_plain;

struct edge_plain_options {
	struct loop *loop; /* borrowed, as all here: they outlive it */
	struct pool *pool;
	struct route_table *routes;
	const char *root;    /* the own host; NULL: none */
	uint16_t https_port; /* of the redirects; 0: 443 */
	/*
	 * Is @host, in canonical form, another name that port 443 serves here, such as
	 * that of the panel? NULL: there are none.
	 */
	bool (*is_known)(void *arg, const char *host);
	void *known_arg;
	/*
	 * Answers a request for a challenge (RFC 8555 8.3), for any host. False: it was
	 * another request, and @x is untouched. NULL: there are no challenges.
	 */
	bool (*answer)(void *arg, struct http_exchange *x);
	void *answer_arg;
	const struct log *log;
};

enum err edge_plain_new(const struct edge_plain_options *o,
	struct edge_plain **out) MUST_USE;
void edge_plain_free(struct edge_plain *p); /* NULL is fine */

/* The server that gets its connections: http_server_listen(), http_server_on_accept(),
 * http_server_end(). Borrowed. */
struct http_server *edge_plain_http(const struct edge_plain *p);

#endif
