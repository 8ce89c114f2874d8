/*
 * PKCS#12 files (RFC 7292): a private key, its certificate and those of the CA, encrypted
 * with a password. Browsers and keychains import them. No call leaves an error in
 * OpenSSL's queue.
 */
#ifndef CRYPTO_P12_H
#define CRYPTO_P12_H

#include "base/buf.h"

#define P12_FILE_MAX 65536         /* bytes of a file that is read */
#define P12_PASSWORD_MAX 1024      /* bytes of a password */
#define P12_ITERATIONS_MAX 2000000 /* of all key derivations of a file that is read */
#define P12_CERTIFICATES_MAX 16    /* in a file that is read */
#define P12_PASSWORD_CHARS 29      /* of p12_make_password() */

enum p12_encryption {
	P12_MODERN, /* PBES2: PBKDF2 and AES-256; MAC with SHA-256 */
	/* 3DES and a MAC with SHA-1, both from OpenSSL's default provider: what the
	 * keychain of macOS imports. Its password has to be a random one. */
	P12_LEGACY,
};

/* All is borrowed. */
struct p12_order {
	struct span cert, key; /* PEM: the first of each counts */
	struct span chain;     /* PEM: more certificates; may be empty */
	const char *name;      /* that programs show for the key */
	const char *password;
	enum p12_encryption encryption;
};

/*
 * Appends the file to @out, for buf_wipe().
 * ERR_SYNTAX: there is no certificate or no key, or they do not belong together.
 */
enum err p12_write(const struct p12_order *order, struct buf *out,
	struct why *why) MUST_USE;

/* What is in a file, PEM. */
struct p12 {
	struct buf cert;  /* the key's */
	struct buf key;   /* unencrypted, PKCS#8 */
	struct buf chain; /* other certificates, in the order of the file; may be empty */
};

/*
 * Reads a file that has one private key, and a certificate for it. The password
 * is checked first, by the file's MAC, which is required.
 *
 * ERR_LIMIT: more than a bound above.  ERR_SYNTAX: not such a file.  ERR_DENIED: the
 * password is wrong.  ERR_CRYPTO: an encryption that is not supported, such as RC2.
 */
enum err p12_read(struct span file, const char *password, struct p12 *out,
	struct why *why) MUST_USE;

/* Frees it, and wipes the key. Zeroes are fine. */
void p12_wipe(struct p12 *p);

/* A random password of more than 120 bits: five groups of letters and digits that are not
 * mistaken for each other. */
void p12_make_password(char out[P12_PASSWORD_CHARS + 1]);

#endif
