/* A relay as its clients see it. */
#include "tunnel/portal/relay_peer.h"

#include <stdlib.h>

#include "base/str.h"
#include "text/proxy_env.h"

#define RELAY_PORT 443
#define CONNECT_MS 5000
#define RELAY_ALPN "http/1.1"

static enum err peer_read_url(struct relay_peer *r, const char *text, struct why *why)
{
	char canonical[URL_TEXT_MAX], authority[URL_TEXT_MAX];
	struct url url;
	enum err rc = relay_url_parse(span_str(text), canonical, why);

	if (rc == ERR_OK && !str_replace(&r->url, canonical))
		rc = err_set(why, ERR_NOMEM, "out of memory");
	if (rc == ERR_OK)
		rc = url_parse(span_str(r->url), &url, why);
	if (rc == ERR_OK)
		rc = names_parse_host(span_str(url.host), r->host, why);
	if (rc != ERR_OK)
		return rc;
	r->port = url.port != 0 ? url.port : RELAY_PORT;
	url_print_authority(&url, authority);
	if (!str_copy(r->authority, sizeof(r->authority), authority))
		return err_set(why, ERR_LIMIT, "the relay's host is too long");
	r->is_local = names_host_is_local(r->host);
	return ERR_OK;
}

static enum err peer_read_proxy(struct relay_peer *r, struct why *why)
{
	struct dial_proxy proxy;
	struct proxy_env env;
	struct url url;
	char text[URL_TEXT_MAX];
	enum err rc;

	proxy_env_read(&env, getenv);
	rc = proxy_env_find(&env, true, r->host, r->port, &url, why);
	if (rc == ERR_NOENT)
		return ERR_OK;
	if (rc == ERR_OK) {
		proxy = dial_proxy_of_url(&url);
		rc = dial_proxy_dup(&proxy, &r->proxy);
		if (rc == ERR_OK && !str_replace(&r->proxy_text, url_print(&url, text)))
			rc = ERR_NOMEM;
	}
	mem_wipe(url.password, sizeof(url.password));
	return rc;
}

enum err relay_peer_init(struct relay_peer *r, const char *url, struct relay_share *share,
	struct why *why)
{
	struct tls_client_options o = { .alpn = RELAY_ALPN, .keeps_session = true };
	enum err rc;

	memset(r, 0, sizeof(*r));
	r->share = share;
	rc = peer_read_url(r, url, why);
	if (rc == ERR_OK)
		rc = peer_read_proxy(r, why);
	if (rc == ERR_OK && !r->is_local)
		rc = relay_share_tls(share, r->authority, &o, &r->tls, why);
	if (rc == ERR_OK)
		r->memory = dial_memory_new(); /* may be NULL */
	return rc;
}

void relay_peer_fini(struct relay_peer *r)
{
	tls_context_free(r->tls);
	r->tls = NULL;
	dial_proxy_free(r->proxy);
	r->proxy = NULL;
	dial_memory_unref(r->memory);
	r->memory = NULL;
	free(r->proxy_text);
	r->proxy_text = NULL;
	free(r->url);
	r->url = NULL;
}

enum err relay_peer_pin(struct relay_peer *r, struct span chain, struct why *why)
{
	struct tls_client_options o = {
		.ca_pem = chain,
		.alpn = RELAY_ALPN,
		.keeps_session = true,
	};
	struct tls_context *tls = NULL;
	enum err rc = relay_share_tls(r->share, r->authority, &o, &tls, why);

	if (rc != ERR_OK)
		return rc;
	tls_context_free(r->tls);
	r->tls = tls;
	return ERR_OK;
}

enum err relay_peer_connect(const struct relay_peer *r, struct connector_options o,
	struct connector **out)
{
	o.host = r->host;
	o.port = r->port;
	o.proxy = r->proxy;
	o.memory = r->memory;
	o.server_name = r->host;
	o.timeout_ms = CONNECT_MS;
	if (o.tls == NULL)
		o.tls = r->tls;
	return connector_open(&o, out);
}

/* ---- the chain ---- */

struct relay_chain {
	struct connector *connector; /* borrowed: until it has called */
	relay_chain_fn *fn;
	void *arg;
};

void relay_chain_close(struct relay_chain *c)
{
	if (c == NULL)
		return;
	connector_close(c->connector);
	free(c);
}

static void chain_on_reached(void *arg, enum err rc, struct stream *tls,
	const struct why *why)
{
	struct relay_chain c = *(struct relay_chain *)arg;
	struct why words = *why;
	struct buf pem;

	free(arg);
	buf_init(&pem, RELAY_CHAIN_MAX);
	if (rc == ERR_OK) {
		rc = tls_peer_chain(tls, &pem);
		if (rc != ERR_OK)
			err_set(&words, rc, "the relay's certificates: %s", err_name(rc));
		stream_close(tls);
	}
	c.fn(c.arg, rc, buf_span(&pem), &words);
	buf_fini(&pem);
}

enum err relay_chain_open(struct loop *loop, const struct relay_peer *relay,
	relay_chain_fn *fn, void *arg, struct relay_chain **out, struct why *why)
{
	/* Never resumed: a resumed session has no certificates. */
	struct tls_client_options o = { .alpn = RELAY_ALPN,
		.skip_verify = relay->is_local };
	struct tls_context *tls = NULL;
	struct relay_chain *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	c->fn = fn;
	c->arg = arg;
	rc = relay_share_tls(relay->share, relay->authority, &o, &tls, why);
	if (rc == ERR_OK)
		rc = relay_peer_connect(relay,
			(struct connector_options){ .loop = loop,
				.tls = tls,
				.fn = chain_on_reached,
				.arg = c },
			&c->connector);
	tls_context_free(tls);
	if (rc == ERR_OK)
		*out = c;
	else
		free(c);
	return rc;
}
