/* What the edge tells the app of a visitor, and what it does not let visitors say. */
#ifndef EDGE_EDGE_HEAD_H
#define EDGE_EDGE_HEAD_H

#include "net/addr.h"
#include "wire/http1.h"

struct edge_about {
	const struct addr *peer; /* the visitor's address */
	const char *host;        /* canonical: in place of a Host that is missing */
	const char *id;          /* of the request */
};

/*
 * Writes lines that end in CRLF: X-Real-IP, X-Forwarded-Proto, X-Forwarded-Host,
 * Forwarded (RFC 7239) and X-Request-Id. X-Forwarded-For is the proxy's.
 */
void edge_put_headers(struct buf *out, const struct http1_head *request,
	const struct edge_about *about);

/* Headers of a signed-in visitor, which an app that trusts its proxy believes: they are
 * never taken from visitors. NULL ends them. */
extern const char *const edge_sign_in_headers[];

#endif
