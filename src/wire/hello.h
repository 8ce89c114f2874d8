/*
 * A ClientHello, read from the front of a byte stream that is passed on untouched: the
 * server name, and what the client offers. RFC 8446 4.1.2, RFC 6066 3, RFC 7301.
 *
 * The message may be spread over records. Every length is checked, and what would let two
 * readers see two names (a second server_name, a second host in it) is refused.
 */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include "base/buf.h"

#define HELLO_MESSAGE_MAX 16384 /* the handshake message with its own header */
#define HELLO_RECORDS_MAX 64

/* With so many bytes hello_read() never returns ERR_AGAIN. */
#define HELLO_BYTES_MAX (HELLO_MESSAGE_MAX + 5 * HELLO_RECORDS_MAX)

#define HELLO_TLS12 0x0303
#define HELLO_TLS13 0x0304

/* The spans lie in the stream's bytes, or in the scratch: good as long as both are. */
struct hello {
	struct span host;     /* as sent, printable ASCII; empty: no name */
	struct span alpn;     /* for hello_alpn_next(); empty: no ALPN */
	struct span versions; /* two bytes each; empty: up to legacy_version */
	uint16_t legacy_version;
	bool has_ech; /* an outer one: @host is the public name, or it is grease */
};

/*
 * Reads the ClientHello at the front of @in, all that has come so far. @scratch, of
 * HELLO_MESSAGE_MAX bytes, is where a message that is spread over records is put
 * together.
 *
 * ERR_AGAIN: more bytes are needed.  ERR_SYNTAX: this is no ClientHello, or a broken one.
 * ERR_LIMIT: it is too long, or in too many records.
 */
enum err hello_read(struct span in, uint8_t scratch[HELLO_MESSAGE_MAX],
	struct hello *out) MUST_USE;

/* Takes the next name off the front of a copy of @alpn. False: there are no more. */
bool hello_alpn_next(struct span *alpn, struct span *name);

bool hello_offers_alpn(const struct hello *h, const char *name);
bool hello_offers_version(const struct hello *h, uint16_t version);

/* The fatal alert for an unknown server name: unrecognized_name. */
enum err hello_put_unrecognized_name(struct buf *out);

#endif
