/*
 * The SSH subset that Chisel speaks, both roles, without I/O: bytes in, events out,
 * packets into a sink. RFC 4251 to 4254, 5647, 5656, 8731; strict KEX; chisel-protocol 3,
 * 4 and 6.
 *
 * The engine implements the version lines, key exchange (first and later ones),
 * authentication by password or public key, global requests and channels. It never sends
 * anything that would end a stock peer's session: no message out of order, no data beyond
 * a window or on a closed channel.
 *
 * One engine is one connection. It is not thread safe. After an error from any call the
 * engine cannot be used: free it and close the transport. ERR_AGAIN is not an error.
 */
#ifndef WIRE_SSH_H
#define WIRE_SSH_H

#include <stdbool.h>

#include "base/err.h"
#include "base/sink.h"
#include "base/span.h"
#include "crypto/hostkey.h"

#define SSH_PACKET_MAX 262144      /* accepted packet_length, chisel-protocol 3.2 */
#define SSH_DATA_MAX 65408         /* accepted channel data in one packet */
#define SSH_PACKET_OVERHEAD 64     /* header, padding and tag of a payload, at most */
#define SSH_CHANNELS_MAX 16384     /* of both directions together */
#define SSH_EXTRA_MAX 512          /* the text in a channel open */
#define SSH_HELD_BYTES_MAX 1048576 /* queued while keys are exchanged */

enum ssh_role { SSH_CLIENT, SSH_SERVER };

/* Reasons of a refused channel, RFC 4254 5.1. */
enum ssh_refusal {
	SSH_PROHIBITED = 1,
	SSH_CONNECT_FAILED = 2,
	SSH_UNKNOWN_TYPE = 3,
	SSH_RESOURCE_SHORTAGE = 4,
};

struct ssh;
struct ssh_channel;

struct ssh_options {
	enum ssh_role role;
	const struct hostkey *key; /* server: borrowed, outlives the engine */
	bool takes_keys;           /* server: authenticates by public key, too: SSH_KEY */
	const char *user;          /* client: borrowed until SSH_UP */
	const char *password;      /* client: borrowed until SSH_UP */
	/* Client: tried before the password; if there is one, an empty password is not
	 * sent. Borrowed until SSH_UP; NULL: none. */
	const struct hostkey *user_key;
	struct sink *out;     /* borrowed: outlives the engine */
	uint64_t rekey_bytes; /* exchange keys after so many bytes; 0: the default */
};

enum ssh_event_kind {
	/* Client: the server's key is in .data; call ssh_accept_host_key(), or end the
	 * connection. At later key exchanges the engine checks that the key is the
	 * same. */
	SSH_HOST_KEY = 1,
	/* Server: .name and .data are user and password; answer with ssh_auth_reply(). */
	SSH_PASSWORD,
	/* Server that takes keys: .name is a user, .data a public key in SSH's format.
	 * .ok: the client has proven that it has the private half. Answer with
	 * ssh_auth_reply(); without .ok the login fails, whatever the answer is. */
	SSH_KEY,
	/* Authenticated: requests and channels may be used. */
	SSH_UP,
	/* A global request .name with .data; if .wants_reply, answer with ssh_reply(). */
	SSH_REQUEST,
	/* The reply to our oldest ssh_request() that wanted one: .ok and .data. */
	SSH_REPLY,
	/* The peer opens .channel with the text .data; answer with ssh_channel_accept()
	 * or ssh_channel_refuse(), now or later. */
	SSH_OPEN,
	/* Our .channel is open. */
	SSH_OPENED,
	/* Our .channel was refused: .reason, and the peer's text in .data. The channel is
	 * freed by the next ssh_next(). */
	SSH_REFUSED,
	/* Bytes for .channel in .data. Return credit with ssh_channel_credit(). */
	SSH_DATA,
	/* The window of .channel has grown. */
	SSH_WINDOW,
	/* The peer sends no more on .channel. */
	SSH_EOF,
	/* .channel is closed, and freed by the next ssh_next(). */
	SSH_CLOSE,
	/* Keys are exchanged; every channel may send again. */
	SSH_REKEYED,
};

