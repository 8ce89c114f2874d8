/* Pairs, certificate requests, and certificates of TLS-ALPN-01. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "acme/jws.h"
#include "acme/pair.h"
#include "crypto/certificate_test.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "net/tls.h"

/* Key and chain of @c in one text, behind @prefix. */
static void put_text(const struct test_certificate *c, const char *prefix,
	struct buf *out)
{
	buf_put_str(out, prefix);
	assert_int_equal(jws_key_put(c->pkey, out), ERR_OK);
	buf_put_span(out, buf_span(&c->pem));
}

static void test_a_pair_is_read_and_written(void **state)
{
	struct test_certificate c;
	struct acme_pair pair, again;
	struct buf text, copy;

	(void)state;
	test_certificate_init(&c, "DNS:a.example,DNS:*.B.example");
	buf_init(&text, ACME_PAIR_MAX);
	buf_init(&copy, ACME_PAIR_MAX);
	put_text(&c, "", &text);
	assert_int_equal(acme_pair_read(buf_span(&text), "*.b.example", &pair, NULL),
		ERR_OK);
	assert_true(pair.ends_s - pair.begins_s == 7200);
	assert_null(pair.ca);
	assert_string_equal(pair.id, ""); /* it names no issuer's key */
	pair.ca = strdup("https://ca.example/dir");
	assert_int_equal(acme_pair_put(&pair, &copy), ERR_OK);
	assert_int_equal(acme_pair_read(buf_span(&copy), "a.example", &again, NULL),
		ERR_OK);
	assert_string_equal(again.ca, "https://ca.example/dir");
	assert_true(span_eq(buf_span(&again.chain), buf_span(&pair.chain)));
	assert_true(span_eq(buf_span(&again.key), buf_span(&pair.key)));
	acme_pair_wipe(&pair);
	acme_pair_wipe(&again);
	buf_fini(&text);
	buf_fini(&copy);
	test_certificate_fini(&c);
}

static void assert_refused(const struct buf *text, const char *name, enum err rc,
	const char *words)
{
	struct acme_pair pair;
	struct why why;

	assert_int_equal(acme_pair_read(buf_span(text), name, &pair, &why), rc);
	assert_non_null(strstr(why.text, words));
}

static void test_what_does_not_fit_is_refused(void **state)
{
	struct test_certificate c, other;
	struct buf text;

	(void)state;
	test_certificate_init(&c, "DNS:a.example");
	test_certificate_init(&other, "DNS:a.example");
	buf_init(&text, ACME_PAIR_MAX);
	assert_refused(&text, "a.example", ERR_SYNTAX, "no certificate");
	put_text(&c, "", &text);
	assert_refused(&text, "b.example", ERR_DENIED, "not for b.example");
	assert_refused(&text, "a.exampl", ERR_DENIED, "not for");
	buf_reset(&text);
	buf_put_span(&text, buf_span(&c.pem));
	assert_refused(&text, "a.example", ERR_SYNTAX, "no private key");
	put_text(&other, "", &text);
	assert_refused(&text, "a.example", ERR_SYNTAX, "does not belong");
	buf_fini(&text);
	test_certificate_fini(&c);
	test_certificate_fini(&other);
}

/* The example of RFC 9773 4.1. */
static void test_a_certificate_has_an_id(void **state)
{
	static const uint8_t issuer[] = { 0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41,
		0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4 };
	struct test_certificate c;
	struct acme_pair pair;
	struct buf text;
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	struct span pem;
	X509 *leaf;

	(void)state;
	test_certificate_init(&c, "DNS:a.example");
	pem = buf_span(&c.pem);
	leaf = pem_next_certificate(&pem);
	id->keyid = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(id->keyid, issuer, sizeof(issuer));
	X509_add1_ext_i2d(leaf, NID_authority_key_identifier, id, 0, 0);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(leaf), 0x87654321);
	assert_true(X509_sign(leaf, c.pkey, EVP_sha256()) > 0);
	buf_init(&text, ACME_PAIR_MAX);
	assert_int_equal(jws_key_put(c.pkey, &text), ERR_OK);
	assert_int_equal(pem_put_certificate(&text, leaf), ERR_OK);
	assert_int_equal(acme_pair_read(buf_span(&text), "a.example", &pair, NULL),
		ERR_OK);
	assert_string_equal(pair.id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
	acme_pair_wipe(&pair);
	AUTHORITY_KEYID_free(id);
	X509_free(leaf);
	buf_fini(&text);
	test_certificate_fini(&c);
}

static void test_a_request_has_all_names(void **state)
{
	static const char *const names[] = { "a.example", "*.b.example" };
	EVP_PKEY *key = jws_key_new();
	STACK_OF(X509_EXTENSION) * extensions;
	GENERAL_NAMES *list;
	struct buf der;
	const uint8_t *p;
	X509_REQ *csr;

	(void)state;
	buf_init(&der, 4096);
	assert_int_equal(acme_csr_put(key, names, 2, &der), ERR_OK);
	p = buf_span(&der).p;
	csr = d2i_X509_REQ(NULL, &p, (long)der.n);
	assert_non_null(csr);
	assert_int_equal(X509_REQ_verify(csr, key), 1);
	extensions = X509_REQ_get_extensions(csr);
	list = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(list), 2);
	for (int i = 0; i < 2; i++)
		assert_string_equal(ASN1_STRING_get0_data(
					    sk_GENERAL_NAME_value(list, i)->d.dNSName),
			names[i]);
	GENERAL_NAMES_free(list);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(csr);
	EVP_PKEY_free(key);
	buf_fini(&der);
}

static void test_a_proof_has_the_hash_of_the_key_authorization(void **state)
{
	struct acme_pair pair = { .begins_s = 0 };
	uint8_t hash[HASH_SHA256_BYTES];
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	const ASN1_OCTET_STRING *value;
	X509_EXTENSION *extension;
	struct span pem;
	X509 *leaf;

	(void)state;
	assert_int_equal(acme_alpn_pair_make("a.example", "token.print", &pair), ERR_OK);
	assert_true(tls_pem_covers(buf_span(&pair.chain), "a.example"));
	pem = buf_span(&pair.chain);
	leaf = pem_next_certificate(&pem);
	extension = X509_get_ext(leaf, X509_get_ext_by_OBJ(leaf, oid, -1));
	assert_non_null(extension);
	assert_int_equal(X509_EXTENSION_get_critical(extension), 1);
	value = X509_EXTENSION_get_data(extension);
	assert_int_equal(ASN1_STRING_length(value), 34);
	assert_int_equal(hash_sha256(span_str("token.print"), hash), ERR_OK);
	assert_memory_equal(ASN1_STRING_get0_data(value), "\x04\x20", 2);
	assert_memory_equal(ASN1_STRING_get0_data(value) + 2, hash, sizeof(hash));
	X509_free(leaf);
	ASN1_OBJECT_free(oid);
	acme_pair_wipe(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pair_is_read_and_written),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
		cmocka_unit_test(test_a_certificate_has_an_id),
		cmocka_unit_test(test_a_request_has_all_names),
		cmocka_unit_test(test_a_proof_has_the_hash_of_the_key_authorization),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
