/* Whether the services behind a tunnel respond. */
#include "agent/target_health.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "net/connector.h"

#define DIAL_TIMEOUT_MS 5000

struct target_health {
	struct loop *loop; /* borrowed */
	bool dials;
	const struct target *target;
	const struct http_routes *routes;
	unsigned next;               /* the service to dial; those before it respond */
	struct connector *connector; /* a dial that is under way */
	struct loop_timer *timer;
	enum target_state state;
	uint64_t checked_ms;
	struct why error;
};

static bool has_routes(const struct target_health *h)
{
	return h->routes != NULL && h->routes->count > 0;
}

/* The service number @i, or NULL. */
static const struct target *service_of(const struct target_health *h, unsigned i)
{
	if (has_routes(h))
		return i < h->routes->count ? &h->routes->routes[i]->upstream : NULL;
	return i == 0 ? h->target : NULL;
}

static void dial(struct target_health *h);

/* A little more or less: tunnels that began together do not dial together for ever. */
static void dial_later(struct target_health *h)
{
	h->next = 0;
	if (h->dials)
		loop_timer_set(h->timer,
			TARGET_HEALTH_DIAL_MS - TARGET_HEALTH_DIAL_MS / 10 +
				rand_below(TARGET_HEALTH_DIAL_MS / 5));
}

void target_health_note(struct target_health *h, enum err rc, const struct why *why)
{
	h->state = rc == ERR_OK ? TARGET_OK : TARGET_DOWN;
	h->checked_ms = clock_now_ms();
	h->error.text[0] = '\0';
	if (rc != ERR_OK)
		err_set(&h->error, rc, "%s", err_text(rc, why));
	if (h->connector == NULL)
		dial_later(h);
}

static void on_dialed(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct target_health *h = arg;
	h->connector = NULL;
	if (rc == ERR_OK)
		stream_close(stream);
	if (rc == ERR_OK && service_of(h, ++h->next) != NULL) {
		dial(h);
		return;
	}
	target_health_note(h, rc, why);
}

/* Without TLS: that a connection is accepted is what is asked. */
static void dial(struct target_health *h)
{
	const struct target *t = service_of(h, h->next);
	struct connector_options o = {
		.loop = h->loop,
		.timeout_ms = DIAL_TIMEOUT_MS,
		.fn = on_dialed,
		.arg = h,
	};

	if (t == NULL)
		return;
	o.unix_path = t->unix_path[0] != '\0' ? t->unix_path : NULL;
	o.host = t->host;
	o.port = t->port;
	if (connector_open(&o, &h->connector) != ERR_OK)
		dial_later(h);
}

static void on_timer(void *arg)
{
	struct target_health *h = arg;

	h->next = 0;
	dial(h);
}

enum err target_health_open(struct loop *loop, bool dials, struct target_health **out)
{
	struct target_health *h = mem_new(h);
	enum err rc = h == NULL ? ERR_NOMEM :
				  loop_timer_open(loop, on_timer, h, &h->timer);

	if (rc != ERR_OK) {
		free(h);
		return rc;
	}
	h->loop = loop;
	h->dials = dials;
	*out = h;
	return ERR_OK;
}

void target_health_close(struct target_health *h)
{
	if (h == NULL)
		return;
	connector_close(h->connector);
	loop_timer_close(h->timer);
	free(h);
}

void target_health_watch(struct target_health *h, const struct target *target,
	const struct http_routes *routes)
{
	connector_close(h->connector);
	h->connector = NULL;
	h->target = target;
	h->routes = routes;
	h->next = 0;
	h->state = TARGET_UNKNOWN;
	h->checked_ms = 0;
	h->error.text[0] = '\0';
	if (h->dials)
		loop_timer_set(h->timer, 0);
}

struct target_health_status target_health_status(const struct target_health *h)
{
	return (struct target_health_status){
		.state = h->state,
		.error = h->error.text,
		.checked_ms = h->checked_ms,
	};
}
