/*
 * The relay's certificate: `fullchain.pem` and `privatekey.pem` in its state directory,
 * for the root host and all names under it. One certificate serves the API and signs for
 * leases. portal-protocol 16.2.
 *
 * The files are watched: a new pair replaces the previous one, and open connections go
 * on. If it is not valid, that is an error in the log, and the previous one stays.
 */
#ifndef RELAY_CERTIFICATE_H
#define RELAY_CERTIFICATE_H

#include "base/log.h"
#include "loop/loop.h"
#include "net/tls.h"
#include "serve/lease/keyless.h"
#include "text/field.h"

struct certificate;

/* ---- certificate_pair.c: a chain and its private key, as two files ---- */

#define CERTIFICATE_CHAIN_FILE "fullchain.pem"
#define CERTIFICATE_KEY_FILE "privatekey.pem"
#define CERTIFICATE_FILE_MAX (256 * 1024)

struct certificate_pair {
	struct buf chain, key;    /* PEM, the leaf first; unencrypted */
	struct field_list names;  /* the host names that the leaf is for */
	int64_t begins_s, ends_s; /* validity of the leaf, since 1970 */
};

/*
 * Reads the files, and checks that they belong together and are for @root and all names
 * under it. The caller checks their validity in time.
 *
 * ERR_NOENT: there are none.  ERR_SYNTAX: there is no certificate or no key in them, or
 * the two do not belong together.  ERR_DENIED: they are for other names.  ERR_SYS,
 * ERR_LIMIT.
 */
enum err certificate_pair_load(const char *directory, const char *root,
	struct certificate_pair *out, struct why *why) MUST_USE;

/* Frees it, and wipes the key. Zeroes are fine. */
void certificate_pair_wipe(struct certificate_pair *pair);

/*
 * Makes a self-signed pair for development, and writes the files: for @root, the names
 * under it, and localhost. portal-protocol 16.2.
 * ERR_SYS: the files cannot be written.  ERR_CRYPTO.
 */
enum err certificate_pair_make(const char *directory, const char *root,
	struct why *why) MUST_USE;

/* ---- the one in use ---- */

struct certificate_options {
	const char *directory; /* borrowed, as all here */
	const char *root;      /* the host */
	struct loop *loop;
	const struct log *log;

	/* There is a new pair. Not called by certificate_open(). */
	void (*on_change)(void *arg);
	void *arg;
};

/*
 * Reads the files. If there are none and the root is a local host, makes a pair for
 * development. The errors are those of certificate_pair_load() and _make(); @why has
 * the remedy.
 */
enum err certificate_open(const struct certificate_options *o, struct certificate **out,
	struct why *why) MUST_USE;
void certificate_close(struct certificate *c); /* NULL is fine */

/* Reads the files again if they have changed, and warns before they expire. */
void certificate_check(void *certificate);

/* Borrowed, until the next change. */
struct tls_context *certificate_tls(const struct certificate *c);
struct keyless *certificate_keyless(const struct certificate *c);

/* The pair that is in use, without its key. */
const struct certificate_pair *certificate_current(const struct certificate *c);

#endif
