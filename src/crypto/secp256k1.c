/* secp256k1, over the library and its recovery module. */
#include "crypto/secp256k1.h"

#include <pthread.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include "base/mem.h"
#include "base/rand.h"

/*
 * The library's tables and its blinding of secrets. Made once, and only read from then
 * on, so every worker may use it. The library ends the program if there is no memory for
 * it.
 */
static secp256k1_context *shared;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

static void shared_make(void)
{
	uint8_t seed[32];

	shared = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	rand_bytes(seed, sizeof(seed));
	if (secp256k1_context_randomize(shared, seed) != 1)
		abort(); /* it is documented never to happen */
	mem_wipe(seed, sizeof(seed));
}

static const secp256k1_context *context(void)
{
	pthread_once(&shared_once, shared_make);
	return shared;
}

static void public_print(const secp256k1_pubkey *key, struct k1_public *out)
{
	size_t n = sizeof(out->compressed);

	secp256k1_ec_pubkey_serialize(context(), out->compressed, &n, key,
		SECP256K1_EC_COMPRESSED);
	n = sizeof(out->point);
	secp256k1_ec_pubkey_serialize(context(), out->point, &n, key,
		SECP256K1_EC_UNCOMPRESSED);
}

enum err k1_derive_public(const uint8_t secret[K1_SECRET_BYTES], struct k1_public *out)
{
	secp256k1_pubkey key;

	if (secp256k1_ec_pubkey_create(context(), &key, secret) != 1)
		return ERR_CRYPTO;
	public_print(&key, out);
	return ERR_OK;
}

enum err k1_sign(const uint8_t secret[K1_SECRET_BYTES],
	const uint8_t digest[K1_DIGEST_BYTES], struct k1_signature *out)
{
	secp256k1_ecdsa_recoverable_signature sig;
	int recovery;

	if (secp256k1_ecdsa_sign_recoverable(context(), &sig, digest, secret, NULL,
		    NULL) != 1)
		return ERR_CRYPTO;
	secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), out->rs,
		&recovery, &sig);
	out->recovery = (uint8_t)recovery;
	return ERR_OK;
}

enum err k1_recover(const struct k1_signature *sig, const uint8_t digest[K1_DIGEST_BYTES],
	struct k1_public *out)
{
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_pubkey key;

	if (sig->recovery > 3) /* which would end the program inside the library */
		return ERR_CRYPTO;
	if (secp256k1_ecdsa_recoverable_signature_parse_compact(context(), &parsed,
		    sig->rs, sig->recovery) != 1 ||
		secp256k1_ecdsa_recover(context(), &key, &parsed, digest) != 1)
		return ERR_CRYPTO;
	public_print(&key, out);
	return ERR_OK;
}

enum err k1_verify(const struct k1_public *key, const uint8_t rs[K1_RS_BYTES],
	const uint8_t digest[K1_DIGEST_BYTES])
{
	secp256k1_ecdsa_signature sig;
	secp256k1_pubkey parsed;

	if (secp256k1_ec_pubkey_parse(context(), &parsed, key->compressed,
		    sizeof(key->compressed)) != 1 ||
		secp256k1_ecdsa_signature_parse_compact(context(), &sig, rs) != 1)
		return ERR_CRYPTO;
	secp256k1_ecdsa_signature_normalize(context(), &sig,
		&sig); /* the high s counts, too */
	return secp256k1_ecdsa_verify(context(), &sig, digest, &parsed) == 1 ? ERR_OK :
									       ERR_CRYPTO;
}
