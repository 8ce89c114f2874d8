/*
 * Packet protection over OpenSSL's EVP.
 *
 * Keys are set once; a packet costs one IV, one update over the whole body, and the tag.
 */
#include "crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/mem.h"

#define CHACHA_KEY_BYTES 32
#define CHACHA_IV_BYTES 16 /* block counter, little endian; nonce, big endian */
#define CHACHA_BLOCK_BYTES 64

struct aead {
	enum aead_kind kind;
	bool is_sealing;
	uint8_t iv[AEAD_IV_BYTES]; /* AES-GCM: of the next packet */
	EVP_CIPHER_CTX *body;
	EVP_CIPHER_CTX *length; /* ChaCha20 only */
	EVP_MAC_CTX *mac;       /* ChaCha20 only */
};

static const struct aead_spec specs[AEAD_KINDS] = {
	[AEAD_AES128_GCM] = { "aes128-gcm@openssh.com", 16, 16, UINT64_C(64) << 30 },
	[AEAD_AES256_GCM] = { "aes256-gcm@openssh.com", 32, 16, UINT64_C(64) << 30 },
	[AEAD_CHACHA20_POLY1305] = { "chacha20-poly1305@openssh.com", 64, 8,
		UINT64_C(1) << 30 },
};

const struct aead_spec *aead_spec(enum aead_kind kind)
{
	return &specs[kind];
}

static enum err gcm_init(struct aead *a, const uint8_t *key, const uint8_t *iv)
{
	const EVP_CIPHER *cipher = a->kind == AEAD_AES128_GCM ? EVP_aes_128_gcm() :
								EVP_aes_256_gcm();

	memcpy(a->iv, iv, sizeof(a->iv));
	a->body = EVP_CIPHER_CTX_new();
	if (a->body == NULL ||
		EVP_CipherInit_ex(a->body, cipher, NULL, key, NULL, a->is_sealing) != 1)
		return ERR_NOMEM;
	return ERR_OK;
}

static enum err chacha_init(struct aead *a, const uint8_t *key)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);

	a->body = EVP_CIPHER_CTX_new();
	a->length = EVP_CIPHER_CTX_new();
	a->mac = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac); /* the context has its own reference */
	if (a->body == NULL || a->length == NULL || a->mac == NULL ||
		EVP_EncryptInit_ex(a->body, EVP_chacha20(), NULL, key, NULL) != 1 ||
		EVP_EncryptInit_ex(a->length, EVP_chacha20(), NULL,
			key + CHACHA_KEY_BYTES, NULL) != 1)
		return ERR_NOMEM;
	return ERR_OK;
}

enum err aead_new(enum aead_kind kind, const uint8_t *key, const uint8_t *iv,
	bool is_sealing, struct aead **out)
{
	struct aead *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return ERR_NOMEM;
	a->kind = kind;
	a->is_sealing = is_sealing;
	rc = kind == AEAD_CHACHA20_POLY1305 ? chacha_init(a, key) : gcm_init(a, key, iv);
	if (rc != ERR_OK) {
		aead_free(a);
		return rc;
	}
	*out = a;
	return ERR_OK;
}

void aead_free(struct aead *a)
{
	if (a == NULL)
		return;
	EVP_CIPHER_CTX_free(a->body);
	EVP_CIPHER_CTX_free(a->length);
	EVP_MAC_CTX_free(a->mac);
	mem_free_secret(a, sizeof(*a));
}

const struct aead_spec *aead_spec_of(const struct aead *a)
{
	return &specs[a->kind];
}

/* RFC 5647 7.1: the last eight bytes of the IV count the packets. */
static void gcm_count(uint8_t iv[AEAD_IV_BYTES])
{
	size_t i = AEAD_IV_BYTES;

	while (i > 4 && ++iv[--i] == 0)
		continue;
}

/* Seals or opens, as the context was made for. */
static enum err gcm_crypt(struct aead *a, uint8_t *packet, size_t n)
{
	uint8_t *body = packet + AEAD_LENGTH_BYTES, *tag = body + n;
	EVP_CIPHER_CTX *ctx = a->body;
	int got;

	if (EVP_CipherInit_ex(ctx, NULL, NULL, NULL, a->iv, -1) != 1 ||
		(!a->is_sealing &&
			EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES,
				tag) != 1) ||
		EVP_CipherUpdate(ctx, NULL, &got, packet, AEAD_LENGTH_BYTES) != 1 ||
		EVP_CipherUpdate(ctx, body, &got, body, (int)n) != 1 ||
		EVP_CipherFinal_ex(ctx, tag, &got) != 1 ||
		(a->is_sealing &&
			EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES,
				tag) != 1))
		return ERR_CRYPTO;
	gcm_count(a->iv);
	return ERR_OK;
}

