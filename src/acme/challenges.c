/* The challenges that wait for their validation. */
#include "acme/challenges.h"

#include <pthread.h>
#include <stdlib.h>

#include "acme/message.h"
#include "acme/pair.h"
#include "base/map.h"
#include "base/str.h"
#include "net/addr.h"

#define HTTP_CONNECTIONS_MAX 200

struct http_challenge {
	struct map_node by_token;
	char token[ACME_TOKEN_MAX + 1];
	char key_authorization[ACME_KEY_AUTHORIZATION_MAX];
};

struct acme_challenges {
	pthread_mutex_t lock; /* for @tokens */
	struct map tokens;
	struct tls_names *names; /* with certificates for ACME_ALPN */
	struct tls_context *tls; /* for validations alone */
};

static struct tls_certificate *challenges_on_hello(void *arg,
	const struct tls_hello *hello)
{
	struct tls_certificate *found = NULL;

	return acme_challenges_choose(arg, hello, &found) ? found : NULL;
}

enum err acme_challenges_new(struct acme_challenges **out)
{
	struct acme_challenges *t = mem_new(t);
	struct tls_server_options o = { .choose = challenges_on_hello, .choose_arg = t };
	enum err rc;

	if (t == NULL)
		return ERR_NOMEM;
	rc = tls_names_new(&t->names);
	if (rc != ERR_OK || pthread_mutex_init(&t->lock, NULL) != 0) {
		tls_names_free(t->names);
		free(t);
		return ERR_NOMEM;
	}
	map_init(&t->tokens);
	rc = tls_context_new_server(&o, &t->tls, NULL);
	if (rc == ERR_OK)
		*out = t;
	else
		acme_challenges_free(t);
	return rc;
}

void acme_challenges_free(struct acme_challenges *t)
{
	struct map_node *it, *tmp;

	if (t == NULL)
		return;
	map_each(it, tmp, &t->tokens)
		free(map_object(it, struct http_challenge, by_token));
	map_fini(&t->tokens);
	tls_context_free(t->tls);
	tls_names_free(t->names);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- HTTP-01 ---- */

/* Under the lock. */
static struct http_challenge *challenges_find(const struct acme_challenges *t,
	struct span token)
{
	struct map_node *node = map_find(&t->tokens, token);

	return node != NULL ? map_object(node, struct http_challenge, by_token) : NULL;
}

void acme_challenges_remove_http(struct acme_challenges *t, const char *token)
{
	struct http_challenge *c;

	pthread_mutex_lock(&t->lock);
	c = challenges_find(t, span_str(token));
	if (c != NULL)
		(void)map_remove(&t->tokens, &c->by_token);
	pthread_mutex_unlock(&t->lock);
	free(c);
}

enum err acme_challenges_add_http(struct acme_challenges *t, const char *token,
	const char *key_authorization)
{
	struct http_challenge *c = mem_new(c);

	if (c == NULL)
		return ERR_NOMEM;
	(void)str_copy(c->token, sizeof(c->token), token);
	(void)str_copy(c->key_authorization, sizeof(c->key_authorization),
		key_authorization);
	acme_challenges_remove_http(t, token);
	pthread_mutex_lock(&t->lock);
	map_add(&t->tokens, &c->by_token, span_str(c->token));
	pthread_mutex_unlock(&t->lock);
	return ERR_OK;
}

bool acme_challenges_reply(struct acme_challenges *t, struct http_exchange *x)
{
	const struct http1_head *head = http_request(x);
	struct span token = http1_path(head), prefix;
	char text[ACME_KEY_AUTHORIZATION_MAX] = "";
	const struct http_challenge *c;

	if (!span_cut(&token, strlen(ACME_HTTP_PATH), &prefix) ||
		!span_is(prefix, ACME_HTTP_PATH))
		return false;
	pthread_mutex_lock(&t->lock);
	c = challenges_find(t, token);
	if (c != NULL)
		(void)str_copy(text, sizeof(text), c->key_authorization);
	pthread_mutex_unlock(&t->lock);
	if (text[0] != '\0')
		http_reply(x, 200, "Content-Type: application/octet-stream\r\n",
			span_str(text));
	else
		http_reply(x, 404, NULL, span_str("no such challenge\n"));
	return true;
}

/* ---- TLS-ALPN-01 ---- */

enum err acme_challenges_add_alpn(struct acme_challenges *t, const char *name,
	const char *key_authorization)
{
	struct acme_pair pair = { .begins_s = 0 };
	struct tls_certificate *certificate;
	enum err rc = acme_alpn_pair_make(name, key_authorization, &pair);

	if (rc == ERR_OK) {
		struct tls_certificate_options o = {
			.chain_pem = buf_span(&pair.chain),
			.key_pem = buf_span(&pair.key),
			.protocol = ACME_ALPN,
		};

		rc = tls_certificate_new(&o, &certificate, NULL);
	}
	if (rc == ERR_OK) {
		rc = tls_names_set(t->names, name, certificate);
		tls_certificate_unref(certificate);
	}
	acme_pair_wipe(&pair);
	return rc;
}

void acme_challenges_remove_alpn(struct acme_challenges *t, const char *name)
{
	(void)!tls_names_set(t->names, name, NULL); /* removing needs no memory */
}

bool acme_challenges_choose(struct acme_challenges *t, const struct tls_hello *hello,
	struct tls_certificate **out)
{
	if (!tls_hello_offers(hello, ACME_ALPN))
		return false;
	*out = tls_names_find(t->names, hello->name);
	return true;
}

struct tls_context *acme_challenges_tls(const struct acme_challenges *t)
{
	return t->tls;
}

/* ---- a small server for port 80 ---- */

struct acme_http {
	struct acme_challenges *challenges; /* borrowed */
	struct http_server *server;
	struct addr at;
};

static void http_on_request(void *arg, struct http_exchange *x)
{
	struct acme_http *h = arg;

	if (!acme_challenges_reply(h->challenges, x))
		http_reply(x, 404, "Connection: close\r\n", span_str("Not found\n"));
}

enum err acme_http_listen(const struct acme_http_options *o, struct acme_http **out,
	struct why *why)
{
	struct acme_http *h = mem_new(h);
	struct http_server_options server = {
		.loop = o->loop,
		.pool = o->pool,
		.connections_max = HTTP_CONNECTIONS_MAX,
		.on_request = http_on_request,
		.arg = h,
	};
	enum err rc = h != NULL ? http_server_new(&server, &h->server) : ERR_NOMEM;

	if (rc == ERR_OK)
		rc = http_server_listen(h->server, o->host, o->port, &h->at, why);
	else
		(void)err_set(why, rc, "no memory for the server of HTTP-01 challenges");
	if (rc != ERR_OK) {
		acme_http_close(h);
		return rc;
	}
	h->challenges = o->challenges;
	*out = h;
	return ERR_OK;
}

uint16_t acme_http_port(const struct acme_http *h)
{
	return addr_port(&h->at);
}

void acme_http_close(struct acme_http *h)
{
	if (h == NULL)
		return;
	http_server_free(h->server);
	free(h);
}
