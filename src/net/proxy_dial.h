/*
 * A dial through an outbound proxy: HTTP CONNECT, or SOCKS5 with the name left to the
 * proxy. Not one byte of what the target says is taken from the connection.
 */
#ifndef NET_PROXY_DIAL_H
#define NET_PROXY_DIAL_H

#include "loop/loop.h"

struct proxy {
	bool is_socks;
	const char *host;
	uint16_t port;
	const char *user,
		*password; /* NULL: no login; both, or the user counts for nothing */
};

struct proxy_dial;

struct proxy_dial_options {
	struct loop *loop;         /* borrowed: outlives the dial */
	const struct proxy *proxy; /* borrowed with its strings: outlive the dial */
	const char *host;          /* of the target; without brackets around IPv6 */
	uint16_t port;
	uint32_t timeout_ms; /* for everything together; 0 is 30 s */
	/* As dial_options.fn: @fd is connected to the target, by way of the proxy. */
	void (*fn)(void *arg, enum err rc, int fd, int errnum, const struct why *why);
	void *arg;
};

/*
 * fn is called once, never from inside this call; the dial is gone then.
 * ERR_USAGE: a host or a login that would break the dialogue.
 */
enum err proxy_dial_open(const struct proxy_dial_options *options,
	struct proxy_dial **out, struct why *why) MUST_USE;

/* fn is not called any more. NULL is fine. */
void proxy_dial_close(struct proxy_dial *p);

#endif
