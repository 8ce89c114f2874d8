/* What leases share at a relay. */
#include "tunnel/portal/relay_share.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign_key.h"

#define KEY_BYTES HASH_SHA256_BYTES

struct shared_context {
	struct list in_share;
	uint8_t key[KEY_BYTES]; /* of authority and options */
	struct tls_context *tls;
};

struct shared_client {
	struct list in_share;
	char *authority;
	struct tls_context *tls; /* a reference; told apart by its address */
	struct http_client *client;
	unsigned refs;
	uint64_t reconnected_ms;
};

struct relay_share {
	struct list contexts; /* the one that was wanted last is first */
	unsigned contexts_n;
	struct list clients;
	struct list chains; /* struct visitor_chain; not references */
};

struct relay_share *relay_share_new(void)
{
	struct relay_share *s = mem_new(s);

	if (s == NULL)
		return NULL;
	list_init(&s->contexts);
	list_init(&s->clients);
	list_init(&s->chains);
	return s;
}

/* ---- contexts ---- */

static void context_free(struct relay_share *s, struct shared_context *c)
{
	list_remove(&c->in_share);
	s->contexts_n--;
	tls_context_free(c->tls);
	free(c);
}

static enum err make_key(const char *authority, const struct tls_client_options *o,
	uint8_t key[KEY_BYTES])
{
	struct buf text;
	enum err rc;

	buf_init(&text, 1 << 20);
	buf_printf(&text, "%s\n%s\n%u %d %d\n", authority, o->alpn != NULL ? o->alpn : "",
		o->min_version, o->skip_verify, o->keeps_session);
	buf_put_span(&text, o->ca_pem);
	rc = text.failed;
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&text), key);
	buf_fini(&text);
	return rc;
}

static struct shared_context *find_context(struct relay_share *s,
	const uint8_t key[KEY_BYTES])
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->contexts) {
		struct shared_context *c = list_object(it, struct shared_context,
			in_share);

		if (memcmp(c->key, key, KEY_BYTES) != 0)
			continue;
		list_remove(it);
		list_add_front(&s->contexts, it);
		return c;
	}
	return NULL;
}

/* Without memory it is not kept. */
static void keep_context(struct relay_share *s, const uint8_t key[KEY_BYTES],
	struct tls_context *tls)
{
	struct shared_context *c = mem_new(c);

	if (c == NULL)
		return;
	memcpy(c->key, key, KEY_BYTES);
	c->tls = tls_context_ref(tls);
	list_add_front(&s->contexts, &c->in_share);
	if (++s->contexts_n > RELAY_SHARE_CONTEXTS_MAX)
		context_free(s,
			list_object(s->contexts.prev, struct shared_context, in_share));
}

enum err relay_share_tls(struct relay_share *s, const char *authority,
	const struct tls_client_options *o, struct tls_context **out, struct why *why)
{
	uint8_t key[KEY_BYTES];
	struct shared_context *c;
	enum err rc;

	if (s == NULL)
		return tls_context_new_client(o, out, why);
	rc = make_key(authority, o, key);
	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	c = find_context(s, key);
	if (c != NULL) {
		*out = tls_context_ref(c->tls);
		return ERR_OK;
	}
	rc = tls_context_new_client(o, out, why);
	if (rc == ERR_OK)
		keep_context(s, key, *out);
	return rc;
}

/* ---- chains ---- */

static void sign_nothing(void *arg, const struct sign_order *order,
	struct remote_signing *signing)
{
	(void)arg;
	(void)order;
	remote_signing_end(signing, ERR_CLOSED, (struct span){ 0 });
}

void visitor_chain_unref(struct visitor_chain *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	list_remove(&c->in_share);
	tls_context_free(c->tls);
	remote_key_unref(c->key);
	EVP_PKEY_free(c->public);
	buf_fini(&c->pem);
	free(c);
}

