/* Algorithms of signatures, by name. */
#include "crypto/sign_algorithm.h"

#include "base/mem.h"

static const struct algorithm_rule {
	const char *name;
	size_t digest_bytes;
} algorithms[] = {
	[SIGN_ECDSA_SHA256] = { "ECDSA_SHA256", 32 },
	[SIGN_ECDSA_SHA384] = { "ECDSA_SHA384", 48 },
	[SIGN_ECDSA_SHA512] = { "ECDSA_SHA512", 64 },
	[SIGN_RSA_PKCS1V15_SHA256] = { "RSA_PKCS1V15_SHA256", 32 },
	[SIGN_RSA_PKCS1V15_SHA384] = { "RSA_PKCS1V15_SHA384", 48 },
	[SIGN_RSA_PKCS1V15_SHA512] = { "RSA_PKCS1V15_SHA512", 64 },
	[SIGN_RSA_PSS_SHA256] = { "RSA_PSS_SHA256", 32 },
	[SIGN_RSA_PSS_SHA384] = { "RSA_PSS_SHA384", 48 },
	[SIGN_RSA_PSS_SHA512] = { "RSA_PSS_SHA512", 64 },
};

const char *sign_algorithm_name(enum sign_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

size_t sign_algorithm_digest_bytes(enum sign_algorithm algorithm)
{
	return algorithms[algorithm].digest_bytes;
}

bool sign_algorithm_find(const char *name, enum sign_algorithm *out)
{
	for (size_t i = 0; i < mem_count(algorithms); i++) {
		if (strcmp(algorithms[i].name, name) != 0)
			continue;
		*out = (enum sign_algorithm)i;
		return true;
	}
	return false;
}
