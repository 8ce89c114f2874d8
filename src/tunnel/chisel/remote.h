/*
 * A remote defines one tunnel: where to listen, on which side, and the target on the
 * other side. Grammar, defaults and printed forms: chisel-protocol 5.1 and 5.3.
 */
#ifndef TUNNEL_CHISEL_REMOTE_H
#define TUNNEL_CHISEL_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define REMOTE_HOST_MAX 256 /* a host with its brackets and terminator */
#define REMOTE_PORT_MAX 8
#define REMOTE_TEXT_MAX 640 /* the display form and its terminator */

struct remote {
	char local_host[REMOTE_HOST_MAX];
	/* "0": the listening side chooses one.
	 * "" only in what a foreign peer declares. */
	char local_port[REMOTE_PORT_MAX];
	char remote_host[REMOTE_HOST_MAX];
	char remote_port[REMOTE_PORT_MAX];
	bool is_udp;
	bool is_socks;
	bool is_reverse;
	bool is_stdio;
	uint16_t last_port; /* if local_port is "0": the one it had before, or 0 */
};

/* True for a name of letters, digits, '.', '-' and '_', IPv4, and IPv6 in brackets. */
bool remote_host_is_good(const char *host);

/* True for 1 to 65535, in digits without a leading zero. */
bool remote_port_is_good(const char *port);

/* The same, or "0". */
bool remote_local_port_is_good(const char *port);

/* ERR_SYNTAX: a combination that is not supported: SOCKS over UDP, reverse stdio. */
enum err remote_check(const struct remote *r, struct why *why) MUST_USE;

/* Reads "R:2222:localhost:22". ERR_SYNTAX: @why has the reason. */
enum err remote_parse(struct span text, struct remote *out, struct why *why) MUST_USE;

/* The port of a remote or a target as a number; 0 for an empty one. */
uint16_t remote_port_number(const char *port);

/* The form for logs and errors: "R:2222=>localhost:22". Returns @to. */
const char *remote_print(const struct remote *r, char to[REMOTE_TEXT_MAX]);

/* What a channel for it asks for: "socks", "host:port" or "host:port/udp".
 * Returns @to. */
const char *remote_print_target(const struct remote *r, char to[REMOTE_TEXT_MAX]);

/*
 * The text that access lists are matched against: "R:localhost:localport" for a reverse
 * remote, "socks" for SOCKS, else "host:port". Returns @to.
 */
const char *remote_print_access(const struct remote *r, char to[REMOTE_TEXT_MAX]);

/* The target of a channel, from the text of its opening. */
struct remote_target {
	char host[REMOTE_HOST_MAX]; /* without brackets */
	char port[REMOTE_PORT_MAX];
	char access[REMOTE_TEXT_MAX]; /* what access lists are matched against */
	bool is_udp;
	bool is_socks;
};

/*
 * Reads "host:port", with "/tcp" or "/udp" behind it, or "socks".
 * ERR_SYNTAX: not that.  ERR_LIMIT: too long for a host.
 */
enum err remote_target_parse(struct span text, struct remote_target *out) MUST_USE;

/* True if @r is reverse and a channel for @t is one that the other side opens for it. */
bool remote_covers(const struct remote *r, const struct remote_target *t);

#endif
