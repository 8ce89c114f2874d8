/* Signatures as SSH writes them: string algorithm, string signature. */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H

#include "crypto/pubkey.h"

/*
 * Appends the signature blob over @data to @out.
 * ERR_USAGE: @kind cannot do @algorithm.  ERR_CRYPTO: OpenSSL would not.
 */
enum err signature_make(EVP_PKEY *key, const struct pubkey_kind *kind,
	const char *algorithm, struct span data, struct buf *out) MUST_USE;

/*
 * ERR_SYNTAX: not a signature blob.  ERR_CRYPTO: made otherwise than by @algorithm, by
 * another key, or over other data.
 */
enum err signature_check(EVP_PKEY *key, const struct pubkey_kind *kind,
	const char *algorithm, struct span data, struct span signature) MUST_USE;

#endif
