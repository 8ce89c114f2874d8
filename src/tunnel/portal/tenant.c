/* The TLS server of a lease, and the handshakes of its visitors. */
#include "tunnel/portal/tenant.h"

#include "base/mem.h"
#include "net/unread.h"

#define ACCEPT_MS 15000

struct tenant {
	struct remote_key *key;
	struct tls_context *tls;
};

enum err tenant_new(struct span chain, remote_sign_fn *sign, void *arg,
	struct tenant **out, struct why *why)
{
	struct tls_server_options o = {
		.cert_pem = chain,
		.alpn = "http/1.1",
	};
	struct tenant *t = mem_new(t);
	enum err rc;

	if (t == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	rc = remote_key_new(chain, sign, arg, &t->key, why);
	o.key = t->key;
	if (rc == ERR_OK)
		rc = tls_context_new_server(&o, &t->tls, why);
	if (rc == ERR_OK)
		*out = t;
	else
		tenant_free(t);
	return rc;
}

void tenant_free(struct tenant *t)
{
	if (t == NULL)
		return;
	tls_context_free(t->tls);
	remote_key_unref(t->key);
	free(t);
}

/* ---- visitors ---- */

enum accept_state {
	ACCEPT_GREETING, /* the handshake */
	ACCEPT_LOOKING,  /* whether the visitor is our own probe */
};

struct tenant_accept {
	struct loop *loop; /* borrowed: outlives us */
	struct prober *prober;
	enum accept_state state;
	struct stream *tls;
	struct loop_timer *timer;
	uint8_t first[PROBE_NONCE_BYTES];
	size_t first_n;
	void (*fn)(void *arg, enum err rc, struct stream *tls, const struct why *why);
	void *arg;
};

void tenant_accept_close(struct tenant_accept *r)
{
	if (r == NULL)
		return;
	loop_timer_close(r->timer);
	stream_abort(r->tls);
	free(r);
}

/* Reports and is gone. */
static void accept_end(struct tenant_accept *r, enum err rc, const struct why *why)
{
	struct tenant_accept last = *r;
	struct stream *tls = NULL;

	if (rc == ERR_OK) {
		tls = r->tls;
		r->tls = NULL;
		stream_want(tls, 0);
	}
	tenant_accept_close(r);
	last.fn(last.arg, rc, tls, why);
}

static void accept_fail(struct tenant_accept *r, enum err rc, const char *words)
{
	struct why why;

	err_set(&why, rc, "%s", words);
	accept_end(r, rc, &why);
}

/* A real visitor: what has been read of his goes back in front. */
static void accept_welcome(struct tenant_accept *r)
{
	struct why why = { "" };
	struct stream *whole;
	enum err rc = ERR_OK;

	stream_want(r->tls, 0);
	if (r->first_n > 0) {
		rc = unread_open(r->loop, r->tls, span_of(r->first, r->first_n), &whole);
		if (rc == ERR_OK)
			r->tls = whole;
	}
	accept_end(r, rc, &why);
}

static void accept_look(struct tenant_accept *r)
{
	size_t got = 0;
	enum err rc = stream_read(r->tls, r->first + r->first_n,
		sizeof(r->first) - r->first_n, &got);

	if (rc == ERR_OK)
		r->first_n += got;
	if (r->first_n == sizeof(r->first) && prober_claims(r->prober, r->tls, r->first))
		accept_fail(r, ERR_EXISTS, "our own probe");
	else if (r->first_n == sizeof(r->first) || (rc != ERR_OK && rc != ERR_AGAIN))
		accept_welcome(r); /* an end is the next owner's to see */
}

static void accept_greet(struct tenant_accept *r)
{
	struct why why = { "" };
	enum err rc = tls_handshake(r->tls, &why);

	if (rc == ERR_AGAIN) {
		stream_want(r->tls, tls_wants(r->tls));
		return;
	}
	if (rc != ERR_OK) {
		accept_end(r, rc, &why);
		return;
	}
	if (r->prober == NULL || !prober_is_busy(r->prober)) {
		accept_welcome(r);
		return;
	}
	r->state = ACCEPT_LOOKING;
	loop_timer_set(r->timer, PROBE_PEEK_MS);
	stream_want(r->tls, LOOP_READ);
}

static void accept_on_stream(void *arg, unsigned ready)
{
	struct tenant_accept *r = arg;

	(void)ready;
	if (r->state == ACCEPT_GREETING)
		accept_greet(r);
	else
		accept_look(r);
}

static void accept_on_timer(void *arg)
{
	struct tenant_accept *r = arg;

	if (r->state == ACCEPT_LOOKING)
		accept_welcome(r);
	else
		accept_fail(r, ERR_TIMEOUT, "the visitor's TLS handshake took too long");
}

enum err tenant_accept_open(const struct tenant_accept_options *o,
	struct tenant_accept **out)
{
	struct tls_options tls = {
		.context = o->tenant->tls,
		.loop = o->loop,
		.below = o->visitor,
		.is_server = true,
		.below_hides_ends = o->relay_hides_ends,
	};
	struct tenant_accept *r = mem_new(r);
	enum err rc;

	if (r == NULL)
		return ERR_NOMEM;
	r->loop = o->loop;
	r->prober = o->prober;
	r->fn = o->fn;
	r->arg = o->arg;
	rc = loop_timer_open(o->loop, accept_on_timer, r, &r->timer);
	if (rc == ERR_OK)
		rc = tls_open(&tls, &r->tls, NULL);
	if (rc != ERR_OK) {
		tenant_accept_close(r);
		return rc;
	}
	stream_set_owner(r->tls, accept_on_stream, r);
	loop_timer_set(r->timer, ACCEPT_MS);
	stream_want(r->tls, LOOP_READ);
	*out = r;
	return ERR_OK;
}
