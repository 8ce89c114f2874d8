/* The TLS server of a lease, and the handshakes of its visitors. */
#include "tunnel/portal/visitor_tls.h"

#include "base/list.h"
#include "base/mem.h"
#include "net/pushback.h"

#define HANDSHAKE_MS 15000

struct visitor_tls {
	struct visitor_tls_options o;
	struct remote_key *key;
	struct list handshakes;
	unsigned handshakes_n;
};

struct handshake {
	struct list in_server;
	struct visitor_tls *server; /* borrowed: it frees us */
	struct prober *prober;      /* likewise: outlives us; or NULL */
	struct addr relay;
	bool is_peeking; /* the handshake is over: is the visitor our own probe? */
	struct stream *tls;
	struct loop_timer *timer;
	uint8_t first[PROBE_NONCE_BYTES];
	size_t first_n;
};

static void handshake_free(struct handshake *h)
{
	list_remove(&h->in_server);
	h->server->handshakes_n--;
	loop_timer_close(h->timer);
	stream_abort(h->tls);
	free(h);
}

/* @h is gone after this. */
static void handshake_end(struct handshake *h, enum err rc, const struct why *why)
{
	const struct visitor_tls_options *o = &h->server->o;
	struct addr relay = h->relay;
	struct stream *tls = NULL;

	if (rc == ERR_OK) {
		tls = h->tls;
		h->tls = NULL;
		stream_want(tls, 0);
	}
	handshake_free(h);
	o->on_accepted(o->owner, rc, tls, &relay, why);
}

static void handshake_fail(struct handshake *h, enum err rc, const char *words)
{
	struct why why;

	err_set(&why, rc, "%s", words);
	handshake_end(h, rc, &why);
}

/* Not our probe: the bytes that were read go back in front of the stream. */
static void handshake_finish(struct handshake *h)
{
	struct why why = { "" };
	struct stream *whole;
	enum err rc = ERR_OK;

	stream_want(h->tls, 0);
	if (h->first_n > 0) {
		rc = pushback_open(h->server->o.loop, h->tls,
			span_of(h->first, h->first_n), &whole);
		if (rc == ERR_OK)
			h->tls = whole;
	}
	handshake_end(h, rc, &why);
}

static void handshake_peek(struct handshake *h)
{
	size_t got = 0;
	enum err rc = stream_read(h->tls, h->first + h->first_n,
		sizeof(h->first) - h->first_n, &got);

	if (rc == ERR_OK)
		h->first_n += got;
	if (h->first_n == sizeof(h->first) && prober_claims(h->prober, h->tls, h->first))
		handshake_fail(h, ERR_EXISTS, "our own probe");
	else if (h->first_n == sizeof(h->first) || (rc != ERR_OK && rc != ERR_AGAIN))
		handshake_finish(h); /* the next owner of the stream sees its end */
}

static void handshake_on_stream(void *arg, unsigned ready)
{
	struct handshake *h = arg;
	struct why why = { "" };
	enum err rc;

	(void)ready;
	if (h->is_peeking) {
		handshake_peek(h);
		return;
	}
	rc = tls_handshake(h->tls, &why);
	if (rc == ERR_AGAIN) {
		stream_want(h->tls, tls_wants(h->tls));
	} else if (rc != ERR_OK) {
		handshake_end(h, rc, &why);
	} else if (h->prober == NULL || !prober_is_busy(h->prober)) {
		handshake_finish(h);
	} else {
		h->is_peeking = true;
		loop_timer_set(h->timer, PROBE_PEEK_MS);
		stream_want(h->tls, LOOP_READ);
	}
}

static void handshake_on_timer(void *arg)
{
	struct handshake *h = arg;

	if (h->is_peeking)
		handshake_finish(h);
	else
		handshake_fail(h, ERR_TIMEOUT, "the visitor's TLS handshake timed out");
}

enum err visitor_tls_accept(struct visitor_tls *s, const struct visitor_tls_accept *o)
{
	struct tls_options tls = {
		.context = s->o.chain->tls,
		.key = s->key,
		.loop = s->o.loop,
		.below = o->visitor,
		.is_server = true,
		.below_hides_ends = o->relay_hides_ends,
	};
	struct handshake *h;
	enum err rc;

	if (s->handshakes_n >= VISITOR_TLS_HANDSHAKES_MAX)
		return ERR_LIMIT;
	h = mem_new(h);
	if (h == NULL)
		return ERR_NOMEM;
	h->server = s;
	h->prober = o->prober;
	h->relay = *o->relay;
	list_add(&s->handshakes, &h->in_server);
	s->handshakes_n++;
	rc = loop_timer_open(s->o.loop, handshake_on_timer, h, &h->timer);
	if (rc == ERR_OK)
		rc = tls_open(&tls, &h->tls, NULL);
	if (rc != ERR_OK) {
		handshake_free(h);
		return rc;
	}
	stream_set_owner(h->tls, handshake_on_stream, h);
	loop_timer_set(h->timer, HANDSHAKE_MS);
	stream_want(h->tls, LOOP_READ);
	return ERR_OK;
}

void visitor_tls_drop(struct visitor_tls *s)
{
	while (!list_is_empty(&s->handshakes))
		handshake_free(list_first(&s->handshakes, struct handshake, in_server));
}

/* ---- life ---- */

enum err visitor_tls_new(const struct visitor_tls_options *o, struct visitor_tls **out,
	struct why *why)
{
	struct visitor_tls *s = mem_new(s);
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	s->o = *o;
	list_init(&s->handshakes);
	rc = remote_key_new_of(o->chain->public, o->sign, o->sign_arg, &s->key, why);
	if (rc == ERR_OK)
		*out = s;
	else
		visitor_tls_free(s);
	return rc;
}

void visitor_tls_free(struct visitor_tls *s)
{
	if (s == NULL)
		return;
	visitor_tls_drop(s);
	remote_key_unref(s->key);
	free(s);
}
