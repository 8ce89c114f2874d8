/* The messages of ACME. */
#include "acme/message.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"
#include "text/base64.h"
#include "text/field_json.h"
#include "text/json.h"
#include "text/names.h"

#define SUBPROBLEMS_MAX 100
#define RECORDS_MAX 20
#define RETRY_AFTER_MAX_S (24 * 3600)

/* ---- tables ---- */

static const struct field identifier_rows[] = {
	{ "type", FIELD_TEXT, FIELD_AT(struct acme_identifier, type) },
	{ "value", FIELD_TEXT, FIELD_AT(struct acme_identifier, value) },
};
static const struct field_table identifier_fields = FIELD_TABLE_OF(struct acme_identifier,
	identifier_rows);

static const struct field subproblem_rows[] = {
	{ "type", FIELD_TEXT, FIELD_AT(struct acme_subproblem, type) },
	{ "detail", FIELD_TEXT, FIELD_AT(struct acme_subproblem, detail) },
	{ "identifier", FIELD_TABLE, FIELD_AT(struct acme_subproblem, identifier),
		.of = &identifier_fields },
};
static const struct field_table subproblem_fields = FIELD_TABLE_OF(struct acme_subproblem,
	subproblem_rows);

static const struct field problem_rows[] = {
	{ "type", FIELD_TEXT, FIELD_AT(struct acme_problem, type) },
	{ "detail", FIELD_TEXT, FIELD_AT(struct acme_problem, detail) },
	{ "subproblems", FIELD_TABLES, FIELD_AT(struct acme_problem, subproblems),
		.of = &subproblem_fields, .max = SUBPROBLEMS_MAX },
};
const struct field_table acme_problem_fields = FIELD_TABLE_OF(struct acme_problem,
	problem_rows);

static const struct field meta_rows[] = {
	{ "termsOfService", FIELD_TEXT, FIELD_AT(struct acme_meta, terms_of_service) },
	{ "externalAccountRequired", FIELD_BOOL,
		FIELD_AT(struct acme_meta, external_account_required) },
};
static const struct field_table meta_fields = FIELD_TABLE_OF(struct acme_meta, meta_rows);

static const struct field directory_rows[] = {
	{ "newNonce", FIELD_TEXT, FIELD_AT(struct acme_directory, new_nonce) },
	{ "newAccount", FIELD_TEXT, FIELD_AT(struct acme_directory, new_account) },
	{ "newOrder", FIELD_TEXT, FIELD_AT(struct acme_directory, new_order) },
	{ "revokeCert", FIELD_TEXT, FIELD_AT(struct acme_directory, revoke_cert) },
	{ "renewalInfo", FIELD_TEXT, FIELD_AT(struct acme_directory, renewal_info) },
	{ "meta", FIELD_TABLE, FIELD_AT(struct acme_directory, meta),
		.of = &meta_fields },
};
const struct field_table acme_directory_fields = FIELD_TABLE_OF(struct acme_directory,
	directory_rows);

static const struct field order_rows[] = {
	{ "status", FIELD_CHARS, FIELD_AT(struct acme_order_object, status) },
	{ "authorizations", FIELD_LIST,
		FIELD_AT(struct acme_order_object, authorizations),
		.max = ACME_NAMES_MAX },
	{ "finalize", FIELD_TEXT, FIELD_AT(struct acme_order_object, finalize) },
	{ "certificate", FIELD_TEXT, FIELD_AT(struct acme_order_object, certificate) },
	{ "error", FIELD_TABLE, FIELD_AT(struct acme_order_object, error),
		.of = &acme_problem_fields },
};
const struct field_table acme_order_fields = FIELD_TABLE_OF(struct acme_order_object,
	order_rows);

static const struct field record_rows[] = {
	{ "hostname", FIELD_TEXT, FIELD_AT(struct acme_record, hostname) },
	{ "addressUsed", FIELD_TEXT, FIELD_AT(struct acme_record, address) },
};
static const struct field_table record_fields = FIELD_TABLE_OF(struct acme_record,
	record_rows);

