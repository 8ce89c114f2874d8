/* The TLS server of a lease, and the handshakes of its visitors. */
#include "agent/lease_desk.h"

#include "base/mem.h"

/* A visitor whose handshake is under way. */
struct guest {
	struct list in_desk;
	struct lease_desk *desk;     /* borrowed: it frees us */
	struct reception *reception; /* borrowed: until it has called */
	struct addr relay;
};

void lease_desk_init(struct lease_desk *d, struct loop *loop,
	const struct relay_peer *relay, const struct lease_desk_hooks *hooks, void *owner)
{
	*d = (struct lease_desk){
		.loop = loop,
		.relay = relay,
		.hooks = hooks,
		.owner = owner,
	};
	buf_init(&d->chain, RELAY_CHAIN_MAX);
	list_init(&d->guests);
}

void lease_desk_send_away(struct lease_desk *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->guests) {
		struct guest *g = list_object(it, struct guest, in_desk);

		reception_close(g->reception);
		list_remove(it);
		free(g);
	}
	d->guests_n = 0;
}

/* ---- the chain ---- */

/* Receptions use both, and cannot outlive them. */
static void desk_drop_tenant(struct lease_desk *d)
{
	lease_desk_send_away(d);
	tenant_free(d->tenant);
	d->tenant = NULL;
	signer_free(d->signer);
	d->signer = NULL;
	buf_reset(&d->chain);
}

bool lease_desk_shows(const struct lease_desk *d, struct span pem)
{
	return span_eq(buf_span(&d->chain), pem);
}

/* The same chain keeps the tenant, whose tickets visitors have. */
enum err lease_desk_show(struct lease_desk *d, struct span pem, struct why *why)
{
	struct signer_options o = {
		.loop = d->loop,
		.relay = d->relay,
		.chain = pem,
		.on_signed = d->hooks->on_signed,
		.on_failed = d->hooks->on_unsigned,
		.owner = d->owner,
	};
	enum err rc;

	if (lease_desk_is_open(d) && lease_desk_shows(d, pem))
		return ERR_OK;
	desk_drop_tenant(d);
	rc = buf_put_span(&d->chain, pem);
	if (rc == ERR_OK)
		rc = signer_new(&o, &d->signer, why);
	if (rc == ERR_OK)
		rc = tenant_new(pem, signer_sign, d->signer, &d->tenant, why);
	return rc;
}

bool lease_desk_is_open(const struct lease_desk *d)
{
	return d->tenant != NULL;
}

void lease_desk_set_token(struct lease_desk *d, const char *token, int64_t relay_ahead_ms)
{
	signer_set_token(d->signer, token, relay_ahead_ms);
}

void lease_desk_set_relay(struct lease_desk *d, bool is_adit)
{
	d->relay_is_adit = is_adit;
	signer_keep_warm(d->signer, is_adit);
}

void lease_desk_check(struct lease_desk *d)
{
	signer_check(d->signer);
}

void lease_desk_reconnect(struct lease_desk *d)
{
	if (d->signer != NULL)
		signer_reconnect(d->signer);
}

struct signer_figures lease_desk_signatures(const struct lease_desk *d)
{
	return d->signer != NULL ? signer_figures(d->signer) :
				   (struct signer_figures){ 0 };
}

/* ---- visits to ourselves ---- */

enum err lease_desk_watch(struct lease_desk *d, const char *host, uint16_t port,
	const char *server_name, struct why *why)
{
	struct prober_options o = {
		.loop = d->loop,
		.host = host,
		.port = port,
		.server_name = server_name,
		.on_verdict = d->hooks->on_verdict,
		.owner = d->owner,
	};

	if (d->prober != NULL && d->prober_port == port)
		return ERR_OK;
	lease_desk_send_away(d); /* they ask it who they are */
	prober_free(d->prober);
	d->prober = NULL;
	d->prober_port = port;
	return prober_new(&o, &d->prober, why);
}

void lease_desk_probe(struct lease_desk *d)
{
	prober_start(d->prober);
}

/* ---- visitors ---- */

static void guest_on_received(void *arg, enum err rc, struct stream *tls,
	const struct why *why)
{
	struct guest *g = arg;
	struct lease_desk *d = g->desk;
	struct addr relay = g->relay;

	list_remove(&g->in_desk);
	d->guests_n--;
	free(g);
	if (rc == ERR_OK)
		d->hooks->on_received(d->owner, tls, &relay);
	if (rc == ERR_OK || rc == ERR_EXISTS) /* our own probe */
		return;
	signer_doubt(d->signer);
	d->hooks->on_lost(d->owner, rc, why);
}

static enum err desk_receive(struct lease_desk *d, struct stream *visitor,
	const struct addr *relay)
{
	struct reception_options o = {
		.loop = d->loop,
		.tenant = d->tenant,
		.prober = d->prober,
		.visitor = visitor,
		.relay_hides_ends = !d->relay_is_adit,
		.fn = guest_on_received,
	};
	struct guest *g;
	enum err rc;

	if (d->guests_n >= LEASE_RECEPTIONS_MAX)
		return ERR_LIMIT;
	g = mem_new(g);
	if (g == NULL)
		return ERR_NOMEM;
	g->desk = d;
	g->relay = *relay;
	o.arg = g;
	rc = reception_open(&o, &g->reception);
	if (rc != ERR_OK) {
		free(g);
		return rc;
	}
	list_add(&d->guests, &g->in_desk);
	d->guests_n++;
	return ERR_OK;
}

void lease_desk_receive_take(struct lease_desk *d, struct stream *visitor,
	const struct addr *relay)
{
	enum err rc = desk_receive(d, visitor, relay);

	if (rc == ERR_OK)
		return;
	stream_abort(visitor);
	d->hooks->on_lost(d->owner, rc, NULL);
}

void lease_desk_fini(struct lease_desk *d)
{
	prober_free(d->prober);
	desk_drop_tenant(d);
	buf_fini(&d->chain);
}
