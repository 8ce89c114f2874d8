/*
 * The types of RFC 4251, read from a span and put into a buf, and the numbers of
 * messages.
 *
 * Readers say false when the bytes do not hold what is asked; the puts are checked once,
 * at the end, in the buf's @failed.
 */
#ifndef WIRE_SSH_WIRE_H
#define WIRE_SSH_WIRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

enum ssh_message {
	SSH_MSG_DISCONNECT = 1,
	SSH_MSG_IGNORE = 2,
	SSH_MSG_DEBUG = 4,
	SSH_MSG_SERVICE_REQUEST = 5,
	SSH_MSG_SERVICE_ACCEPT = 6,
	SSH_MSG_EXT_INFO = 7,
	SSH_MSG_KEXINIT = 20,
	SSH_MSG_NEWKEYS = 21,
	SSH_MSG_ECDH_INIT = 30,
	SSH_MSG_ECDH_REPLY = 31,
	SSH_MSG_USERAUTH_REQUEST = 50,
	SSH_MSG_USERAUTH_FAILURE = 51,
	SSH_MSG_USERAUTH_SUCCESS = 52,
	SSH_MSG_USERAUTH_BANNER = 53,
	SSH_MSG_GLOBAL_REQUEST = 80,
	SSH_MSG_REQUEST_SUCCESS = 81,
	SSH_MSG_REQUEST_FAILURE = 82,
	SSH_MSG_CHANNEL_OPEN = 90,
	SSH_MSG_CHANNEL_OPEN_CONFIRMATION = 91,
	SSH_MSG_CHANNEL_OPEN_FAILURE = 92,
	SSH_MSG_CHANNEL_WINDOW_ADJUST = 93,
	SSH_MSG_CHANNEL_DATA = 94,
	SSH_MSG_CHANNEL_EXTENDED_DATA = 95,
	SSH_MSG_CHANNEL_EOF = 96,
	SSH_MSG_CHANNEL_CLOSE = 97,
	SSH_MSG_CHANNEL_REQUEST = 98,
	SSH_MSG_CHANNEL_FAILURE = 100,
	SSH_MSG_PING = 192,
	SSH_MSG_PONG = 193,
};

/* The last of the messages that belong to the transport and to key exchange. */
#define SSH_MSG_TRANSPORT_LAST 19
#define SSH_MSG_KEX_FIRST 20
#define SSH_MSG_KEX_LAST 49
#define SSH_MSG_METHOD_FIRST 30 /* 30 to 49 belong to the method of the exchange */

/* A string; @out points into @in. */
bool ssh_get_string(struct span *in, struct span *out);
bool ssh_get_bool(struct span *in, bool *out);

void ssh_put_string(struct buf *b, struct span s);
void ssh_put_text(struct buf *b, const char *text);
void ssh_put_bool(struct buf *b, bool v);

/* The unsigned big-endian number @s as an mpint. */
void ssh_put_mpint(struct buf *b, struct span s);

/* Takes the next name of a comma-separated list; false at its end. */
bool ssh_list_next(struct span *list, struct span *name);

bool ssh_list_has(struct span list, struct span name);

/* The first name of @wanted that @offered has too: the client's list goes first. */
bool ssh_list_choose(struct span wanted, struct span offered, struct span *out);

#endif
