/*
 * A dial through an outbound proxy: HTTP CONNECT, or SOCKS5 with a host name that the
 * proxy resolves. No byte of the target is read from the connection.
 */
#ifndef NET_PROXY_DIAL_H
#define NET_PROXY_DIAL_H

#include "net/dialer.h"
#include "text/url.h"

struct dial_proxy {
	bool is_socks;
	const char *host;
	uint16_t port;
	const char *user, *password; /* NULL: no login; without a password, none */
};

/* The proxy at @url, whose texts it borrows: http, or else SOCKS5. */
struct dial_proxy dial_proxy_of_url(const struct url *url);

/*
 * A copy with its texts, to be freed with dial_proxy_free(). NULL stays NULL.
 * ERR_NOMEM.
 */
enum err dial_proxy_dup(const struct dial_proxy *p, struct dial_proxy **out) MUST_USE;
void dial_proxy_free(struct dial_proxy *p); /* wiped; NULL is fine */

struct proxy_dial;

struct proxy_dial_options {
	struct loop *loop;              /* borrowed: outlives the dial */
	const struct dial_proxy *proxy; /* borrowed with its strings: outlive the dial */
	const char *host;               /* of the target; without brackets around IPv6 */
	uint16_t port;
	uint32_t timeout_ms; /* for everything together; 0 is 30 s */
	dial_fn *fn;         /* its @fd is connected to the target, through the proxy */
	void *arg;
};

/*
 * fn is called once, never from inside this call; the dial is gone then.
 * ERR_USAGE: a host or a login that cannot be written into a request.
 */
enum err proxy_dial_open(const struct proxy_dial_options *options,
	struct proxy_dial **out, struct why *why) MUST_USE;

/* fn is not called any more. NULL is fine. */
void proxy_dial_close(struct proxy_dial *p);

#endif
