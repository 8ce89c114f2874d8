/*
 * Keys and certificates in PEM text (RFC 7468). No call asks for a password, and none
 * leaves an error in OpenSSL's queue, where the next TLS call of this thread would find
 * it.
 */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include <openssl/x509.h>

#include "base/buf.h"

/*
 * The first private key in @pem, for EVP_PKEY_free(). NULL: there is none, or it is
 * encrypted, which @is_encrypted says unless it is NULL.
 */
EVP_PKEY *pem_read_key(struct span pem, bool *is_encrypted);

/* The next certificate in @pem, for X509_free(); @pem is what follows it. NULL:
 * no more. */
X509 *pem_next_certificate(struct span *pem);

/* Seconds since 1970; 0: not a time. */
int64_t pem_seconds_of(const ASN1_TIME *t);

/* When the first certificate in @pem ends, likewise. */
int64_t pem_end_of(struct span pem);

/* ERR_NOMEM, ERR_LIMIT. */
enum err pem_put_certificate(struct buf *out, X509 *cert) MUST_USE;

/* Unencrypted (PKCS#8). Into an empty @out, so that no copy stays in memory that it has
 * outgrown; for buf_wipe(). ERR_NOMEM, ERR_LIMIT. */
enum err pem_put_key(struct buf *out, EVP_PKEY *key) MUST_USE;

/* An OpenSSL callback that gives no password. @was_asked: a bool, or NULL. */
int pem_no_password(char *to, int size, int is_writing, void *was_asked);

#endif
