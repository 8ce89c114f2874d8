/*
 * A connect is one attempt to reach a server: TCP (through a proxy perhaps), TLS, and the
 * WebSocket handshake, up to the stream a session runs on. chisel-protocol 1.4 to 1.8.
 */
#ifndef TUNNEL_CHISEL_CONNECT_H
#define TUNNEL_CHISEL_CONNECT_H

#include "http/websocket.h"
#include "net/addr.h"
#include "net/proxy_dial.h"
#include "net/tls.h"
#include "text/url.h"

struct connect;

/* Why an attempt failed, where that is known: for an error text with a remedy. */
enum connect_trouble {
	CONNECT_TROUBLE_OTHER,  /* @why has all that is known */
	CONNECT_TROUBLE_DIAL,   /* no connection to the server; .errnum is the dial's */
	CONNECT_TROUBLE_STATUS, /* an HTTP answer, but no tunnel */
	CONNECT_TROUBLE_SPEAKS_TLS, /* the server, but the request was plain HTTP */
	CONNECT_TROUBLE_NO_ANSWER,  /* the connection was closed without one */
	CONNECT_TROUBLE_TLS,        /* the handshake failed; .tls is why */
};

struct connect_failure {
	enum connect_trouble trouble;
	unsigned status;
	int errnum;
	enum tls_trouble tls;
	char detail[TLS_DETAIL_MAX]; /* of TLS; or the target of a redirection; or "" */
};

/* The result of an attempt. */
struct connect_result {
	struct stream *stream; /* the receiver's; wants nothing */
	struct span first;     /* bytes from the server that were read already */
	bool is_adit;          /* it echoed the sub-protocol, as stock servers never do */
	struct addr local;     /* this end's address; .n is 0 if it is not known */
	struct connect_failure failure; /* if there is no stream */
};

/* All is borrowed and outlives the attempt. */
struct connect_options {
	struct loop *loop;
	const struct url *server;       /* of chisel_url_parse() */
	const struct dial_proxy *proxy; /* NULL: none */
	struct tls_context *tls;        /* for wss */
	const char *tls_name;           /* SNI, and verified; NULL: the URL's host */
	const char *host_header;        /* NULL: the URL's host and port */
	const struct websocket_header *headers; /* the user's own */
	size_t headers_n;
	uint32_t timeout_ms; /* for everything; 0 is 45 s */
	unsigned dead_ms;    /* a peer that acknowledges nothing for this long is dead */
	/* If @rc is an error, only .failure of @result means anything. */
	void (*fn)(void *arg, enum err rc, const struct connect_result *result,
		const struct why *why);
	void *arg;
};

/* fn is called once, never from inside this call; the connect is gone then. */
enum err connect_open(const struct connect_options *options, struct connect **out,
	struct why *why) MUST_USE;

/* fn is not called any more. NULL is fine. */
void connect_close(struct connect *c);

#endif
