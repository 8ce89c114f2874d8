/* What a probe has found, for a person and as JSON. */
#include <jansson.h>

#include "base/str.h"
#include "cli/relay_probe.h"
#include "text/duration.h"

#define ROW "%-13s"

static void print_port(FILE *out, const char *what, const struct relay_options *o,
	uint16_t port)
{
	if (o->host == NULL)
		fprintf(out, ROW "port %u, all addresses\n", what, port);
	else
		fprintf(out, ROW "port %u of %s\n", what, port, o->host);
}

static void print_certificate(FILE *out, const struct relay_probe *p)
{
	if (p->cert_until[0] == '\0')
		return;
	fprintf(out, ROW "%s\n", "certificate", p->cert_names);
	if (p->cert_days < 0)
		fprintf(out, ROW "it is over since %s: visitors see a warning\n", "",
			p->cert_until);
	else
		fprintf(out, ROW "until %s, %d days from now\n", "", p->cert_until,
			p->cert_days);
}

/* "adit_relay_ready_sessions" is "ready sessions". */
static void print_figure(FILE *out, const struct relay_figure *f)
{
	const char *name = f->name;
	char text[64];

	name += str_has_prefix(name, "adit_relay_") ? 11 : 5;
	str_copy(text, sizeof(text), name);
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '_')
			*c = ' ';
	}
	fprintf(out, "  %-28s %.15g\n", text, f->value);
}

void relay_probe_print(FILE *out, const struct relay_options *o,
	const struct relay_probe *p)
{
	char took[DURATION_TEXT_MAX], release[64], protocol[16];

	fprintf(out, ROW "%s\n", "relay", o->url);
	fprintf(out, ROW "%s, protocol %s; it answered at %s in %s\n", "running",
		str_quote(release, sizeof(release), span_str(p->domain.release_version)),
		str_quote(protocol, sizeof(protocol),
			span_str(p->domain.protocol_version)),
		p->where, duration_print(p->answer_us, took));
	print_port(out, "API", o, o->api_port);
	print_port(out, "visitors", o, o->sni_port);
	if (o->has_tcp)
		fprintf(out, ROW "ports %u to %u for leases\n", "TCP", o->port_min,
			o->port_max);
	print_certificate(out, p);
	if (o->metrics == NULL) {
		fprintf(out, ROW "not served; --metrics has them\n", "figures");
		return;
	}
	fprintf(out, ROW "%s%s%s\n", "figures", o->metrics,
		p->metrics.text[0] != '\0' ? " does not answer: " : "", p->metrics.text);
	for (unsigned i = 0; i < p->figures_n; i++)
		print_figure(out, &p->figures[i]);
}

void relay_probe_print_json(FILE *out, const struct relay_options *o,
	const struct relay_probe *p)
{
	json_t *figures = json_object();
	json_t *object;

	for (unsigned i = 0; i < p->figures_n; i++)
		json_object_set_new(figures, p->figures[i].name,
			json_real(p->figures[i].value));
	object = json_pack(
		"{s:b, s:s, s:s, s:s, s:s, s:i, s:i, s:f, s:{s:s, s:s, s:i}, s:o}",
		"running", 1, "url", o->url, "release", p->domain.release_version,
		"protocol", p->domain.protocol_version, "address", p->where, "api_port",
		o->api_port, "sni_port", o->sni_port, "answer_ms",
		(double)p->answer_us / 1000, "certificate", "names", p->cert_names,
		"until", p->cert_until, "days", p->cert_days, "metrics", figures);
	if (object != NULL)
		json_dumpf(object, out, JSON_REAL_PRECISION(12));
	fputc('\n', out);
	json_decref(object);
}
