/* Signatures by the relay, POST /v1/sign. */
#include "tunnel/portal/signer.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/rand.h"
#include "base/str.h"
#include "crypto/sign_key.h"
#include "http/client.h"
#include "tunnel/portal/message.h"

#define SIGN_MS 5000
#define SIGN_CONNECTIONS_MAX 16
#define SIGN_WARM 2
#define SIGN_HEADERS_MAX (MESSAGE_TOKEN_MAX + 256)

struct signer {
	struct loop *loop;         /* borrowed: outlives us */
	struct relay_share *share; /* borrowed, of the relay; may be NULL */
	struct http_client *client;
	EVP_PKEY *key; /* of the certificate, public */
	bool is_verified, is_checking;
	void (*on_signed)(void *owner);
	void (*on_failed)(void *owner, const struct why *why);
	void *owner;
	char *token; /* NULL: none yet */
	int64_t relay_ahead_ms;
	struct list pending; /* struct signature */
	unsigned pending_n;
	struct signer_statistics statistics;
};

/* A signature for a handshake, or for a check. */
struct signature {
	struct list in_signer;
	struct signer *signer; /* borrowed: it frees us */
	struct sign_order order;
	struct remote_signing *to;      /* NULL: a check */
	struct http_transfer *transfer; /* borrowed: until its response */
	uint64_t asked_us;
};

/* Nothing is called. */
static void signature_free(void *arg)
{
	struct signature *g = arg;

	http_transfer_close(g->transfer);
	list_remove(&g->in_signer);
	g->signer->pending_n--;
	free(g);
}

static void signature_end(struct signature *g, enum err rc, struct span value)
{
	struct remote_signing *to = g->to;

	if (to == NULL)
		g->signer->is_checking = false;
	signature_free(g);
	if (to != NULL)
		remote_signing_end(to, rc, value);
}

static void signature_fail(struct signature *g, enum err rc, const struct why *why)
{
	struct signer *s = g->signer;

	s->statistics.failures += g->to != NULL;
	signature_end(g, rc, (struct span){ 0 });
	s->on_failed(s->owner, why);
}

/* False: the signature is not of the certificate's key, and @g is gone. */
static bool signature_is_good(struct signature *g, struct span value)
{
	struct signer *s = g->signer;
	struct why why;

	if (!s->is_verified)
		s->is_verified = sign_key_verify(s->key, &g->order, value) == ERR_OK;
	if (s->is_verified)
		return true;
	err_set(&why, ERR_CRYPTO,
		"the relay signs with another key than its certificate's, and visitors"
		" refuse that: if a proxy terminates TLS in front of its API, pass TLS through, or"
		" give both the same certificate and key");
	signature_fail(g, ERR_CRYPTO, &why);
	return false;
}

static void signature_on_answer(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct signature *g = arg;
	struct signer *s = g->signer;
	struct message_refusal refusal = { 0 };
	struct why reason = { "" }, words;
	uint8_t value[SIGN_SIGNATURE_MAX];
	size_t n = 0;

	g->transfer = NULL;
	if (why != NULL)
		reason = *why;
	if (rc == ERR_OK)
		rc = message_read_signature(a->status, a->body, &g->order,
			(struct mspan){ value, sizeof(value) }, &n, &refusal, &reason);
	if (rc != ERR_OK && g->to == NULL) {
		/* it says nothing about the key */
		signature_end(g, rc, (struct span){ 0 });
		return;
	}
	if (rc != ERR_OK) {
		err_set(&words, rc, "the relay did not sign a visitor's handshake: %s",
			err_text(rc, &reason));
		signature_fail(g, rc, &words);
		return;
	}
	if (!signature_is_good(g, span_of(value, n)))
		return;
	if (g->to != NULL) {
		s->statistics.signatures++;
		s->statistics.waited_us += clock_now_us() - g->asked_us;
	}
	signature_end(g, ERR_OK, span_of(value, n));
	s->on_signed(s->owner);
}

static enum err signature_ask(struct signature *g)
{
	struct signer *s = g->signer;
	struct message_sign_request m = { 0 };
	uint8_t nonce[MESSAGE_SIGN_NONCE_BYTES];
	char headers[SIGN_HEADERS_MAX];
	struct http_client_request q = {
		.method = "POST",
		.target = "/v1/sign",
		.headers = headers,
		.response_max = MESSAGE_REFUSAL_BODY_MAX,
		.timeout_ms = SIGN_MS,
		.fn = signature_on_answer,
		.arg = g,
	};
	struct buf body;
	enum err rc;

