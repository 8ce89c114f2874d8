/* The TLS end of a lease. */
#include "agent/lease_tls.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/pem.h"

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
}

void lease_tls_drop_handshakes(struct lease_tls *t)
{
	if (t->server != NULL)
		visitor_tls_drop(t->server);
}

/* Handshakes use the signer. */
static void tls_close_server(struct lease_tls *t)
{
	visitor_tls_free(t->server);
	t->server = NULL;
	signer_free(t->signer);
	t->signer = NULL;
	visitor_chain_unref(t->chain);
	t->chain = NULL;
}

void lease_tls_fini(struct lease_tls *t)
{
	prober_free(t->prober);
	tls_close_server(t);
}

bool lease_tls_is_open(const struct lease_tls *t)
{
	return t->server != NULL;
}

bool lease_tls_shows(const struct lease_tls *t, struct span pem)
{
	return t->server != NULL && span_eq(buf_span(&t->chain->pem), pem);
}

/* ---- the chain, signatures and visitors ---- */

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

/* The relay may have another chain or key by now. */
static void tls_on_lost(struct lease_tls *t, enum err rc, const struct why *why)
{
	t->failed++;
	log_debug(t->log, "a visitor's handshake failed: %s", err_text(rc, why));
	t->hooks->on_doubt(t->owner);
}

static void tls_on_accepted(void *owner, enum err rc, struct stream *tls,
	const struct addr *relay, const struct why *why)
{
	struct lease_tls *t = owner;

	if (rc == ERR_OK) {
		t->hooks->on_visitor(t->owner, tls, relay);
	} else if (rc != ERR_EXISTS) { /* else it was our own probe */
		signer_doubt(t->signer);
		tls_on_lost(t, rc, why);
	}
}

/* The same chain keeps the server, and with it the visitors' tickets. */
enum err lease_tls_show(struct lease_tls *t, struct span pem, struct why *why)
{
	struct signer_options signer = {
		.loop = t->loop,
		.relay = t->relay,
		.on_signed = tls_on_signed,
		.on_failed = tls_on_unsigned,
		.owner = t,
	};
	struct visitor_tls_options server = {
		.loop = t->loop,
		.sign = signer_sign,
		.on_accepted = tls_on_accepted,
		.owner = t,
	};
	enum err rc;

	if (lease_tls_shows(t, pem))
		return ERR_OK;
	tls_close_server(t);
	rc = relay_share_chain(t->relay->share, pem, &t->chain, why);
	signer.chain = server.chain = t->chain;
	t->chain_end_s = pem_end_of(pem);
	if (rc == ERR_OK)
		rc = signer_new(&signer, &t->signer, why);
	server.sign_arg = t->signer;
	if (rc == ERR_OK)
		rc = visitor_tls_new(&server, &t->server, why);
	return rc;
}

void lease_tls_set_token(struct lease_tls *t, const struct lease_token *token)
{
	t->relay_is_adit = token->relay_is_adit;
	signer_set_token(t->signer, token);
}

void lease_tls_reconnect(struct lease_tls *t)
{
	if (t->signer != NULL)
		signer_reconnect(t->signer);
}

/* ---- probes ---- */

static void tls_on_verdict(void *owner, enum probe_verdict verdict, const struct why *why)
{
	struct lease_tls *t = owner;

	t->is_verified = verdict == PROBE_PASSED;
	t->visited_ms = clock_now_ms();
	if (verdict == PROBE_UNKNOWN) {
		retry_log_warn(&t->probes, t->log, why->text);
	} else if (verdict == PROBE_PASSED) {
		t->is_intercepted = false;
		(void)retry_log_reset(&t->probes);
		log_debug(t->log, "probe: TLS is not intercepted");
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
		.proxy = t->relay->proxy,
		.server_name = server_name,
		.share = t->relay->share,
		.on_verdict = tls_on_verdict,
		.owner = t,
	};

	if (t->prober != NULL && t->prober_port == port)
		return ERR_OK;
	lease_tls_drop_handshakes(t); /* they use the prober */
	prober_free(t->prober);
	t->prober = NULL;
	t->prober_port = port;
	return prober_new(&o, &t->prober, why);
}

void lease_tls_accept_take(struct lease_tls *t, struct stream *visitor,
	const struct addr *relay)
{
	const struct visitor_tls_accept o = {
		.visitor = visitor,
		.relay = relay,
		.prober = t->prober,
		.relay_hides_ends = !t->relay_is_adit,
	};
	enum err rc = visitor_tls_accept(t->server, &o);

	if (rc == ERR_OK)
		return;
	stream_abort(visitor);
	tls_on_lost(t, rc, NULL);
}