static const struct field challenge_rows[] = {
	{ "type", FIELD_TEXT, FIELD_AT(struct acme_challenge, type) },
	{ "url", FIELD_TEXT, FIELD_AT(struct acme_challenge, url) },
	{ "token", FIELD_CHARS, FIELD_AT(struct acme_challenge, token) },
	{ "status", FIELD_CHARS, FIELD_AT(struct acme_challenge, status) },
	{ "error", FIELD_TABLE, FIELD_AT(struct acme_challenge, error),
		.of = &acme_problem_fields },
	{ "validationRecord", FIELD_TABLES, FIELD_AT(struct acme_challenge, records),
		.of = &record_fields, .max = RECORDS_MAX },
};
static const struct field_table challenge_fields = FIELD_TABLE_OF(struct acme_challenge,
	challenge_rows);

static const struct field authorization_rows[] = {
	{ "status", FIELD_CHARS, FIELD_AT(struct acme_authorization, status) },
	{ "identifier", FIELD_TABLE, FIELD_AT(struct acme_authorization, identifier),
		.of = &identifier_fields },
	{ "wildcard", FIELD_BOOL, FIELD_AT(struct acme_authorization, wildcard) },
	{ "challenges", FIELD_TABLES, FIELD_AT(struct acme_authorization, challenges),
		.of = &challenge_fields, .max = ACME_CHALLENGES_MAX },
};
const struct field_table acme_authorization_fields =
	FIELD_TABLE_OF(struct acme_authorization, authorization_rows);

static const struct field window_rows[] = {
	{ "start", FIELD_TIME, FIELD_AT(struct acme_window, start) },
	{ "end", FIELD_TIME, FIELD_AT(struct acme_window, end) },
};
static const struct field_table window_fields = FIELD_TABLE_OF(struct acme_window,
	window_rows);

static const struct field renewal_info_rows[] = {
	{ "suggestedWindow", FIELD_TABLE, FIELD_AT(struct acme_renewal_info, window),
		.of = &window_fields },
	{ "explanationURL", FIELD_TEXT,
		FIELD_AT(struct acme_renewal_info, explanation_url) },
};
const struct field_table acme_renewal_info_fields =
	FIELD_TABLE_OF(struct acme_renewal_info, renewal_info_rows);

/* ---- problem documents ---- */

bool acme_read_problem(struct span text, struct acme_problem *out)
{
	struct acme_problem p = { 0 };

	if (text.n > ACME_ANSWER_MAX ||
		field_read_json(&acme_problem_fields, NULL, text, &p, NULL) != ERR_OK)
		return false;
	if (p.type == NULL && p.detail == NULL) {
		field_fini(&acme_problem_fields, &p);
		return false;
	}
	*out = p;
	return true;
}

enum acme_problem_kind acme_problem_kind(const struct acme_problem *p)
{
	static const char prefix[] = "urn:ietf:params:acme:error:";
	static const struct {
		const char *name;
		enum acme_problem_kind kind;
	} kinds[] = {
		{ "accountDoesNotExist", ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST },
		{ "alreadyReplaced", ACME_PROBLEM_ALREADY_REPLACED },
		{ "badNonce", ACME_PROBLEM_BAD_NONCE },
		{ "badCSR", ACME_PROBLEM_BAD_CSR },
		{ "caa", ACME_PROBLEM_CAA },
		{ "connection", ACME_PROBLEM_CONNECTION },
		{ "dns", ACME_PROBLEM_DNS },
		{ "externalAccountRequired", ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED },
		{ "incorrectResponse", ACME_PROBLEM_INCORRECT_RESPONSE },
		{ "invalidContact", ACME_PROBLEM_INVALID_CONTACT },
		{ "malformed", ACME_PROBLEM_MALFORMED },
		{ "orderNotReady", ACME_PROBLEM_ORDER_NOT_READY },
		{ "rateLimited", ACME_PROBLEM_RATE_LIMITED },
		{ "rejectedIdentifier", ACME_PROBLEM_REJECTED_IDENTIFIER },
		{ "serverInternal", ACME_PROBLEM_SERVER_INTERNAL },
		{ "tls", ACME_PROBLEM_TLS },
		{ "unauthorized", ACME_PROBLEM_UNAUTHORIZED },
		{ "unsupportedContact", ACME_PROBLEM_UNSUPPORTED_CONTACT },
		{ "userActionRequired", ACME_PROBLEM_USER_ACTION_REQUIRED },
	};

