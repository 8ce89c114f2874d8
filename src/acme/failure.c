/* Why there is no certificate. */
#include "acme/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "net/addr.h"

#define DETAIL_MAX 400
#define TOO_MANY_REQUESTS 429
#define UNAVAILABLE 503

void acme_failure_set(struct acme_failure *f, enum err rc, const char *fmt, ...)
{
	va_list args;

	f->rc = rc;
	va_start(args, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
}

/* Adds what the CA says, if it says something. */
static void failure_quote(struct acme_failure *f, const struct acme_problem *problem)
{
	size_t n = strlen(f->text);
	char quoted[DETAIL_MAX];
	const char *name, *detail = acme_problem_detail(problem, &name);

	if (detail[0] == '\0')
		return;
	(void)str_quote(quoted, sizeof(quoted), span_str(detail));
	(void)snprintf(f->text + n, sizeof(f->text) - n, "; the CA says: %s", quoted);
}

/* ---- answers ---- */

/* What to do about a problem that is not of a validation. "": nothing is known. */
static const char *problem_advice(enum acme_problem_kind kind)
{
	switch (kind) {
	case ACME_PROBLEM_RATE_LIMITED:
		return ": too many requests or certificates; wait, and do not restart to "
		       "try again";
	case ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED:
		return ": get a key id and an HMAC key from the CA, and set both";
	case ACME_PROBLEM_INVALID_CONTACT:
	case ACME_PROBLEM_UNSUPPORTED_CONTACT:
		return ": correct the mail address";
	case ACME_PROBLEM_REJECTED_IDENTIFIER:
		return ": it issues no certificates for such a name";
	case ACME_PROBLEM_CAA:
		return ": a CAA record of the name or its parents allows other CAs only; add "
		       "this one";
	case ACME_PROBLEM_USER_ACTION_REQUIRED:
		return ": its terms of service have changed, perhaps";
	default:
		return "";
	}
}

void acme_failure_of_problem(struct acme_failure *f, const char *doing, const char *name,
	const struct acme_problem *problem)
{
	enum acme_problem_kind kind = acme_problem_kind(problem);

	acme_failure_set(f, ERR_DENIED, "the CA refuses %s for %s%s", doing, name,
		problem_advice(kind));
	failure_quote(f, problem);
	f->is_rate_limited = kind == ACME_PROBLEM_RATE_LIMITED;
	f->is_of_replaces = kind == ACME_PROBLEM_ALREADY_REPLACED;
}

void acme_failure_of_answer(struct acme_failure *f, const char *doing, const char *name,
	enum err rc, const struct acme_answer *answer, const struct why *why)
{
	if (answer != NULL && answer->is_of_account)
		doing = "the account";
	if (answer != NULL && answer->problem != NULL)
		acme_failure_of_problem(f, doing, name, answer->problem);
	else if (answer != NULL && answer->status == 0)
		acme_failure_set(f, rc, "the CA cannot be used for %s: %s", name,
			err_text(rc, why));
	else
		acme_failure_set(f, rc, "%s for %s: %s", doing, name, err_text(rc, why));
	f->rc = rc;
	if (answer == NULL)
		return;
	f->retry_after_ms = answer->retry_after_ms;
	if (answer->status == TOO_MANY_REQUESTS || answer->status == UNAVAILABLE)
		f->is_rate_limited = true;
}

/* ---- validations ---- */

/* " (192.0.2.7, which is no address of this machine)", or "". */
static const char *print_address(const struct acme_challenge *c, char *to, size_t size)
{
	const struct acme_record *records = c != NULL ? c->records.v : NULL;
	const char *text = NULL;
	char ip[ADDR_TEXT_MAX];
	struct addr a;

	if (records != NULL)
		text = records[c->records.n - 1].address;
	to[0] = '\0';
	if (text != NULL && addr_from_literal(text, 0, &a) == ERR_OK)
		(void)snprintf(to, size, " (%s%s)", addr_print_ip(&a, ip),
			addr_is_here(&a) ? "" : ", which is no address of this machine");
	return to;
}

static void validation_of_http(struct acme_failure *f, const char *name, const char *at,
	unsigned port, enum acme_problem_kind kind)
{
	switch (kind) {
	case ACME_PROBLEM_DNS:
		acme_failure_set(f, ERR_DENIED,
			"the CA finds no address of %s: create an A or AAAA record with the "
			"address of this machine",
			name);
		break;
	case ACME_PROBLEM_CONNECTION:
		acme_failure_set(f, ERR_DENIED,
			"the CA cannot connect to port %u of %s%s: open the port in all "
			"firewalls, and correct the A and AAAA records of the name if they "
			"are not those of this machine",
			port, name, at);
		break;
	default:
		acme_failure_set(f, ERR_DENIED,
			"port %u of %s%s does not give the CA the answer of this program: "
			"correct the A and AAAA records of the name if they are not those of "
			"this machine, or let what answers there pass it on",
			port, name, at);
	}
}

static void validation_of_dns(struct acme_failure *f, const char *name,
	enum acme_problem_kind kind)
{
	acme_failure_set(f, ERR_DENIED,
		"the CA finds %s in _acme-challenge.%s: check that the DNS hook writes to the "
		"right zone, and waits until all its servers have the record",
		kind == ACME_PROBLEM_DNS ? "no TXT record" : "another TXT record", name);
}

void acme_failure_of_validation(struct acme_failure *f, const char *name,
	enum acme_challenge_kind challenge_kind, const struct acme_challenge *challenge)
{
	enum acme_problem_kind kind = ACME_PROBLEM_OTHER;
	char at[ADDR_TEXT_MAX + 64];

	if (challenge != NULL)
		kind = acme_problem_kind(&challenge->error);
	if (kind == ACME_PROBLEM_CAA || kind == ACME_PROBLEM_REJECTED_IDENTIFIER ||
		kind == ACME_PROBLEM_RATE_LIMITED) {
		acme_failure_of_problem(f, "a certificate", name, &challenge->error);
		return;
	}
	(void)print_address(challenge, at, sizeof(at));
	if (challenge_kind == ACME_DNS_01)
		validation_of_dns(f, name, kind);
	else
		validation_of_http(f, name, at, challenge_kind == ACME_HTTP_01 ? 80 : 443,
			kind);
	f->tried = challenge_kind;
	if (challenge != NULL)
		failure_quote(f, &challenge->error);
}
