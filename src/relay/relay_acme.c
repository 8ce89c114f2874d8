/* Certificates by ACME for the names of the edge. */
#include "relay/relay_acme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/certificates.h"
#include "base/clock.h"
#include "base/str.h"
#include "relay/relay_priv.h"

#define CERTIFICATES_DIRECTORY "certificates" /* in the state directory */

struct relay_acme {
	struct acme_challenges *challenges;
	struct tls_names *names;
	struct tls_context *tls;
	struct acme_certificates *certificates;
	char *directory;
	char wildcard[NAMES_HOST_MAX + 3]; /* for all names; "": each has its own */
};

/* On data workers. */
static struct tls_certificate *choose(void *arg, const struct tls_hello *hello)
{
	struct relay_acme *a = arg;
	struct tls_certificate *found;

	if (acme_challenges_choose(a->challenges, hello, &found))
		return found;
	return tls_names_choose(a->names, hello);
}

bool relay_acme_answer(void *acme, struct http_exchange *x)
{
	struct relay_acme *a = acme;

	return acme_challenges_reply(a->challenges, x);
}

struct tls_context *relay_acme_tls(const struct relay_acme *a)
{
	return a->tls;
}

/* The name whose certificate serves @host. */
static const char *name_for(const struct relay_acme *a, const char *host)
{
	return a->wildcard[0] != '\0' ? a->wildcard : host;
}

enum err relay_acme_add(struct relay_acme *a, const char *host, struct why *why)
{
	return acme_certificates_add(a->certificates, name_for(a, host), why);
}

void relay_acme_remove(struct relay_acme *a, const char *host)
{
	if (a->wildcard[0] == '\0')
		acme_certificates_remove(a->certificates, host);
}

void relay_acme_sweep(struct relay_acme *a)
{
	acme_certificates_sweep(a->certificates);
}

void relay_acme_retry(struct relay_acme *a)
{
	if (a != NULL)
		acme_certificates_retry(a->certificates);
}

void relay_acme_status(const struct relay_acme *a, const char *host,
	struct path_certificate *out)
{
	struct acme_certificate_status s;
	int64_t now_s = (int64_t)(clock_wall_ms() / 1000);

	if (acme_certificates_status(a->certificates, name_for(a, host), &s) != ERR_OK)
		return;
	if (s.has_certificate) {
		out->since_ms = (uint64_t)s.begins_s * 1000;
		out->ends_ms = (uint64_t)s.ends_s * 1000;
	}
	out->next_try_ms = s.next_s > 0 ? (uint64_t)s.next_s * 1000 : 0;
	str_copy(out->reason, sizeof(out->reason), s.error);
	if (s.has_certificate && s.ends_s <= now_s)
		out->state = PATH_CERTIFICATE_EXPIRED;
	else if (s.has_certificate && s.failures > 1)
		out->state = PATH_CERTIFICATE_EXPIRING;
	else if (s.has_certificate)
		out->state = PATH_CERTIFICATE_GOOD;
	else
		out->state = s.failures > 0 ? PATH_CERTIFICATE_REFUSED :
					      PATH_CERTIFICATE_PENDING;
}

void relay_acme_close(struct relay_acme *a)
{
	if (a == NULL)
		return;
	acme_certificates_close(a->certificates);
	tls_context_free(a->tls);
	acme_challenges_free(a->challenges);
	tls_names_free(a->names);
	free(a->directory);
	free(a);
}

static enum err open_certificates(struct relay *r, struct relay_acme *a, struct why *why)
{
	const struct relay_acme_options *from = &r->options.acme;
	const struct acme_certificates_options o = {
		.loop = r->control->loop,
		.log = &r->log,
		.directory = a->directory,
		.url = from->url,
		.ca_file = from->ca_file,
		.email = from->email,
		.eab_kid = from->eab_kid,
		.eab_key = from->eab_key,
		.dns_hook = from->dns_hook,
		.kinds = ACME_TLS_ALPN_01 |
			(r->options.http_port != 0 ? ACME_HTTP_01 : 0u),
		.challenges = a->challenges,
		.served = a->names,
	};
	const struct tls_server_options tls = {
		.choose = choose,
		.choose_arg = a,
		.alpn = "http/1.1",
	};
	enum err rc = tls_context_new_server(&tls, &a->tls, why);

	return rc == ERR_OK ? acme_certificates_open(&o, &a->certificates, why) : rc;
}

enum err relay_acme_open(struct relay *r, struct relay_acme **out, struct why *why)
{
	struct relay_acme *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	if (r->options.acme.dns_hook != NULL)
		snprintf(a->wildcard, sizeof(a->wildcard), "*.%s", r->options.domain);
	a->directory = str_printf("%s/" CERTIFICATES_DIRECTORY, r->options.state_dir);
	rc = a->directory != NULL ? acme_challenges_new(&a->challenges) : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = tls_names_new(&a->names);
	if (rc == ERR_OK)
		rc = open_certificates(r, a, why);
	if (rc == ERR_OK)
		*out = a;
	else
		relay_acme_close(a);
	return rc;
}
