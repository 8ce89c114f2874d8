/* The private key format of OpenSSH: PROTOCOL.key in its sources describes it. */
#include <openssl/core_names.h>

#include "base/mem.h"
#include "crypto/pkey_priv.h"
#include "crypto/ssh_data.h"

#define ED25519_SEED_BYTES 32
#define ED25519_PRIVATE_BYTES 64 /* the seed and the public key */

static const char magic[] = "openssh-key-v1"; /* on the wire with its terminator */

/* The readers of a kind return NULL if it is no such key, or memory is out. */

static EVP_PKEY *read_ed25519(struct span *in)
{
	struct span public, private;

	if (!ssh_get_string(in, &public) || !ssh_get_string(in, &private) ||
		private.n != ED25519_PRIVATE_BYTES ||
		!span_eq(public,
			span_of(private.p + ED25519_SEED_BYTES, ED25519_SEED_BYTES)))
		return NULL;
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private.p,
		ED25519_SEED_BYTES);
}

static EVP_PKEY *read_ecdsa(struct span *in, const struct pkey_kind *kind)
{
	struct span curve, point, scalar;

	if (!ssh_get_string(in, &curve) || !ssh_get_string(in, &point) ||
		!ssh_get_mpint(in, &scalar) || !span_is(curve, kind->curve) ||
		point.n > PKEY_POINT_MAX || scalar.n > kind->scalar_bytes)
		return NULL;
	const struct pkey_part parts[] = {
		{ OSSL_PKEY_PARAM_GROUP_NAME, span_str(kind->group) },
		{ OSSL_PKEY_PARAM_PUB_KEY, point },
		{ OSSL_PKEY_PARAM_PRIV_KEY, scalar },
	};

	return pkey_build("EC", EVP_PKEY_KEYPAIR, parts, mem_count(parts));
}

/* Without the primes: a host key signs once a session, and so there is less to check. */
static EVP_PKEY *read_rsa(struct span *in)
{
	struct span n, e, d, iqmp, p, q;

	if (!ssh_get_mpint(in, &n) || !ssh_get_mpint(in, &e) || !ssh_get_mpint(in, &d) ||
		!ssh_get_mpint(in, &iqmp) || !ssh_get_mpint(in, &p) ||
		!ssh_get_mpint(in, &q))
		return NULL;
	const struct pkey_part parts[] = {
		{ OSSL_PKEY_PARAM_RSA_N, n },
		{ OSSL_PKEY_PARAM_RSA_E, e },
		{ OSSL_PKEY_PARAM_RSA_D, d },
	};

	return pkey_build("RSA", EVP_PKEY_KEYPAIR, parts, mem_count(parts));
}

static EVP_PKEY *read_key(struct span *in)
{
	const struct pkey_kind *kind;
	struct span name;

	if (!ssh_get_string(in, &name) || (kind = pkey_kind_find(name)) == NULL)
		return NULL;
	if (kind->family == PKEY_ED25519)
		return read_ed25519(in);
	return kind->family == PKEY_ECDSA ? read_ecdsa(in, kind) : read_rsa(in);
}

/* A comment, and padding that counts 1, 2, 3. */
static bool is_tail(struct span in)
{
	struct span comment;

	if (!ssh_get_string(&in, &comment))
		return false;
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] != (uint8_t)(i + 1))
			return false;
	return true;
}

static EVP_PKEY *read_private(struct span in)
{
	uint32_t check_a, check_b;
	EVP_PKEY *key;

	if (!span_u32(&in, &check_a) || !span_u32(&in, &check_b) || check_a != check_b)
		return NULL;
	key = read_key(&in);
	if (key != NULL && !is_tail(in)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

enum err openssh_key_parse(struct span in, EVP_PKEY **out, struct why *why)
{
	struct span head, cipher, kdf, options, public, private;
	uint32_t count;

	if (!span_cut(&in, sizeof(magic), &head) ||
		memcmp(head.p, magic, sizeof(magic)) != 0 ||
		!ssh_get_string(&in, &cipher) || !ssh_get_string(&in, &kdf) ||
		!ssh_get_string(&in, &options) || !span_u32(&in, &count))
		return err_set(why, ERR_SYNTAX, "not an OpenSSH private key");
	if (!span_is(cipher, "none"))
		return err_set(why, ERR_DENIED, "the key is protected by a pass phrase");
	*out = NULL;
	if (count == 1 && ssh_get_string(&in, &public) && ssh_get_string(&in, &private) &&
		in.n == 0)
		*out = read_private(private);
	if (*out == NULL)
		return err_set(why, ERR_SYNTAX,
			"the OpenSSH private key is damaged, or of an unsupported kind");
	return ERR_OK;
}