	rand_bytes(nonce, sizeof(nonce));
	message_sign_request_fill(&g->order,
		((int64_t)clock_boot_ms() + s->relay_ahead_ms) / 1000, nonce, &m);
	snprintf(headers, sizeof(headers),
		RELAY_USER_AGENT "Content-Type: application/json\r\n"
				 "Accept: application/json\r\n"
				 "X-Portal-Access-Token: %s\r\n",
		s->token);
	buf_init(&body, MESSAGE_SIGN_BODY_MAX);
	rc = message_put_request(&message_sign_request_fields, &m, &body);
	q.body = buf_span(&body);
	if (rc == ERR_OK)
		rc = http_client_send(s->client, &q, &g->transfer);
	buf_fini(&body);
	return rc;
}

/* NULL: the request could not be sent. */
static struct signature *signature_new(struct signer *s, const struct sign_order *order,
	struct remote_signing *to, enum err *rc)
{
	struct signature *g = NULL;

	*rc = ERR_LIMIT;
	if (s->token != NULL && s->pending_n < SIGNER_PENDING_MAX)
		g = mem_new(g);
	if (g == NULL)
		return NULL;
	g->signer = s;
	g->order = *order;
	g->to = to;
	g->asked_us = clock_now_us();
	list_add(&s->pending, &g->in_signer);
	s->pending_n++;
	*rc = signature_ask(g);
	if (*rc == ERR_OK)
		return g;
	signature_free(g);
	return NULL;
}

void signer_sign(void *arg, const struct sign_order *order, struct remote_signing *to)
{
	enum err rc;
	struct signature *g = signature_new(arg, order, to, &rc);

	if (g != NULL)
		remote_signing_on_cancel(to, signature_free, g);
	else
		remote_signing_end(to, rc, (struct span){ 0 });
}

void signer_doubt(struct signer *s)
{
	s->is_verified = false;
}

/* Has the relay sign random bytes, unless its signatures were verified. */
static void signer_check(struct signer *s)
{
	struct sign_order order;
	enum err rc;

	if (s->is_verified || s->is_checking ||
		!sign_key_algorithm(s->key, &order.algorithm))
		return;
	rand_bytes(order.digest, sizeof(order.digest));
	s->is_checking = signature_new(s, &order, NULL, &rc) != NULL;
}

void signer_set_token(struct signer *s, const struct lease_token *token)
{
	s->relay_ahead_ms = token->relay_ahead_ms;
	(void)!str_replace(&s->token, token->text); /* else the old one */
	http_client_warm(s->client, token->relay_is_adit ? SIGN_WARM : 0);
	signer_check(s);
}

void signer_reconnect(struct signer *s)
{
	relay_share_reconnect(s->share, s->client);
}

struct signer_statistics signer_statistics(const struct signer *s)
{
	return s->statistics;
}

static enum err signer_make_client(struct signer *s, const struct signer_options *o,
	struct why *why)
{
	struct tls_client_options tls = {
		.ca_pem = buf_span(&o->chain->pem),
		.alpn = "http/1.1",
		.min_version = TLS_VERSION_1_3,
		.keeps_session = true,
	};
	struct http_client_options client = {
		.loop = o->loop,
		.host = o->relay->host,
		.port = o->relay->port,
		.proxy = o->relay->proxy,
		.host_header = o->relay->authority,
		.connections_max = SIGN_CONNECTIONS_MAX,
		.connect_ms = SIGN_MS,
	};
	enum err rc = relay_share_tls(s->share, o->relay->authority, &tls, &client.tls,
		why);

	if (rc == ERR_OK)
		rc = relay_share_client(s->share, &client, &s->client);
	tls_context_free(client.tls);
	return rc;
}

enum err signer_new(const struct signer_options *o, struct signer **out, struct why *why)
{
	struct signer *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	s->loop = o->loop;
	s->share = o->relay->share;
	s->on_signed = o->on_signed;
	s->on_failed = o->on_failed;
	s->owner = o->owner;
	list_init(&s->pending);
	if (EVP_PKEY_up_ref(o->chain->public) == 1)
		s->key = o->chain->public;
	rc = signer_make_client(s, o, why);
	if (rc == ERR_OK)
		*out = s;
	else
		signer_free(s);
	return rc;
}

void signer_free(struct signer *s)
{
	if (s == NULL)
		return;
	while (!list_is_empty(&s->pending))
		signature_end(list_first(&s->pending, struct signature, in_signer),
			ERR_CLOSED, (struct span){ 0 });
	if (s->client != NULL)
		relay_share_release_client(s->share, s->client);
	EVP_PKEY_free(s->key);
	mem_free_secret_str(s->token);
	free(s);
}
