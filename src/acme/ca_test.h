/*
 * For tests: a CA on this machine, over plain HTTP. It does what it should, until it is
 * told otherwise; its time is the test's. Signatures are not verified: pebble does that,
 * in the scenarios.
 */
#ifndef ACME_CA_TEST_H
#define ACME_CA_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "acme/message.h"
#include "base/clock.h"
#include "base/str.h"
#include "crypto/certificate_test.h"
#include "crypto/pem.h"
#include "http/server.h"
#include "loop/timer_test.h"
#include "net/addr.h"
#include "text/base64.h"

enum test_service {
	TEST_DIRECTORY,
	TEST_NONCE,
	TEST_ACCOUNT,
	TEST_ORDER,
	TEST_AUTHORIZATION,
	TEST_CHALLENGE,
	TEST_FINALIZE,
	TEST_POLL,
	TEST_CERTIFICATE,
	TEST_RENEWAL,
	TEST_SERVICES,
};

static const char *const test_paths[TEST_SERVICES] = { "/dir", "/nonce", "/account",
	"/order", "/authorization", "/challenge", "/finalize", "/poll", "/certificate",
	"/renewal" };

/* What it says in place of the right answer. */
struct test_fault {
	unsigned times; /* 0: the right one */
	unsigned status;
	const char *type, *headers;
};

struct test_ca {
	struct loop *loop;
	struct pool pool;
	struct http_server *server;
	char base[64], url[80];
	EVP_PKEY *key;
	unsigned asked[TEST_SERVICES];
	struct test_fault faults[TEST_SERVICES];
	int64_t life_s;
	unsigned bad_nonces;         /* so many are rejected */
	unsigned fails;              /* kinds of challenges whose validation fails */
	unsigned polls;              /* "pending" so often, and "processing" */
	bool has_renewal_info;       /* in the directory */
	struct timestamp start, end; /* of the window */
	bool asks_for_other_name;    /* an authorization for what was not ordered */
	unsigned accounts;           /* that were made */

	/* The order that is on its way. */
	char name[256], replaces[128];
	unsigned answered; /* the challenge that is to be validated; 0: none yet */
	unsigned polled;
	unsigned serial;
	struct buf chain;
	uint8_t payload[8192];
	size_t payload_n;
	struct http_exchange *x;
	enum test_service service;
};

static inline void test_ca_answer(struct test_ca *ca, unsigned status,
	const char *headers, struct span body)
{
	char *all = str_printf(
		"Replay-Nonce: nonce-%u\r\nContent-Type: application/json\r\n%s",
		++ca->serial, headers);

	http_reply(ca->x, status, all, body);
	free(all);
}

/* A problem document. */
static inline void test_ca_refuse(struct test_ca *ca, const struct test_fault *f)
{
	char *body = str_printf("{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":"
				"\"told to\"}",
		f->type);

	test_ca_answer(ca, f->status, f->headers != NULL ? f->headers : "",
		span_str(body));
	free(body);
}

/* ---- certificates ---- */

static inline void test_ca_issue(struct test_ca *ca, EVP_PKEY *key)
{
	static const uint8_t id[20] = { 1, 2, 3 };
	X509 *leaf = X509_new();
	AUTHORITY_KEYID *issuer = AUTHORITY_KEYID_new();
	char *names = str_printf("DNS:%s", ca->name);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
		names);

	X509_set_version(leaf, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(leaf), (long)ca->serial + 100);
	ASN1_TIME_set(X509_getm_notBefore(leaf), (time_t)(clock_wall_ms() / 1000));
	ASN1_TIME_set(X509_getm_notAfter(leaf),
		(time_t)(clock_wall_ms() / 1000) + ca->life_s);
	X509_set_pubkey(leaf, key);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(leaf), "CN", MBSTRING_ASC,
		(const unsigned char *)"test", -1, -1, 0);
	X509_add_ext(leaf, ext, -1);
	issuer->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(issuer->keyid, id, sizeof(id));
	X509_add1_ext_i2d(leaf, NID_authority_key_identifier, issuer, 0, 0);
	assert_true(X509_sign(leaf, ca->key, EVP_sha256()) > 0);
	buf_reset(&ca->chain);
	assert_int_equal(pem_put_certificate(&ca->chain, leaf), ERR_OK);
	X509_EXTENSION_free(ext);
	AUTHORITY_KEYID_free(issuer);
	X509_free(leaf);
	free(names);
}

