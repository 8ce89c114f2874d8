/*
 * A client of one CA (RFC 8555): its directory, nonces, and an account there. It has no
 * opinion about orders; those are acme/order.h.
 *
 * Nothing is requested before the first call. The directory and the account are looked
 * up then, and kept; the account's key is a file that is made once and found again. A
 * request whose nonce the CA rejects is sent again with a new one (6.5), up to
 * ACME_NONCE_TRIES.
 */
#ifndef ACME_CLIENT_H
#define ACME_CLIENT_H

#include "acme/message.h"
#include "base/log.h"
#include "loop/loop.h"

#define ACME_NONCE_TRIES 20

struct acme_client;
struct acme_call; /* a request that waits for its answer */

/* All is borrowed and outlives the client; NULL: not given. */
struct acme_client_options {
	struct loop *loop;
	const struct log *log;
	const char *url;      /* of the CA's directory: https, or http to this machine */
	const char *ca_file;  /* replaces the system's roots */
	const char *email;    /* for the account */
	const char *key_file; /* the account's key, PEM; NULL: a new one in memory */
	/* External account binding (7.3.4): the id and the key, in base64url. */
	const char *eab_kid, *eab_key;
};

/*
 * Reads the key, or makes it (mode 0600). ERR_USAGE: @url or @eab_key is not valid.
 * ERR_SYNTAX: @key_file or @ca_file is not.  ERR_SYS, ERR_NOMEM.
 */
enum err acme_client_new(const struct acme_client_options *o, struct acme_client **out,
	struct why *why) MUST_USE;

/* Calls without an answer are dropped. Not from inside an acme_answer_fn. NULL is
 * fine. */
void acme_client_free(struct acme_client *c);

/* RFC 7638, of the account's key. */
const char *acme_client_thumbprint(const struct acme_client *c);

/* The host name of the CA, for messages. */
const char *acme_client_host(const struct acme_client *c);

/* Good for the call. */
struct acme_answer {
	unsigned status; /* 0: there was no response */
	struct span body;
	const char *location;               /* a URL, or NULL */
	uint32_t retry_after_ms;            /* 0: not given */
	const struct acme_problem *problem; /* or NULL */
	bool is_of_account;                 /* the account was refused, not the request */
};

/*
 * ERR_OK: a response of 200 to 299.  ERR_DENIED: the CA has refused; @answer says more.
 * ERR_NOENT: it does not have such a service.  Others: there was no valid response.
 */
typedef void acme_answer_fn(void *arg, enum err rc, const struct acme_answer *answer,
	const struct why *why);

enum acme_service {
	ACME_AT_URL,       /* at @url: a signed request */
	ACME_NEW_ORDER,    /* likewise, at a URL of the directory */
	ACME_REVOKE,       /* likewise */
	ACME_RENEWAL_INFO, /* GET, for the certificate whose id is @url (RFC 9773 4.1) */
};

struct acme_request {
	enum acme_service service;
	const char *url;     /* copied */
	struct span payload; /* copied; empty for POST-as-GET */
	size_t answer_max;   /* bytes; 0: ACME_ANSWER_MAX */
	acme_answer_fn *fn;
	void *arg;
};

/* fn is called once, never from inside this call. */
enum err acme_client_send(struct acme_client *c, const struct acme_request *request,
	struct acme_call **out) MUST_USE;

/* The answer is not wanted any more; fn is not called. NULL is fine. */
void acme_call_close(struct acme_call *call);

#endif
