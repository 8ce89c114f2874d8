/* Passwords and tokens of a tunnel. */
#include "agent/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "text/base64.h"

/* ---- fields ---- */

static enum err check_basic(void *member, struct why *why)
{
	const char *text = *(char **)member;

	if (text == NULL || (strchr(text, ':') != NULL && text[0] != ':'))
		return ERR_OK;
	return err_set(why, ERR_USAGE, "it has no name or no colon; write name:password");
}

/* b64token of RFC 6750, 2.1. */
static enum err check_bearer(void *member, struct why *why)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._~+/=";
	const char *text = *(char **)member;

	if (text == NULL || text[strspn(text, letters)] == '\0')
		return ERR_OK;
	return err_set(why, ERR_USAGE,
		"a token has letters, digits and -._~+/= only; openssl rand -hex 16 prints"
		" one");
}

#define BASIC \
	FIELD_SECRET, FIELD_AT(struct access, basic), \
		.text_max = ACCESS_TEXT_MAX, .check = check_basic, .is_own = true, \
		.argument = "name:password", \
		.help = "ask visitors for this name and password"
#define BEARER \
	FIELD_SECRET, FIELD_AT(struct access, bearer), \
		.text_max = ACCESS_TEXT_MAX, .check = check_bearer, .is_own = true, \
		.argument = "token", .help = "admit requests with this bearer token"

static const struct field rows[] = {
	{ "basic", BASIC },
	{ "bearer", BEARER },
};
static const struct field flag_rows[] = {
	{ "access_basic", BASIC, .env = "ADIT_ACCESS_BASIC" },
	{ "access_bearer", BEARER, .env = "ADIT_ACCESS_BEARER" },
};

const struct field_table access_fields = FIELD_TABLE_OF(struct access, rows);
const struct field_table access_flag_fields = FIELD_TABLE_OF(struct access, flag_rows);

/* ---- requests ---- */

bool access_is_set(const struct access *a)
{
	return a->basic != NULL || a->bearer != NULL;
}

/* Cuts "Basic" and spaces, in any case, off the front. */
static bool cut_scheme(struct span *value, const char *scheme)
{
	size_t n = strlen(scheme);

	if (value->n <= n || strncasecmp((const char *)value->p, scheme, n) != 0 ||
		value->p[n] != ' ')
		return false;
	*value = span_trim(span_of(value->p + n, value->n - n));
	return true;
}

/* Compares in a time that depends on the lengths only. */
static bool is_secret(const char *secret, struct span text)
{
	char given[ACCESS_TEXT_MAX];
	bool is_same;

	if (secret == NULL || text.n >= sizeof(given))
		return false;
	memcpy(given, text.p, text.n);
	given[text.n] = '\0';
	is_same = strlen(given) == text.n && str_equal_secret(given, secret);
	mem_wipe(given, sizeof(given));
	return is_same;
}

bool access_admits(const struct access *a, struct span authorization)
{
	uint8_t decoded[ACCESS_TEXT_MAX];
	struct span value = authorization;
	size_t n;
	bool ok = false;

	if (cut_scheme(&value, "Bearer"))
		return is_secret(a->bearer, value);
	if (!cut_scheme(&value, "Basic"))
		return false;
	if (base64_decode(BASE64_PADDED, value, decoded, sizeof(decoded), &n) == ERR_OK)
		ok = is_secret(a->basic, span_of(decoded, n));
	mem_wipe(decoded, sizeof(decoded));
	return ok;
}

void access_put_challenge(const struct access *a, const char *name, struct buf *out)
{
	if (a->basic != NULL)
		buf_printf(out,
			"WWW-Authenticate: Basic realm=\"%s\", charset=\"UTF-8\"\r\n",
			name);
	if (a->bearer != NULL)
		buf_printf(out, "WWW-Authenticate: Bearer realm=\"%s\"\r\n", name);
}

/* ---- life ---- */

enum err access_copy(const struct access *from, struct access *to)
{
	struct access copy = {
		.basic = from->basic != NULL ? strdup(from->basic) : NULL,
		.bearer = from->bearer != NULL ? strdup(from->bearer) : NULL,
	};

	*to = copy;
	if ((from->basic != NULL && copy.basic == NULL) ||
		(from->bearer != NULL && copy.bearer == NULL)) {
		access_fini(to);
		return ERR_NOMEM;
	}
	return ERR_OK;
}

void access_fini(struct access *a)
{
	field_fini(&access_fields, a);
}