/* The value of a text member of the payload. False: there is none. */
static inline bool test_ca_member(const struct test_ca *ca, const char *name, char *to,
	size_t size)
{
	char key[64];
	const char *at, *end;

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr((const char *)ca->payload, key);
	if (at == NULL)
		return false;
	at += strlen(key);
	end = strchr(at, '"');
	assert_true(end != NULL && (size_t)(end - at) < size);
	memcpy(to, at, (size_t)(end - at));
	to[end - at] = '\0';
	return true;
}

static inline void test_ca_finalize(struct test_ca *ca)
{
	static char text[4096];
	uint8_t der[4096];
	const uint8_t *p = der;
	X509_REQ *csr;
	EVP_PKEY *key;
	size_t n;

	assert_true(test_ca_member(ca, "csr", text, sizeof(text)));
	assert_int_equal(base64_decode(BASE64_URL, span_str(text), der, sizeof(der), &n),
		ERR_OK);
	csr = d2i_X509_REQ(NULL, &p, (long)n);
	assert_non_null(csr);
	key = X509_REQ_get_pubkey(csr);
	assert_int_equal(X509_REQ_verify(csr, key), 1);
	test_ca_issue(ca, key);
	EVP_PKEY_free(key);
	X509_REQ_free(csr);
}

/* ---- answers ---- */

static inline void test_ca_put_order(struct test_ca *ca, const char *status)
{
	char *headers = str_printf("Location: %s/poll\r\n", ca->base);
	char *body = str_printf(
		"{\"status\":\"%s\",\"authorizations\":[\"%s/authorization\"],"
		"\"finalize\":\"%s/finalize\",\"certificate\":\"%s/certificate\"}",
		status, ca->base, ca->base, ca->base);

	test_ca_answer(ca, ca->service == TEST_ORDER ? 201 : 200, headers,
		span_str(body));
	free(headers);
	free(body);
}

/* "invalid" for a kind that fails. */
static inline const char *test_ca_validate(struct test_ca *ca)
{
	if (ca->answered == 0)
		return "pending";
	if (ca->polled < ca->polls) {
		ca->polled++;
		return "pending";
	}
	return (ca->fails & ca->answered) != 0 ? "invalid" : "valid";
}

static inline void test_ca_put_authorization(struct test_ca *ca)
{
	static const char error[] =
		",\"error\":{\"type\":\"urn:ietf:params:acme:error:connection\",\"detail\":"
		"\"connection refused\"},\"validationRecord\":[{\"hostname\":\"x\",\"addressUsed\":"
		"\"192.0.2.7\"}]";
	const char *status = test_ca_validate(ca);
	bool is_wildcard = ca->name[0] == '*', is_bad = strcmp(status, "invalid") == 0;
	char *body = str_printf(
		"{\"status\":\"%s\",\"wildcard\":%s,\"identifier\":{\"type\":\"dns\",\"value\":"
		"\"%s\"},\"challenges\":[{\"type\":\"http-01\",\"url\":\"%s/challenge/1\","
		"\"token\":\"t-h\"%s},{\"type\":\"tls-alpn-01\",\"url\":\"%s/challenge/2\","
		"\"token\":\"t-a\"%s}]}",
		status, is_wildcard ? "true" : "false",
		ca->asks_for_other_name ? "other.example" : ca->name, ca->base,
		is_bad && ca->answered == ACME_HTTP_01 ? error : "", ca->base,
		is_bad && ca->answered == ACME_TLS_ALPN_01 ? error : "");

	test_ca_answer(ca, 200, "", span_str(body));
	free(body);
}

static inline void test_ca_put_renewal(struct test_ca *ca)
{
	char start[TIMEFMT_TEXT_MAX], end[TIMEFMT_TEXT_MAX];
	char *body = str_printf("{\"suggestedWindow\":{\"start\":\"%s\",\"end\":\"%s\"}}",
		timefmt_print(ca->start, start), timefmt_print(ca->end, end));

	test_ca_answer(ca, 200, "Retry-After: 3600\r\n", span_str(body));
	free(body);
}

static inline void test_ca_put_directory(struct test_ca *ca)
{
	char *renewal = str_printf(",\"renewalInfo\":\"%s/renewal\"", ca->base);
	char *body =
		str_printf("{\"newNonce\":\"%s/nonce\",\"newAccount\":\"%s/account\","
			   "\"newOrder\":\"%s/order\"%s}",
			ca->base, ca->base, ca->base,
			ca->has_renewal_info ? renewal : "");

	test_ca_answer(ca, 200, "", span_str(body));
	free(body);
	free(renewal);
}

