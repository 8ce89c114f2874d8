/*
 * A connection of a server: one client's requests, one after the other, each an exchange.
 * For http/ only; others see http/server.h.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/incoming.h"
#include "http/server.h"

/* A request that is being read or answered. */
struct http_exchange {
	struct connection *connection; /* borrowed: owns us */
	struct http_server *server;    /* borrowed: has the connection */
	struct incoming *in;           /* borrowed: the connection's */
	struct http1_reader reader;
	bool is_last; /* the connection closes after the answer */
	/* the client waits for 100 Continue before it sends the body */
	bool expects_continue;
	struct buf body; /* of http_read_body() */
	http_body_fn *on_body;
	void *arg;
	uint64_t drop_bytes; /* of its body, after the answer */
	size_t held;         /* of the server's room for bodies */
};

/* What a server's connections share. */
struct http_server {
	struct http_server_options o;
	struct listener *listener; /* NULL: connections are given to it */
	struct list connections;
	unsigned count;
	size_t held; /* by bodies of requests that were not answered yet */
	void (*on_empty)(void *arg); /* not NULL: the server is ending */
	void *empty_arg;
};

/* Begins to wait for a request. NULL: there is no memory for that, and the stream is
 * closed. @tag is copied. */
struct connection *connection_open_take(struct http_server *server, struct stream *stream,
	const struct addr *peer, const struct http_tag *tag);

/* Ends it now. Not from inside on_request. */
void connection_free(struct connection *c);

/* True: it has sent no whole request. */
bool connection_is_idle(const struct connection *c);

/* The server shuts down: a connection without a request is closed, in order. */
void connection_drain(struct connection *c);

/* The one that @in_server is the link of. */
struct connection *connection_of(struct list *in_server);

/* ---- for other ways to answer an exchange than http_reply() ---- */

struct borrower {
	void (*on_ready)(void *arg, unsigned ready); /* the stream is */
	void (*on_gone)(void *arg); /* the server is being freed: close everything */
	void *arg;
};

/* Lends the client's stream, until exchange_end() or exchange_cut(). */
struct stream *exchange_borrow(struct http_exchange *x, const struct borrower *by);

/*
 * Takes the stream; exchange_end() still follows. The request and the bytes that were
 * read early are freed, because such a connection may last for days.
 */
struct stream *exchange_detach(struct http_exchange *x);

/* The whole response was sent; the exchange is gone. */
void exchange_end(struct http_exchange *x);

/* The response cannot be completed: the client's connection is aborted. */
void exchange_cut(struct http_exchange *x);

#endif
