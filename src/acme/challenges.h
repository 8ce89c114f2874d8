/*
 * The challenges that wait for the CA's validation, for the servers of this program that
 * it visits: HTTP-01 (RFC 8555 8.3) and TLS-ALPN-01 (RFC 8737). Written by an order, read
 * by any thread.
 *
 * A server of port 80 calls acme_challenges_reply() for each request, or
 * acme_http_listen() makes one that does nothing else. A TLS server calls
 * acme_challenges_choose() first in its tls_choose_fn, or uses acme_challenges_tls().
 */
#ifndef ACME_CHALLENGES_H
#define ACME_CHALLENGES_H

#include "http/server.h"
#include "net/tls.h"

#define ACME_ALPN "acme-tls/1"
#define ACME_HTTP_PATH "/.well-known/acme-challenge/"

struct acme_challenges;

enum err acme_challenges_new(struct acme_challenges **out) MUST_USE;
void acme_challenges_free(struct acme_challenges *t); /* NULL is fine */

/* ---- for orders ---- */

/* The CA will ask for @token, or connect with @name. ERR_NOMEM, ERR_CRYPTO. */
enum err acme_challenges_add_http(struct acme_challenges *t, const char *token,
	const char *key_authorization) MUST_USE;
enum err acme_challenges_add_alpn(struct acme_challenges *t, const char *name,
	const char *key_authorization) MUST_USE;

/* It does not matter if there is none. */
void acme_challenges_remove_http(struct acme_challenges *t, const char *token);
void acme_challenges_remove_alpn(struct acme_challenges *t, const char *name);

/* ---- for servers; any thread ---- */

/* True: it was a request for a challenge, and is answered, with 404 if it is unknown. */
bool acme_challenges_reply(struct acme_challenges *t, struct http_exchange *x);

/* True: @hello is that of a validation, and *@out is a reference, or NULL if no order
 * waits for it. */
bool acme_challenges_choose(struct acme_challenges *t, const struct tls_hello *hello,
	struct tls_certificate **out);

/*
 * A TLS context for validations alone: each handshake that is not one ends with an alert.
 * For a server that has read the ClientHello, and chooses contexts itself. Borrowed: good
 * as long as the table, which outlives all connections that use it.
 */
struct tls_context *acme_challenges_tls(const struct acme_challenges *t);

/* ---- a small server for port 80 ---- */

struct acme_http;

struct acme_http_options {
	struct loop *loop; /* borrowed, as all here: they outlive it */
	struct pool *pool;
	struct acme_challenges *challenges;
	const char *host; /* see listener_open() */
	uint16_t port;
};

/* Answers challenges, and 404 for all else. Errors are those of listener_open(). */
enum err acme_http_listen(const struct acme_http_options *o, struct acme_http **out,
	struct why *why) MUST_USE;
uint16_t acme_http_port(const struct acme_http *h);
void acme_http_close(struct acme_http *h); /* NULL is fine */

#endif