	if (p->type == NULL)
		return p->detail == NULL ? ACME_PROBLEM_NONE : ACME_PROBLEM_OTHER;
	if (!str_has_prefix(p->type, prefix))
		return ACME_PROBLEM_OTHER;
	for (size_t i = 0; i < mem_count(kinds); i++)
		if (strcmp(p->type + sizeof(prefix) - 1, kinds[i].name) == 0)
			return kinds[i].kind;
	return ACME_PROBLEM_OTHER;
}

const char *acme_problem_detail(const struct acme_problem *p, const char **name)
{
	const struct acme_subproblem *first = p->subproblems.v;

	*name = NULL;
	if (p->subproblems.n > 0 && first->detail != NULL) {
		*name = first->identifier.value;
		return first->detail;
	}
	return p->detail != NULL ? p->detail : "";
}

/* ---- objects ---- */

static enum acme_status status_of(const char *text)
{
	static const struct {
		const char *name;
		enum acme_status status;
	} all[] = {
		{ "pending", ACME_STATUS_PENDING },
		{ "ready", ACME_STATUS_READY },
		{ "processing", ACME_STATUS_PROCESSING },
		{ "valid", ACME_STATUS_VALID },
		{ "invalid", ACME_STATUS_INVALID },
		{ "deactivated", ACME_STATUS_INVALID },
		{ "expired", ACME_STATUS_INVALID },
		{ "revoked", ACME_STATUS_INVALID },
	};

	for (size_t i = 0; i < mem_count(all); i++)
		if (strcmp(text, all[i].name) == 0)
			return all[i].status;
	return ACME_STATUS_UNKNOWN;
}

/* Fills @out, which owns nothing after a failure. @what is the noun for errors. */
static enum err read_object(const struct field_table *t, const char *what,
	struct span text, void *out, struct why *why)
{
	struct why detail = { "" };
	enum err rc;

	memset(out, 0, t->bytes);
	if (text.n > ACME_ANSWER_MAX)
		return err_set(why, ERR_LIMIT, "the CA's %s has more than %d bytes", what,
			ACME_ANSWER_MAX);
	rc = field_read_json(t, NULL, text, out, &detail);
	if (rc != ERR_OK)
		return err_set(why, rc, "the CA's %s is not valid: %s", what,
			err_text(rc, &detail));
	return ERR_OK;
}

enum err acme_read_directory(struct span text, struct acme_directory *out,
	struct why *why)
{
	enum err rc = read_object(&acme_directory_fields, "directory", text, out, why);

	if (rc != ERR_OK ||
		(out->new_nonce != NULL && out->new_account != NULL &&
			out->new_order != NULL))
		return rc;
	return err_set(why, ERR_SYNTAX,
		"this is not the directory of an ACME server: it lacks newNonce, "
		"newAccount or newOrder");
}

enum err acme_read_order(struct span text, struct acme_order_object *out, struct why *why)
{
	enum err rc = read_object(&acme_order_fields, "order", text, out, why);

	if (rc != ERR_OK)
		return rc;
	out->state = status_of(out->status);
	if (out->state == ACME_STATUS_UNKNOWN || out->authorizations.n == 0 ||
		out->finalize == NULL)
		return err_set(why, ERR_SYNTAX,
			"the CA's order lacks a status, authorizations or finalize");
	return ERR_OK;
}

