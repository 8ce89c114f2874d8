/* Claims, as far as they are the same for all carriers. */
#include "serve/carrier.h"

static void claim_on_end(void *arg)
{
	struct claim *c = arg;
	struct stream *stream = c->stream;

	c->stream = NULL;
	c->on_end(c->arg, c->rc, stream);
}

void claim_open(struct carrier *carrier, struct claim *c)
{
	list_init(&c->in_carrier);
	loop_deferred_init(&c->end, claim_on_end, c);
	c->loop = carrier->loop;
	c->carrier = carrier;
	c->session = NULL;
	c->stream = NULL;
	carrier->ops->claim(carrier, c);
}

void claim_end(struct claim *c, enum err rc, struct stream *stream)
{
	c->carrier = NULL;
	c->session = NULL;
	c->rc = rc;
	c->stream = stream;
	loop_defer(c->loop, &c->end);
}

void claim_cancel(struct claim *c)
{
	if (c->loop == NULL)
		return;
	loop_undefer(&c->end);
	stream_abort(c->stream);
	c->stream = NULL;
	if (c->carrier != NULL)
		c->carrier->ops->cancel(c->carrier, c);
	c->carrier = NULL;
}
