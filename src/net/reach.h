/*
 * A reach makes a stream to somebody who listens: a host and port or a Unix socket is
 * dialled, and TLS put over it if asked for.
 */
#ifndef NET_REACH_H
#define NET_REACH_H

#include "net/dial_memory.h"
#include "net/stream.h"
#include "net/tls.h"

struct reach;

struct reach_options {
	struct loop *loop;     /* borrowed: outlives the reach */
	const char *unix_path; /* a Unix socket; NULL: @host and @port. Copied */
	const char *host;      /* name or literal; copied */
	uint16_t port;
	struct dial_memory *memory; /* of both; a reference is taken; may be NULL */
	struct tls_context *tls;    /* a reference is taken for as long; NULL: plain */
	const char *server_name;    /* to verify, for TLS; NULL: @host. Copied */
	uint32_t timeout_ms;        /* for all of it */
	/* On ERR_OK @stream is open, wants nothing and is the receiver's;
	 * else it is NULL. */
	void (*fn)(void *arg, enum err rc, struct stream *stream, const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the reach is gone then. */
enum err reach_open(const struct reach_options *options, struct reach **out) MUST_USE;

/* fn is not called any more. NULL is fine. */
void reach_close(struct reach *r);

#endif
