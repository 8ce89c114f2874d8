/* A relay from outside. */
#include "cli/relay_visit.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "net/connector.h"
#include "net/resolver.h"
#include "text/proxy_env.h"

#define CONNECT_MS 10000
#define ENROL_MS 30000
#define ALPN "http/1.1"
#define USER_AGENT "User-Agent: adit/" ADIT_VERSION "\r\n"

enum err relay_visit_init(struct relay_visit *out, const struct enrol_relay *relay,
	const char *ca_file, const uint8_t *pin, struct why *why)
{
	const struct tls_client_options o = { .ca_file = ca_file,
		.pin = pin,
		.alpn = ALPN };
	struct proxy_env env;
	enum err rc;

	out->relay = relay;
	proxy_env_read(&env, getenv);
	rc = proxy_env_find(&env, true, relay->host, relay->port, &out->proxy_url, why);
	if (rc == ERR_OK) {
		out->proxy = dial_proxy_of_url(&out->proxy_url);
		out->has_proxy = true;
	} else if (rc != ERR_NOENT) {
		return ERR_USAGE;
	}
	return tls_context_new_client(&o, &out->tls, why);
}

void relay_visit_fini(struct relay_visit *v)
{
	tls_context_free(v->tls);
	mem_wipe(v->proxy_url.password, sizeof(v->proxy_url.password));
}

/* ---- looking up ---- */

struct waiting {
	struct relay_visit *v;
	struct loop *loop;
	enum err rc;
	struct why why;
};

static void on_resolved(void *arg, enum err rc, const struct addr *addrs, unsigned count,
	const struct why *why)
{
	struct waiting *w = arg;

	w->rc = rc;
	w->why = *why;
	if (rc == ERR_OK && count > 0)
		addr_print_ip(&addrs[0], w->v->address);
	loop_stop(w->loop);
}

static enum err look_up(struct relay_visit *v, struct waiting *w, struct why *why)
{
	const char *host = v->relay->host;
	struct resolve *resolve;
	enum err rc;

	if (v->has_proxy)
		return ERR_OK;
	rc = resolve_open(w->loop, host, v->relay->port, on_resolved, w, &resolve);
	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	loop_run(w->loop);
	if (w->rc == ERR_NOENT)
		return err_set(why, w->rc,
			"%.100s has no address: correct the name, or add its DNS record (A or"
			" AAAA) with the relay's address",
			host);
	if (w->rc != ERR_OK)
		return err_set(why, w->rc,
			"%.100s: check the network and the name servers of this machine",
			err_text(w->rc, &w->why));
	return ERR_OK;
}

/* ---- connecting ---- */

static void on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct waiting *w = arg;

	w->rc = rc;
	w->why.text[0] = '\0';
	if (why != NULL)
		w->why = *why;
	stream_close(stream);
	loop_stop(w->loop);
}

static enum err explain_dial(const struct relay_visit *v, const struct waiting *w,
	struct why *why)
{
	if (v->has_proxy)
		return err_set(why, w->rc,
			"the relay cannot be reached through the proxy of the environment:"
			" %.150s",
			err_text(w->rc, &w->why));
	return err_set(why, w->rc,
		"the relay cannot be reached: %.120s: is it running, and is port %u open in"
		" its firewall?",
		err_text(w->rc, &w->why), v->relay->port);
}

static enum err explain_tls(const struct relay_visit *v, const struct waiting *w,
	const struct connector_failure *f, struct why *why)
{
	const char *host = v->relay->host;
	char now[TIMEFMT_TEXT_MAX];

	timefmt_print((struct timestamp){ .s = (int64_t)(clock_wall_ms() / 1000) }, now);
	switch (f->tls) {
	case TLS_TROUBLE_UNKNOWN_CA:
		return err_set(why, w->rc,
			"the certificate of %.80s is of no authority that is trusted here: give"
			" the --pin that the enrol command has, or the authority with --ca-file",
			host);
	case TLS_TROUBLE_EXPIRED:
		return err_set(why, w->rc,
			"the certificate of %.80s expired on %.40s, and the clock of this"
			" machine says %s: set the clock, or renew the certificate at the relay",
			host, f->detail, now);
	case TLS_TROUBLE_TOO_EARLY:
		return err_set(why, w->rc,
			"the certificate of %.80s is valid from %.40s on, and the clock of this"
			" machine says %s: set the clock",
			host, f->detail, now);
	case TLS_TROUBLE_WRONG_NAME:
		return err_set(why, w->rc,
			"the certificate is for %.80s and not for %.80s: write one of its"
			" names, or give the --pin that the enrol command has",
			f->detail, host);
	case TLS_TROUBLE_NO_TLS:
		return err_set(why, w->rc,
			"port %u of %.80s does not speak TLS: write the address of the relay's"
			" panel",
			v->relay->port, host);
	case TLS_TROUBLE_WRONG_PIN:
		return err_set(why, w->rc,
			"the key of %.80s is not that of --pin, but %.50s: another machine"
			" answers, or the relay has a new key; get a new enrol command there",
			host, f->detail);
	default:
		return err_set(why, w->rc, "the TLS handshake with %.80s fails: %.120s",
			host, err_text(w->rc, &w->why));
	}
}

