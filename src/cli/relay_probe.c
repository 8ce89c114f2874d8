/* A probe of a relay: a few questions, one after the other, on a loop of its own. */
#include "cli/relay_probe.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/client.h"
#include "relay/certificate_pair.h"
#include "tunnel/portal/message.h"

#define PROBE_MS 3000 /* for one question */
#define METRICS_MAX (1u << 20)

/* One question and its answer. */
struct asking {
	struct loop *loop;
	enum err rc;
	unsigned status;
	struct buf body;
	struct why *why;
};

static void on_answer(void *arg, enum err rc, const struct http_answer *a,
	const struct why *why)
{
	struct asking *q = arg;

	q->rc = rc;
	if (rc != ERR_OK) {
		err_set(q->why, rc, "%s", err_text(rc, why));
	} else {
		q->status = a->status;
		q->rc = buf_put_span(&q->body, a->body);
	}
	loop_stop(q->loop);
}

static enum err ask(struct http_client *client, const char *target, struct asking *q)
{
	struct http_question question = { .method = "GET",
		.target = target,
		.answer_max = METRICS_MAX,
		.timeout_ms = PROBE_MS,
		.fn = on_answer,
		.arg = q };
	enum err rc;

	buf_reset(&q->body);
	rc = http_client_ask(client, &question, NULL);
	if (rc != ERR_OK)
		return rc;
	loop_run(q->loop);
	if (q->rc == ERR_OK && q->status != 200)
		return err_set(q->why, ERR_PROTO, "%s is answered with status %u", target,
			q->status);
	return q->rc;
}

/* ---- the certificate ---- */

static void add_name(struct relay_probe *p, const char *name)
{
	size_t n = strlen(p->cert_names);
	char shown[128];

	snprintf(p->cert_names + n, sizeof(p->cert_names) - n, "%s%s", n > 0 ? ", " : "",
		str_quote(shown, sizeof(shown), span_str(name)));
}