/* Starts the key stream of packet @seq at its first block. */
static enum err chacha_start(EVP_CIPHER_CTX *ctx, uint32_t seq)
{
	uint8_t iv[CHACHA_IV_BYTES] = { 0 };

	mem_put_u32(iv + 12, seq);
	return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) == 1 ? ERR_OK : ERR_CRYPTO;
}

/* The first block of the body's key stream keys the MAC;
 * the body begins at the second. */
static enum err chacha_key_mac(struct aead *a, uint32_t seq)
{
	uint8_t block[CHACHA_BLOCK_BYTES] = { 0 };
	enum err rc = chacha_start(a->body, seq);
	int got;

	if (rc != ERR_OK)
		return rc;
	if (EVP_EncryptUpdate(a->body, block, &got, block, sizeof(block)) != 1 ||
		EVP_MAC_init(a->mac, block, CHACHA_KEY_BYTES, NULL) != 1)
		rc = ERR_CRYPTO;
	mem_wipe(block, sizeof(block));
	return rc;
}

static enum err chacha_tag(struct aead *a, const uint8_t *packet, size_t n, uint8_t *tag)
{
	size_t got;

	if (EVP_MAC_update(a->mac, packet, AEAD_LENGTH_BYTES + n) != 1 ||
		EVP_MAC_final(a->mac, tag, &got, AEAD_TAG_BYTES) != 1)
		return ERR_CRYPTO;
	return ERR_OK;
}

static enum err chacha_crypt(EVP_CIPHER_CTX *ctx, uint8_t *p, size_t n)
{
	int got;

	return EVP_EncryptUpdate(ctx, p, &got, p, (int)n) == 1 ? ERR_OK : ERR_CRYPTO;
}

static enum err chacha_seal(struct aead *a, uint32_t seq, uint8_t *packet, size_t n)
{
	uint8_t *body = packet + AEAD_LENGTH_BYTES;

	if (chacha_start(a->length, seq) != ERR_OK ||
		chacha_crypt(a->length, packet, AEAD_LENGTH_BYTES) != ERR_OK ||
		chacha_key_mac(a, seq) != ERR_OK ||
		chacha_crypt(a->body, body, n) != ERR_OK)
		return ERR_CRYPTO;
	return chacha_tag(a, packet, n, body + n);
}

static enum err chacha_open(struct aead *a, uint32_t seq, uint8_t *packet, size_t n)
{
	uint8_t *body = packet + AEAD_LENGTH_BYTES;
	uint8_t tag[AEAD_TAG_BYTES];

	if (chacha_key_mac(a, seq) != ERR_OK || chacha_tag(a, packet, n, tag) != ERR_OK)
		return ERR_CRYPTO;
	if (CRYPTO_memcmp(tag, body + n, sizeof(tag)) != 0)
		return ERR_CRYPTO;
	return chacha_crypt(a->body, body, n);
}

enum err aead_seal(struct aead *a, uint32_t seq, uint8_t *packet, size_t n)
{
	return a->kind == AEAD_CHACHA20_POLY1305 ? chacha_seal(a, seq, packet, n) :
						   gcm_crypt(a, packet, n);
}

enum err aead_length(struct aead *a, uint32_t seq, const uint8_t *packet, uint32_t *out)
{
	uint8_t clear[AEAD_LENGTH_BYTES];
	struct span in;

	memcpy(clear, packet, sizeof(clear));
	if (a->kind == AEAD_CHACHA20_POLY1305 &&
		(chacha_start(a->length, seq) != ERR_OK ||
			chacha_crypt(a->length, clear, sizeof(clear)) != ERR_OK))
		return ERR_CRYPTO;
	in = span_of(clear, sizeof(clear));
	return span_u32(&in, out) ? ERR_OK : ERR_SYNTAX;
}

enum err aead_open(struct aead *a, uint32_t seq, uint8_t *packet, size_t n)
{
	return a->kind == AEAD_CHACHA20_POLY1305 ? chacha_open(a, seq, packet, n) :
						   gcm_crypt(a, packet, n);
}

bool aead_aes_is_fast(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") != 0;
#else
	return true; /* the 64-bit machines of today have it */
#endif
}
