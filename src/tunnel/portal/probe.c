/* Probes of the agent's own tunnel. */
#include "tunnel/portal/probe.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/connector.h"
#include "text/names.h"
#include "tunnel/portal/relay_share.h"

#define PROBE_LABEL "Portal-MITM-Probe-v1"
#define PROBE_KEY_BYTES 32
#define PROBE_MS 5000
#define PROBE_REST_MS 30000
#define PROBE_PADDING_MIN 96
#define PROBE_PADDING_MORE 225
#define PROBE_MAX (PROBE_NONCE_BYTES + PROBE_PADDING_MIN + PROBE_PADDING_MORE)

enum probe_state {
	PROBE_RESTING,    /* or none was made yet */
	PROBE_CONNECTING, /* the tunnel */
	PROBE_SENDING,    /* the probe's bytes */
	PROBE_WAITING,    /* for them at the other end */
	PROBE_JUDGING,    /* they came: on_verdict is called at the end of the turn */
};

struct prober {
	struct loop *loop; /* borrowed: outlives us */
	char host[NAMES_HOST_MAX + 1], server_name[NAMES_HOST_MAX + 1];
	uint16_t port;
	const struct dial_proxy *proxy; /* borrowed: outlives us; NULL: none */
	void (*on_verdict)(void *owner, enum probe_verdict verdict,
		const struct why *why);
	void *owner;
	struct tls_context *tls;
	enum probe_state state;
	uint64_t rested_ms;          /* the next one not before this */
	struct connector *connector; /* borrowed: until it has called */
	struct stream *stream;       /* the client end */
	struct loop_timer *timer;
	struct loop_deferred verdict;
	bool is_same; /* both ends have the same keys */
	uint8_t key[PROBE_KEY_BYTES];
	uint8_t bytes[PROBE_MAX]; /* the nonce, and padding */
	size_t bytes_n, sent_n;
};

/* A probe takes at most PROBE_MS. */
static void prober_enter(struct prober *p, enum probe_state state)
{
	p->state = state;
	if (state == PROBE_RESTING)
		loop_timer_stop(p->timer);
	else if (state == PROBE_CONNECTING)
		loop_timer_set(p->timer, PROBE_MS);
}

/* The prober may be gone after this. */
static void prober_end(struct prober *p, enum probe_verdict verdict,
	const struct why *why)
{
	connector_close(p->connector);
	p->connector = NULL;
	stream_abort(p->stream);
	p->stream = NULL;
	prober_enter(p, PROBE_RESTING);
	if (verdict != PROBE_UNKNOWN)
		p->rested_ms = clock_now_ms() + PROBE_REST_MS;
	p->on_verdict(p->owner, verdict, why);
}

static void prober_on_judged(void *arg)
{
	struct prober *p = arg;
	struct why why = { "" };

	if (!p->is_same)
		err_set(&why, ERR_CRYPTO,
			"TLS is terminated between visitors and this agent:"
			" tls_exporter_mismatch");
	prober_end(p, p->is_same ? PROBE_PASSED : PROBE_MISMATCH, &why);
}

static void prober_on_timer(void *arg)
{
	struct why why;

	err_set(&why, ERR_TIMEOUT,
		"the probe of the tunnel did not arrive: probe_timeout");
	prober_end(arg, PROBE_UNKNOWN, &why);
}

static void prober_give_up(struct prober *p, enum err rc, const struct why *why)
{
	struct why words;

	err_set(&words, rc, "the probe of the tunnel failed: %s", err_text(rc, why));
	prober_end(p, PROBE_UNKNOWN, &words);
}

/* Bytes and the end from the other side are ignored: the timer ends the probe. */
static void prober_on_stream(void *arg, unsigned ready)
{
	struct prober *p = arg;
	size_t put = 0;
	enum err rc = ERR_OK;

	(void)ready;
	while (rc == ERR_OK && p->sent_n < p->bytes_n) {
		rc = stream_put(p->stream, p->bytes + p->sent_n, p->bytes_n - p->sent_n,
			&put);
		if (rc == ERR_OK)
			p->sent_n += put;
	}
	if (rc == ERR_OK && p->state == PROBE_SENDING)
		prober_enter(p, PROBE_WAITING);
	stream_want(p->stream, rc == ERR_AGAIN ? LOOP_WRITE : 0);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		prober_give_up(p, rc, NULL);
}