static enum err chain_new(struct span pem, struct visitor_chain **out, struct why *why)
{
	struct tls_server_options o = { .cert_pem = pem, .alpn = "http/1.1" };
	struct visitor_chain *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	c->refs = 1;
	list_init(&c->in_share);
	buf_init(&c->pem, pem.n);
	rc = buf_put_span(&c->pem, pem);
	c->public = sign_key_of_certificate(pem);
	if (rc == ERR_OK)
		rc = remote_key_new_of(c->public, sign_nothing, NULL, &c->key, why);
	o.key = c->key;
	if (rc == ERR_OK)
		rc = tls_context_new_server(&o, &c->tls, why);
	if (rc == ERR_OK)
		*out = c;
	else
		visitor_chain_unref(c);
	return rc;
}

enum err relay_share_chain(struct relay_share *s, struct span pem,
	struct visitor_chain **out, struct why *why)
{
	struct list *it, *tmp;
	enum err rc;

	if (s == NULL)
		return chain_new(pem, out, why);
	list_each(it, tmp, &s->chains) {
		struct visitor_chain *c = list_object(it, struct visitor_chain, in_share);

		if (span_eq(buf_span(&c->pem), pem)) {
			c->refs++;
			*out = c;
			return ERR_OK;
		}
	}
	rc = chain_new(pem, out, why);
	if (rc == ERR_OK)
		list_add(&s->chains, &(*out)->in_share);
	return rc;
}

/* ---- clients ---- */

static void client_free(struct shared_client *c)
{
	list_remove(&c->in_share);
	http_client_free(c->client);
	tls_context_free(c->tls);
	free(c->authority);
	free(c);
}

static struct shared_client *find_client(struct relay_share *s,
	const struct http_client_options *o)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->clients) {
		struct shared_client *c = list_object(it, struct shared_client, in_share);

		if (c->tls == o->tls && strcmp(c->authority, o->host_header) == 0)
			return c;
	}
	return NULL;
}

static struct shared_client *client_of(struct relay_share *s,
	const struct http_client *client)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->clients) {
		struct shared_client *c = list_object(it, struct shared_client, in_share);

		if (c->client == client)
			return c;
	}
	return NULL;
}

static struct shared_client *client_new(struct relay_share *s,
	const struct http_client_options *o)
{
	struct shared_client *c = mem_new(c);

	if (c == NULL)
		return NULL;
	list_add(&s->clients, &c->in_share);
	c->authority = strdup(o->host_header);
	c->tls = tls_context_ref(o->tls);
	if (c->authority == NULL || http_client_new(o, &c->client) != ERR_OK) {
		client_free(c);
		return NULL;
	}
	return c;
}

enum err relay_share_client(struct relay_share *s, const struct http_client_options *o,
	struct http_client **out)
{
	struct shared_client *c;

	if (s == NULL)
		return http_client_new(o, out);
	c = find_client(s, o);
	if (c == NULL)
		c = client_new(s, o);
	if (c == NULL)
		return ERR_NOMEM;
	c->refs++;
	*out = c->client;
	return ERR_OK;
}

void relay_share_release_client(struct relay_share *s, struct http_client *client)
{
	struct shared_client *c = s != NULL ? client_of(s, client) : NULL;

	if (s == NULL)
		http_client_free(client);
	else if (c != NULL && --c->refs == 0)
		client_free(c);
}

void relay_share_reconnect(struct relay_share *s, struct http_client *client)
{
	struct shared_client *c = s != NULL ? client_of(s, client) : NULL;
	uint64_t now = clock_now_ms();

	if (c != NULL && c->reconnected_ms != 0 &&
		now - c->reconnected_ms < RELAY_SHARE_RECONNECT_MS)
		return;
	if (c != NULL)
		c->reconnected_ms = now;
	http_client_reconnect(client);
}

/* ---- the end ---- */

void relay_share_free(struct relay_share *s)
{
	if (s == NULL)
		return;
	while (!list_is_empty(&s->clients))
		client_free(list_object(s->clients.next, struct shared_client, in_share));
	while (!list_is_empty(&s->contexts))
		context_free(s,
			list_object(s->contexts.next, struct shared_context, in_share));
	free(s);
}
