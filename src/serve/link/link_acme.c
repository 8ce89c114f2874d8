/*
 * Certificates for --tls-domain. TLS-ALPN-01 is answered by the link's own listener,
 * HTTP-01 by a server of its own if the port can be had.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/certificates.h"
#include "base/str.h"
#include "serve/link/link_priv.h"

#define HTTPS_PORT 443

struct link_acme {
	struct acme_challenges *challenges;
	struct tls_names *names;
	struct acme_http *http; /* NULL: the port cannot be had */
	struct acme_certificates *certificates;
	char *directory; /* NULL: nothing is stored */
};

struct tls_certificate *link_acme_choose(void *arg, const struct tls_hello *hello)
{
	struct link_acme *a = arg;
	struct tls_certificate *found;

	if (acme_challenges_choose(a->challenges, hello, &found))
		return found;
	return tls_names_choose(a->names, hello);
}

/* As stock Chisel. */
static enum err link_find_cache(struct link_server *s, struct link_acme *a,
	struct why *why)
{
	const char *cache = s->o->acme.cache, *home = getenv("HOME");
	const struct passwd *user;

	if (cache != NULL && strcmp(cache, "-") == 0) {
		log_warn(&s->log,
			"certificates are not stored (CHISEL_LE_CACHE is -): each start gets "
			"new ones, which CAs limit");
		return ERR_OK;
	}
	if (home == NULL || home[0] == '\0') {
		user = getpwuid(getuid());
		home = user != NULL ? user->pw_dir : NULL;
	}
	if (cache == NULL && (home == NULL || home[0] == '\0'))
		return err_set(why, ERR_USAGE,
			"there is no home directory for certificates: set CHISEL_LE_CACHE to a "
			"directory");
	a->directory = cache != NULL ? strdup(cache) :
				       str_printf("%s/.cache/chisel", home);
	if (a->directory == NULL)
		return err_set(why, ERR_NOMEM, "no memory for certificates");
	log_info(&s->log, "certificates are stored in %s", a->directory);
	return ERR_OK;
}

/* Without the port, TLS-ALPN-01 is left, and that is said. */
static void link_listen_http(struct link_server *s, struct link_acme *a)
{
	const struct acme_http_options o = {
		.loop = s->control->loop,
		.pool = &s->control->blocks,
		.challenges = a->challenges,
		.host = s->o->host != NULL ? s->o->host : "0.0.0.0",
		.port = s->o->acme.http_port,
	};
	struct why why = { "" };
	enum err rc;

	if (o.port == 0)
		return;
	rc = acme_http_listen(&o, &a->http, &why);
	if (rc == ERR_OK)
		log_info(&s->log, "HTTP-01 challenges are answered on port %u",
			acme_http_port(a->http));
	else if (s->o->port != HTTPS_PORT && s->o->acme.dns_hook == NULL)
		log_warn(&s->log,
			"no port for HTTP-01 challenges: %s; certificates need the CA to reach "
			"this server on port 443 of each name",
			err_text(rc, &why));
	else
		log_info(&s->log, "no port for HTTP-01 challenges: %s",
			err_text(rc, &why));
}

static enum err link_open_certificates(struct link_server *s, struct link_acme *a,
	struct why *why)
{
	const struct link_acme_options *o = &s->o->acme;
	const struct acme_certificates_options options = {
		.loop = s->control->loop,
		.log = &s->log,
		.directory = a->directory,
		.url = o->url,
		.ca_file = o->ca_file,
		.email = o->email,
		.eab_kid = o->eab_kid,
		.eab_key = o->eab_key,
		.dns_hook = o->dns_hook,
		.kinds = ACME_TLS_ALPN_01 | (a->http != NULL ? ACME_HTTP_01 : 0u),
		.challenges = a->challenges,
		.served = a->names,
	};
	struct why detail = { "" };
	enum err rc = acme_certificates_open(&options, &a->certificates, why);

	for (unsigned i = 0; i < o->domains.n && rc == ERR_OK; i++) {
		rc = acme_certificates_add(a->certificates, o->domains.v[i], &detail);
		if (rc != ERR_OK)
			(void)err_set(why, rc, "--tls-domain %s%s", err_text(rc, &detail),
				rc == ERR_USAGE ? " (--acme-dns-hook)" : "");
	}
	if (rc == ERR_OK)
		acme_certificates_sweep(a->certificates);
	return rc;
}

enum err link_acme_open(struct link_server *s, struct why *why)
{
	struct link_acme *a;
	enum err rc;

	if (s->o->acme.domains.n == 0)
		return ERR_OK;
	a = s->acme = mem_new(a);
	if (a == NULL)
		return err_set(why, ERR_NOMEM, "no memory for certificates");
	rc = link_find_cache(s, a, why);
	if (rc == ERR_OK)
		rc = acme_challenges_new(&a->challenges);
	if (rc == ERR_OK)
		rc = tls_names_new(&a->names);
	if (rc != ERR_OK)
		return rc;
	link_listen_http(s, a);
	return link_open_certificates(s, a, why);
}

void link_acme_retry(struct link_acme *a)
{
	if (a != NULL)
		acme_certificates_retry(a->certificates);
}

void link_acme_close(struct link_acme *a)
{
	if (a == NULL)
		return;
	acme_certificates_close(a->certificates);
	acme_http_close(a->http);
	acme_challenges_free(a->challenges);
	tls_names_free(a->names);
	free(a->directory);
	free(a);
}
