/*
 * A session is one tunnel connection in either role: SSH inside WebSocket messages over a
 * stream that has been upgraded. It authenticates, agrees on the remotes, notices a dead
 * peer, and carries every visitor as a channel, which is a stream like any other.
 *
 * Channels take fair turns at the connection; one that has little to send goes first. The
 * queue in front of the connection is bounded, and so is what a channel keeps for a slow
 * reader.
 */
#ifndef TUNNEL_CHISEL_SESSION_H
#define TUNNEL_CHISEL_SESSION_H

#include "base/log.h"
#include "crypto/hostkey.h"
#include "loop/worker.h"
#include "net/stream.h"
#include "tunnel/chisel/config.h"
#include "wire/ssh.h"

#define CHISEL_PROTOCOL "chisel-v3" /* the WebSocket sub-protocol */

/* What an operator may tune; 0 is the default everywhere. chisel-protocol 8. */
struct chisel_tuning {
	uint32_t keepalive_ms;    /* between pings; 0 is off: the CLI's default is 25 s */
	uint32_t ping_timeout_ms; /* an unanswered ping; 0: tunnel/chisel/keepalive.h */
	uint32_t session_wait_ms; /* an accepted visitor waits for a session; 0 is 35 s */
	uint32_t dial_timeout_ms; /* of targets; 0 is 30 s */
	uint32_t handshake_ms;    /* SSH, up to authentication; 0 is 30 s */
	uint32_t config_ms; /* CHISEL_CONFIG_TIMEOUT: wait for the config; 0 is 10 s */
	uint32_t udp_max_bytes;   /* datagrams; 0 is 65,507 */
	uint32_t udp_deadline_ms; /* idle UDP flows; 0 is 15 s */
	uint32_t udp_flows_max;   /* flows of a UDP remote; 0 is 100 */
	uint64_t rekey_bytes;     /* lowers the re-key limit; for tests */
};

static inline uint32_t chisel_tuned(uint32_t value, uint32_t initial)
{
	return value > 0 ? value : initial;
}

struct channel;
struct chisel_session;

struct chisel_session_options {
	enum ssh_role role;
	struct worker *worker;              /* borrowed: the one whose loop we are on */
	struct stream *stream;              /* taken if the session opens; upgraded */
	struct span first;                  /* what was read from it already; copied */
	const struct chisel_tuning *tuning; /* borrowed: outlives the session */
	const struct hostkey *key;          /* server: borrowed, outlives the session */
	bool takes_keys;                    /* server: by public key, too: on_key */

	const char *user, *password; /* client: borrowed; "" for none */
	/* client: tried before the password; borrowed, outlives the session; or NULL */
	const struct hostkey *user_key;
	bool peer_half_closes;                    /* known to carry EOF each way */
	const struct chisel_session_hooks *hooks; /* borrowed: const */
	void *owner;                              /* given to the hooks */
};

/*
 * Called for decisions and events, never from inside a call of the owner's. The owner may
 * call chisel_session_close() in any of them.
 */
struct chisel_session_hooks {
	/* Client: is this the key of the expected server? If not, @why has the reason. */
	bool (*is_host_key_good)(void *owner, struct span blob, struct why *why);

	/* Server: a login. Answer with chisel_session_login(), now or later. */
	void (*on_password)(void *owner, struct span user, struct span password);

	/* Server that takes keys: a login by public key, @blob in SSH's format.
	 * Without @is_proven the signature is wrong, and the login fails in any case.
	 * Answer with chisel_session_login(), now or later. */
	void (*on_key)(void *owner, struct span user, struct span blob, bool is_proven);

	/* Authenticated. The client sends its config now. */
	void (*on_up)(void *owner);

	/* Server: the client's config request, or another first request (@name). Answer
	 * with chisel_session_answer(), now or later. */
	void (*on_config)(void *owner, struct span name, struct span data);

