/* What the parts of the edge share. */
#ifndef EDGE_EDGE_PRIV_H
#define EDGE_EDGE_PRIV_H

#include "base/log.h"
#include "base/siphash.h"
#include "edge/edge_limits.h"
#include "edge/edge_page.h"
#include "edge/edge_service.h"
#include "edge/tunnel_route.h"
#include "serve/served.h"

/* Of one worker. */
struct edge {
	struct data_worker *worker; /* borrowed: it owns this */
	struct siphash_key id_key;  /* makes request ids of numbers */
	uint64_t requests;          /* so far */
	struct log log;
};

/* A visitor: a connection, from its ClientHello to its end. */
struct edge_visitor {
	struct visit visit;
	struct edge *edge;     /* borrowed: outlives it */
	struct served *served; /* a reference: the tunnel's newest route that it used */
	struct edge_limits *limits; /* borrowed: the owner's, of @served */
	struct edge_client *client;
	struct connection *connection; /* borrowed: it frees us; NULL: not there yet */
	bool is_excess;                /* there are too many connections */
	bool is_proxy;                 /* a trusted one, which speaks for its clients */
};

/* One request, while it is decided what becomes of it. */
struct edge_request {
	struct edge *edge;
	struct http_exchange *x;
	const struct tunnel_route *tunnel; /* NULL: unknown */
	char host[NAMES_HOST_MAX + 1];     /* canonical; "": there is none */
	struct addr client;                /* also behind a trusted proxy */
	bool is_proxied;                   /* it came by one */
	char id[EDGE_REQUEST_ID_SIZE];
	bool closes; /* the connection, if it is refused */
};

/* Answers with a page, and logs it. */
void edge_refuse(const struct edge_request *q, enum edge_page page, uint32_t retry_s);

/* Forwards it to the app behind @s, which is the route of q->tunnel. */
void edge_forward(const struct edge_request *q, struct served *s);

#endif