static void read_names(struct relay_probe *p, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(p, (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

/* From the state directory, which only its owner can read; else it stays unknown. */
static void read_certificate(const struct relay_options *o, struct relay_probe *p)
{
	char *path = str_printf("%s/%s", o->state_dir, CERTIFICATE_CHAIN_FILE);
	BIO *bio = path != NULL ? BIO_new_file(path, "r") : NULL;
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	const ASN1_TIME *end_time = cert != NULL ? X509_get0_notAfter(cert) : NULL;
	struct tm end;
	int seconds;

	if (end_time != NULL && ASN1_TIME_to_tm(end_time, &end) == 1 &&
		ASN1_TIME_diff(&p->cert_days, &seconds, NULL, end_time) == 1) {
		strftime(p->cert_until, sizeof(p->cert_until), "%Y-%m-%dT%H:%M:%SZ",
			&end);
		if (seconds < 0)
			p->cert_days--; /* an hour ago is not today */
		read_names(p, cert);
	}
	X509_free(cert);
	BIO_free(bio);
	free(path);
}

/* ---- metrics ---- */

static void add_figure(struct relay_probe *p, struct span name, double value)
{
	struct relay_figure *f;

	for (unsigned i = 0; i < p->figures_n; i++) {
		if (span_is(name, p->figures[i].name)) {
			p->figures[i].value += value;
			return;
		}
	}
	if (p->figures_n == RELAY_FIGURES_MAX || name.n >= sizeof(f->name))
		return;
	f = &p->figures[p->figures_n++];
	memcpy(f->name, name.p, name.n);
	f->name[name.n] = '\0';
	f->value = value;
}

/* "name{label="x"} 12" of ours; buckets of histograms are too much for a summary. */
static void read_metric(struct relay_probe *p, const char *line)
{
	struct span name = span_of(line, strcspn(line, "{ "));
	const char *space = strrchr(line, ' ');
	char *end;
	double value;

	if (!str_has_prefix(line, "adit_") || space == NULL ||
		(name.n > 7 && memcmp(line + name.n - 7, "_bucket", 7) == 0))
		return;
	value = strtod(space + 1, &end);
	if (*end == '\0' && end > space + 1)
		add_figure(p, name, value);
}

void relay_probe_read_metrics(struct relay_probe *p, struct span page)
{
	char *text = span_dup(page), *rest = text, *line;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		read_metric(p, line);
	free(text);
}

/* ---- questions ---- */

static enum err ask_api(struct http_client *client, struct asking *q,
	struct relay_probe *p)
{
	uint64_t start = clock_now_us();
	enum err rc;

	rc = ask(client, "/healthz", q);
	p->answer_us = clock_now_us() - start;
	if (rc == ERR_OK)
		rc = ask(client, "/sdk/domain", q);
	if (rc == ERR_OK)
		rc = shape_parse(&message_domain_shape, "data", buf_span(&q->body),
			&p->domain, q->why);
	return rc;
}

/* A relay that listens everywhere is asked over the loopback. */
static const char *host_of(const struct relay_options *o)
{
	if (o->host == NULL || strcmp(o->host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(o->host, "::") == 0 ? "::1" : o->host;
}

/* The certificate is looked at, not judged: agents do that. */
static enum err probe_api(const struct relay_options *o, struct asking *q,
	struct relay_probe *p)
{
	struct tls_client_options tls = { .skip_verify = true, .alpn = "http/1.1" };
	struct http_client_options options = { .loop = q->loop,
		.host = host_of(o),
		.port = o->api_port,
		.server_name = o->root,
		.connect_ms = PROBE_MS };
	struct http_client *client = NULL;
	enum err rc = tls_context_new_client(&tls, &options.tls, q->why);

	if (rc == ERR_OK)
		rc = http_client_new(&options, &client);
	if (rc == ERR_OK)
		rc = ask_api(client, q, p);
	http_client_free(client);
	tls_context_free(options.tls);
	return rc;
}

static enum err probe_metrics(const struct relay_options *o, struct asking *q,
	struct relay_probe *p)
{
	struct http_client_options options = { .loop = q->loop, .connect_ms = PROBE_MS };
	struct http_client *client = NULL;
	struct span host, port;
	unsigned long number = 0;
	char *name, *digits;
	enum err rc = addr_split(span_str(o->metrics), &host, &port);

	if (rc != ERR_OK)
		return rc;
	name = span_dup(host);
	digits = span_dup(port);
	if (name == NULL || digits == NULL || !str_to_uint(digits, UINT16_MAX, &number))
		rc = ERR_NOMEM;
	options.host = name;
	options.port = (uint16_t)number;
	if (rc == ERR_OK)
		rc = http_client_new(&options, &client);
	if (rc == ERR_OK)
		rc = ask(client, "/metrics", q);
	if (rc == ERR_OK)
		relay_probe_read_metrics(p, buf_span(&q->body));
	http_client_free(client);
	free(name);
	free(digits);
	return rc;
}

static enum err probe_all(const struct relay_options *o, struct asking *q,
	struct relay_probe *p, struct why *why)
{
	struct why detail = { "" };
	struct addr a;
	enum err rc;

	q->why = &detail;
	if (addr_from_literal(host_of(o), o->api_port, &a) == ERR_OK)
		addr_print(&a, p->where);
	rc = probe_api(o, q, p);
	q->why = &p->metrics;
	if (rc != ERR_OK)
		return err_set(why, rc,
			"no relay answers at %s: %s; is it running, and with these settings?",
			p->where, err_text(rc, &detail));
	read_certificate(o, p);
	if (o->metrics == NULL)
		return ERR_OK;
	rc = probe_metrics(o, q, p);
	if (rc != ERR_OK && p->metrics.text[0] == '\0')
		err_set(&p->metrics, rc, "%s", err_name(rc));
	return ERR_OK;
}

enum err relay_probe_run(const struct relay_options *o, struct relay_probe *out,
	struct why *why)
{
	struct relay_probe p = { .answer_us = 0 };
	struct asking q = { .loop = NULL };
	enum err rc;

	if (o->api_port == 0)
		return err_set(why, ERR_USAGE,
			"api_port is 0, a new port at each start; see the relay's log and name"
			" the port with --api-port");
	buf_init(&q.body, METRICS_MAX);
	rc = loop_new(&q.loop);
	if (rc == ERR_OK)
		rc = probe_all(o, &q, &p, why);
	else
		err_set(why, rc, "no event loop: %s", err_name(rc));
	buf_fini(&q.body);
	loop_free(q.loop);
	if (rc == ERR_OK)
		*out = p;
	return rc;
}
