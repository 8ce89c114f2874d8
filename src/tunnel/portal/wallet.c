/* Sign-in with a wallet. */
#include "tunnel/portal/wallet.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/hex.h"
#include "text/names.h"
#include "tunnel/portal/challenges.h"

#define SESSION_BYTES 16
#define SESSION_ID_SIZE (sizeof(RANDOM_ID_WALLET_SESSION) + 2 * SESSION_BYTES)

struct session {
	char id[SESSION_ID_SIZE]; /* a secret; "" when there is none */
	char address[ADDRESS_TEXT_SIZE];
	uint64_t until_ms; /* by clock_boot_ms(): setting the time changes nothing */
};

struct wallet {
	struct wallet_options o;
	struct challenges *challenges;
	char (*allowed)[ADDRESS_TEXT_SIZE]; /* owned */
	unsigned allowed_n;
	struct session sessions[WALLET_SESSIONS_MAX];
};

/* ---- messages ---- */

static const struct field challenge_rows[] = {
	{ "address", FIELD_CHARS, FIELD_AT(struct wallet_challenge_request, address) },
};

const struct field_table wallet_challenge_request_fields =
	FIELD_TABLE_OF(struct wallet_challenge_request, challenge_rows);

static const struct field login_rows[] = {
	{ "challenge_id", FIELD_CHARS,
		FIELD_AT(struct wallet_login_request, challenge_id) },
	{ "siwe_message", FIELD_CHARS,
		FIELD_AT(struct wallet_login_request, siwe_message) },
	{ "siwe_signature", FIELD_CHARS,
		FIELD_AT(struct wallet_login_request, siwe_signature) },
};

const struct field_table wallet_login_request_fields =
	FIELD_TABLE_OF(struct wallet_login_request, login_rows);

/* ---- life ---- */

enum err wallet_new(const struct wallet_options *o, struct wallet **out)
{
	const struct challenges_options challenges = {
		.statement = o->statement,
		.path = o->path,
		.prefix = RANDOM_ID_WALLET_CHALLENGE,
		.is_plain = o->is_plain,
	};
	struct wallet *w = mem_new(w);
	enum err rc = ERR_NOMEM;

	if (w == NULL)
		return rc;
	w->o = *o;
	rc = challenges_new(&challenges, &w->challenges);
	if (rc == ERR_OK)
		*out = w;
	else
		wallet_free(w);
	return rc;
}

void wallet_free(struct wallet *w)
{
	if (w == NULL)
		return;
	challenges_free(w->challenges);
	free(w->allowed);
	mem_free_secret(w, sizeof(*w));
}

/* ---- allowed addresses ---- */

static bool is_allowed(const struct wallet *w, const char *address)
{
	for (unsigned i = 0; i < w->allowed_n; i++)
		if (strcmp(w->allowed[i], address) == 0)
			return true;
	return w->allowed_n == 0 && w->o.is_open;
}

enum err wallet_allow(struct wallet *w, const char *const *addresses, unsigned count,
	struct why *why)
{
	char(*list)[ADDRESS_TEXT_SIZE] = calloc((size_t)count + 1, sizeof(*list));
	char quoted[100];

	if (list == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		if (address_parse(span_str(addresses[i]), list[i]) == ERR_OK)
			continue;
		free(list);
		return err_set(why, ERR_SYNTAX, "\"%s\" is not a wallet address",
			str_quote(quoted, sizeof(quoted), span_str(addresses[i])));
	}
	free(w->allowed);
	w->allowed = list;
	w->allowed_n = count;
	for (unsigned i = 0; i < WALLET_SESSIONS_MAX; i++)
		if (!is_allowed(w, w->sessions[i].address))
			mem_wipe(&w->sessions[i], sizeof(w->sessions[i]));
	return ERR_OK;
}

static enum err denied(struct why *why)
{
	return err_set(why, ERR_DENIED, "wallet is not allowed");
}

/* ---- challenges ---- */

enum err wallet_challenge(struct wallet *w, const struct wallet_challenge_request *req,
	const char *domain, const struct addr *client, struct message_challenge *out,
	struct why *why)
{
	char address[ADDRESS_TEXT_SIZE];
	struct challenge_request request = {
		.domain = domain,
		.address = address,
		.client = client,
	};

	if (address_parse(names_trim(span_str(req->address)), address) != ERR_OK)
		return err_set(why, ERR_SYNTAX, "wallet address is invalid");
	if (!is_allowed(w, address))
		return denied(why);
	return challenges_open(w->challenges, &request, out, why);
}

