/*
 * The arithmetic of a key exchange, RFC 4253 7 and RFC 5656 4: what is offered, what is
 * agreed, the exchange hash and the keys. When messages are sent is decided in
 * ssh_handshake.c.
 */
#ifndef WIRE_SSH_KEX_PRIV_H
#define WIRE_SSH_KEX_PRIV_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/kex.h"
#include "wire/ssh.h"
#include "wire/ssh_packet_priv.h"

#define SSH_KEXINIT_MAX 35000
#define SSH_ALGORITHM_MAX 64
#define SSH_KEY_STREAM_BYTES 64 /* the most that a cipher takes */

/* Arrays of two are indexed by the role of the sender. */

/* A KEXINIT; the spans lie in its payload. */
struct ssh_kexinit {
	struct span kex;
	struct span host_key;
	struct span ciphers[2]; /* for packets of the client, and of the server */
	struct span macs[2];
	struct span compression[2];
	bool is_followed; /* by a guess */
};

/* What both agreed on. */
struct ssh_choice {
	enum kex_kind kex;
	char host_key[SSH_ALGORITHM_MAX];
	enum aead_kind ciphers[2];
	bool guess_is_wrong; /* a packet sent on a guess is to be ignored */
};

/* Everything that the exchange hash covers. */
struct ssh_transcript {
	struct span version[2];
	struct span kexinit[2];
	struct span host_key;
	struct span q[2];
	struct span shared; /* raw, big endian */
};

/*
 * Puts our KEXINIT into @out. @host_keys is a server's own list, or NULL for all that a
 * client can verify. The pseudo-name of strict KEX is in the first one only.
 */
enum err ssh_kexinit_put(enum ssh_role role, const char *host_keys, bool is_first,
	struct buf *out) MUST_USE;

enum err ssh_kexinit_read(struct span payload, struct ssh_kexinit *out) MUST_USE;

/* ERR_PROTO: there is nothing in common; @why names the list. */
enum err ssh_kexinit_choose(const struct ssh_kexinit offers[2], struct ssh_choice *out,
	struct why *why) MUST_USE;

/* True if both ask for strict KEX. */
bool ssh_kexinit_is_strict(const struct ssh_kexinit offers[2]);

enum err ssh_kex_hash(const struct ssh_transcript *t,
	uint8_t out[HASH_SHA256_BYTES]) MUST_USE;

/* What keys are made from: the shared secret, this exchange's hash and the first
 * one's. */
struct ssh_secret {
	uint8_t shared[KEX_SHARED_BYTES];
	uint8_t hash[HASH_SHA256_BYTES];
	uint8_t session[HASH_SHA256_BYTES];
};

/* The bytes of key @letter, 'A' to 'F'. */
enum err ssh_kex_stream(const struct ssh_secret *s, char letter,
	uint8_t out[SSH_KEY_STREAM_BYTES]) MUST_USE;

/* The cipher for the packets of @sender. */
enum err ssh_kex_cipher(const struct ssh_secret *s, enum ssh_role sender,
	enum aead_kind kind, bool is_sealing, struct aead **out) MUST_USE;

#endif
