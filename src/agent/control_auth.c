/* Sign-in of wallets to an agent. portal-protocol 15.6. */
#include "agent/control_priv.h"

#include <ctype.h>

#include "base/str.h"
#include "tunnel/portal/envelope.h"

struct session_view {
	bool is_authenticated;
	char address[ADDRESS_TEXT_SIZE];
};

static const struct field session_rows[] = {
	{ "authenticated", FIELD_BOOL, FIELD_AT(struct session_view, is_authenticated) },
	{ "wallet_address", FIELD_CHARS, FIELD_AT(struct session_view, address),
		.is_optional = true },
};
static const struct field_table session_fields = FIELD_TABLE_OF(struct session_view,
	session_rows);

/* The response to a login: the address alone. */
static const struct field_table login_fields = {
	.bytes = sizeof(struct session_view),
	.rows = &session_rows[1],
	.count = 1,
};

/* With the texts of a stock agent. */
static void refuse_login(struct api_call *call, enum err rc, const struct why *why)
{
	enum message_error error = MESSAGE_SIGNED_OUT;
	const char *text = err_text(rc, why);

	if (rc == ERR_SYNTAX || rc == ERR_LIMIT)
		error = MESSAGE_INVALID_REQUEST;
	else if (rc == ERR_DENIED)
		error = MESSAGE_UNAUTHORIZED;
	else if (rc == ERR_NOMEM)
		error = MESSAGE_INTERNAL;
	else if (rc == ERR_NOENT)
		text = "wallet auth challenge not found";
	else if (rc == ERR_CRYPTO)
		text = "wallet auth signature is invalid";
	envelope_refuse(call, error, text);
}

/* Says more than wallet_challenge() of an address that is none. ERR_SYNTAX. */
static enum err check_address(const char *text, struct why *why)
{
	struct span digits = names_trim(span_str(text));
	char address[ADDRESS_TEXT_SIZE];
	bool is_hex = true;

	if (digits.n == 0)
		return err_set(why, ERR_SYNTAX, "address is required");
	if (address_parse(digits, address) == ERR_OK)
		return ERR_OK;
	if (digits.n > 2 && digits.p[0] == '0' && (digits.p[1] | 0x20) == 'x')
		digits = span_of(digits.p + 2, digits.n - 2);
	for (size_t i = 0; i < digits.n; i++)
		is_hex = is_hex && isxdigit(digits.p[i]);
	if (!is_hex)
		return err_set(why, ERR_SYNTAX, "address is not hexadecimal");
	return err_set(why, ERR_SYNTAX,
		digits.n == (size_t)2 * ADDRESS_BYTES ? "address checksum is invalid" :
							"address must be 20 bytes");
}

/* An owned copy of a header of the request, "" without it; or NULL. */
static char *header_of(const struct api_call *call, const char *name)
{
	return span_dup(http1_head_value(http_request(call->x), name));
}

static void auth_challenge(void *context, struct api_call *call)
{
	struct control *c = context;
	const struct wallet_challenge_request *asked = call->request;
	struct message_challenge answer;
	char *host = header_of(call, "Host");
	struct why why = { "" };
	enum err rc = host != NULL ? check_address(asked->address, &why) : ERR_NOMEM;

	if (rc == ERR_OK)
		rc = wallet_challenge(c->wallet, asked, host, &call->client, &answer,
			&why);
	if (rc == ERR_OK)
		api_reply(call, &answer);
	else
		refuse_login(call, rc, &why);
	free(host);
}

static void auth_login(void *context, struct api_call *call)
{
	struct control *c = context;
	struct session_view session = { .is_authenticated = true };
	struct wallet_login login;
	struct why why = { "" };
	enum err rc = wallet_login(c->wallet, call->request, &login, &why);

	if (rc != ERR_OK) {
		refuse_login(call, rc, &why);
		return;
	}
	api_add_header(call, "Set-Cookie: %s", login.cookie);
	str_copy(session.address, sizeof(session.address), login.address);
	api_reply(call, &session);
}

static void auth_logout(void *context, struct api_call *call)
{
	struct control *c = context;
	char *cookies = header_of(call, "Cookie"), expired[WALLET_COOKIE_MAX];

	wallet_logout(c->wallet, cookies != NULL ? cookies : "", expired);
	mem_free_secret_str(cookies);
	api_add_header(call, "Set-Cookie: %s", expired);
	api_reply(call, NULL);
}

static void auth_status(void *context, struct api_call *call)
{
	struct control *c = context;
	char *cookies = header_of(call, "Cookie");
	const char *address = cookies != NULL ? wallet_address(c->wallet, cookies) : NULL;
	struct session_view session = { .is_authenticated = address != NULL };

	if (address != NULL)
		str_copy(session.address, sizeof(session.address), address);
	mem_free_secret_str(cookies);
	api_reply(call, &session);
}

static const struct api_operation rows[] = {
	{ "POST", "/v1/agent/auth/challenge", &api_anyone, auth_challenge,
		.request = &wallet_challenge_request_fields,
		.response = &message_challenge_fields,
		.summary = "a text that a wallet signs to sign in",
		.body_max = CONTROL_BODY_MAX, .status = 201, .is_at_once = true },
	{ "POST", "/v1/agent/auth/login", &api_anyone, auth_login,
		.request = &wallet_login_request_fields, .response = &login_fields,
		.summary = "sign in with a signature; the response sets a cookie",
		.body_max = CONTROL_BODY_MAX, .is_at_once = true },
	{ "POST", "/v1/agent/auth/logout", &api_anyone, auth_logout,
		.summary = "sign out", .is_at_once = true },
	{ "GET", "/v1/agent/auth/status", &api_anyone, auth_status,
		.response = &session_fields, .summary = "whether a wallet is signed in",
		.is_at_once = true },
};

const struct api_table control_auth_table = API_TABLE_OF(rows);
