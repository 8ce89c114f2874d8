/*
 * Certificates by ACME for the names of the edge that the relay's own certificate is not
 * for. Each name gets one of its own; with a DNS hook, one wildcard is for all. On the
 * control worker, unless a comment says otherwise.
 */
#ifndef RELAY_RELAY_ACME_H
#define RELAY_RELAY_ACME_H

#include "http/server.h"
#include "net/tls.h"
#include "panel/panel.h"

struct relay;
struct relay_acme;

/* Settings of a relay. Texts are owned. */
struct relay_acme_options {
	bool is_on; /* the operator agrees to the terms of the CA */
	char *email, *url, *ca_file, *dns_hook, *eab_kid, *eab_key;
};

/* The options have it on, and the domain: its names are not those of the relay's own
 * certificate. Errors are those of acme_certificates_open(). */
enum err relay_acme_open(struct relay *r, struct relay_acme **out,
	struct why *why) MUST_USE;
void relay_acme_close(struct relay_acme *a); /* NULL is fine */

/* A context for all names. Borrowed. */
struct tls_context *relay_acme_tls(const struct relay_acme *a);

/* For edge_plain_options. @acme is a struct relay_acme. */
bool relay_acme_answer(void *acme, struct http_exchange *x);

/* Keeps a certificate for @host, or ends that. ERR_NOMEM, ERR_USAGE. */
enum err relay_acme_add(struct relay_acme *a, const char *host, struct why *why) MUST_USE;
void relay_acme_remove(struct relay_acme *a, const char *host);

/* Files of names that are not kept are removed, once all names were added. */
void relay_acme_sweep(struct relay_acme *a);

void relay_acme_status(const struct relay_acme *a, const char *host,
	struct path_certificate *out);

/* SIGHUP: tries again what has failed. NULL is fine. */
void relay_acme_retry(struct relay_acme *a);

#endif
