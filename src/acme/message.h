/*
 * The messages of ACME (RFC 8555, RFC 9773): what a CA answers, and the payloads of
 * requests. No I/O, no clock.
 *
 * Answers are untrusted: at most ACME_ANSWER_MAX bytes, lists are bounded, unknown
 * members are ignored (RFC 8555 6.4). The members of what was read are freed with
 * field_fini() and the table of its kind, also after an error. Texts are NULL when the
 * answer lacks them.
 */
#ifndef ACME_MESSAGE_H
#define ACME_MESSAGE_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "text/field.h"
#include "text/timefmt.h"

#define ACME_ANSWER_MAX (64 * 1024)
#define ACME_CHAIN_MAX (256 * 1024) /* a certificate chain in PEM */
#define ACME_NAMES_MAX 100          /* names of one order */
#define ACME_CHALLENGES_MAX 20
#define ACME_TOKEN_MAX 128
#define ACME_NONCE_MAX 256
#define ACME_KEY_AUTHORIZATION_MAX (ACME_TOKEN_MAX + 64) /* with its terminator */

/* ---- problem documents (RFC 7807; RFC 8555 6.7) ---- */

/* Their types, without the prefix "urn:ietf:params:acme:error:". */
enum acme_problem_kind {
	ACME_PROBLEM_NONE, /* there is no problem document */
	ACME_PROBLEM_OTHER,
	ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST,
	ACME_PROBLEM_ALREADY_REPLACED,
	ACME_PROBLEM_BAD_NONCE,
	ACME_PROBLEM_BAD_CSR,
	ACME_PROBLEM_CAA,
	ACME_PROBLEM_CONNECTION,
	ACME_PROBLEM_DNS,
	ACME_PROBLEM_EXTERNAL_ACCOUNT_REQUIRED,
	ACME_PROBLEM_INCORRECT_RESPONSE,
	ACME_PROBLEM_INVALID_CONTACT,
	ACME_PROBLEM_MALFORMED,
	ACME_PROBLEM_ORDER_NOT_READY,
	ACME_PROBLEM_RATE_LIMITED,
	ACME_PROBLEM_REJECTED_IDENTIFIER,
	ACME_PROBLEM_SERVER_INTERNAL,
	ACME_PROBLEM_TLS,
	ACME_PROBLEM_UNAUTHORIZED,
	ACME_PROBLEM_UNSUPPORTED_CONTACT,
	ACME_PROBLEM_USER_ACTION_REQUIRED,
};

struct acme_identifier {
	char *type, *value; /* "dns" and a name */
};

struct acme_subproblem {
	char *type, *detail;
	struct acme_identifier identifier;
};

struct acme_problem {
	char *type, *detail;
	struct field_tables subproblems; /* struct acme_subproblem */
};

extern const struct field_table acme_problem_fields;

/* False: @text has no problem document. Nothing is to be freed then. */
bool acme_read_problem(struct span text, struct acme_problem *out);

enum acme_problem_kind acme_problem_kind(const struct acme_problem *p);

/*
 * The detail that says most: that of the first subproblem if there is one. "": none.
 * @name is set to the name that it is about, or NULL. Both are @p's.
 */
const char *acme_problem_detail(const struct acme_problem *p, const char **name);

/* ---- objects ---- */

enum acme_status {
	ACME_STATUS_UNKNOWN, /* missing, or none of these */
	ACME_STATUS_PENDING,
	ACME_STATUS_READY,
	ACME_STATUS_PROCESSING,
	ACME_STATUS_VALID,
	ACME_STATUS_INVALID, /* or deactivated, expired, revoked */
};

/* RFC 8555 7.1.1; RFC 9773 4.1. URLs that are missing here are those of optional
 * services. */
struct acme_directory {
	char *new_nonce, *new_account, *new_order;
	char *revoke_cert, *renewal_info; /* or NULL */
	struct acme_meta {
		char *terms_of_service;
		bool external_account_required;
	} meta;
};

extern const struct field_table acme_directory_fields;

