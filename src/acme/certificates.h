/*
 * Keeps a certificate for each of a list of names: loads it, gets it by ACME, renews it,
 * and puts it into use without a restart. For the loop of one thread.
 *
 * A certificate is renewed when the CA wants it (RFC 9773), else at two thirds of its
 * lifetime, less a random time. After a failure the pauses grow up to some hours, and are
 * never shorter than the CA's Retry-After; the previous certificate stays in use. Of
 * several challenges that can be answered, another is tried at once when one fails.
 *
 * Files are of mode 0600, in one directory: NAME has key and chain (acme/pair.h),
 * "+wildcard.NAME" those of "*.NAME", and "acme_account+key" is the key of the account.
 * Stock Chisel's cache directory has the same layout, and can be used on.
 */
#ifndef ACME_CERTIFICATES_H
#define ACME_CERTIFICATES_H

#include "acme/order.h"

#define ACME_LETS_ENCRYPT "https://acme-v02.api.letsencrypt.org/directory"
#define ACME_ORDERS_MAX 4 /* at the same time */
#define ACME_ACCOUNT_FILE "acme_account+key"

struct acme_certificates;

/* All is borrowed and outlives it; NULL: not given. */
struct acme_certificates_options {
	struct loop *loop; /* the first loop of the process if there is a @dns_hook */
	const struct log *log;
	const char *directory; /* made, with mode 0700; NULL: nothing is stored */
	const char *url;       /* of the CA's directory; NULL: ACME_LETS_ENCRYPT */
	const char *ca_file;   /* to verify the CA's server; NULL: the system's roots */
	const char *email;
	const char *eab_kid, *eab_key; /* both or none: acme/client.h */
	const char *dns_hook;          /* enables DNS-01: acme/dns_hook.h */
	/* Which of ACME_HTTP_01 and ACME_TLS_ALPN_01 this program answers. */
	unsigned kinds;
	struct acme_challenges *challenges;
	struct tls_names *served; /* gets each certificate that can be used */
	/* Another certificate is in use for @name, or an attempt has failed. Called at
	 * the end of the turn; names may be added and removed in it. Or NULL. */
	void (*on_change)(void *arg, const char *name);
	void *arg;
};

/*
 * Makes the directory and the account's key; requests nothing yet. Errors are those of
 * acme_client_new(), and ERR_SYS: the directory cannot be made.
 */
enum err acme_certificates_open(const struct acme_certificates_options *o,
	struct acme_certificates **out, struct why *why) MUST_USE;

/* Orders that are on their way end; files stay. NULL is fine. */
void acme_certificates_close(struct acme_certificates *c);

/*
 * Keeps a certificate for @name, a host in canonical form, or "*." and a host. One that
 * is in its file is in use when this returns. Nothing changes if it is kept already.
 * ERR_USAGE: no challenge can prove such a name with these options; @why says what to do.
 * ERR_NOMEM.
 */
enum err acme_certificates_add(struct acme_certificates *c, const char *name,
	struct why *why) MUST_USE;

/* Ends this: the certificate is not served any more, and its file is removed. */
void acme_certificates_remove(struct acme_certificates *c, const char *name);

/*
 * Removes files of earlier certificates of ours that have expired, and whose names are
 * not kept. To be called after all names have been added.
 */
void acme_certificates_sweep(struct acme_certificates *c);

/* Looks at all names now: asks the CA whether to renew, and waits for no pause but the
 * CA's. For operators that have corrected something. */
void acme_certificates_retry(struct acme_certificates *c);

/* Good until the next callback of the loop. */
struct acme_certificate_status {
	bool has_certificate;
	int64_t begins_s, ends_s; /* its validity, since 1970 */
	int64_t next_s;           /* the next attempt, or renewal; 0: it is running */
	unsigned failures;        /* in a row */
	const char *error;        /* of the last one; "": none since the last success */
	const char *path;         /* of its file, which has key and chain; NULL: none */
};

/* ERR_NOENT: @name is not kept. */
enum err acme_certificates_status(const struct acme_certificates *c, const char *name,
	struct acme_certificate_status *out) MUST_USE;

#endif