const char *acme_challenge_name(enum acme_challenge_kind kind)
{
	switch (kind) {
	case ACME_HTTP_01:
		return "HTTP-01";
	case ACME_TLS_ALPN_01:
		return "TLS-ALPN-01";
	case ACME_DNS_01:
		return "DNS-01";
	case ACME_OTHER:
		break;
	}
	return "another challenge";
}

/* RFC 8555 8.1: only characters of base64url, which are safe in paths. */
static bool is_token(const char *token)
{
	return token[0] != '\0' &&
		token[strspn(token,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
			"_")] == '\0';
}

static enum acme_challenge_kind kind_of(const struct acme_challenge *c)
{
	if (c->type == NULL || c->url == NULL || !is_token(c->token))
		return ACME_OTHER;
	if (strcmp(c->type, "http-01") == 0)
		return ACME_HTTP_01;
	if (strcmp(c->type, "tls-alpn-01") == 0)
		return ACME_TLS_ALPN_01;
	return strcmp(c->type, "dns-01") == 0 ? ACME_DNS_01 : ACME_OTHER;
}

enum err acme_read_authorization(struct span text, struct acme_authorization *out,
	struct why *why)
{
	struct acme_challenge *c;
	char host[NAMES_HOST_MAX + 1];
	enum err rc = read_object(&acme_authorization_fields, "authorization", text, out,
		why);

	if (rc != ERR_OK)
		return rc;
	out->state = status_of(out->status);
	c = out->challenges.v;
	for (unsigned i = 0; i < out->challenges.n; i++)
		c[i].kind = kind_of(&c[i]);
	if (out->state == ACME_STATUS_UNKNOWN || out->identifier.value == NULL ||
		names_parse_host(span_str(out->identifier.value), host, NULL) != ERR_OK)
		return err_set(why, ERR_SYNTAX,
			"the CA's authorization lacks a status or a name");
	(void)str_copy(out->identifier.value, strlen(out->identifier.value) + 1, host);
	return ERR_OK;
}

const struct acme_challenge *acme_find_challenge(const struct acme_authorization *a,
	enum acme_challenge_kind kind)
{
	const struct acme_challenge *c = a->challenges.v;

	for (unsigned i = 0; i < a->challenges.n; i++)
		if (c[i].kind == kind)
			return &c[i];
	return NULL;
}

const struct acme_challenge *acme_find_failure(const struct acme_authorization *a)
{
	const struct acme_challenge *c = a->challenges.v;

	for (unsigned i = 0; i < a->challenges.n; i++)
		if (acme_problem_kind(&c[i].error) != ACME_PROBLEM_NONE)
			return &c[i];
	return NULL;
}

enum err acme_read_renewal_info(struct span text, struct acme_renewal_info *out,
	struct why *why)
{
	enum err rc = read_object(&acme_renewal_info_fields, "renewal info", text, out,
		why);

	if (rc == ERR_OK &&
		(out->window.start.s <= 0 || out->window.end.s < out->window.start.s))
		return err_set(why, ERR_SYNTAX,
			"the CA's renewal info has no valid suggestedWindow");
	return rc;
}

/* ---- Retry-After ---- */

/* "Sun, 06 Nov 1994 08:49:37 GMT": RFC 9110 5.6.7. */
static bool read_http_date(struct span text, int64_t *out_s)
{
	static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
	struct span day_name, day, month, year;
	char key[5] = { 0 };
	const char *at;
	struct tm tm = { 0 };
	unsigned long number;
	char digits[5] = { 0 };
	uint32_t ns;

	if (!span_split(&text, ' ', &day_name) || day_name.n != 4 ||
		!span_split(&text, ' ', &day) || day.n != 2 ||
		!span_cut(&text, 4, &month) || !span_split(&text, ' ', &year) ||
		year.n != 4 || !timefmt_cut_clock(&text, 60, &tm, &ns) ||
		!span_is(text, " GMT"))
		return false;
	memcpy(key, month.p, 4);
	at = strstr(months, key);
	if (at == NULL || (at - months) % 4 != 0)
		return false;
	tm.tm_mon = (int)(at - months) / 4;
	memcpy(digits, day.p, 2);
	if (!str_to_uint(digits, 31, &number))
		return false;
	tm.tm_mday = (int)number;
	memcpy(digits, year.p, 4);
	if (!str_to_uint(digits, 9999, &number))
		return false;
	tm.tm_year = (int)number - 1900;
	*out_s = (int64_t)timegm(&tm);
	return true;
}

