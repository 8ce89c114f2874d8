/* What is said of an attempt that failed. */
#include "agent/link_trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "http/status.h"
#include "net/dialer.h"

static void say(struct link_trouble *t, bool is_denied, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void say(struct link_trouble *t, bool is_denied, const char *fmt, ...)
{
	va_list args;

	*t = (struct link_trouble){ .is_denied = is_denied };
	va_start(args, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, args);
	va_end(args);
}

/* The server's address with the other scheme. */
static const char *other_scheme(const struct url *server, const char *scheme,
	char to[URL_TEXT_MAX + 8])
{
	char authority[URL_TEXT_MAX];

	snprintf(to, URL_TEXT_MAX + 8, "%s://%s", scheme,
		url_print_authority(server, authority));
	return to;
}

static void say_status(struct link_trouble *t, const struct connect_failure *f,
	const char *words)
{
	const char *name = http_status_name(f->status);
	char status[80];

	snprintf(status, sizeof(status), "the server answered %u%s%s", f->status,
		strcmp(name, "Unknown") != 0 ? " " : "",
		strcmp(name, "Unknown") != 0 ? name : "");
	if (f->status / 100 == 3 && f->detail[0] != '\0')
		say(t, false, "%s: %s, which points to %s: write that address", words,
			status, f->detail);
	else if (f->status == 502 || f->status == 503 || f->status == 504)
		say(t, false,
			"%s: %s: a proxy in front of the tunnel server does not reach it",
			words, status);
	else if (f->status == 401 || f->status == 403)
		say(t, true, "%s: %s: a proxy in front wants a login: see --header",
			words, status);
	else if (f->status == 101)
		say(t, false, "%s: what answered is no WebSocket server", words);
	else
		say(t, false, "%s: %s: is this a tunnel server?", words, status);
}

static void say_tls(struct link_trouble *t, const struct link_client_options *o,
	const struct url *server, const struct connect_failure *f, const char *words)
{
	const char *name = o->sni != NULL ? o->sni :
		o->hostname != NULL       ? o->hostname :
					    server->host;
	const char *detail = f->detail[0] != '\0' ? f->detail : NULL;
	char url[URL_TEXT_MAX + 8];

	switch (f->tls) {
	case TLS_TROUBLE_UNKNOWN_CA:
		say(t, false, "%s: give the certificate of its authority with --tls-ca",
			words);
		break;
	case TLS_TROUBLE_EXPIRED:
		say(t, false, "%s%s%s: the server needs a new one", words,
			detail != NULL ? " on " : "", detail != NULL ? detail : "");
		break;
	case TLS_TROUBLE_TOO_EARLY:
		say(t, false, "%s%s%s: is the clock of this machine right?", words,
			detail != NULL ? " before " : "", detail != NULL ? detail : "");
		break;
	case TLS_TROUBLE_WRONG_NAME:
		say(t, false,
			"%s: it is for %s and not for %s: write one of its names, or give it"
			" with --sni",
			words, detail != NULL ? detail : "other names", name);
		break;
	case TLS_TROUBLE_NO_TLS:
		say(t, false, "%s: this server speaks plain HTTP: write %s", words,
			other_scheme(server, "http", url));
		break;
	case TLS_TROUBLE_WANTS_CERTIFICATE:
		say(t, true,
			"%s: the server wants a certificate of the client: see --tls-cert"
			" and --tls-key",
			words);
		break;
	default:
		say(t, false, "%s", words);
		break;
	}
}

void link_trouble_of_connect(struct link_trouble *t, const struct link_client_options *o,
	const struct url *server, enum err rc, const struct connect_failure *failure,
	const struct why *why)
{
	const char *words = err_text(rc, why);
	bool is_plain = strcmp(server->scheme, "wss") != 0;
	char url[URL_TEXT_MAX + 8];

	switch (failure->trouble) {
	case CONNECT_TROUBLE_DIAL:
		say(t, false, "%s%s", words, dial_advice(failure->errnum));
		break;
	case CONNECT_TROUBLE_STATUS:
		say_status(t, failure, words);
		break;
	case CONNECT_TROUBLE_TLS:
		say_tls(t, o, server, failure, words);
		break;
	case CONNECT_TROUBLE_SPEAKS_TLS:
		say(t, false, "%s: this server speaks TLS: write %s", words,
			other_scheme(server, "https", url));
		break;
	case CONNECT_TROUBLE_NO_ANSWER:
		if (is_plain)
			say(t, false, "%s without an answer: if it speaks TLS, write %s",
				words, other_scheme(server, "https", url));
		else
			say(t, false, "%s without an answer", words);
		break;
	default:
		say(t, false, "%s", words);
		break;
	}
}

void link_trouble_of_login(struct link_trouble *t, const struct link_client_options *o,
	const char *words)
{
	if (o->auth == NULL)
		say(t, true, "%s: no password was given: use --auth or AUTH", words);
	else
		say(t, true, "%s: check --auth or AUTH", words);
	t->is_login = true;
}

void link_trouble_of_key(struct link_trouble *t, const char *expected, const char *words)
{
	say(t, false,
		"%s, expected %s: the server has a new key, or another machine answers in its"
		" place: compare with \"Fingerprint\" in the server's log before you change"
		" --fingerprint",
		words, expected);
}

void link_trouble_of_refusal(struct link_trouble *t, const char *words)
{
	/* As stock servers spell it, and as others do. */
	if (strstr(words, "Reverse port forwaring not enabled") != NULL ||
		strstr(words, "Reverse port forwarding not enabled") != NULL)
		say(t, true, "%s: start the server with --reverse", words);
	else if (strstr(words, "access to '") != NULL && strstr(words, "denied") != NULL)
		say(t, true, "%s: the user's list at the server does not allow it",
			words);
	else
		say(t, false, "%s", words);
}

void link_trouble_of_session(struct link_trouble *t, const char *words)
{
	say(t, false, "%s", words);
}