/* ---- sessions ---- */

static bool session_is_live(const struct session *s)
{
	return s->id[0] != '\0' && clock_boot_ms() < s->until_ms;
}

/* A free or expired session, or else the oldest. */
static struct session *session_place(struct wallet *w)
{
	struct session *oldest = &w->sessions[0];

	for (unsigned i = 0; i < WALLET_SESSIONS_MAX; i++) {
		if (!session_is_live(&w->sessions[i]))
			return &w->sessions[i];
		if (w->sessions[i].until_ms < oldest->until_ms)
			oldest = &w->sessions[i];
	}
	return oldest;
}

static void cookie_print(const struct wallet *w, const char *id, unsigned max_age_s,
	char to[WALLET_COOKIE_MAX])
{
	snprintf(to, WALLET_COOKIE_MAX,
		"%s=%s; Path=%s; Max-Age=%u; HttpOnly; Secure; SameSite=Strict",
		w->o.cookie_name, id, w->o.cookie_path, max_age_s);
}

enum err wallet_login(struct wallet *w, const struct wallet_login_request *req,
	struct wallet_login *out, struct why *why)
{
	const struct siwe_response answer = {
		.text = span_str(req->siwe_message),
		.signature = names_trim(span_str(req->siwe_signature)),
	};
	struct challenge_outcome outcome = { .payload = NULL };
	struct session *s;
	enum err rc = challenges_verify(w->challenges, req->challenge_id, &answer,
		&outcome, why);

	if (rc == ERR_DENIED || rc == ERR_PROTO)
		return ERR_CRYPTO; /* @why stays */
	if (rc != ERR_OK)
		return rc;
	if (!is_allowed(w, outcome.address))
		return denied(why);
	s = session_place(w);
	str_copy(s->id, sizeof(s->id), RANDOM_ID_WALLET_SESSION);
	hex_random(SESSION_BYTES, s->id + strlen(s->id));
	memcpy(s->address, outcome.address, sizeof(s->address));
	s->until_ms = clock_boot_ms() + WALLET_SESSION_S * UINT64_C(1000);
	memcpy(out->address, s->address, sizeof(out->address));
	cookie_print(w, s->id, WALLET_SESSION_S, out->cookie);
	return ERR_OK;
}

/* Compares all, so that the time it takes reveals nothing. */
static struct session *session_find(struct wallet *w, const char *id)
{
	struct session *found = NULL;

	for (unsigned i = 0; i < WALLET_SESSIONS_MAX; i++)
		if (session_is_live(&w->sessions[i]) &&
			str_equal_secret(w->sessions[i].id, id))
			found = &w->sessions[i];
	return found;
}

/* "a=1; name=value; b=2": a name may occur more than once (RFC 6265, 5.4). */
static struct session *session_of_cookies(struct wallet *w, const char *cookies)
{
	size_t name_n = strlen(w->o.cookie_name);
	char id[SESSION_ID_SIZE];
	struct session *s = NULL;

	while (*cookies != '\0' && s == NULL) {
		size_t n;

		cookies += strspn(cookies, " \t;");
		n = strcspn(cookies, ";");
		if (n > name_n && n - name_n - 1 < sizeof(id) &&
			memcmp(cookies, w->o.cookie_name, name_n) == 0 &&
			cookies[name_n] == '=') {
			snprintf(id, sizeof(id), "%.*s", (int)(n - name_n - 1),
				cookies + name_n + 1);
			s = session_find(w, id);
		}
		cookies += n;
	}
	mem_wipe(id, sizeof(id));
	return s;
}

const char *wallet_address(struct wallet *w, const char *cookies)
{
	const struct session *s = session_of_cookies(w, cookies);

	return s != NULL ? s->address : NULL;
}

void wallet_logout(struct wallet *w, const char *cookies, char cookie[WALLET_COOKIE_MAX])
{
	struct session *s = session_of_cookies(w, cookies);

	if (s != NULL)
		mem_wipe(s, sizeof(*s));
	cookie_print(w, "", 0, cookie);
}

void wallet_sweep(struct wallet *w)
{
	challenges_sweep(w->challenges);
	for (unsigned i = 0; i < WALLET_SESSIONS_MAX; i++)
		if (!session_is_live(&w->sessions[i]))
			mem_wipe(&w->sessions[i], sizeof(w->sessions[i]));
}