uint32_t acme_read_retry_after(struct span value, int64_t now_s)
{
	int64_t seconds = 0, at_s;

	if (value.n == 0)
		return 0;
	if (read_http_date(value, &at_s)) {
		seconds = at_s - now_s;
	} else {
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] < '0' || value.p[i] > '9')
				return 0;
			if (seconds <= RETRY_AFTER_MAX_S)
				seconds = seconds * 10 + (value.p[i] - '0');
		}
	}
	if (seconds <= 0)
		return 0;
	if (seconds > RETRY_AFTER_MAX_S)
		seconds = RETRY_AFTER_MAX_S;
	return (uint32_t)seconds * 1000;
}

/* ---- payloads ---- */

static void put_der(const char *key, struct span der, struct buf *out)
{
	uint8_t *to;

	buf_printf(out, "{\"%s\":\"", key);
	if (buf_reserve(out, BASE64_TEXT_SIZE(der.n), &to) == ERR_OK)
		buf_commit(out, base64_encode(BASE64_URL, der, (char *)to));
	buf_put_str(out, "\"}");
}

void acme_put_new_account(const char *email, struct span binding, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "termsOfServiceAgreed");
	json_put_flag(&w, true);
	if (email != NULL) {
		char *contact = str_printf("mailto:%s", email);

		json_put_key(&w, "contact");
		json_put_open_list(&w);
		json_put_text(&w, span_str(contact != NULL ? contact : ""));
		json_put_close_list(&w);
		if (contact == NULL)
			out->failed = ERR_NOMEM;
		free(contact);
	}
	if (binding.n > 0) {
		json_put_key(&w, "externalAccountBinding");
		buf_put_span(out, binding);
		w.wants_comma = true;
	}
	json_put_close(&w);
}

void acme_put_new_order(const char *const *names, unsigned n, const char *replaces,
	struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_put_open(&w);
	json_put_key(&w, "identifiers");
	json_put_open_list(&w);
	for (unsigned i = 0; i < n; i++) {
		json_put_open(&w);
		json_put_key(&w, "type");
		json_put_text(&w, span_str("dns"));
		json_put_key(&w, "value");
		json_put_text(&w, span_str(names[i]));
		json_put_close(&w);
	}
	json_put_close_list(&w);
	if (replaces != NULL) {
		json_put_key(&w, "replaces");
		json_put_text(&w, span_str(replaces));
	}
	json_put_close(&w);
}

void acme_put_finalize(struct span csr, struct buf *out)
{
	put_der("csr", csr, out);
}

void acme_put_revocation(struct span certificate, struct buf *out)
{
	put_der("certificate", certificate, out);
}

/* ---- what a challenge wants to see ---- */

void acme_key_authorization(const char *token, const char *thumbprint,
	char out[ACME_KEY_AUTHORIZATION_MAX])
{
	snprintf(out, ACME_KEY_AUTHORIZATION_MAX, "%s.%s", token, thumbprint);
}

enum err acme_dns_value(const char *key_authorization, char out[ACME_DNS_VALUE_SIZE])
{
	uint8_t hash[HASH_SHA256_BYTES];
	enum err rc = hash_sha256(span_str(key_authorization), hash);

	if (rc == ERR_OK)
		(void)base64_encode(BASE64_URL, span_of(hash, sizeof(hash)), out);
	return rc;
}
