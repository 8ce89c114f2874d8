/*
 * The inside of the SSH engine, shared by its files: ssh.c takes packets and dispatches
 * messages, ssh_out.c sends, ssh_handshake.c exchanges keys, ssh_auth.c authenticates,
 * ssh_request.c has the global requests and ssh_channel.c the channels. Tests and fuzzers
 * include it, too.
 */
#ifndef WIRE_SSH_PRIV_H
#define WIRE_SSH_PRIV_H

#include "base/buf.h"
#include "crypto/ssh_data.h"
#include "wire/ssh.h"
#include "wire/ssh_kex_priv.h"
#include "wire/ssh_packet_priv.h"

#define SSH_VERSION_MAX 255
#define SSH_KEX_LEFT_MAX 1000
#define SSH_DATA_HEADER 9 /* number, channel and length before the data of a channel */

/* How far the connection has come; bits, because a message may be good in several. */
enum ssh_phase {
	SSH_AT_VERSION = 1,
	SSH_AT_KEX = 2, /* the first exchange */
	SSH_AT_AUTH = 4,
	SSH_AT_UP = 8,
};

/* A key exchange is two machines. What we send: */
enum ssh_kex_out {
	SSH_OUT_FREE,
	SSH_OUT_HELD, /* our KEXINIT is out, our NEWKEYS is not: everything else waits */
};

/* And what we wait for: */
enum ssh_kex_in {
	SSH_IN_FREE,    /* anything; a KEXINIT perhaps */
	SSH_IN_METHOD,  /* the method's message: 30 or 31 */
	SSH_IN_TRUST,   /* client: the owner's decision on the host key */
	SSH_IN_TRUSTED, /* the owner accepts it */
	SSH_IN_NEWKEYS,
};

/* What authentication waits for. */
enum ssh_auth {
	SSH_AUTH_SERVICE,  /* client: SERVICE_ACCEPT; server: SERVICE_REQUEST */
	SSH_AUTH_METHOD,   /* client: the response to "none"; server: a request */
	SSH_AUTH_PASSWORD, /* client: the response; server: ssh_auth_reply() */
	SSH_AUTH_KEY,      /* the same, to a key */
	SSH_AUTH_ACCEPTED, /* server: SSH_UP is still to be reported */
	SSH_AUTH_OVER,
};

/* A key exchange that is under way. */
struct ssh_exchange {
	struct buf kexinit[2]; /* payloads, by the role of the sender */
	struct ssh_choice choice;
	struct kex kex;
	struct aead *sealing, *opening; /* made, and not yet in use */
	bool skips_guess; /* the next message of the method was a wrong guess */
};

struct ssh {
	struct ssh_options options;
	enum ssh_role role, peer; /* of us and of the peer */
	enum ssh_phase phase;
	enum err failed; /* the first error: the connection is over */

	char version[SSH_VERSION_MAX + 1]; /* the peer's */
	size_t version_n;
	size_t skipped_n; /* bytes of lines before it */

	struct ssh_cipher in, out;
	struct buf scratch; /* the payload being built */
	struct buf held;    /* payloads that wait for the end of a key exchange */

	enum ssh_kex_out kex_out;
	enum ssh_kex_in kex_in;
	struct ssh_exchange *exchange; /* NULL when none is under way */
	bool is_strict;
	bool has_session;
	uint8_t session[HASH_SHA256_BYTES];  /* the first exchange hash */
	uint8_t host_key[HASH_SHA256_BYTES]; /* client: of the server's key */
	uint32_t kex_left;   /* exchanges the peer may still begin; traffic earns more */
	uint32_t kex_earned; /* packets towards the next */

	enum ssh_auth auth;
	unsigned auth_failures;
	bool auth_had_none;
	unsigned auth_queries;   /* server: keys that the client asked about */
	bool auth_key_is_proven; /* server, SSH_AUTH_KEY: the signature is right */

	uint32_t replies_owed;   /* SSH_REQUESTs the owner has not answered */
	uint32_t replies_wanted; /* our requests the peer has not answered */

	struct ssh_channel *
		*channels; /* owned; by our number, NULL: the number is free */
	uint32_t channels_cap, channels_n;
	uint32_t channel_first;   /* no lower number is free */
	struct ssh_channel *gone; /* reported as over: freed when the next event is due */
	struct mspan loan;        /* of the sink, while a packet is being built */
};

/* A message that has come in, and what follows from it. */
struct ssh_message {
	uint8_t number;
	struct span in; /* the payload, up to the bytes that are still to be read */
	struct ssh_event event; /* to be reported, if its kind is not 0 */
	struct why *why;        /* borrowed; may be NULL */
};

/* Handles a message in its phase. Any error ends the connection. */
typedef enum err(ssh_message_fn)(struct ssh *ssh, struct ssh_message *m);

/* The line we send, without its end. */
const char *ssh_version_line(enum ssh_role role);

/* Remembers that the connection is over; returns @rc. */
enum err ssh_fail(struct ssh *ssh, enum err rc);

/* A new payload that begins with @number, to be put together and sent. */
struct buf *ssh_begin(struct ssh *ssh, enum ssh_number number);

/* Sends the payload, or holds it while keys are exchanged. */
enum err ssh_send(struct ssh *ssh) MUST_USE;

/* Sends what was held. */
enum err ssh_send_held(struct ssh *ssh) MUST_USE;

/* Sends our KEXINIT. No exchange is under way. */
enum err ssh_handshake_start(struct ssh *ssh) MUST_USE;

/* Sends it if enough was sealed or opened with the keys of now, and none is under way. */
enum err ssh_handshake_start_if_due(struct ssh *ssh) MUST_USE;

/* Client, once the host key is trusted: changes to the new keys. */
enum err ssh_handshake_finish(struct ssh *ssh) MUST_USE;

/* A packet has come in: traffic earns the peer the right to exchange keys. */
void ssh_handshake_earn(struct ssh *ssh);

void ssh_exchange_free(struct ssh_exchange *x);

ssh_message_fn ssh_on_kexinit, ssh_on_newkeys, ssh_on_ecdh_init, ssh_on_ecdh_reply;

/* Client: asks for the service, after the first NEWKEYS. */
enum err ssh_auth_start(struct ssh *ssh) MUST_USE;

/* The connection is authenticated. */
void ssh_auth_report(struct ssh *ssh, struct ssh_event *out);

ssh_message_fn ssh_on_service_request, ssh_on_service_accept, ssh_on_auth_request,
	ssh_on_auth_failure, ssh_on_auth_success;

ssh_message_fn ssh_on_global_request, ssh_on_reply;

ssh_message_fn ssh_on_channel_open;

/* All messages that begin with the number of a channel. */
ssh_message_fn ssh_on_channel_message;

/* The channel of our number @id, or NULL. */
struct ssh_channel *ssh_channel_find(const struct ssh *ssh, uint32_t id);

/* Frees the channel that was reported as over. */
void ssh_channel_reap(struct ssh *ssh);

/* Frees all. */
void ssh_channels_fini(struct ssh *ssh);

#endif
