/* Administrators: their authority, signing in and out, and their page. */
#include "relay/admin.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/page.h"
#include "relay/relay_priv.h"
#include "tunnel/portal/wallet.h"

/* ---- life ---- */

enum err admin_reload(struct relay *r, struct why *why)
{
	const char *addresses[RELAY_WALLETS_MAX + 1];
	unsigned n = 0;

	addresses[n++] = r->identity.address;
	for (unsigned i = 0; i < r->options.admin_wallets.n; i++)
		addresses[n++] = r->options.admin_wallets.v[i];
	return wallet_allow(r->wallet, addresses, n, why);
}

enum err admin_open(struct relay *r, struct why *why)
{
	const struct wallet_options o = {
		.statement = "Sign in to Portal relay admin",
		.path = "/admin/auth/login",
		.cookie_name = ADMIN_COOKIE,
		.cookie_path = "/admin",
	};
	enum err rc = wallet_new(&o, &r->wallet);

	return rc == ERR_OK ? admin_reload(r, why) : rc;
}

/* ---- authority ---- */

/* "host:port" without the default port of https, which browsers leave out. */
static struct span cut_port(const char *authority)
{
	static const char port[] = ":443";
	size_t n = strlen(authority), port_n = sizeof(port) - 1;

	if (n > port_n && strcmp(authority + n - port_n, port) == 0)
		n -= port_n;
	return span_of(authority, n);
}

/*
 * A browser sends the origin of the page with each request that changes something
 * (RFC 6454, 7); other programs do not. A page of the same host over http is another
 * site: an attacker on the path can write it.
 */
static bool is_foreign(const struct api_call *call)
{
	static const char scheme[] = "https://";
	struct span origin, host = cut_port(call->host);

	if (call->origin[0] == '\0' || strcmp(call->method, "GET") == 0 ||
		strcmp(call->method, "HEAD") == 0)
		return false;
	if (strncasecmp(call->origin, scheme, sizeof(scheme) - 1) != 0)
		return true;
	origin = cut_port(call->origin + sizeof(scheme) - 1);
	return origin.n != host.n ||
		strncasecmp((const char *)origin.p, (const char *)host.p, host.n) != 0;
}

static bool same_site_check(void *context, struct api_call *call)
{
	(void)context;
	if (!is_foreign(call))
		return true;
	envelope_refuse(call, MESSAGE_UNAUTHORIZED, "the request is from another site");
	return false;
}

static const struct api_authority same_site = {
	.name = "same-site",
	.meaning = "no Origin header, or that of this site",
	.check = same_site_check,
};

static bool administrator_check(void *context, struct api_call *call)
{
	struct relay *r = context;

	call->caller = call->is_local ? ADMIN_LOCAL :
					wallet_address(r->wallet, call->cookie);
	if (call->caller != NULL)
		return same_site_check(context, call);
	envelope_refuse(call, MESSAGE_SIGNED_OUT, "sign in first");
	return false;
}

const struct api_authority administrator = {
	.name = "administrator",
	.meaning =
		"the session of a wallet that administers the relay, or the admin socket",
	.in = "cookie",
	.key = ADMIN_COOKIE,
	.check = administrator_check,
};

/* ---- bodies ---- */

static void admin_refuse(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	if (fault == API_BODY_MALFORMED)
		envelope_refuse(call, MESSAGE_INVALID_REQUEST, "invalid request body");
	else
		relay_envelope.refuse(call, fault, rc, why);
}

const struct api_envelope admin_envelope = {
	.put = message_put_reply,
	.refuse = admin_refuse,
	.member = "data",
};

/* ---- paths ---- */

/* Base64url, with or without its padding. */
static bool decode_part(struct span part, char *to, size_t size)
{
	char text[BASE64_TEXT_SIZE(NAMES_INPUT_MAX)];
	uint8_t bytes[NAMES_INPUT_MAX];
	struct span s;
	size_t n;

	if (!api_decode(part, API_PATH, text, sizeof(text)))
		return false;
	s = span_str(text);
	if (s.n % 4 == 0)
		for (unsigned i = 0; i < 2 && s.n > 0 && s.p[s.n - 1] == '='; i++)
			s.n--;
	if (base64_decode(BASE64_URL, s, bytes, sizeof(bytes), &n) != ERR_OK ||
		n >= size || (n > 0 && memchr(bytes, '\0', n) != NULL))
		return false;
	if (n > 0)
		memcpy(to, bytes, n);
	to[n] = '\0';
	return true;
}

bool admin_parse_identity(struct api_call *call, char key[IDENTITY_KEY_SIZE])
{
	char name_text[NAMES_INPUT_MAX], address_text[NAMES_INPUT_MAX];
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];

	if (!decode_part(call->parts[0], name_text, sizeof(name_text)) ||
		names_parse_label(span_str(name_text), name, NULL) != ERR_OK)
		envelope_refuse(call, MESSAGE_INVALID_REQUEST, "lease name is invalid");
	else if (!decode_part(call->parts[1], address_text, sizeof(address_text)) ||
		address_parse(names_trim(span_str(address_text)), address) != ERR_OK)
		envelope_refuse(call, MESSAGE_INVALID_ADDRESS,
			"lease address is invalid");
	else
		identity_key_print(name, address, key);
	return call->status == 0;
}

