/* A host key, for hostkey.c and hostkey_sign.c. */
#ifndef CRYPTO_HOSTKEY_PRIV_H
#define CRYPTO_HOSTKEY_PRIV_H

#include "crypto/hostkey.h"
#include "crypto/pkey_priv.h"

struct hostkey {
	EVP_PKEY *pkey;
	const struct pkey_kind *kind; /* borrowed: static */
	struct buf blob;
};

#endif
