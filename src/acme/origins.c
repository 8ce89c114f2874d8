/* HTTP requests to the URLs of a CA. */
#include "acme/origins.h"

#include "base/mem.h"
#include "base/str.h"
#include "text/names.h"
#include "text/proxy_env.h"
#include "text/url.h"

#define HTTPS_PORT 443
#define HTTP_PORT 80
#define HEADERS "User-Agent: adit/" ADIT_VERSION "\r\nAccept-Language: en\r\n"

struct origin {
	struct http_client *client;
	bool has_tls;
	char host[URL_HOST_MAX];
	uint16_t port;
};

struct acme_origins {
	struct loop *loop;
	struct tls_context *tls;
	struct url directory;
	struct loop_deferred deferred;
	unsigned n;
	struct origin all[ACME_ORIGINS_MAX];
};

/* RFC 8555 6.1: https. A CA on this machine may do without. */
static enum err url_read(const char *text, struct url *out, struct why *why)
{
	struct why detail = { "" };
	enum err rc = url_parse(span_str(text), out, &detail);

	if (rc != ERR_OK)
		return err_set(why, rc, "%s", err_text(rc, &detail));
	if (strcmp(out->scheme, "https") != 0 &&
		(strcmp(out->scheme, "http") != 0 || !names_host_is_local(out->host)))
		return err_set(why, ERR_USAGE, "it must begin with https://");
	if (out->port == 0)
		out->port = strcmp(out->scheme, "https") == 0 ? HTTPS_PORT : HTTP_PORT;
	return ERR_OK;
}

enum err acme_origins_new(struct loop *loop, const char *url, const char *ca_file,
	void (*on_deferred)(void *arg), void *arg, struct acme_origins **out,
	struct why *why)
{
	const struct tls_client_options tls = {
		.ca_file = ca_file,
		.alpn = "http/1.1",
		.keeps_session = true,
	};
	struct acme_origins *o = mem_new(o);
	struct why detail = { "" };
	enum err rc;

	if (o == NULL)
		return err_set(why, ERR_NOMEM, "no memory for an ACME client");
	o->loop = loop;
	loop_deferred_init(&o->deferred, on_deferred, arg);
	rc = url_read(url, &o->directory, &detail);
	if (rc != ERR_OK)
		(void)err_set(why, ERR_USAGE, "the directory URL of the CA, %.100s: %s",
			url, detail.text);
	else
		rc = tls_context_new_client(&tls, &o->tls, why);
	if (rc == ERR_OK)
		*out = o;
	else
		acme_origins_free(o);
	return rc == ERR_LIMIT ? ERR_USAGE : rc;
}

void acme_origins_free(struct acme_origins *o)
{
	if (o == NULL)
		return;
	loop_undefer(&o->deferred);
	for (unsigned i = 0; i < o->n; i++)
		http_client_free(o->all[i].client);
	tls_context_free(o->tls);
	free(o);
}

void acme_origins_defer(struct acme_origins *o)
{
	loop_defer(o->loop, &o->deferred);
}

const char *acme_origins_host(const struct acme_origins *o)
{
	return o->directory.host;
}

/* ---- one origin ---- */

static enum err origin_open(struct acme_origins *o, const struct url *u,
	struct origin *origin, struct why *why)
{
	char authority[URL_TEXT_MAX];
	struct http_client_options client = {
		.loop = o->loop,
		.host = u->host,
		.port = u->port,
		.tls = strcmp(u->scheme, "https") == 0 ? o->tls : NULL,
		.connections_max = 4,
	};
	struct dial_proxy proxy;
	struct proxy_env env;
	struct url shown = *u, via;
	enum err rc;

	if (u->port == (client.tls != NULL ? HTTPS_PORT : HTTP_PORT))
		shown.port = 0;
	client.host_header = url_print_authority(&shown, authority);
	proxy_env_read(&env, getenv);
	rc = proxy_env_find(&env, client.tls != NULL, u->host, u->port, &via, why);
	if (rc == ERR_OK) {
		proxy = dial_proxy_of_url(&via);
		client.proxy = &proxy;
	} else if (rc != ERR_NOENT) {
		return rc;
	}
	rc = http_client_new(&client, &origin->client);
	if (rc != ERR_OK)
		return rc;
	(void)str_copy(origin->host, sizeof(origin->host), u->host);
	origin->port = u->port;
	origin->has_tls = client.tls != NULL;
	return ERR_OK;
}

static enum err origin_find(struct acme_origins *o, const struct url *u,
	struct http_client **out, struct why *why)
{
	const bool has_tls = strcmp(u->scheme, "https") == 0;
	enum err rc;

	for (unsigned i = 0; i < o->n; i++) {
		struct origin *origin = &o->all[i];

		if (origin->has_tls == has_tls && origin->port == u->port &&
			strcmp(origin->host, u->host) == 0) {
			*out = origin->client;
			return ERR_OK;
		}
	}
	if (o->n == ACME_ORIGINS_MAX)
		return err_set(why, ERR_LIMIT, "the CA's URLs have more than %d hosts",
			ACME_ORIGINS_MAX);
	rc = origin_open(o, u, &o->all[o->n], why);
	if (rc == ERR_OK)
		*out = o->all[o->n++].client;
	return rc;
}

enum err acme_origins_fetch(struct acme_origins *o, const struct acme_fetch *f,
	struct http_transfer **out, struct why *why)
{
	struct http_client_request request = {
		.method = f->method,
		.headers = f->body.n > 0 ? HEADERS
			"Content-Type: application/jose+json\r\n" :
					   HEADERS,
		.body = f->body,
		.response_max = f->answer_max,
		.fn = f->fn,
		.arg = f->arg,
	};
	struct why detail = { "" };
	struct http_client *client = NULL;
	struct url u;
	enum err rc = url_read(f->url, &u, &detail);

	if (rc != ERR_OK)
		return err_set(why, ERR_PROTO, "a URL of the CA, %.100s: %s", f->url,
			detail.text);
	rc = origin_find(o, &u, &client, why);
	if (rc != ERR_OK)
		return rc;
	request.target = u.path;
	return http_client_send(client, &request, out);
}
