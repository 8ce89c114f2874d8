/* One of the certificates that are kept, and its file: for certificates.c. */
#ifndef ACME_CERTIFICATE_PRIV_H
#define ACME_CERTIFICATE_PRIV_H

#include "acme/certificates.h"
#include "base/map.h"
#include "text/names.h"

enum certificate_state {
	CERTIFICATE_IDLE,
	CERTIFICATE_ASKING, /* the CA when to renew */
	CERTIFICATE_ORDERING,
};

/* Times are seconds since 1970, of the wall clock. */
struct certificate {
	struct map_node by_name;
	struct acme_certificates *owner; /* borrowed: has us */
	enum certificate_state state;
	char name[NAMES_HOST_MAX + 3]; /* canonical; may begin with "*." */
	char *path;                    /* NULL: it is not stored */
	bool is_changed;               /* the owner is to be told */
	bool has_pair;
	struct acme_pair pair;                /* if there is one; without its texts */
	int64_t renew_s;                      /* it: then */
	int64_t window_start_s, window_end_s; /* that the CA wants; 0: not known */
	bool renews_by_window;                /* the order that runs, or the next one */
	int64_t window_floor_s;               /* a window has no effect before */
	int64_t ask_s;                        /* the CA for that: then */
	int64_t retry_s;                      /* no attempt before */
	int64_t ca_retry_s;                   /* likewise: what the CA has said */
	unsigned failures;                    /* in a row */
	unsigned tried; /* kinds of challenges that have failed since the last pause */
	bool hides_previous;      /* the CA does not accept it as what is replaced */
	struct acme_order *order; /* in CERTIFICATE_ORDERING */
	struct acme_call *call;   /* in CERTIFICATE_ASKING */
	char *error;              /* NULL: none since the last success */
};

struct acme_certificates {
	struct acme_certificates_options o;
	char *account_file;
	struct acme_client *client;
	struct acme_hooks *hooks;       /* NULL: no DNS-01 */
	struct map by_name;             /* struct certificate */
	struct tls_certificate *newest; /* a reference to what was served last, or NULL */
	unsigned orders;                /* that run */
	struct loop_timer *timer;
	struct loop_deferred changed;
};

/* Challenges that can prove its name. */
static inline unsigned certificate_kinds(const struct certificate *x)
{
	const struct acme_certificates_options *o = &x->owner->o;
	unsigned kinds = x->name[0] == '*' ? 0 :
					     o->kinds & (ACME_HTTP_01 | ACME_TLS_ALPN_01);

	return o->dns_hook != NULL ? kinds | ACME_DNS_01 : kinds;
}

/* ---- certificate_file.c ---- */

/* Sets @x->path. ERR_NOMEM. */
enum err certificate_file_name(struct certificate *x, struct why *why) MUST_USE;

/* ERR_NOENT: there is none. Others are those of file_read() and acme_pair_read(). */
enum err certificate_file_read(const struct certificate *x, struct acme_pair *out,
	struct why *why) MUST_USE;
enum err certificate_file_write(const struct certificate *x, struct why *why) MUST_USE;

void certificate_files_sweep(const struct acme_certificates *c, int64_t now_s);

#endif
