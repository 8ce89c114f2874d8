/*
 * A ClientHello, read from the front of a byte stream that is passed on untouched: the
 * server name in it. RFC 8446 4.1.2, RFC 6066 3, RFC 7301.
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

/* The span lies in the stream's bytes, or in the scratch: good as long as both are. */
struct hello {
	struct span host; /* as sent, printable ASCII; empty: no name */
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

/* The fatal alert for an unknown server name: unrecognized_name. */
enum err hello_put_unrecognized_name(struct buf *out);

#endif
