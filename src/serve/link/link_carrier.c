/* Claims on a link. */
#include "serve/link/link_carrier.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/chisel/remote.h"

struct link_carrier {
	struct carrier carrier;
	struct link_carrier_options o; /* without the target */
	struct list openings;
	char target[REMOTE_TEXT_MAX];
};

/* A channel that is being opened for a claim, and then sent the first bytes. */
struct opening {
	struct list in_carrier;
	struct claim *claim;   /* borrowed: it cancels us before it goes */
	struct channel *dial;  /* borrowed: until it has answered */
	struct stream *stream; /* owned, from then on */
	size_t sent;           /* of the claim's first bytes */
};

static void opening_free(struct opening *o)
{
	list_remove(&o->in_carrier);
	free(o);
}

static void opening_end(struct opening *o, enum err rc)
{
	struct stream *stream = o->stream;

	if (rc != ERR_OK) {
		channel_dial_close(o->dial);
		stream_abort(stream);
		stream = NULL;
	}
	claim_end(o->claim, rc, stream);
	opening_free(o);
}

static void opening_step(struct opening *o)
{
	struct span first = o->claim->first;
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && o->sent < first.n) {
		rc = stream_put(o->stream, first.p + o->sent, first.n - o->sent, &put);
		if (rc == ERR_OK)
			o->sent += put;
	}
	stream_want(o->stream, rc == ERR_AGAIN ? LOOP_WRITE : 0);
	if (rc != ERR_AGAIN)
		opening_end(o, rc);
}

static void opening_on_ready(void *arg, unsigned ready)
{
	(void)ready;
	opening_step(arg);
}

static void opening_on_opened(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct opening *o = arg;

	(void)why;
	o->dial = NULL;
	o->stream = stream;
	if (rc != ERR_OK) {
		opening_end(o, rc);
		return;
	}
	stream_set_owner(stream, opening_on_ready, o);
	opening_step(o);
}

static struct link_carrier *link_of(struct carrier *c)
{
	return mem_container(c, struct link_carrier, carrier);
}

static void link_claim(struct carrier *carrier, struct claim *claim)
{
	struct link_carrier *l = link_of(carrier);
	struct opening *o = mem_new(o);
	struct chisel_session *session = l->o.find(l->o.arg, &claim->agent);
	enum err rc;

	if (o == NULL || session == NULL) {
		free(o);
		claim_end(claim, session == NULL ? ERR_CLOSED : ERR_NOMEM, NULL);
		return;
	}
	claim->session = o;
	o->claim = claim;
	list_add(&l->openings, &o->in_carrier);
	rc = chisel_session_dial(session, l->target, opening_on_opened, o, &o->dial);
	if (rc != ERR_OK)
		opening_end(o, rc);
}

static void link_cancel(struct carrier *carrier, struct claim *claim)
{
	struct opening *o = claim->session;

	(void)carrier;
	channel_dial_close(o->dial);
	stream_abort(o->stream);
	opening_free(o);
}

static void link_drop(struct carrier *carrier, const struct prefix_set *banned)
{
	struct link_carrier *l = link_of(carrier);

	struct addr client;
	struct chisel_session *session = l->o.find(l->o.arg, &client);

	if (session != NULL && prefix_set_has(banned, &client))
		chisel_session_close(session, ERR_DENIED, "the address is banned");
}

static void link_close(struct carrier *carrier)
{
	struct link_carrier *l = link_of(carrier);
	struct opening *o;

	while ((o = list_first(&l->openings, struct opening, in_carrier)) != NULL)
		opening_end(o, ERR_CLOSED);
	atomic_fetch_sub(carrier->present, 1);
	free(l);
}

static const struct carrier_ops link_ops = {
	.claim = link_claim,
	.cancel = link_cancel,
	.drop = link_drop,
	.close = link_close,
};

enum err link_carrier_new(const struct link_carrier_options *o, struct carrier **out)
{
	struct link_carrier *l = mem_new(l);

	if (l == NULL)
		return ERR_NOMEM;
	if (!str_copy(l->target, sizeof(l->target), o->target)) {
		free(l);
		return ERR_LIMIT;
	}
	l->carrier = (struct carrier){ .ops = &link_ops,
		.loop = o->loop,
		.present = o->present };
	l->o = *o;
	l->o.target = NULL;
	list_init(&l->openings);
	atomic_fetch_add(o->present, 1);
	*out = &l->carrier;
	return ERR_OK;
}
