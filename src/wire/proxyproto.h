/*
 * The PROXY protocol, versions 1 and 2: a header in front of a connection's bytes, by
 * which a proxy names the client that it accepted. HAProxy's doc/proxy-protocol.txt.
 *
 * Anyone who can connect can write such a header: it is read only from trusted addresses,
 * and there it is required, because a header that is optional can be forged.
 */
#ifndef WIRE_PROXYPROTO_H
#define WIRE_PROXYPROTO_H

#include <stdbool.h>

#include "base/buf.h"

#define PROXYPROTO_V1_MAX 107       /* bytes of a line, its end included; section 2.1 */
#define PROXYPROTO_V2_HEAD 16       /* signature, command, family, length */
#define PROXYPROTO_V2_BODY_MAX 1024 /* what known senders can add up to is about 900 */
#define PROXYPROTO_MAX (PROXYPROTO_V2_HEAD + PROXYPROTO_V2_BODY_MAX) /* of either */
#define PROXYPROTO_TEXT_MAX 255 /* of a field below */

enum proxyproto_family {
	PROXYPROTO_UNKNOWN, /* no addresses: those of the connection are meant */
	PROXYPROTO_IP4,
	PROXYPROTO_IP6,
};

struct proxyproto_end {
	uint8_t ip[16]; /* of IPv4 the first four bytes; IPv6 may be an IPv4-mapped one */
	uint16_t port;
};

struct proxyproto {
	enum proxyproto_family family;
	bool is_local; /* no client: a health check of the proxy, for example */
	struct proxyproto_end source;      /* the client */
	struct proxyproto_end destination; /* the address that it connected to */

	/* Of version 2 only. Reading: unchecked bytes, empty if the header has none, and
	 * valid as long as the input. Writing: borrowed. */
	struct span authority;   /* the host name of SNI, without a terminator */
	struct span alpn;        /* the protocol, "h2" */
	bool is_tls;             /* the client uses TLS, which the proxy terminates */
	struct span tls_version; /* "TLSv1.3" */
};

/*
 * Takes a header of either version off the front of @in; what follows belongs to the
 * connection. Transports other than TCP over IP have no addresses here.
 *
 * ERR_AGAIN: not all of it is there; nothing was taken.  ERR_SYNTAX: not a header, or a
 * malformed one: detected as soon as a byte is wrong.  ERR_LIMIT: a longer one than the
 * bounds above.  ERR_CRYPTO: its checksum (CRC32C) is wrong.
 */
enum err proxyproto_read(struct span *in, struct proxyproto *out,
	struct why *why) MUST_USE;

/* Appends the header to @out. ERR_LIMIT: a field is too long, or @out is.  ERR_NOMEM. */
enum err proxyproto_write_v1(const struct proxyproto *p, struct buf *out) MUST_USE;
enum err proxyproto_write_v2(const struct proxyproto *p, struct buf *out) MUST_USE;

#endif
