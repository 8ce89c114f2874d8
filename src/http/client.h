/*
 * An HTTP/1.1 client of one server. Requests go out over pooled connections, each
 * connection carrying one at a time; there is a bound on connections, and requests beyond
 * it wait for their turn in order.
 *
 * A server may close an idle connection at the moment when a request is sent on it. If a
 * used connection ends before the first byte of a response, the request is sent once
 * more, on a new connection. So a server may, very rarely, get one twice.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "net/proxy_dial.h"
#include "net/tls.h"
#include "wire/http1.h"

struct http_client;
struct http_transfer; /* a request that waits for its response */

struct http_client_options {
	struct loop *loop;     /* borrowed: outlives the client */
	const char *unix_path; /* a Unix socket; NULL: @host and @port. Copied */
	const char *host;      /* where to connect: name or literal; copied */
	uint16_t port;
	const struct dial_proxy *proxy; /* on the way to @host; NULL: none. Copied */
	struct tls_context *tls;        /* a reference is taken; NULL: plain */
	const char *server_name;        /* for SNI and to verify; NULL: @host. Copied */
	const char *host_header;  /* "name" or "name:port"; NULL: @server_name. Copied */
	unsigned connections_max; /* 0 is 8 */
	uint32_t idle_ms;         /* limit for an idle connection; 0 is 60 s */
	uint32_t connect_ms;      /* TLS included; 0 is 10 s */
};

enum err http_client_new(const struct http_client_options *o,
	struct http_client **out) MUST_USE;

/* Closes its connections; requests without a response are dropped, and fn is not called.
 * NULL is fine. */
void http_client_free(struct http_client *client);

/*
 * For connections made from now on; those that are idle are closed, and those in use when
 * they have their response. A reference is taken; NULL: plain.
 */
void http_client_set_tls(struct http_client *client, struct tls_context *tls);

/* The path may have changed: likewise, with the same TLS. */
void http_client_reconnect(struct http_client *client);

/*
 * Keeps @n connections open (at most connections_max), also without requests: opens them
 * now, and new ones in the place of those that end, after a while if connecting fails. 0:
 * none.
 */
void http_client_warm(struct http_client *client, unsigned n);

/* Good until fn returns. */
struct http_response {
	unsigned status;
	const struct http1_head *head;
	struct span body;
	const struct stream *stream; /* for tls_peer_chain(), tls_is_resumed() */
	bool is_reused;              /* the connection has carried a request before */
	uint64_t first_us; /* from the request, waiting included, to the first byte */
};

/*
 * ERR_OK: @response is complete, whatever its status. After an error it is NULL and @why
 * says more.
 * ERR_LIMIT: its body is longer than response_max.  ERR_TIMEOUT.  ERR_SYNTAX: it is
 * malformed.  ERR_RESET: the server closed without one.  Others are those of connecting
 * and of TLS. The transfer has ended; the function may make any call to the client, also
 * http_client_free().
 */
typedef void http_response_fn(void *arg, enum err rc,
	const struct http_response *response, const struct why *why);

struct http_client_request {
	const char *method, *target;
	const char *headers; /* lines ending in CRLF, or NULL; neither Host nor framing */
	struct span body;
	size_t response_max; /* bytes of the response's body; 0 is 64 KiB */
	uint32_t timeout_ms; /* for all of it, waiting included; 0 is 30 s */
	http_response_fn *fn;
	void *arg;
};

/* All of @request is copied. fn is called once, never from inside this call. @out may be
 * NULL. */
enum err http_client_send(struct http_client *client,
	const struct http_client_request *request, struct http_transfer **out) MUST_USE;

/* The response is not wanted any more; fn is not called. NULL is fine. */
void http_transfer_close(struct http_transfer *t);

#endif
