/*
 * The inside of the SSH engine, shared by its files: ssh.c takes packets and hands them
 * out, ssh_out.c sends, ssh_handshake.c exchanges keys, ssh_auth.c authenticates,
 * ssh_request.c has the global requests and ssh_channel.c the channels. Nobody else
 * includes this, but tests.
 */
#ifndef WIRE_SSH_ENGINE_H
#define WIRE_SSH_ENGINE_H

#include "base/buf.h"
#include "wire/ssh.h"
#include "wire/ssh_kex.h"
#include "wire/ssh_packet.h"
#include "wire/ssh_table.h"
#include "wire/ssh_wire.h"

#define SSH_VERSION_MAX 255
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
	SSH_IN_TRUST,   /* client: the owner's word on the host key */
	SSH_IN_TRUSTED, /* it came */
	SSH_IN_NEWKEYS,
};

enum ssh_auth {
	SSH_AUTH_SERVICE, /* of the service we ask for, or are asked for */
	SSH_AUTH_METHOD,  /* client: an answer to "none"; server: a request */
	/* client: an answer to the password; server: the owner's word */
	SSH_AUTH_PASSWORD,
	SSH_AUTH_WELCOME, /* server: the owner said yes, and has yet to hear SSH_UP */
	SSH_AUTH_OVER,
};

/* A key exchange that is under way. */
struct ssh_exchange {
	struct buf ours, theirs; /* the payloads of the KEXINITs */
	struct ssh_choice choice;
	struct kex kex;
	struct aead *sealing, *opening; /* made, and not yet in use */
	bool skips_guess; /* the next message of the method was a wrong guess */
};

struct ssh {
	struct ssh_options options;
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

	uint32_t replies_owed;   /* SSH_REQUESTs the owner has not answered */
	uint32_t replies_wanted; /* our requests the peer has not answered */

	struct ssh_table channels;
	struct ssh_channel *gone; /* reported as over: freed when the next event is due */
	struct mspan loan;        /* of the sink, while a packet is being built */
};

/*
 * What a message does. ERR_OK: @out is an event; ERR_AGAIN: none, go on; else it is over.
 * @in is the payload behind the number (and behind the channel, for those of a channel).
 */
typedef enum err(ssh_message_fn)(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why);
typedef enum err(ssh_channel_message_fn)(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why);

/* The line we send, without its end. */
const char *ssh_version_line(enum ssh_role role);

/* Remembers that the connection is over; returns @rc. */
enum err ssh_fail(struct ssh *ssh, enum err rc);

/* A new payload that begins with @number, to be put together and sent. */
struct buf *ssh_begin(struct ssh *ssh, enum ssh_message number);

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
enum err ssh_auth_report(struct ssh *ssh, struct ssh_event *out);

ssh_message_fn ssh_on_service_request, ssh_on_service_accept, ssh_on_auth_request,
	ssh_on_auth_failure, ssh_on_auth_success;

ssh_message_fn ssh_on_global_request, ssh_on_request_success, ssh_on_request_failure;

ssh_message_fn ssh_on_channel_open;
ssh_channel_message_fn ssh_on_open_confirmation, ssh_on_open_failure,
	ssh_on_window_adjust, ssh_on_data, ssh_on_extended_data, ssh_on_eof, ssh_on_close,
	ssh_on_channel_request;

/* Frees the channel that was reported as over. */
void ssh_channel_reap(struct ssh *ssh);

/* Frees all. */
void ssh_channels_fini(struct ssh *ssh);

#endif
