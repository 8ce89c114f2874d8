/*
 * The protection of one direction's packets, in place: the AEAD ciphers of SSH.
 *
 * A packet is uint32 length, a body of that many bytes, and room for a tag of
 * AEAD_TAG_BYTES. AES-GCM (RFC 5647) leaves the length in clear and counts packets by
 * itself; ChaCha20-Poly1305 (OpenSSH's PROTOCOL.chacha20poly1305) hides the length and
 * uses the sequence number. No call allocates: the key schedule is made once.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define AEAD_TAG_BYTES 16
#define AEAD_LENGTH_BYTES 4
#define AEAD_KEY_MAX 64
#define AEAD_IV_BYTES 12 /* AES-GCM; the others have none */

enum aead_kind { AEAD_AES128_GCM, AEAD_AES256_GCM, AEAD_CHACHA20_POLY1305, AEAD_KINDS };

/* What a cipher needs. */
struct aead_spec {
	const char *name; /* in SSH */
	size_t key_n;
	size_t block;         /* the body of a packet is a multiple of so many bytes */
	uint64_t rekey_bytes; /* new keys are due after so many */
};

struct aead;

const struct aead_spec *aead_spec(enum aead_kind kind);

/* @key has aead_spec()->key_n bytes, @iv AEAD_IV_BYTES. */
enum err aead_new(enum aead_kind kind, const uint8_t *key, const uint8_t *iv,
	bool is_sealing, struct aead **out) MUST_USE;

/* Wipes the keys. NULL is fine. */
void aead_free(struct aead *a);

const struct aead_spec *aead_spec_of(const struct aead *a);

/* Encrypts the packet of @n bytes of body at @packet and writes the tag behind it. */
enum err aead_seal(struct aead *a, uint32_t seq, uint8_t *packet, size_t n) MUST_USE;

/* The length at the start of a packet; may be asked again, and changes nothing. */
enum err aead_length(struct aead *a, uint32_t seq, const uint8_t *packet,
	uint32_t *out) MUST_USE;

/* Checks the tag and decrypts the @n bytes of body. ERR_CRYPTO:
 * it is not what was sealed. */
enum err aead_open(struct aead *a, uint32_t seq, uint8_t *packet, size_t n) MUST_USE;

/* True if this machine has instructions for AES. */
bool aead_aes_is_fast(void);

#endif
