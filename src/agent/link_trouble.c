/* Why an attempt failed, in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/link_priv.h"
#include "base/str.h"
#include "http/head.h"
#include "net/dialer.h"

static void trouble_init(struct link_trouble *t, const char *words)
{
	*t = (struct link_trouble){ .is_denied = false };
	str_copy(t->text, sizeof(t->text), words);
}

/* Adds what was found, or what to do. */
static void trouble_add(struct link_trouble *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void trouble_add(struct link_trouble *t, const char *fmt, ...)
{
	size_t n = strlen(t->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(t->text + n, sizeof(t->text) - n, fmt, args);
	va_end(args);
}

/* The server is to be written with the other scheme. */
static void trouble_add_scheme(struct link_trouble *t, const struct link_client *c,
	const char *words, const char *scheme)
{
	char authority[URL_TEXT_MAX];

	trouble_add(t, "%s write %s://%s", words, scheme,
		url_print_authority(&c->url, authority));
}

static void trouble_add_status(struct link_trouble *t, const struct connect_failure *f)
{
	const char *name = http_status_name(f->status);

	if (f->status == 101) {
		trouble_add(t, ": the answer is not a WebSocket handshake");
		return;
	}
	trouble_add(t, ": the server answered %u", f->status);
	if (strcmp(name, "Unknown") != 0)
		trouble_add(t, " %s", name);
	t->is_denied = f->status == 401 || f->status == 403;
	if (t->is_denied)
		trouble_add(t, ": a proxy in front requires a login: see --header");
	else if (f->status / 100 == 3 && f->detail[0] != '\0')
		trouble_add(t, ", which points to %s: write that address", f->detail);
	else if (f->status == 502 || f->status == 503 || f->status == 504)
		trouble_add(t, ": a proxy in front of the tunnel server cannot reach it");
	else
		trouble_add(t, ": is this a tunnel server?");
}

static void trouble_add_tls(struct link_trouble *t, const struct link_client *c,
	const struct connect_failure *f)
{
	static const struct {
		const char *detail; /* before the detail, if there is one */
		const char *advice;
	} rows[] = {
		[TLS_TROUBLE_OTHER] = { NULL, "" },
		[TLS_TROUBLE_UNKNOWN_CA] = { NULL,
			": pass the CA certificate with --tls-ca" },
		[TLS_TROUBLE_EXPIRED] = { " on ",
			": the server needs a new certificate" },
		[TLS_TROUBLE_TOO_EARLY] = { " before ",
			": is the clock of this machine right?" },
		[TLS_TROUBLE_WANTS_CERTIFICATE] = { NULL,
			": the server requires a client certificate: see"
			" --tls-cert and --tls-key" },
		[TLS_TROUBLE_WRONG_PIN] = { NULL, "" },
	};
	const char *name = c->o->sni != NULL ? c->o->sni : c->o->hostname;

	if (f->tls == TLS_TROUBLE_NO_TLS) {
		trouble_add_scheme(t, c, ": this server speaks plain HTTP:", "http");
	} else if (f->tls == TLS_TROUBLE_WRONG_NAME) {
		trouble_add(t,
			": the certificate is for %s and not for %s: write one of its"
			" names, or set it with --sni",
			f->detail[0] != '\0' ? f->detail : "other names",
			name != NULL ? name : c->url.host);
	} else {
		if (rows[f->tls].detail != NULL && f->detail[0] != '\0')
			trouble_add(t, "%s%s", rows[f->tls].detail, f->detail);
		trouble_add(t, "%s", rows[f->tls].advice);
		t->is_denied = f->tls == TLS_TROUBLE_WANTS_CERTIFICATE;
	}
}

void link_trouble_of_connect(struct link_trouble *t, const struct link_client *c,
	enum err rc, const struct connect_failure *failure, const struct why *why)
{
	trouble_init(t, err_text(rc, why));
	switch (failure->trouble) {
	case CONNECT_TROUBLE_DIAL:
		trouble_add(t, "%s", dial_advice(failure->errnum));
		break;
	case CONNECT_TROUBLE_STATUS:
		trouble_add_status(t, failure);
		break;
	case CONNECT_TROUBLE_TLS:
		trouble_add_tls(t, c, failure);
		break;
	case CONNECT_TROUBLE_SPEAKS_TLS:
		trouble_add_scheme(t, c, ": this server speaks TLS:", "https");
		break;
	case CONNECT_TROUBLE_NO_ANSWER:
		trouble_add(t, " without an answer");
		if (strcmp(c->url.scheme, "wss") != 0)
			trouble_add_scheme(t, c, ": if it speaks TLS,", "https");
		break;
	default:
		break;
	}
}

void link_trouble_of_refusal(struct link_trouble *t, const char *words)
{
	trouble_init(t, words);
	t->is_denied = true;
	/* As stock servers spell it, and as others do. */
	if (strstr(words, "Reverse port forwaring not enabled") != NULL ||
		strstr(words, "Reverse port forwarding not enabled") != NULL)
		trouble_add(t, ": start the server with --reverse");
	else if (strstr(words, "access to '") != NULL && strstr(words, "denied") != NULL)
		trouble_add(t, ": the user's permissions on the server do not allow it");
	else
		t->is_denied = false;
}

void link_trouble_of_session(struct link_trouble *t, const struct link_client *c,
	enum err rc, const struct why *why)
{
	const char *words = err_text(rc, why);

	if (c->is_refused) {
		link_trouble_of_refusal(t, words);
		return;
	}
	trouble_init(t, words);
	if (c->is_key_bad) {
		trouble_add(t,
			", expected %s: the server has a new key, or another machine answers"
			" in its place: compare with \"Fingerprint\" in the server's log"
			" before you change --fingerprint",
			c->o->fingerprint);
	} else if (rc == ERR_DENIED && !c->has_greeted) {
		t->is_denied = t->is_login = true;
		trouble_add(t,
			c->o->auth != NULL ?
				": check --auth or AUTH" :
				c->o->key != NULL ?
				": it is unknown there, or was revoked" :
				": no password was given: use --auth or AUTH");
	} else if (rc == ERR_EXISTS) {
		t->is_denied = true; /* the place is taken: no fight for it */
	}
}
