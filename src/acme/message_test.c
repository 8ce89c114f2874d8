/* Messages of ACME: answers of CAs, good and hostile, and the payloads of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "acme/message.h"
#include "base/mem.h"

static const char directory[] =
	"{\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/acct\","
	"\"newOrder\":\"https://ca.example/order\",\"revokeCert\":\"https://ca.example/rev\","
	"\"renewalInfo\":\"https://ca.example/ari\",\"keyChange\":\"https://ca.example/key\","
	"\"meta\":{\"termsOfService\":\"https://ca.example/tos\","
	"\"externalAccountRequired\":true,\"profiles\":{\"short\":\"x\"}},\"kQ7\":\"y\"}";

static const char order[] =
	"{\"status\":\"pending\",\"expires\":\"2026-01-20T14:09:07.99Z\","
	"\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],"
	"\"authorizations\":[\"https://ca.example/z/1\"],"
	"\"finalize\":\"https://ca.example/o/1/finalize\"}";

static const char failed_authorization[] =
	"{\"status\":\"invalid\",\"identifier\":{\"type\":\"dns\",\"value\":\"A.example.\"},"
	"\"challenges\":[{\"type\":\"tls-alpn-01\",\"url\":\"https://ca.example/c/2\","
	"\"status\":\"pending\",\"token\":\"abc-_1\"},"
	"{\"type\":\"http-01\",\"url\":\"https://ca.example/c/1\",\"status\":\"invalid\","
	"\"token\":\"DGyRejmCefe7v4NfDGDKfA\",\"error\":{\"type\":"
	"\"urn:ietf:params:acme:error:connection\",\"detail\":\"Timeout during connect\","
	"\"status\":400},\"validationRecord\":[{\"url\":\"http://a.example/\",\"hostname\":"
	"\"a.example\",\"port\":\"80\",\"addressUsed\":\"192.0.2.7\"}]}]}";

static void test_a_directory_is_read(void **state)
{
	struct acme_directory d;
	struct why why;

	(void)state;
	assert_int_equal(acme_read_directory(span_str(directory), &d, &why), ERR_OK);
	assert_string_equal(d.new_nonce, "https://ca.example/nonce");
	assert_string_equal(d.renewal_info, "https://ca.example/ari");
	assert_string_equal(d.meta.terms_of_service, "https://ca.example/tos");
	assert_true(d.meta.external_account_required);
	field_fini(&acme_directory_fields, &d);

	assert_int_equal(acme_read_directory(span_str("{\"newNonce\":\"x\"}"), &d, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, "not the directory of an ACME server"));
	field_fini(&acme_directory_fields, &d);
	assert_int_equal(acme_read_directory(span_str("<html>"), &d, &why), ERR_SYNTAX);
	field_fini(&acme_directory_fields, &d);
}

static void test_an_order_is_read(void **state)
{
	struct acme_order_object o;

	(void)state;
	assert_int_equal(acme_read_order(span_str(order), &o, NULL), ERR_OK);
	assert_int_equal(o.state, ACME_STATUS_PENDING);
	assert_int_equal(o.authorizations.n, 1);
	assert_string_equal(o.authorizations.v[0], "https://ca.example/z/1");
	assert_null(o.certificate);
	assert_int_equal(acme_problem_kind(&o.error), ACME_PROBLEM_NONE);
	field_fini(&acme_order_fields, &o);

	assert_int_equal(acme_read_order(span_str("{\"status\":\"pending\"}"), &o, NULL),
		ERR_SYNTAX);
	field_fini(&acme_order_fields, &o);
}

static void test_a_failed_authorization_says_why(void **state)
{
	struct acme_authorization a;
	const struct acme_challenge *c;
	const struct acme_record *record;
	const char *name;

	(void)state;
	assert_int_equal(acme_read_authorization(span_str(failed_authorization), &a,
				 NULL),
		ERR_OK);
	assert_int_equal(a.state, ACME_STATUS_INVALID);
	assert_string_equal(a.identifier.value, "a.example");
	assert_false(a.wildcard);
	assert_string_equal(acme_find_challenge(&a, ACME_TLS_ALPN_01)->token, "abc-_1");
	assert_null(acme_find_challenge(&a, ACME_DNS_01));
	c = acme_find_failure(&a);
	assert_int_equal(c->kind, ACME_HTTP_01);
	assert_int_equal(acme_problem_kind(&c->error), ACME_PROBLEM_CONNECTION);
	assert_string_equal(acme_problem_detail(&c->error, &name),
		"Timeout during connect");
	assert_null(name);
	record = c->records.v;
	assert_string_equal(record->address, "192.0.2.7");
	field_fini(&acme_authorization_fields, &a);
}

static void test_a_token_that_is_a_path_is_not_used(void **state)
{
	static const char *const tokens[] = { "", "../../etc", "a b", "a\\u0000b",
		"a%2fb" };
	struct acme_authorization a;
	char text[512];

	(void)state;
	for (size_t i = 0; i < mem_count(tokens); i++) {
		snprintf(text, sizeof(text),
			"{\"status\":\"pending\",\"identifier\":{\"value\":\"a.example\"},"
			"\"challenges\":[{\"type\":\"http-01\",\"url\":\"https://x\","
			"\"token\":\"%s\"}]}",
			tokens[i]);
		if (acme_read_authorization(span_str(text), &a, NULL) == ERR_OK)
			assert_null(acme_find_challenge(&a, ACME_HTTP_01));
		field_fini(&acme_authorization_fields, &a);
	}
}

static void test_lists_are_bounded(void **state)
{
	struct acme_order_object o;
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_put_str(&text,
		"{\"status\":\"pending\",\"finalize\":\"f\",\"authorizations\":[");
	for (int i = 0; i <= ACME_NAMES_MAX; i++)
		buf_printf(&text, "%s\"u\"", i > 0 ? "," : "");
	buf_put_str(&text, "]}");
	assert_int_equal(acme_read_order(buf_span(&text), &o, NULL), ERR_LIMIT);
	field_fini(&acme_order_fields, &o);

	buf_reset(&text);
	buf_put_str(&text, "{\"status\":\"");
	for (int i = 0; i < ACME_ANSWER_MAX; i++)
		buf_put_u8(&text, 'x');
	buf_put_str(&text, "\"}");
	assert_int_equal(acme_read_order(buf_span(&text), &o, NULL), ERR_LIMIT);
	field_fini(&acme_order_fields, &o);
	buf_fini(&text);
}

static void test_a_subproblem_says_which_name(void **state)
{
	static const char text[] =
		"{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"two\","
		"\"subproblems\":[{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":"
		"\"CAA forbids\",\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"}}]}";
	struct acme_problem p;
	const char *name;

	(void)state;
	assert_true(acme_read_problem(span_str(text), &p));
	assert_int_equal(acme_problem_kind(&p), ACME_PROBLEM_REJECTED_IDENTIFIER);
	assert_string_equal(acme_problem_detail(&p, &name), "CAA forbids");
	assert_string_equal(name, "b.example");
	field_fini(&acme_problem_fields, &p);

	assert_false(acme_read_problem(span_str("{}"), &p));
	assert_false(acme_read_problem(span_str("gateway timeout"), &p));
	assert_true(acme_read_problem(span_str("{\"detail\":\"no\"}"), &p));
	assert_int_equal(acme_problem_kind(&p), ACME_PROBLEM_OTHER);
	field_fini(&acme_problem_fields, &p);
}

static void test_a_renewal_window_is_read(void **state)
{
	static const char good[] =
		"{\"suggestedWindow\":{\"start\":\"2026-01-03T00:00:00Z\","
		"\"end\":\"2026-01-03T01:00:00Z\"},\"explanationURL\":\"u\"}";
	static const char late[] =
		"{\"suggestedWindow\":{\"start\":\"2026-01-03T00:00:00Z\","
		"\"end\":\"2026-01-02T01:00:00Z\"}}";
	struct acme_renewal_info r;

	(void)state;
	assert_int_equal(acme_read_renewal_info(span_str(good), &r, NULL), ERR_OK);
	assert_int_equal(r.window.end.s - r.window.start.s, 3600);
	field_fini(&acme_renewal_info_fields, &r);
	assert_int_equal(acme_read_renewal_info(span_str(late), &r, NULL), ERR_SYNTAX);
	field_fini(&acme_renewal_info_fields, &r);
	assert_int_equal(acme_read_renewal_info(span_str("{}"), &r, NULL), ERR_SYNTAX);
	field_fini(&acme_renewal_info_fields, &r);
}

static void test_retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *text;
		uint32_t ms;
	} cases[] = {
		{ "", 0 },
		{ "0", 0 },
		{ "120", 120000 },
		{ "99999999999999999999999", 24 * 3600 * 1000 },
		{ "-5", 0 },
		{ "12x", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 7000 },
		{ "Sun, 06 Nov 1994 08:49:29 GMT", 0 },
		{ "Sun, 06 Nov 2094 08:49:29 GMT", 24 * 3600 * 1000 },
		{ "Sun, 06 Nop 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT and more", 0 },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++)
		assert_int_equal(acme_read_retry_after(span_str(cases[i].text),
					 784111770),
			cases[i].ms);
}

static void assert_put(struct buf *out, const char *text)
{
	assert_int_equal(out->failed, ERR_OK);
	assert_true(span_is(buf_span(out), text));
	buf_reset(out);
}

static void test_payloads(void **state)
{
	const char *names[] = { "a.example", "*.b.example" };
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	acme_put_new_account(NULL, span_of(NULL, 0), &out);
	assert_put(&out, "{\"termsOfServiceAgreed\":true}");
	acme_put_new_account("me@a.example", span_str("{\"x\":1}"), &out);
	assert_put(&out,
		"{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:me@a.example\"],"
		"\"externalAccountBinding\":{\"x\":1}}");
	acme_put_new_order(names, 2, NULL, &out);
	assert_put(&out,
		"{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},"
		"{\"type\":\"dns\",\"value\":\"*.b.example\"}]}");
	acme_put_new_order(names, 1, "aa.bb", &out);
	assert_put(&out,
		"{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],"
		"\"replaces\":\"aa.bb\"}");
	acme_put_finalize(span_str("\xff\xfe\xfd"), &out);
	assert_put(&out, "{\"csr\":\"__79\"}");
	acme_put_revocation(span_str("abc"), &out);
	assert_put(&out, "{\"certificate\":\"YWJj\"}");
	buf_fini(&out);
}

static void test_what_a_challenge_wants_to_see(void **state)
{
	char text[ACME_KEY_AUTHORIZATION_MAX], value[ACME_DNS_VALUE_SIZE];

	(void)state;
	acme_key_authorization("tok", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
		text);
	assert_string_equal(text, "tok.oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
	assert_int_equal(acme_dns_value(text, value), ERR_OK);
	assert_string_equal(value, "Y10l4xhCaLhq-7snVf-cBehBj6UrP2Y5lvJZkqQeYUA");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_directory_is_read),
		cmocka_unit_test(test_an_order_is_read),
		cmocka_unit_test(test_a_failed_authorization_says_why),
		cmocka_unit_test(test_a_token_that_is_a_path_is_not_used),
		cmocka_unit_test(test_lists_are_bounded),
		cmocka_unit_test(test_a_subproblem_says_which_name),
		cmocka_unit_test(test_a_renewal_window_is_read),
		cmocka_unit_test(test_retry_after_is_seconds_or_a_date),
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_what_a_challenge_wants_to_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
