/* The path of a request: a function for each station, and the status. */
#include "panel/path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

static void say(char to[PATH_TEXT_SIZE], const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(char to[PATH_TEXT_SIZE], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(to, PATH_TEXT_SIZE, fmt, args);
	va_end(args);
}

static void set(struct path_station *s, enum path_state state, const char *word,
	uint64_t since_ms)
{
	s->state = state;
	s->word = word;
	s->since_ms = since_ms;
}

/* "2026-11-30 12:58 UTC" */
static const char *moment(uint64_t ms, char to[PANEL_TIME_SIZE])
{
	char text[PANEL_TIME_SIZE];

	panel_print_time(ms, text);
	snprintf(to, PANEL_TIME_SIZE, "%.10s %.5s UTC", text,
		text[0] != '\0' ? text + 11 : "");
	return to;
}

/* ---- DNS ---- */

static void dns_missing(const struct path_facts *f, struct path_station *s)
{
	const bool is_ip6 = strchr(f->dns.expected, ':') != NULL;

	set(s, PATH_PENDING, "dns-missing", f->dns.since_ms);
	say(s->text, "There is no DNS record for %s yet.", f->tunnel->fqdn);
	if (f->dns.expected[0] == '\0') {
		say(s->remedy, "Add one for %s with the public address of this relay.",
			f->tunnel->fqdn);
		return;
	}
	say(s->remedy,
		"Add an %s record for %s with the value %s. It is usually visible within 5"
		" minutes.",
		is_ip6 ? "AAAA" : "A", f->tunnel->fqdn, f->dns.expected);
}

static void dns_wrong(const struct path_facts *f, struct path_station *s)
{
	const char *record = strchr(f->dns.found, ':') != NULL ? "AAAA" : "A";

	set(s, PATH_BROKEN, "dns-wrong", f->dns.since_ms);
	say(s->text, "DNS of %s is %s, this relay is %s.", f->tunnel->fqdn, f->dns.found,
		f->dns.expected);
	say(s->remedy,
		"Correct the %s record at your DNS provider: the value is %s. It is checked"
		" every 10 seconds.",
		record, f->dns.expected);
}

static void find_dns(const struct path_facts *f, struct path_station *s)
{
	const struct path_dns *d = &f->dns;
	const char *name = f->tunnel->fqdn;

	switch (d->state) {
	case PATH_DNS_UNKNOWN:
		set(s, PATH_UNKNOWN, "checking", d->since_ms);
		say(s->text, "The DNS record of %s has not been checked yet.", name);
		break;
	case PATH_DNS_RIGHT:
		set(s, PATH_OK, NULL, d->since_ms);
		say(s->text, "%s points to this relay, %s.", name, d->found);
		break;
	case PATH_DNS_MISSING:
		dns_missing(f, s);
		break;
	case PATH_DNS_WRONG:
		dns_wrong(f, s);
		break;
	case PATH_DNS_WRONG_IP6:
		set(s, PATH_BROKEN, "dns-ipv6", d->since_ms);
		say(s->text,
			"%s has an AAAA record for %s, which is not this relay. Some visitors"
			" go there.",
			name, d->found);
		say(s->remedy, "Remove or correct the AAAA record.");
		break;
	case PATH_DNS_PROXY:
		set(s, PATH_OK, NULL, d->since_ms);
		say(s->text, "%s leads to %s, which then calls this relay.", name,
			d->proxy[0] != '\0' ? d->proxy : "a proxy");
		say(s->remedy,
			"That works, but certificates need DNS-01, or the proxy switched off"
			" for this record.");
		break;
	}
}

/* ---- certificate ---- */

static void certificate_pending(const struct path_facts *f, struct path_station *s)
{
	const struct path_certificate *c = &f->certificate;
	const char *who = c->authority[0] != '\0' ? c->authority : "The authority";
	const bool is_timed = c->since_ms > 0 && c->since_ms <= f->now_ms;
	const uint64_t waited_ms = is_timed ? f->now_ms - c->since_ms : 0;
	char when[PANEL_TIME_SIZE];

	set(s, PATH_PENDING, "certificate-pending", c->since_ms);
	if (waited_ms < PATH_LATE_MS) {
		say(s->text, "%s is checking %s. This takes 5 to 30 seconds.", who,
			f->tunnel->fqdn);
		return;
	}
	s->word = "certificate-late";
	say(s->text, "%s has not answered for %" PRIu64 " minutes.", who,
		waited_ms / 60000);
	if (c->next_try_ms > 0)
		say(s->remedy, "Nothing needs to be done: the next try is at %s.",
			moment(c->next_try_ms, when));
}

static void certificate_refused(const struct path_facts *f, struct path_station *s)
{
	const struct path_certificate *c = &f->certificate;
	char when[PANEL_TIME_SIZE];
	size_t n;

	set(s, PATH_BROKEN, "certificate-refused", c->since_ms);
	say(s->text, "%s",
		c->reason[0] != '\0' ? c->reason :
				       "The authority refuses a certificate.");
	say(s->remedy, "%s",
		c->remedy[0] != '\0' ? c->remedy : "The relay's log has its answer.");
	n = strlen(s->remedy);
	if (c->next_try_ms > 0)
		snprintf(s->remedy + n, sizeof(s->remedy) - n, " The next try is at %s.",
			moment(c->next_try_ms, when));
}

static void certificate_limited(const struct path_facts *f, struct path_station *s)
{
	const struct path_certificate *c = &f->certificate;
	char when[PANEL_TIME_SIZE];

	set(s, PATH_BROKEN, "certificate-limited", c->since_ms);
	say(s->text, "%s",
		c->reason[0] != '\0' ?
			c->reason :
			"The authority's limit of certificates is reached.");
	if (c->next_try_ms > 0)
		say(s->remedy,
			"The next certificate is possible at %s and is asked for then. Until"
			" then a wildcard certificate would work.",
			moment(c->next_try_ms, when));
	else
		say(s->remedy, "Until it ends a wildcard certificate would work.");
}

static void certificate_expiring(const struct path_facts *f, struct path_station *s)
{
	const struct path_certificate *c = &f->certificate;
	const bool is_left = c->ends_ms > f->now_ms;

	set(s, PATH_PENDING, "certificate-expiring", c->since_ms);
	s->is_harmless = true;
	say(s->text, "The certificate ends in %" PRIu64 " days and renewal fails: %s",
		is_left ? (c->ends_ms - f->now_ms) / 86400000 : 0,
		c->reason[0] != '\0' ? c->reason : "no reason is known.");
	say(s->remedy, "%s",
		c->remedy[0] != '\0' ? c->remedy : "Visitors notice nothing yet.");
}

static void certificate_ended(const struct path_facts *f, struct path_station *s)
{
	const struct path_certificate *c = &f->certificate;
	char when[PANEL_TIME_SIZE];

	set(s, PATH_BROKEN, "certificate-expired", c->ends_ms);
	say(s->text, "The certificate has ended at %s: visitors see a warning.",
		moment(c->ends_ms, when));
	say(s->remedy, "%s", c->remedy[0] != '\0' ? c->remedy : c->reason);
}

static void find_certificate(const struct path_facts *f, struct path_station *s)
{
	char when[PANEL_TIME_SIZE];

	if (panel_tunnel_kind(f->tunnel) != PANEL_APP) {
		set(s, PATH_OK, NULL, f->tunnel->created_ms);
		say(s->text, "A %s port needs no certificate.", f->tunnel->spec.kind);
		return;
	}
	switch (f->certificate.state) {
	case PATH_CERTIFICATE_UNKNOWN:
		set(s, PATH_UNKNOWN, "checking", 0);
		say(s->text, "The certificate has not been checked yet.");
		break;
	case PATH_CERTIFICATE_GOOD:
		set(s, PATH_OK, NULL, f->certificate.since_ms);
		say(s->text, "The certificate is valid until %s.",
			moment(f->certificate.ends_ms, when));
		break;
	case PATH_CERTIFICATE_PENDING:
		certificate_pending(f, s);
		break;
	case PATH_CERTIFICATE_REFUSED:
		certificate_refused(f, s);
		break;
	case PATH_CERTIFICATE_LIMITED:
		certificate_limited(f, s);
		break;
	case PATH_CERTIFICATE_EXPIRING:
		certificate_expiring(f, s);
		break;
	case PATH_CERTIFICATE_EXPIRED:
		certificate_ended(f, s);
		break;
	}
}

/* ---- sign-in ---- */

static void find_sign_in(const struct path_facts *f, struct path_station *s)
{
	const enum panel_access access = panel_tunnel_access(f->tunnel);
	const bool is_port = panel_tunnel_kind(f->tunnel) != PANEL_APP;

	set(s, PATH_OK, NULL, f->tunnel->created_ms);
	if (access == PANEL_PUBLIC) {
		say(s->text, "Everyone can open it, without sign-in.");
		return;
	}
	if (f->has_sign_in && !is_port) {
		say(s->text, "%s",
			access == PANEL_RESTRICTED ?
				"Chosen people can open it, after sign-in." :
				"People with an account can open it, after sign-in.");
		return;
	}
	set(s, PATH_BROKEN, "no-sign-in", f->tunnel->created_ms);
	say(s->text,
		is_port ?
			"It is for people who sign in, and a %s port has no sign-in: it"
			" is not served." :
			"It is for people who sign in, and this relay has no sign-in yet:%s"
			" visitors see a page that says so.",
		is_port ? f->tunnel->spec.kind : "");
	say(s->remedy,
		"If everyone may open it: adit relay tunnel set %s --access public.",
		f->tunnel->spec.subdomain);
}

/* ---- agent ---- */

static void agent_away(const struct path_facts *f, struct path_station *s)
{
	const struct path_agent *a = &f->agent;
	const char *label = f->tunnel->spec.agent;
	char when[PANEL_TIME_SIZE];

	set(s, PATH_PENDING, "agent-away", a->since_ms);
	if (a->since_ms == 0)
		say(s->text, "%s has not connected yet.", label);
	else
		say(s->text, "%s is not connected since %s%s%s.", label,
			moment(a->since_ms, when), a->reason[0] != '\0' ? ": " : "",
			a->reason);
	say(s->remedy,
		"Check that the machine is on and online. On it: adit agent status.");
}

static void find_agent(const struct path_facts *f, struct path_station *s)
{
	const struct path_agent *a = &f->agent;
	const char *label = f->tunnel->spec.agent;

	if (label[0] == '\0' || a->state == PATH_AGENT_NONE) {
		set(s, PATH_PENDING, "no-agent", f->tunnel->created_ms);
		say(s->text,
			label[0] == '\0' ? "No machine serves it yet.%s" :
					   "No machine is enrolled as %s.",
			label);
		say(s->remedy,
			"Connect the machine that the app runs on: adit relay agent enroll %s.",
			label[0] != '\0' ? label : "LABEL");
		return;
	}
	switch (a->state) {
	case PATH_AGENT_AWAY:
		agent_away(f, s);
		break;
	case PATH_AGENT_CONNECTED:
		set(s, PATH_OK, NULL, a->since_ms);
		say(s->text, "%s is connected%s%s.", label,
			a->address[0] != '\0' ? " from " : "", a->address);
		break;
	case PATH_AGENT_UNKNOWN:
	case PATH_AGENT_NONE:
		set(s, PATH_UNKNOWN, "checking", 0);
		say(s->text, "It is not known yet whether %s is connected.", label);
		break;
	}
}

/* ---- app ---- */

static void app_refused(const struct path_facts *f, struct path_station *s,
	const char *target)
{
	const struct path_app *a = &f->app;

	set(s, PATH_BROKEN, "app-refused", a->since_ms);
	say(s->text, "%s is connected, but nothing listens on %s there.",
		f->tunnel->spec.agent, target);
	say(s->remedy,
		"Start the app, or correct the target: adit relay tunnel set %s --target"
		" HOST:PORT.%s%s%s",
		f->tunnel->spec.subdomain, a->others[0] != '\0' ? " Open there: " : "",
		a->others, a->others[0] != '\0' ? "." : "");
}

static void find_app(const struct path_facts *f, struct path_station *s)
{
	const struct path_app *a = &f->app;
	const char *label = f->tunnel->spec.agent;
	char target[PANEL_TARGET_SIZE];

	panel_tunnel_target(f->tunnel, target);
	if (f->agent.state != PATH_AGENT_CONNECTED || a->state == PATH_APP_UNKNOWN) {
		set(s, PATH_UNKNOWN, NULL, 0);
		say(s->text, "%s",
			f->agent.state != PATH_AGENT_CONNECTED ?
				"Not known before the agent is connected." :
				"No request has reached the app yet.");
		return;
	}
	switch (a->state) {
	case PATH_APP_UNKNOWN:
	case PATH_APP_GOOD:
		set(s, PATH_OK, NULL, a->since_ms);
		say(s->text, "%s on %s answers.", target, label);
		break;
	case PATH_APP_REFUSED:
		app_refused(f, s, target);
		break;
	case PATH_APP_SILENT:
		set(s, PATH_BROKEN, "app-silent", a->since_ms);
		say(s->text,
			"%s on %s takes the connection but has not answered for %u s.",
			target, label, a->silent_s);
		say(s->remedy, "The app's own log says more.");
		break;
	case PATH_APP_WANTS_TLS:
		set(s, PATH_BROKEN, "app-https", a->since_ms);
		say(s->text, "%s on %s expects https.", target, label);
		say(s->remedy, "Let the tunnel lead to a port of the app for http.");
		break;
	case PATH_APP_ERROR:
		set(s, PATH_OK, "app-error", a->since_ms);
		s->is_harmless = true;
		say(s->text, "The way is clear; the app itself answers %u.", a->status);
		say(s->remedy, "The app's own log says more.");
		break;
	}
}

/* ---- the whole ---- */

/* 0: keeps visitors out; 1: is not known; 2: visitors do not notice it. */
static unsigned rank_of(const struct path_station *s)
{
	return s->is_harmless ? 2 : s->state == PATH_UNKNOWN ? 1 : 0;
}

/* The first station of the lowest rank that has a word, or NULL. */
static const struct path_station *decisive(const struct path *path)
{
	const struct path_station *best = NULL;

	for (unsigned i = 0; i < PATH_STATIONS; i++) {
		const struct path_station *s = &path->stations[i];

		if (s->word != NULL && (best == NULL || rank_of(s) < rank_of(best)))
			best = s;
	}
	return best;
}

/* Live since the last of the stations is right. */
static uint64_t newest(const struct path *path)
{
	uint64_t ms = 0;

	for (unsigned i = 0; i < PATH_STATIONS; i++)
		if (path->stations[i].since_ms > ms)
			ms = path->stations[i].since_ms;
	return ms;
}

void path_find(const struct path_facts *facts, struct path *out)
{
	static const struct {
		const char *name;
		void (*find)(const struct path_facts *f, struct path_station *s);
	} rows[PATH_STATIONS] = {
		{ "dns", find_dns },
		{ "certificate", find_certificate },
		{ "sign-in", find_sign_in },
		{ "agent", find_agent },
		{ "app", find_app },
	};
	const struct path_station *first;

	*out = (struct path){ .status = "live" };
	for (unsigned i = 0; i < PATH_STATIONS; i++) {
		out->stations[i].name = rows[i].name;
		rows[i].find(facts, &out->stations[i]);
	}
	first = decisive(out);
	out->since_ms = first != NULL ? first->since_ms : newest(out);
	if (first != NULL)
		out->status = first->word;
	if (!facts->tunnel->spec.is_enabled) {
		out->status = "paused";
		out->since_ms = facts->tunnel->paused_ms;
	}
}

const char *path_state_word(enum path_state state)
{
	static const char *const words[] = { "ok", "pending", "broken", "unknown" };

	return words[state];
}