/* ---- signing in ---- */

static enum message_error login_error_of(enum err rc)
{
	switch (rc) {
	case ERR_DENIED:
		return MESSAGE_UNAUTHORIZED;
	case ERR_LIMIT:
		return MESSAGE_RATE_LIMITED;
	case ERR_NOENT:
	case ERR_CRYPTO:
		return MESSAGE_SIGNED_OUT;
	case ERR_NOMEM:
		return MESSAGE_INTERNAL;
	default:
		return MESSAGE_INVALID_REQUEST;
	}
}

static void admin_challenge(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct message_challenge answer = { .expires_at.s = 0 };
	struct why why = { "" };
	enum err rc;

	rc = wallet_challenge(r->wallet, call->request, relay_domain(r, call),
		&call->client, &answer, &why);
	if (rc == ERR_OK)
		api_reply(call, &answer);
	else
		envelope_refuse(call, login_error_of(rc), err_text(rc, &why));
}

struct admin_session {
	bool is_authenticated;
	char address[ADDRESS_TEXT_SIZE];
};

static const struct field session_rows[] = {
	{ "authenticated", FIELD_BOOL, FIELD_AT(struct admin_session, is_authenticated) },
	{ "wallet_address", FIELD_CHARS, FIELD_AT(struct admin_session, address),
		.is_optional = true },
};

static const struct field_table session_fields = FIELD_TABLE_OF(struct admin_session,
	session_rows);

/* The response to a login. */
static const struct field_table login_fields = {
	.bytes = sizeof(struct admin_session),
	.rows = &session_rows[1],
	.count = 1,
};

static void admin_login(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct admin_session session = { .is_authenticated = true };
	struct wallet_login login;
	char client[ADDR_TEXT_MAX];
	struct why why = { "" };
	enum err rc;

	rc = wallet_login(r->wallet, call->request, &login, &why);
	if (rc != ERR_OK) {
		envelope_refuse(call, login_error_of(rc), err_text(rc, &why));
		return;
	}
	if (policy_note(r->policy, login.address, "sign in from",
		    addr_print_ip(&call->client, client), &why) != ERR_OK)
		log_warn(&r->log, "audit: sign-in of %s not stored: %s", login.address,
			why.text);
	api_add_header(call, "Set-Cookie: %s", login.cookie);
	str_copy(session.address, sizeof(session.address), login.address);
	api_reply(call, &session);
}

static void admin_logout(void *context, struct api_call *call)
{
	struct relay *r = context;
	char cookie[WALLET_COOKIE_MAX];

	wallet_logout(r->wallet, call->cookie, cookie);
	api_add_header(call, "Set-Cookie: %s", cookie);
	api_reply(call, NULL);
}

static void admin_session(void *context, struct api_call *call)
{
	struct relay *r = context;
	const char *address = wallet_address(r->wallet, call->cookie);
	struct admin_session session = { .is_authenticated = address != NULL };

	if (address != NULL)
		str_copy(session.address, sizeof(session.address), address);
	api_reply(call, &session);
}

/* ---- the page: its policy lets a browser load and run nothing else ---- */

static void admin_page(void *context, struct api_call *call)
{
	char style[PAGE_DIGEST_SIZE], script[PAGE_DIGEST_SIZE];

	(void)context;
	page_put(&call->answer, web_admin_html,
		(const struct page_value[]){ { "style", .raw = web_admin_css },
			{ "script", .raw = web_admin_js }, { .name = NULL } });
	api_add_header(call,
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; "
		"script-src 'sha256-%s'; connect-src 'self'; base-uri 'none'; "
		"form-action 'none'; frame-ancestors 'none'",
		page_digest(web_admin_css, style), page_digest(web_admin_js, script));
	api_add_header(call, "Referrer-Policy: no-referrer");
	api_reply_text(call, span_of(NULL, 0));
}

static const struct api_operation rows[] = {
	{ "POST", "/admin/auth/challenge/", &same_site, admin_challenge, ADMIN_WITH_BODY,
		.request = &wallet_challenge_request_fields,
		.response = &message_challenge_fields, .status = 201,
		.summary = "Returns the text that a wallet is to sign." },
	{ "POST", "/admin/auth/login/", &same_site, admin_login, ADMIN_WITH_BODY,
		.request = &wallet_login_request_fields, .response = &login_fields,
		.summary = "Signs an administrator in." },
	{ "POST", "/admin/logout/", &same_site, admin_logout,
		.summary = "Signs the administrator out." },
	{ "GET", "/admin/auth/status/", &api_anyone, admin_session,
		.response = &session_fields,
		.summary = "Returns the wallet that is signed in." },
	{ "GET", "/admin/", &api_anyone, admin_page, .type = "text/html; charset=utf-8" },
};

const struct api_table admin_table = API_TABLE_OF(rows);

/* Unauthenticated callers get 401 for every path under /admin. portal-protocol 16.3. */
static const struct api_operation unknown_rows[] = {
	{
		.path = "/admin/**",
		.authority = &administrator,
		.fn = api_refuse_unknown,
	},
};

const struct api_table admin_unknown_table = API_TABLE_OF(unknown_rows);
