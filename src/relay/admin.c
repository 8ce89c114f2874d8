/* Administrators: signing in, and who is signed in. */
#include "relay/admin.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "relay/relay_inside.h"
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
		.cookie_name = "portal_admin",
		.cookie_path = "/admin",
	};
	enum err rc = wallet_new(&o, &r->wallet);

	return rc == ERR_OK ? admin_reload(r, why) : rc;
}

/* ---- who calls ---- */

/* "host:port" without the port that https has anyway, which browsers leave out. */
static struct span cut_port(const char *authority)
{
	static const char port[] = ":443";
	size_t n = strlen(authority), port_n = sizeof(port) - 1;

	if (n > port_n && strcmp(authority + n - port_n, port) == 0)
		n -= port_n;
	return span_of(authority, n);
}

/*
 * Browsers tell which site a page is from that changes something (RFC 6454, 7), programs
 * do not. A page of the same host over http is another site: an attacker on the path can
 * write it.
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

static bool refuse_foreign(struct api_call *call)
{
	if (!is_foreign(call))
		return false;
	api_refuse(call, MESSAGE_UNAUTHORIZED, "the request is from another site");
	return true;
}

const char *admin_enter(struct relay *r, struct api_call *call)
{
	const char *who = call->is_local_admin ? ADMIN_LOCAL :
						 wallet_who(r->wallet, call->cookie);

	if (who == NULL) {
		api_refuse(call, MESSAGE_SIGNED_OUT, "sign in first");
		return NULL;
	}
	return refuse_foreign(call) ? NULL : who;
}

bool admin_read(struct api_call *call, const struct field_table *fields, void *out)
{
	if (call->body.n <= ADMIN_BODY_MAX &&
		message_read_request(fields, buf_span(&call->body), out, NULL) == ERR_OK)
		return true;
	api_refuse(call, MESSAGE_INVALID_REQUEST, "invalid request body");
	return false;
}

void admin_end(struct api_call *call, enum err rc, const struct why *why)
{
	if (rc == ERR_OK)
		api_reply(call, 200, NULL, NULL);
	else
		api_refuse(call,
			rc == ERR_LIMIT ? MESSAGE_INVALID_REQUEST : MESSAGE_INTERNAL,
			err_text(rc, why));
}

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

bool admin_parse_identity(const struct span *parts, char *key, size_t size,
	enum message_error *error, const char **text)
{
	char name_text[NAMES_INPUT_MAX], address_text[NAMES_INPUT_MAX];
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	char both[IDENTITY_KEY_SIZE];

	*error = MESSAGE_INVALID_REQUEST;
	*text = "lease name is invalid";
	if (!decode_part(parts[0], name_text, sizeof(name_text)) ||
		names_parse_label(span_str(name_text), name, NULL) != ERR_OK)
		return false;
	*error = MESSAGE_INVALID_ADDRESS;
	*text = "lease address is invalid";
	if (!decode_part(parts[1], address_text, sizeof(address_text)) ||
		address_parse(names_trim(span_str(address_text)), address) != ERR_OK)
		return false;
	return str_copy(key, size, identity_key_print(name, address, both));
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

static void admin_challenge(struct relay *r, struct api_call *call,
	const struct span *parts)
{
	struct wallet_challenge_request req = { .address = "" };
	struct message_challenge answer = { .expires_at.s = 0 };
	struct why why = { "" };
	enum err rc;

	(void)parts;
	if (refuse_foreign(call) ||
		!admin_read(call, &wallet_challenge_request_fields, &req))
		return;
	rc = wallet_challenge(r->wallet, &req, api_domain(r, call), &call->client,
		&answer, &why);
	if (rc == ERR_OK)
		api_reply(call, 201, &message_challenge_fields, &answer);
	else
		api_refuse(call, login_error_of(rc), err_text(rc, &why));
}

static void reply_wallet(struct api_call *call, const char *address, bool has_flag)
{
	struct json_writer w;

	api_open_reply(call, &w);
	json_put_open(&w);
	if (has_flag) {
		json_put_key(&w, "authenticated");
		json_put_flag(&w, address != NULL);
	}
	if (address != NULL) {
		json_put_key(&w, "wallet_address");
		json_put_text(&w, span_str(address));
	}
	json_put_close(&w);
	api_close_reply(call, 200, &w);
}

static void admin_login(struct relay *r, struct api_call *call, const struct span *parts)
{
	struct wallet_login_request req = { .challenge_id = "" };
	struct wallet_login login;
	char client[ADDR_TEXT_MAX];
	struct why why = { "" };
	enum err rc;

	(void)parts;
	if (refuse_foreign(call) || !admin_read(call, &wallet_login_request_fields, &req))
		return;
	rc = wallet_login(r->wallet, &req, &login, &why);
	if (rc != ERR_OK) {
		api_refuse(call, login_error_of(rc), err_text(rc, &why));
		return;
	}
	if (policy_note(r->policy, login.address, "sign in from",
		    addr_print_ip(&call->client, client), &why) != ERR_OK)
		log_warn(&r->log, "audit: the sign-in of %s is not kept: %s",
			login.address, why.text);
	api_add_header(call, "Set-Cookie: %s", login.cookie);
	reply_wallet(call, login.address, false);
}

static void admin_logout(struct relay *r, struct api_call *call, const struct span *parts)
{
	char cookie[WALLET_COOKIE_MAX];

	(void)parts;
	if (refuse_foreign(call))
		return;
	wallet_logout(r->wallet, call->cookie, cookie);
	api_add_header(call, "Set-Cookie: %s", cookie);
	api_reply(call, 200, NULL, NULL);
}

static void admin_status(struct relay *r, struct api_call *call, const struct span *parts)
{
	(void)parts;
	reply_wallet(call, wallet_who(r->wallet, call->cookie), true);
}

static const struct api_operation rows[] = {
	{ "POST", "/admin/auth/challenge/", admin_challenge },
	{ "POST", "/admin/auth/login/", admin_login },
	{ "POST", "/admin/logout/", admin_logout },
	{ "GET", "/admin/auth/status/", admin_status },
};

/* Who has not signed in is told that, and not what there is. portal-protocol 16.3. */
static bool admin_refuses(struct relay *r, struct api_call *call)
{
	return str_has_prefix(call->target, "/admin/") && admin_enter(r, call) == NULL;
}

const struct api_table admin_table = {
	.rows = rows,
	.count = mem_count(rows),
	.refuses = admin_refuses,
};
