/*
 * SOCKS5, RFC 1928 and 1929: the server's side of a dialogue, and the client's towards a
 * proxy. Bytes in, bytes out.
 */
#ifndef WIRE_SOCKS5_H
#define WIRE_SOCKS5_H

#include "base/buf.h"

#define SOCKS5_HOST_MAX 256

enum socks5_reply {
	SOCKS5_OK = 0,
	SOCKS5_GENERAL = 1,
	SOCKS5_NOT_ALLOWED = 2,
	SOCKS5_NETWORK_UNREACHABLE = 3,
	SOCKS5_HOST_UNREACHABLE = 4,
	SOCKS5_REFUSED = 5,
	SOCKS5_BAD_COMMAND = 7,
	SOCKS5_BAD_ADDRESS = 8,
};

/* Where the user wants to go. */
struct socks5_target {
	char host[SOCKS5_HOST_MAX]; /* a name or an IP literal without brackets */
	uint16_t port;
};

enum socks5_state {
	SOCKS5_GREETING,
	SOCKS5_LOGIN,
	SOCKS5_REQUEST,
	SOCKS5_DONE,
	SOCKS5_FAILED
};

/* The server's side; embedded. */
struct socks5_server {
	enum socks5_state state;
};

void socks5_server_init(struct socks5_server *s);

/*
 * Takes bytes from the front of @in and puts answers into @out. ERR_OK: @target is known;
 * dial it and answer with socks5_server_reply().  ERR_AGAIN: more bytes are needed.
 * Anything else: send what is in @out, then close.
 */
enum err socks5_server_next(struct socks5_server *s, struct span *in, struct buf *out,
	struct socks5_target *target) MUST_USE;

/* @ip is 4 or 16 bytes of our end of the new connection, or empty. */
enum err socks5_server_reply(struct buf *out, enum socks5_reply code, struct span ip,
	uint16_t port) MUST_USE;

/* The reply for a dial that failed with @errnum (0: the name did not resolve). */
enum socks5_reply socks5_reply_for_errno(int errnum);

/* The client's side; embedded. */
struct socks5_client {
	enum socks5_state state;
	const char *user, *password; /* borrowed; NULL: offer no login */
	struct socks5_target target;
};

/* Writes the greeting. ERR_LIMIT: user or password is longer than 255 bytes. */
enum err socks5_client_start(struct socks5_client *c, const struct socks5_target *target,
	const char *user, const char *password, struct buf *out) MUST_USE;

/* ERR_OK: connected; what is left in @in is the target's. ERR_AGAIN; else @why. */
enum err socks5_client_next(struct socks5_client *c, struct span *in, struct buf *out,
	struct why *why) MUST_USE;

#endif