/* An event. Spans lie in the input and are good until the next ssh_next(). */
struct ssh_event {
	enum ssh_event_kind kind;
	struct ssh_channel *channel; /* NULL except for channel events */
	void *owner;                 /* the channel's, as given at open or accept */
	struct span name;
	struct span data;
	uint32_t reason;
	bool wants_reply;
	bool ok;
};

enum err ssh_new(const struct ssh_options *options, struct ssh **out) MUST_USE;

/* Frees the channels with it. NULL is fine. */
void ssh_free(struct ssh *ssh);

/* Writes our version line and KEXINIT. Once, before anything else. */
enum err ssh_start(struct ssh *ssh) MUST_USE;

/*
 * Takes bytes from the front of @in, decrypting in place, up to the next event.
 *
 * ERR_AGAIN: all packets in @in are taken; give the rest again, with more bytes appended.
 * ERR_CLOSED: the peer disconnected.  ERR_CRYPTO, ERR_PROTO, ERR_SYNTAX, ERR_LIMIT,
 * ERR_DENIED (authentication failed): the connection has failed; @why says more.
 */
enum err ssh_next(struct ssh *ssh, struct mspan *in, struct ssh_event *out,
	struct why *why) MUST_USE;

/* Client, after SSH_HOST_KEY: accepts it. Otherwise the next ssh_next() is ERR_DENIED. */
void ssh_accept_host_key(struct ssh *ssh);

/* Server, after SSH_PASSWORD or SSH_KEY. Too many failures end the connection
 * (ERR_DENIED). */
enum err ssh_auth_reply(struct ssh *ssh, bool is_ok) MUST_USE;

/* A global request; replies come as SSH_REPLY, in order. */
enum err ssh_request(struct ssh *ssh, const char *name, bool wants_reply,
	struct span data) MUST_USE;

/* Replies to the oldest SSH_REQUEST that wants a reply. */
enum err ssh_reply(struct ssh *ssh, bool is_ok, struct span data) MUST_USE;

/* True after SSH_UP, except during a key exchange: data may be sent. */
bool ssh_can_send(const struct ssh *ssh);

/* Requests a channel of type "chisel" with the text @extra. @owner is in its events. */
enum err ssh_channel_open(struct ssh *ssh, struct span extra, uint32_t window_bytes,
	void *owner, struct ssh_channel **out) MUST_USE;

enum err ssh_channel_accept(struct ssh_channel *ch, uint32_t window_bytes,
	void *owner) MUST_USE;

/* The channel is freed by this. */
enum err ssh_channel_refuse(struct ssh_channel *ch, enum ssh_refusal reason,
	const char *text) MUST_USE;

/* Bytes that may be sent now: the peer's window;
 * 0 after EOF, CLOSE or during a key exchange. */
size_t ssh_channel_window(const struct ssh_channel *ch);

/*
 * Lends room for up to @max bytes of data, at least one, inside a packet that is being
 * built; ssh_channel_commit() seals the first @n of them into the sink (0 gives the room
 * back). Nothing else may be called between the two.
 *
 * ERR_AGAIN: no window, or keys are being exchanged.  ERR_LIMIT, ERR_NOMEM: from the
 * sink.
 */
enum err ssh_channel_reserve(struct ssh_channel *ch, size_t max,
	struct mspan *out) MUST_USE;
enum err ssh_channel_commit(struct ssh_channel *ch, size_t n) MUST_USE;

/* @n bytes of SSH_DATA were consumed: returns credit, several packets at a time. */
enum err ssh_channel_credit(struct ssh_channel *ch, uint32_t n) MUST_USE;

/* Widens the peer's window to @window_bytes, if it is smaller. */
enum err ssh_channel_widen(struct ssh_channel *ch, uint32_t window_bytes) MUST_USE;

/* The size of the window that the peer was given, used and unused. */
uint32_t ssh_channel_window_size(const struct ssh_channel *ch);

/* Sends EOF: no more data follows. Later calls do nothing. */
enum err ssh_channel_eof(struct ssh_channel *ch) MUST_USE;

/*
 * Closes both directions of the channel. It has no more events, and @ch must not be used
 * again: the engine frees it when the peer's CLOSE has arrived.
 */
enum err ssh_channel_close(struct ssh_channel *ch) MUST_USE;

/* Channels that are open or opening, those that wait for the peer's CLOSE included. */
size_t ssh_channel_count(const struct ssh *ssh);

#endif