static void prober_on_reached(void *arg, enum err rc, struct stream *tls,
	const struct why *why)
{
	struct prober *p = arg;

	p->connector = NULL;
	if (rc == ERR_OK) {
		p->stream = tls;
		rc = tls_export(tls, PROBE_LABEL, p->key, sizeof(p->key));
	}
	if (rc != ERR_OK) {
		prober_give_up(p, rc, why);
		return;
	}
	prober_enter(p, PROBE_SENDING);
	stream_set_owner(tls, prober_on_stream, p);
	prober_on_stream(p, LOOP_WRITE);
}

void prober_start(struct prober *p)
{
	struct connector_options o = {
		.loop = p->loop,
		.host = p->host,
		.port = p->port,
		.proxy = p->proxy,
		.tls = p->tls,
		.server_name = p->server_name,
		.timeout_ms = PROBE_MS,
		.fn = prober_on_reached,
		.arg = p,
	};
	uint8_t more;

	if (p->state != PROBE_RESTING || clock_now_ms() < p->rested_ms)
		return;
	rand_bytes(&more, 1);
	p->bytes_n = PROBE_NONCE_BYTES + PROBE_PADDING_MIN + more % PROBE_PADDING_MORE;
	p->sent_n = 0;
	/* The nonce is complete before any of it can arrive. */
	rand_bytes(p->bytes, p->bytes_n);
	if (connector_open(&o, &p->connector) != ERR_OK)
		return; /* the next visitor starts another */
	prober_enter(p, PROBE_CONNECTING);
}

bool prober_is_busy(const struct prober *p)
{
	return p->state != PROBE_RESTING;
}

bool prober_claims(struct prober *p, const struct stream *tls, const uint8_t *first)
{
	uint8_t key[PROBE_KEY_BYTES];

	if (p->state != PROBE_SENDING && p->state != PROBE_WAITING)
		return false;
	if (memcmp(first, p->bytes, PROBE_NONCE_BYTES) != 0)
		return false;
	p->is_same = tls_export(tls, PROBE_LABEL, key, sizeof(key)) == ERR_OK &&
		memcmp(key, p->key, sizeof(key)) == 0;
	prober_enter(p, PROBE_JUDGING);
	loop_defer(p->loop, &p->verdict);
	return true;
}

enum err prober_new(const struct prober_options *o, struct prober **out, struct why *why)
{
	/* Not verified: the keys tell whether TLS is intercepted. */
	struct tls_client_options tls = { .skip_verify = true, .alpn = "http/1.1" };
	struct prober *p = mem_new(p);
	enum err rc;

	if (p == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	p->loop = o->loop;
	p->port = o->port;
	p->proxy = o->proxy;
	p->on_verdict = o->on_verdict;
	p->owner = o->owner;
	loop_deferred_init(&p->verdict, prober_on_judged, p);
	rc = loop_timer_open(o->loop, prober_on_timer, p, &p->timer);
	if (rc == ERR_OK)
		rc = relay_share_tls(o->share, "probe", &tls, &p->tls, why);
	if (rc == ERR_OK &&
		(!str_copy(p->host, sizeof(p->host), o->host) ||
			!str_copy(p->server_name, sizeof(p->server_name),
				o->server_name)))
		rc = err_set(why, ERR_LIMIT, "the tunnel's name is too long");
	if (rc == ERR_OK)
		*out = p;
	else
		prober_free(p);
	return rc;
}

void prober_free(struct prober *p)
{
	if (p == NULL)
		return;
	if (p->verdict.fn != NULL)
		loop_undefer(&p->verdict);
	connector_close(p->connector);
	stream_abort(p->stream);
	loop_timer_close(p->timer);
	tls_context_free(p->tls);
	mem_wipe(p->key, sizeof(p->key));
	free(p);
}