/* ERR_SYNTAX: not a directory.  ERR_LIMIT.  @why says what is wrong. */
enum err acme_read_directory(struct span text, struct acme_directory *out,
	struct why *why) MUST_USE;

/* RFC 8555 7.1.3 */
struct acme_order_object {
	enum acme_status state;
	char status[16];
	struct field_list authorizations; /* URLs */
	char *finalize, *certificate;     /* URLs */
	struct acme_problem error;
};

extern const struct field_table acme_order_fields;
enum err acme_read_order(struct span text, struct acme_order_object *out,
	struct why *why) MUST_USE;

/* A validation that the CA tried (RFC 8555 8.1). */
struct acme_record {
	char *hostname, *address; /* that it connected to */
};

enum acme_challenge_kind {
	ACME_OTHER, /* not one of ours */
	ACME_HTTP_01 = 1,
	ACME_TLS_ALPN_01 = 2,
	ACME_DNS_01 = 4,
};

/* "HTTP-01"; never NULL. */
const char *acme_challenge_name(enum acme_challenge_kind kind);

struct acme_challenge {
	enum acme_challenge_kind kind;
	char *type, *url;
	char token[ACME_TOKEN_MAX + 1];
	char status[16];
	struct acme_problem error;
	struct field_tables records; /* struct acme_record */
};

/* RFC 8555 7.1.4 */
struct acme_authorization {
	enum acme_status state;
	char status[16];
	struct acme_identifier identifier;
	bool wildcard;                  /* for "*." and the identifier's name */
	struct field_tables challenges; /* struct acme_challenge */
};

extern const struct field_table acme_authorization_fields;

/* A challenge without a URL, or with a token that is not base64url, is ACME_OTHER. */
enum err acme_read_authorization(struct span text, struct acme_authorization *out,
	struct why *why) MUST_USE;

/* The first challenge of that kind, or NULL. */
const struct acme_challenge *acme_find_challenge(const struct acme_authorization *a,
	enum acme_challenge_kind kind);

/* The challenge that failed, or NULL. */
const struct acme_challenge *acme_find_failure(const struct acme_authorization *a);

/* RFC 9773 4.2: when the CA wants the certificate to be renewed. */
struct acme_renewal_info {
	struct acme_window {
		struct timestamp start, end;
	} window;
	char *explanation_url;
};

extern const struct field_table acme_renewal_info_fields;
enum err acme_read_renewal_info(struct span text, struct acme_renewal_info *out,
	struct why *why) MUST_USE;

/*
 * The value of Retry-After: seconds, or a date (RFC 9110 10.2.3) of which @now_s is
 * subtracted. At most a day. 0: there is none, or it is not valid.
 */
uint32_t acme_read_retry_after(struct span value, int64_t now_s);

/* ---- payloads; failures stick in @out ---- */

/* RFC 8555 7.3. @email, or NULL; @binding: see jws_put_binding(), empty: none. */
void acme_put_new_account(const char *email, struct span binding, struct buf *out);

/* RFC 8555 7.4. @replaces: the id of the previous certificate (RFC 9773 5), or NULL. */
void acme_put_new_order(const char *const *names, unsigned n, const char *replaces,
	struct buf *out);

/* RFC 8555 7.4: @csr in DER. 7.6: @certificate in DER. */
void acme_put_finalize(struct span csr, struct buf *out);
void acme_put_revocation(struct span certificate, struct buf *out);

/* ---- what a challenge wants to see ---- */

/* RFC 8555 8.1: the token, a dot, and the thumbprint of the account's key. */
void acme_key_authorization(const char *token, const char *thumbprint,
	char out[ACME_KEY_AUTHORIZATION_MAX]);

/* RFC 8555 8.4: the TXT record is the base64url text of its SHA-256. ERR_CRYPTO. */
#define ACME_DNS_VALUE_SIZE 44
enum err acme_dns_value(const char *key_authorization,
	char out[ACME_DNS_VALUE_SIZE]) MUST_USE;

#endif