static enum err connect_once(struct relay_visit *v, struct waiting *w, struct why *why)
{
	struct connector_failure failure = { .is_of_tls = false };
	struct connector_options o = {
		.loop = w->loop,
		.host = v->relay->host,
		.port = v->relay->port,
		.proxy = v->has_proxy ? &v->proxy : NULL,
		.tls = v->tls,
		.timeout_ms = CONNECT_MS,
		.failure = &failure,
		.fn = on_connected,
		.arg = w,
	};
	struct connector *connector;
	enum err rc = connector_open(&o, &connector);

	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	loop_run(w->loop);
	if (w->rc == ERR_OK)
		return ERR_OK;
	return failure.is_of_tls ? explain_tls(v, w, &failure, why) :
				   explain_dial(v, w, why);
}

static enum err check_path(struct relay_visit *v, struct why *why)
{
	struct waiting w = { .v = v };
	enum err rc = loop_new(&w.loop);

	if (rc != ERR_OK)
		return err_set(why, rc, "out of memory");
	rc = look_up(v, &w, why);
	if (rc == ERR_OK)
		rc = connect_once(v, &w, why);
	loop_free(w.loop);
	return rc;
}

/* ---- requests ---- */

static enum err fetch(const struct relay_visit *v, const char *method, const char *target,
	const char *body, struct request_reply *out, struct why *why)
{
	const struct request q = {
		.peer = v->relay->url,
		.client = { .host = v->relay->host,
			.port = v->relay->port,
			.proxy = v->has_proxy ? &v->proxy : NULL,
			.tls = v->tls,
			.host_header = v->relay->authority },
		.method = method,
		.target = target,
		.headers = body != NULL ? USER_AGENT
			"Accept: application/json\r\n"
			"Content-Type: application/json\r\n" :
					  USER_AGENT "Accept: application/json\r\n",
		.body = body,
		.response_max = ENROL_REPLY_MAX,
		.timeout_ms = ENROL_MS,
	};

	return request_fetch(&q, out, why);
}

enum err relay_visit_check(struct relay_visit *v, struct why *why)
{
	struct request_reply reply;
	enum err rc = check_path(v, why);

	if (rc != ERR_OK)
		return rc;
	rc = fetch(v, "GET", ENROL_HEALTH_PATH, NULL, &reply, why);
	if (rc == ERR_OK) /* with any status */
		rc = enrol_clock_check(span_str(reply.date),
			(int64_t)(clock_wall_ms() / 1000), why);
	request_reply_fini(&reply);
	return rc;
}

enum err relay_visit_enrol(struct relay_visit *v, const char *token, struct span csr_pem,
	struct span key_pem, struct enrol_reply *out, struct why *why)
{
	struct request_reply reply;
	struct buf body;
	enum err rc;

	*out = (struct enrol_reply){ .cert = NULL };
	buf_init(&body, ENROL_REPLY_MAX);
	rc = enrol_request_put(token, csr_pem, &body);
	if (rc == ERR_OK)
		rc = buf_put_u8(&body, '\0');
	if (rc != ERR_OK) {
		buf_wipe(&body);
		return err_set(why, rc, "out of memory");
	}
	rc = fetch(v, "POST", ENROL_PATH, (const char *)buf_front(&body), &reply, why);
	if (rc == ERR_OK && reply.status / 100 == 2)
		rc = enrol_reply_read(buf_span(&reply.body), key_pem, out, why);
	else if (rc == ERR_OK)
		rc = enrol_refusal(v->relay, reply.status, buf_span(&reply.body), why);
	request_reply_fini(&reply);
	buf_wipe(&body);
	return rc;
}
