/*
 * A certificate chain and its private key, as two files in a directory.
 * relay/certificate.h keeps one up to date.
 */
#ifndef RELAY_CERTIFICATE_PAIR_H
#define RELAY_CERTIFICATE_PAIR_H

#include "base/buf.h"
#include "text/field.h"

#define CERTIFICATE_CHAIN_FILE "fullchain.pem"
#define CERTIFICATE_KEY_FILE "privatekey.pem"
#define CERTIFICATE_FILE_MAX (256 * 1024)

struct certificate_pair {
	struct buf chain, key;    /* PEM, the leaf first; unencrypted */
	struct field_list names;  /* the host names that the leaf is for */
	int64_t begins_s, ends_s; /* when the leaf is good, since 1970 */
};

/*
 * Reads the files and looks whether they belong together, and are for the host @root and
 * all names under it. Whether their time is over is for the caller to judge.
 *
 * ERR_NOENT: there are none.  ERR_SYNTAX: there is no certificate or no key in them, or
 * the two do not belong together.  ERR_DENIED: they are for other names.  ERR_SYS,
 * ERR_LIMIT.
 */
enum err certificate_pair_load(const char *directory, const char *root,
	struct certificate_pair *out, struct why *why) MUST_USE;

/* Frees what it has, and wipes the key. Zeroes are fine. */
void certificate_pair_wipe(struct certificate_pair *pair);

/*
 * Makes a pair for development and writes the files: for @root, what is under it, and
 * this machine's own names; self-signed. portal-protocol 16.2.
 * ERR_SYS: the files cannot be written.  ERR_CRYPTO.
 */
enum err certificate_pair_make(const char *directory, const char *root,
	struct why *why) MUST_USE;

#endif
