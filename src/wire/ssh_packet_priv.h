/*
 * SSH packets, RFC 4253 6: sealed where they were built, opened where they arrived.
 *
 * Before the first keys they are plain, afterwards an AEAD protects them. A sealer and an
 * opener are one direction each, and count what went through since the last keys.
 */
#ifndef WIRE_SSH_PACKET_PRIV_H
#define WIRE_SSH_PACKET_PRIV_H

#include "base/err.h"
#include "base/span.h"
#include "crypto/aead.h"

enum ssh_number {
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
	SSH_MSG_USERAUTH_PK_OK = 60,
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

#define SSH_MSG_KEX_LAST 49     /* up to here: of the transport and of key exchange */
#define SSH_MSG_METHOD_FIRST 30 /* 30 to 49 belong to the method of the exchange */

#define SSH_PACKET_HEADER 5 /* the length, and the length of the padding */

/* One direction. An open struct, embedded; zeroed, it is plain. */
struct ssh_cipher {
	struct aead *aead;    /* NULL: plain */
	uint32_t seq;         /* of the next packet */
	uint64_t packets;     /* since the last keys */
	uint64_t bytes;       /* since the last keys */
	uint64_t rekey_bytes; /* the cipher's own bound */
};

/* Forgets the keys. */
void ssh_cipher_fini(struct ssh_cipher *c);

/* Goes on with @aead (owned from now on), and with sequence number 0 if @is_strict. */
void ssh_cipher_switch(struct ssh_cipher *c, struct aead *aead, bool is_strict);

/* The size of the packet around a payload of @n bytes. */
size_t ssh_packet_size(const struct ssh_cipher *c, size_t n);

/*
 * Makes a packet of the payload of @n bytes that lies SSH_PACKET_HEADER behind @packet,
 * in room for ssh_packet_size(). ERR_LIMIT: more packets than sequence numbers.
 */
enum err ssh_packet_seal(struct ssh_cipher *c, uint8_t *packet, size_t n) MUST_USE;

/*
 * Takes a packet from the front of @in, decrypting in place; @payload lies in it and has
 * at least one byte.
 *
 * ERR_AGAIN: it is not there yet.  ERR_LIMIT: its length is above @max.  ERR_SYNTAX:
 * length or padding make no sense.  ERR_CRYPTO.
 */
enum err ssh_packet_open(struct ssh_cipher *c, struct mspan *in, size_t max,
	struct span *payload) MUST_USE;

#endif