static inline void test_ca_right_answer(struct test_ca *ca)
{
	char *location = str_printf("Location: %s/accounts/1\r\n", ca->base);

	switch (ca->service) {
	case TEST_DIRECTORY:
		test_ca_put_directory(ca);
		break;
	case TEST_NONCE:
		test_ca_answer(ca, 200, "", span_of(NULL, 0));
		break;
	case TEST_ACCOUNT:
		test_ca_answer(ca, ca->accounts++ == 0 ? 201 : 200, location,
			span_str("{}"));
		break;
	case TEST_ORDER:
		ca->answered = ca->polled = 0;
		assert_true(test_ca_member(ca, "value", ca->name, sizeof(ca->name)));
		if (!test_ca_member(ca, "replaces", ca->replaces, sizeof(ca->replaces)))
			ca->replaces[0] = '\0';
		test_ca_put_order(ca, "pending");
		break;
	case TEST_AUTHORIZATION:
		test_ca_put_authorization(ca);
		break;
	case TEST_FINALIZE:
		ca->polled = 0;
		test_ca_finalize(ca);
		test_ca_put_order(ca, ca->polls > 0 ? "processing" : "valid");
		break;
	case TEST_POLL:
		test_ca_put_order(ca, ca->polled++ < ca->polls ? "processing" : "valid");
		break;
	case TEST_CERTIFICATE:
		test_ca_answer(ca, 200, "", buf_span(&ca->chain));
		break;
	case TEST_RENEWAL:
		test_ca_put_renewal(ca);
		break;
	default:
		test_ca_answer(ca, 200, "", span_str("{}"));
	}
	free(location);
}

/* ---- requests ---- */

static inline void test_ca_read_payload(struct test_ca *ca, struct span body)
{
	struct span rest, value;
	char *text = span_dup(body);
	const char *at = text != NULL ? strstr(text, "\"payload\":\"") : NULL;

	ca->payload_n = 0;
	if (at != NULL) {
		rest = span_str(at + strlen("\"payload\":\""));
		assert_true(span_split(&rest, '"', &value));
		assert_int_equal(base64_decode(BASE64_URL, value, ca->payload,
					 sizeof(ca->payload) - 1, &ca->payload_n),
			ERR_OK);
	}
	ca->payload[ca->payload_n] = '\0';
	free(text);
}

static inline void test_ca_on_body(void *arg, struct http_exchange *x, enum err rc,
	struct span body)
{
	struct test_ca *ca = arg;
	struct test_fault *f = &ca->faults[ca->service];
	const struct test_fault bad_nonce = { .status = 400, .type = "badNonce" };

	assert_int_equal(rc, ERR_OK);
	ca->x = x;
	test_ca_read_payload(ca, body);
	if (body.n > 0 && ca->bad_nonces > 0) {
		ca->bad_nonces--;
		test_ca_refuse(ca, &bad_nonce);
	} else if (f->times > 0) {
		f->times--;
		test_ca_refuse(ca, f);
	} else {
		test_ca_right_answer(ca);
	}
}

static inline void test_ca_on_request(void *arg, struct http_exchange *x)
{
	struct test_ca *ca = arg;
	struct span path = http1_path(http_request(x));

	ca->service = TEST_SERVICES;
	for (unsigned i = 0; i < TEST_SERVICES; i++)
		if (path.n >= strlen(test_paths[i]) &&
			memcmp(path.p, test_paths[i], strlen(test_paths[i])) == 0)
			ca->service = i;
	assert_true(ca->service < TEST_SERVICES);
	if (ca->service == TEST_CHALLENGE)
		ca->answered = (unsigned)(path.p[path.n - 1] - '0');
	ca->asked[ca->service]++;
	http_read_body(x, 65536, test_ca_on_body, ca);
}

static inline void test_ca_open(struct test_ca *ca, struct loop *loop)
{
	struct http_server_options o = {
		.loop = loop,
		.pool = &ca->pool,
		.on_request = test_ca_on_request,
		.arg = ca,
	};
	struct addr at;

	memset(ca, 0, sizeof(*ca));
	ca->loop = loop;
	ca->life_s = 90 * 86400;
	ca->key = EVP_EC_gen("P-256");
	buf_init(&ca->chain, 65536);
	pool_init(&ca->pool, 65536, 16);
	assert_int_equal(http_server_new(&o, &ca->server), ERR_OK);
	assert_int_equal(http_server_listen(ca->server, "127.0.0.1", 0, &at, NULL),
		ERR_OK);
	snprintf(ca->base, sizeof(ca->base), "http://127.0.0.1:%u", addr_port(&at));
	snprintf(ca->url, sizeof(ca->url), "%s/dir", ca->base);
}

static inline void test_ca_close(struct test_ca *ca)
{
	http_server_free(ca->server);
	EVP_PKEY_free(ca->key);
	buf_fini(&ca->chain);
	pool_fini(&ca->pool);
}

#endif
