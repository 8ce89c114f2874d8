/*
 * The relay's certificate: `fullchain.pem` and `privatekey.pem` in its state directory,
 * for the root host and all names under it. One certificate serves the API and signs for
 * leases. portal-protocol 16.2.
 *
 * The files are watched: a new pair takes the place of the old one, and connections that
 * are open do not notice. One that is wrong is an error in the log, and the old one
 * stays.
 */
#ifndef RELAY_CERTIFICATE_H
#define RELAY_CERTIFICATE_H

#include "base/log.h"
#include "loop/loop.h"
#include "net/tls.h"
#include "serve/lease/keyless.h"

struct certificate;
struct certificate_pair;

struct certificate_options {
	const char *directory; /* borrowed, as all here */
	const char *root;      /* the host */
	struct loop *loop;
	const struct log *log;

	/* There is a new pair. Not from inside certificate_open(). */
	void (*on_change)(void *arg);
	void *arg;
};

/*
 * Reads the files. If there are none and the root is a local host, makes a certificate
 * for development and keeps it there.
 * ERR_NOENT: there are none.  ERR_SYNTAX, ERR_CRYPTO: they are wrong, or do not belong
 * together.  ERR_DENIED: not for that host.  ERR_SYS.  @why says what to do.
 */
enum err certificate_open(const struct certificate_options *o, struct certificate **out,
	struct why *why) MUST_USE;
void certificate_close(struct certificate *c); /* NULL is fine */

/* Looks at the files now, and warns of an end that is near.
 * Now and then, and on SIGHUP. */
void certificate_check(struct certificate *c);

/* Borrowed, until the next change. */
struct tls_context *certificate_tls(const struct certificate *c);
struct keyless *certificate_keyless(const struct certificate *c);

/* The pair that is in use, without its key. */
const struct certificate_pair *certificate_current(const struct certificate *c);

#endif
