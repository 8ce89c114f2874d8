/* Lookups by getaddrinfo(), on threads of the process. For the resolver. */
#ifndef NET_SYSTEM_LOOKUP_PRIV_H
#define NET_SYSTEM_LOOKUP_PRIV_H

#include "net/addr.h"

#define FOUND_MAX 24

/* A result, in the order of RFC 6724, without a port. */
struct found {
	enum err rc;
	unsigned count;
	struct addr addrs[FOUND_MAX];
};

/* Ignores what is neither IPv4 nor IPv6, and all beyond FOUND_MAX. */
void found_add(struct found *f, const struct sockaddr *sa, socklen_t n);

/*
 * Looks up @host, from any thread. At most 32 lookups run at a time; others wait for a
 * thread, and lookups of one name are one. @out is a pipe that gives one struct found; to
 * close it is to cancel the lookup.
 */
enum err system_lookup_open(const char *host, int *out) MUST_USE;

#endif
