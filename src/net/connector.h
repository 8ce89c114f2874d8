/*
 * A connector opens a stream to a server: it connects to a host and port or to a Unix
 * socket, and opens TLS over that if the options say so.
 */
#ifndef NET_CONNECTOR_H
#define NET_CONNECTOR_H

#include "net/dialer.h"
#include "net/proxy_dial.h"
#include "net/stream.h"
#include "net/tls.h"

struct connector;

/* The cause of a failure, for an advice. */
struct connector_failure {
	bool is_of_tls;
	enum tls_trouble tls; /* if it is of TLS; with its detail */
	char detail[TLS_DETAIL_MAX];
};

struct connector_options {
	struct loop *loop;     /* borrowed: outlives the connector */
	const char *unix_path; /* a Unix socket; NULL: @host and @port. Copied */
	const char *host;      /* name or literal; copied */
	uint16_t port;
	const struct dial_proxy *proxy; /* on the way to @host; NULL: none. Copied */
	struct dial_memory *memory;     /* of both; a reference is taken; may be NULL */
	struct tls_context *tls; /* a reference is taken for as long; NULL: plain */
	const char *server_name; /* to verify, for TLS; NULL: @host. Copied */
	uint32_t timeout_ms;     /* for all of it */
	struct connector_failure
		*failure; /* borrowed: set before an error; may be NULL */
	/* On ERR_OK @stream is open, wants nothing and is the receiver's;
	 * else it is NULL. */
	void (*fn)(void *arg, enum err rc, struct stream *stream, const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the connector is freed before. */
enum err connector_open(const struct connector_options *options,
	struct connector **out) MUST_USE;

/* fn is not called any more. NULL is fine. */
void connector_close(struct connector *c);

#endif
