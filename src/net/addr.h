/* Addresses: host and port as people write them, and as the kernel has them. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/span.h"

#define ADDR_TEXT_MAX 72 /* "[ipv6%zone]:port" and its terminator */

struct addr {
	socklen_t n;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage any;
	};
};

/*
 * An IP literal and a port; brackets around IPv6 may be there or not, a zone too.
 * ERR_SYNTAX: not a literal.
 */
enum err addr_from_literal(const char *host, uint16_t port, struct addr *out) MUST_USE;

/* "ip:port", IPv6 in brackets, IPv4-mapped shown as IPv4. Returns @to. */
const char *addr_print(const struct addr *a, char to[ADDR_TEXT_MAX]);

/* Only the ip, without brackets. Returns @to. */
const char *addr_print_ip(const struct addr *a, char to[ADDR_TEXT_MAX]);

uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);

/* False: this machine does not have that address now. */
bool addr_is_here(const struct addr *a);

/* The two ends of a socket; false if there is none. */
bool addr_of_peer(int fd, struct addr *out);
bool addr_of_local(int fd, struct addr *out);

/*
 * Splits "host:port" at the last colon; the host keeps no brackets. Both are views into
 * @text. An empty host is fine; a missing or empty port, or IPv6 without brackets, is
 * ERR_SYNTAX.
 */
enum err addr_split(struct span text, struct span *host, struct span *port) MUST_USE;

/* Where to listen. @host is a literal without brackets, or a name, which is not looked
 * up. */
struct addr_listen {
	char host[256];
	uint16_t port;
};

/* "host:port"; "port" and ":port" are of the loopback address. ERR_SYNTAX. */
enum err addr_parse_listen(const char *text, struct addr_listen *out) MUST_USE;

#endif
