/* The TLS end of a lease. */
#include "agent/lease_tls.h"

#include "base/mem.h"

/* A visitor whose handshake is under way. */
struct lease_handshake {
	struct list in_tls;
	struct lease_tls *tls;        /* borrowed: it frees us */
	struct tenant_accept *accept; /* borrowed: until it has called */
	struct addr relay;
};

void lease_tls_init(struct lease_tls *t, struct loop *loop,
	const struct relay_peer *relay, const struct log *log,
	const struct lease_tls_hooks *hooks, void *owner)
{
	*t = (struct lease_tls){
		.loop = loop,
		.relay = relay,
		.log = log,
		.hooks = hooks,
		.owner = owner,
	};
	buf_init(&t->chain, RELAY_CHAIN_MAX);
	list_init(&t->handshakes);
}

void lease_tls_drop_handshakes(struct lease_tls *t)
{
	struct list *it, *tmp;

	list_each(it, tmp, &t->handshakes) {
		struct lease_handshake *h = list_object(it, struct lease_handshake,
			in_tls);

		tenant_accept_close(h->accept);
		list_remove(it);
		free(h);
	}
	t->handshakes_n = 0;
}

/* Handshakes use both, and cannot outlive them. */
static void tls_drop_tenant(struct lease_tls *t)
{
	lease_tls_drop_handshakes(t);
	tenant_free(t->tenant);
	t->tenant = NULL;
	signer_free(t->signer);
	t->signer = NULL;
	buf_reset(&t->chain);
}

void lease_tls_fini(struct lease_tls *t)
{
	prober_free(t->prober);
	tls_drop_tenant(t);
	buf_fini(&t->chain);
}

bool lease_tls_is_open(const struct lease_tls *t)
{
	return t->tenant != NULL;
}

bool lease_tls_shows(const struct lease_tls *t, struct span pem)
{
	return t->tenant != NULL && span_eq(buf_span(&t->chain), pem);
}

/* ---- the chain, and signatures ---- */

static void tls_on_signed(void *owner)
{
	struct lease_tls *t = owner;

	if (retry_log_reset(&t->signatures))
		log_info(t->log, "visitors' handshakes are signed again");
}

static void tls_on_unsigned(void *owner, const struct why *why)
{
	struct lease_tls *t = owner;

	retry_log_warn(&t->signatures, t->log, why->text);
	t->hooks->on_doubt(t->owner);
}

/* The same chain keeps the tenant, whose tickets visitors have. */
enum err lease_tls_show(struct lease_tls *t, struct span pem, struct why *why)
{
	struct signer_options o = {
		.loop = t->loop,
		.relay = t->relay,
		.chain = pem,
		.on_signed = tls_on_signed,
		.on_failed = tls_on_unsigned,
		.owner = t,
	};
	enum err rc;

	if (lease_tls_shows(t, pem))
		return ERR_OK;
	tls_drop_tenant(t);
	rc = buf_put_span(&t->chain, pem);
	if (rc == ERR_OK)
		rc = signer_new(&o, &t->signer, why);
	if (rc == ERR_OK)
		rc = tenant_new(pem, signer_sign, t->signer, &t->tenant, why);
	return rc;
}

void lease_tls_set_token(struct lease_tls *t, const char *token, int64_t relay_ahead_ms,
	bool relay_is_adit)
{
	t->relay_is_adit = relay_is_adit;
	signer_set_token(t->signer, token, relay_ahead_ms);
	signer_keep_warm(t->signer, relay_is_adit);
	signer_check(t->signer);
}

void lease_tls_reconnect(struct lease_tls *t)
{
	if (t->signer != NULL)
		signer_reconnect(t->signer);
}

/* ---- visits of our own ---- */

static void tls_on_verdict(void *owner, enum probe_verdict verdict, const struct why *why)
{
	struct lease_tls *t = owner;

	if (verdict == PROBE_UNKNOWN) {
		retry_log_warn(&t->probes, t->log, why->text);
	} else if (verdict == PROBE_PASSED) {
		t->is_intercepted = false;
		(void)retry_log_reset(&t->probes);
		log_debug(t->log, "the TLS of a visit of our own ends here");
	} else if (t->is_intercepted) {
		log_debug(t->log, "%s", why->text);
	} else {
		t->is_intercepted = true;
		t->hooks->on_intercepted(t->owner, why);
	}
}

enum err lease_tls_watch(struct lease_tls *t, const char *host, uint16_t port,
	const char *server_name, struct why *why)
{
	struct prober_options o = {
		.loop = t->loop,
		.host = host,
		.port = port,
		.server_name = server_name,
		.on_verdict = tls_on_verdict,
		.owner = t,
	};

	if (t->prober != NULL && t->prober_port == port)
		return ERR_OK;
	lease_tls_drop_handshakes(t); /* they ask the prober */
	prober_free(t->prober);
	t->prober = NULL;
	t->prober_port = port;
	return prober_new(&o, &t->prober, why);
}

/* ---- visitors ---- */

static void tls_on_lost(struct lease_tls *t, enum err rc, const struct why *why)
{
	t->failed++;
	log_debug(t->log, "a visitor's handshake failed: %s", err_text(rc, why));
	t->hooks->on_doubt(t->owner);
}

static void tls_on_accepted(void *arg, enum err rc, struct stream *tls,
	const struct why *why)
{
	struct lease_handshake *h = arg;
	struct lease_tls *t = h->tls;
	struct addr relay = h->relay;

	list_remove(&h->in_tls);
	t->handshakes_n--;
	free(h);
	if (rc == ERR_OK) {
		t->hooks->on_visitor(t->owner, tls, &relay);
	} else if (rc != ERR_EXISTS) { /* else it is a visit of our own */
		signer_doubt(t->signer);
		tls_on_lost(t, rc, why);
	}
}

void lease_tls_accept_take(struct lease_tls *t, struct stream *visitor,
	const struct addr *relay)
{
	struct lease_handshake *h = t->handshakes_n < LEASE_HANDSHAKES_MAX ? mem_new(h) :
									     NULL;
	struct tenant_accept_options o = {
		.loop = t->loop,
		.tenant = t->tenant,
		.prober = t->prober,
		.visitor = visitor,
		.relay_hides_ends = !t->relay_is_adit,
		.fn = tls_on_accepted,
		.arg = h,
	};
	enum err rc = t->handshakes_n < LEASE_HANDSHAKES_MAX ? ERR_NOMEM : ERR_LIMIT;

	if (h != NULL)
		rc = tenant_accept_open(&o, &h->accept);
	if (rc != ERR_OK) {
		free(h);
		stream_abort(visitor);
		tls_on_lost(t, rc, NULL);
		return;
	}
	h->tls = t;
	h->relay = *relay;
	list_add(&t->handshakes, &h->in_tls);
	t->handshakes_n++;
}
