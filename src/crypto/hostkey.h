/*
 * SSH keys: a server's private host key, and the public blob (K_S) that a client checks.
 * The key by which a client authenticates (RFC 4252 section 7) is one, too.
 *
 * Kinds: ECDSA on P-256, P-384 and P-521, Ed25519, RSA (2048 bits or more).
 * chisel-protocol 3.7.
 */
#ifndef CRYPTO_HOSTKEY_H
#define CRYPTO_HOSTKEY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define HOSTKEY_BLOB_MAX 2048      /* K_S */
#define HOSTKEY_SIGNATURE_MAX 1200 /* signature blob */
#define HOSTKEY_SHA256_CHARS 44    /* padded base64 of a SHA-256 */
#define HOSTKEY_MD5_CHARS 47       /* sixteen pairs and colons */
#define HOSTKEY_ALGORITHM_MAX 32   /* the name of one, with its terminator */

struct hostkey;

/* A fresh P-256 key. */
enum err hostkey_generate(struct hostkey **out) MUST_USE;

/* The P-256 key of a seed: the same seed gives the same key, as in Chisel. */
enum err hostkey_from_seed(const char *seed, struct hostkey **out) MUST_USE;

/*
 * The key in @text: a "ck-" string (CR and LF ignored), or a PEM private key without a
 * pass phrase (EC, RSA, PKCS#8, OpenSSH).  ERR_SYNTAX: neither; ERR_DENIED: encrypted.
 */
enum err hostkey_parse(struct span text, struct hostkey **out, struct why *why) MUST_USE;

/* NULL is fine. */
void hostkey_free(struct hostkey *key);

/*
 * Appends the "ck-" string of a P-256 key to @out, with a terminator that is not counted.
 * ERR_USAGE: another kind of key.
 */
enum err hostkey_print(const struct hostkey *key, struct buf *out) MUST_USE;

/* K_S: good as long as the key. */
struct span hostkey_blob(const struct hostkey *key);

/*
 * The signature algorithms that the key can do, best first, as a comma-separated
 * name-list: "ecdsa-sha2-nistp256", "rsa-sha2-256,rsa-sha2-512", ...
 */
const char *hostkey_algorithms(const struct hostkey *key);

/* The first of them. Returns @to. */
const char *hostkey_best_algorithm(const struct hostkey *key,
	char to[HOSTKEY_ALGORITHM_MAX]);

/* Appends the signature blob (string algorithm, string signature) over @data to @out. */
enum err hostkey_sign(const struct hostkey *key, const char *algorithm, struct span data,
	struct buf *out) MUST_USE;

/*
 * Checks @signature over @data by the key in @blob; both name their kind, and both must
 * fit @algorithm, the one that was negotiated.  ERR_CRYPTO: it does not hold; ERR_SYNTAX.
 */
enum err hostkey_verify(struct span blob, const char *algorithm, struct span data,
	struct span signature) MUST_USE;

/* True if keys of the kind that @blob names can do @algorithm; the rest of @blob is not
 * read. */
bool hostkey_blob_can(struct span blob, struct span algorithm);

/*
 * Appends the public blob of the key in the first certificate in @pem: the holder of the
 * certificate authenticates by SSH with that key.
 * ERR_SYNTAX: there is no certificate, or its key is of none of the kinds above.
 */
enum err hostkey_put_certificate_blob(struct span pem, struct buf *out) MUST_USE;

/* Appends a public blob as a line of authorized_keys has it, "ecdsa-sha2-nistp256 AAA",
 * without a line end. ERR_SYNTAX: it names no kind. */
enum err hostkey_print_blob(struct span blob, struct buf *out) MUST_USE;

/* Fingerprints of a public blob, terminated. */
void hostkey_sha256(struct span blob, char out[HOSTKEY_SHA256_CHARS + 1]);
void hostkey_md5(struct span blob, char out[HOSTKEY_MD5_CHARS + 1]);

#endif