	/* The peer has sent chisel_session_notify(); may be NULL. */
	void (*on_notice)(void *owner, struct span name, struct span data);

	/* Client: the answer. If @refusal is empty, the config is accepted; @details are
	 * then what an adit server adds, or empty. */
	void (*on_answer)(void *owner, struct span refusal, struct span details);

	/* The peer opens a channel. Answer with channel_accept() or channel_refuse(), now
	 * or later. */
	void (*on_open)(void *owner, struct channel *ch, struct span target);

	/* Over, with all its channels closed. The session is gone after this;
	 * called once. */
	void (*on_closed)(void *owner, enum err rc, const struct why *why);
};

enum err chisel_session_open(const struct chisel_session_options *options,
	struct chisel_session **out) MUST_USE;

/* A request; on_closed follows at the end of the turn. Twice is fine. */
void chisel_session_close(struct chisel_session *s, enum err rc, const char *reason);

/* Server: the answer to a login. Too many that are wrong end the session. */
void chisel_session_login(struct chisel_session *s, bool is_good);

/* Client, once, in on_up: asks for the remotes; @json is copied. */
enum err chisel_session_configure(struct chisel_session *s, struct span json) MUST_USE;

/*
 * Server, once: accepts the config or refuses it. If it is refused, @data is the text for
 * the client, and the session closes after that has had time to arrive. If it is
 * accepted, @data is empty, or has details for an adit client that has requested them: a
 * stock client would read them as a refusal. ERR_CLOSED: the session has ended.
 */
enum err chisel_session_answer(struct chisel_session *s, bool is_accepted,
	struct span data) MUST_USE;

/* Sends a notice, once the session is open: a global request without a reply, which stock
 * peers ignore. ERR_CLOSED, ERR_NOMEM. */
enum err chisel_session_notify(struct chisel_session *s, const char *name,
	struct span data) MUST_USE;

/*
 * Checks that the peer is alive. Pings now; @fn is called with true when anything comes
 * in, and with false if nothing does for @ms. The session continues either way; if it
 * ends first, @fn is not called. ERR_EXISTS: a probe is running already.
 */
enum err chisel_session_probe(struct chisel_session *s, uint32_t ms,
	void (*fn)(void *arg, bool is_alive), void *arg) MUST_USE;

/* The peer is known to carry EOF each way. */
void chisel_session_trust_half_close(struct chisel_session *s);

/* The shortest round trip of a ping or the config, in microseconds; 0:
 * none came back yet. */
uint64_t chisel_session_rtt_us(const struct chisel_session *s);

/* The state of the path. False: the transport does not know. */
bool chisel_session_path(const struct chisel_session *s, struct stream_path *out);

/* Open channels, and payload bytes both ways since the start. */
size_t chisel_session_channels(const struct chisel_session *s);
void chisel_session_bytes(const struct chisel_session *s, uint64_t *sent,
	uint64_t *received);

/* ---- channels: tunnel/chisel/channel.h has their stream side ---- */

/*
 * Opens a channel for the target text. @fn is called once, never from inside this call:
 * with a stream, which is the receiver's, or with an error and the peer's reason
 * (ERR_CLOSED: the session ended first).
 */
typedef void channel_opened_fn(void *arg, enum err rc, struct stream *stream,
	const struct why *why);
enum err chisel_session_dial(struct chisel_session *s, const char *target,
	channel_opened_fn *fn, void *arg, struct channel **out) MUST_USE;

/* Cancels a dial: its fn is not called any more. NULL is fine. Not to be used after fn
 * was called. */
void channel_dial_close(struct channel *ch);

/*
 * The two answers to on_open; either ends it, and one of them must come, even when the
 * session has closed meanwhile. After accept, @out is the receiver's stream.
 * ERR_CLOSED: the session ended first.
 */
enum err channel_accept(struct channel *ch, struct stream **out) MUST_USE;
void channel_refuse(struct channel *ch, enum ssh_refusal reason, const char *text);

#endif
