/*
 * The private authority. What it issues is checked by the openssl command, another
 * program with the same library; files are in a directory of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "crypto/authority.h"
#include "crypto/hostkey.h"
#include "crypto/shell_test.h"

#define NOW 1900000000 /* 2030-03-17T17:46:40Z */
#define DAY 86400

struct fixture {
	struct shell shell;
	struct authority *a;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct buf cert;

	assert_non_null(f);
	shell_init(&f->shell);
	buf_init(&cert, 65536);
	assert_int_equal(authority_make("adit CA", NOW, &f->a, NULL), ERR_OK);
	assert_int_equal(authority_put(f->a, &cert, NULL), ERR_OK);
	shell_save(&f->shell, "ca.crt", buf_span(&cert));
	buf_fini(&cert);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ERR_peek_error(), 0); /* the next TLS call would find it */
	shell_fini(&f->shell);
	authority_free(f->a);
	free(f);
	return 0;
}

static const struct authority_order admin = { .name = "admin",
	.now_s = NOW,
	.days = AUTHORITY_CLIENT_DAYS };

/* ---- what is issued ---- */

static void test_a_ca_is_its_own_issuer_for_ten_years(void **state)
{
	struct fixture *f = *state;
	const struct authority_identity *of = authority_of(f->a);

	assert_string_equal(of->name, "adit CA");
	assert_int_equal(of->begins_s, NOW - AUTHORITY_EARLY_S);
	assert_int_equal(of->ends_s, NOW + 3650LL * DAY);
	assert_int_equal(
		shell_run(&f->shell,
			"openssl verify -attime 1900000000 -CAfile ca.crt ca.crt"),
		0);
	assert_int_equal(shell_run(&f->shell, "openssl x509 -in ca.crt -noout -text"), 0);
	shell_assert_out(&f->shell, "CA:TRUE, pathlen:0");
	shell_assert_out(&f->shell, "Certificate Sign, CRL Sign");
	shell_assert_out(&f->shell, "NIST CURVE: P-256");
}

static void test_a_client_certificate_is_for_clients_alone(void **state)
{
	struct fixture *f = *state;
	struct authority_identity of;
	struct authority_pair pair;

	assert_int_equal(authority_issue_client(f->a, &admin, &pair, NULL), ERR_OK);
	shell_save(&f->shell, "c.crt", buf_span(&pair.cert));
	shell_save(&f->shell, "c.key", buf_span(&pair.key));
	assert_int_equal(shell_run(&f->shell,
				 "openssl verify -x509_strict -purpose sslclient -attime "
				 "1900000000 -CAfile ca.crt c.crt"),
		0);
	assert_int_not_equal(shell_run(&f->shell,
				     "openssl verify -purpose sslserver -attime "
				     "1900000000 -CAfile ca.crt c.crt"),
		0);
	assert_int_equal(shell_run(&f->shell,
				 "openssl x509 -in c.crt -noout -subject -serial "
				 "-nameopt RFC2253 && openssl pkey -in c.key -pubout "
				 ">p1 && openssl x509 -in c.crt -pubkey -noout >p2 && "
				 "cmp p1 p2"),
		0);
	shell_assert_out(&f->shell, "subject=CN=admin,O=adit");
	shell_assert_out(&f->shell, pair.of.serial);

	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW, &of, NULL),
		ERR_OK);
	assert_string_equal(of.name, "admin");
	assert_string_equal(of.serial, pair.of.serial);
	assert_int_equal(of.ends_s, NOW + (int64_t)AUTHORITY_CLIENT_DAYS * DAY);
	assert_memory_equal(&of, &pair.of, sizeof(of));
	authority_pair_wipe(&pair);
}

static void test_serials_are_long_and_differ(void **state)
{
	struct fixture *f = *state;
	struct authority_pair one, two;

	assert_int_equal(authority_issue_client(f->a, &admin, &one, NULL), ERR_OK);
	assert_int_equal(authority_issue_client(f->a, &admin, &two, NULL), ERR_OK);
	assert_string_not_equal(one.of.serial, two.of.serial);
	assert_true(strlen(one.of.serial) >= 28); /* of 32, unless it begins with zeros */
	assert_int_equal(strspn(one.of.serial, "0123456789ABCDEF"),
		strlen(one.of.serial));
	authority_pair_wipe(&one);
	authority_pair_wipe(&two);
}

static void test_a_server_certificate_has_names_and_addresses(void **state)
{
	struct fixture *f = *state;
	const char *const names[] = { "panel.example.com", "*.example.com", "192.0.2.1",
		"2001:db8::1", "a,DNS:b" };
	struct authority_order order = { .name = "panel.example.com",
		.now_s = NOW,
		.days = AUTHORITY_SERVER_DAYS,
		.names = names,
		.names_n = mem_count(names) };
	struct authority_identity of;
	struct authority_pair pair;
	struct why why = { "" };

	assert_int_equal(authority_issue_server(f->a, &order, &pair, NULL), ERR_OK);
	shell_save(&f->shell, "s.crt", buf_span(&pair.cert));
	assert_int_equal(shell_run(&f->shell,
				 "openssl verify -purpose sslserver -attime 1900000000 "
				 "-verify_hostname x.example.com -CAfile ca.crt s.crt && "
				 "openssl verify -purpose sslserver -attime 1900000000 "
				 "-verify_ip 2001:db8::1 -CAfile ca.crt s.crt && openssl "
				 "verify -attime 1900000000 -verify_ip 192.0.2.1 "
				 "-CAfile ca.crt s.crt"),
		0);
	/* A comma does not make two names of one. */
	assert_int_not_equal(shell_run(&f->shell,
				     "openssl verify -attime 1900000000 -verify_hostname "
				     "b -CAfile ca.crt s.crt"),
		0);
	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW, &of, &why),
		ERR_DENIED);
	assert_string_equal(why.text,
		"the certificate of panel.example.com is not for clients");
	authority_pair_wipe(&pair);

	order.names_n = 0;
	assert_int_equal(authority_issue_server(f->a, &order, &pair, NULL), ERR_USAGE);
}

static void test_an_order_has_a_name_and_days(void **state)
{
	static const struct {
		const char *name;
		unsigned days;
		enum err rc;
	} rows[] = {
		{ "agent:home", 1, ERR_OK },
		{ "1234567890123456789012345678901234567890123456789012345678901234", 1,
			ERR_OK },
		{ "12345678901234567890123456789012345678901234567890123456789012345", 1,
			ERR_USAGE },
		{ "", 1, ERR_USAGE },
		{ "a\nb", 1, ERR_USAGE },
		{ "b\xc3\xbc", 1, ERR_USAGE },
		{ "admin", 0, ERR_USAGE },
		{ "admin", 36501, ERR_USAGE },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(rows); i++) {
		const struct authority_order order = { .name = rows[i].name,
			.now_s = NOW,
			.days = rows[i].days };
		struct authority_pair pair = { .of = { .name = "" } };

		assert_int_equal(authority_issue_client(f->a, &order, &pair, NULL),
			rows[i].rc);
		authority_pair_wipe(&pair);
	}
}

static void test_a_certificate_ends_with_its_ca(void **state)
{
	struct fixture *f = *state;
	struct authority_order late = admin;
	struct authority_pair pair;
	struct why why = { "" };

	late.now_s = NOW + 3600LL * DAY;
	assert_int_equal(authority_issue_client(f->a, &late, &pair, NULL), ERR_OK);
	assert_int_equal(pair.of.ends_s, NOW + 3650LL * DAY);
	authority_pair_wipe(&pair);
	late.now_s = NOW + 3650LL * DAY;
	assert_int_equal(authority_issue_client(f->a, &late, &pair, &why), ERR_DENIED);
	assert_string_equal(why.text,
		"the CA has expired: its certificates would be refused");
}

/* ---- certificates that are presented ---- */

static void test_time_and_issuer_of_a_certificate_are_checked(void **state)
{
	struct fixture *f = *state;
	struct authority_order order = { .name = "agent:home", .now_s = NOW, .days = 10 };
	struct authority *other;
	struct authority_identity of;
	struct authority_pair pair;
	struct why why;
	struct buf ca;

	assert_int_equal(authority_issue_client(f->a, &order, &pair, NULL), ERR_OK);
	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW + 10 * DAY - 1,
				 &of, NULL),
		ERR_OK);
	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW + 10 * DAY + 1,
				 &of, &why),
		ERR_DENIED);
	assert_string_equal(why.text,
		"the certificate of agent:home expired on 2030-03-27T17:46:40Z");
	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW - 3601, &of,
				 &why),
		ERR_DENIED);
	assert_string_equal(why.text,
		"the CA that has issued the certificate of agent:home is not valid yet: "
		"check the clock");
	authority_pair_wipe(&pair);
	order.now_s = NOW + 20 * DAY;
	assert_int_equal(authority_issue_client(f->a, &order, &pair, NULL), ERR_OK);
	assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW, &of, &why),
		ERR_DENIED);
	assert_string_equal(why.text,
		"the certificate of agent:home is valid from 2030-04-06T16:46:40Z on: "
		"check the clock");
	authority_pair_wipe(&pair);
	order.now_s = NOW;
	assert_int_equal(authority_issue_client(f->a, &order, &pair, NULL), ERR_OK);

	/* Another CA of the same name. */
	assert_int_equal(authority_make("adit CA", NOW, &other, NULL), ERR_OK);
	assert_int_equal(authority_check(other, buf_span(&pair.cert), NOW, &of, &why),
		ERR_DENIED);
	assert_non_null(strstr(why.text, "agent:home was not issued by this CA"));
	authority_free(other);

	/* The CA is trusted, and yet no client. */
	buf_init(&ca, 65536);
	assert_int_equal(authority_put(f->a, &ca, NULL), ERR_OK);
	assert_int_equal(authority_check(f->a, buf_span(&ca), NOW, &of, &why),
		ERR_DENIED);
	assert_string_equal(why.text, "the certificate of adit CA is the one of a CA");
	assert_int_equal(authority_read(buf_span(&ca), &of, NULL), ERR_OK);
	buf_fini(&ca);
	authority_pair_wipe(&pair);
	assert_int_equal(authority_check(f->a, span_str("x"), NOW, &of, NULL),
		ERR_SYNTAX);
	assert_int_equal(authority_check(f->a, span_str(""), NOW, &of, NULL), ERR_SYNTAX);
}

/* ---- a CA from elsewhere ---- */

#define RSA_CA \
	"openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out rsa.crt -days 3650 " \
	"-subj '/CN=Other CA/O=Other' -sha256 && openssl req -newkey rsa:2048 -nodes " \
	"-keyout c.key -out c.csr -subj '/CN=admin/O=Other' && openssl x509 -req -in c.csr " \
	"-CA rsa.crt -CAkey ca.key -CAcreateserial -days 730 -sha256 -out c.crt"

static struct authority *load_ca(struct fixture *f, const char *cert, const char *key,
	enum err wanted, struct why *why)
{
	struct authority *a = NULL;
	struct buf cert_pem;

	buf_init(&cert_pem, 65536);
	assert_int_equal(buf_put_span(&cert_pem, shell_load(&f->shell, cert)), ERR_OK);
	assert_int_equal(authority_load(buf_span(&cert_pem), shell_load(&f->shell, key),
				 &a, why),
		wanted);
	buf_fini(&cert_pem);
	return a;
}

static void test_a_ca_of_rsa_is_used_as_it_is(void **state)
{
	struct fixture *f = *state;
	struct authority_order order = { .name = "agent:home", .days = 2 };
	int64_t now_s;
	struct authority_identity of;
	struct authority_pair pair;
	struct authority *a;

	assert_int_equal(shell_run(&f->shell, RSA_CA), 0);
	order.now_s = now_s = (int64_t)time(NULL);
	a = load_ca(f, "rsa.crt", "ca.key", ERR_OK, NULL);
	assert_string_equal(authority_of(a)->name, "Other CA");
	/* What that CA had issued before, without extensions. */
	assert_int_equal(authority_check(a, shell_load(&f->shell, "c.crt"), now_s, &of,
				 NULL),
		ERR_OK);
	assert_string_equal(of.name, "admin");
	assert_int_equal(authority_issue_client(a, &order, &pair, NULL), ERR_OK);
	shell_save(&f->shell, "new.crt", buf_span(&pair.cert));
	assert_int_equal(
		shell_run(&f->shell,
			"openssl verify -purpose sslclient -CAfile rsa.crt new.crt"),
		0);
	assert_int_equal(authority_check(a, buf_span(&pair.cert), now_s, &of, NULL),
		ERR_OK);
	authority_pair_wipe(&pair);
	authority_free(a);
}

static void test_a_ca_that_does_not_fit_says_why(void **state)
{
	static const struct {
		const char *cert, *key, *why;
	} rows[] = {
		{ "ca.crt", "ca.key",
			"the CA's private key does not belong to its certificate" },
		{ "c.crt", "c.key", "the certificate is not the one of a CA" },
		{ "c.key", "c.key", "there is no certificate (PEM)" },
		{ "rsa.crt", "rsa.crt", "there is no private key of the CA (PEM)" },
		{ "rsa.crt", "locked.key",
			"the CA's private key is encrypted: remove the password, for "
			"example with \"openssl pkey\"" },
	};
	struct fixture *f = *state;
	struct why why;

	assert_int_equal(shell_run(&f->shell,
				 RSA_CA " && openssl pkey -in ca.key -aes256 -passout "
					"pass:x -out locked.key"),
		0);
	for (size_t i = 0; i < mem_count(rows); i++) {
		(void)load_ca(f, rows[i].cert, rows[i].key, ERR_SYNTAX, &why);
		assert_string_equal(why.text, rows[i].why);
	}
}

static void test_a_ca_can_be_written_and_read(void **state)
{
	struct fixture *f = *state;
	struct buf cert, key;
	struct authority *a;

	buf_init(&cert, 65536);
	buf_init(&key, 65536);
	assert_int_equal(authority_put(f->a, &cert, &key), ERR_OK);
	assert_int_equal(authority_load(buf_span(&cert), buf_span(&key), &a, NULL),
		ERR_OK);
	assert_memory_equal(authority_of(a), authority_of(f->a),
		sizeof(struct authority_identity));
	authority_free(a);
	buf_fini(&cert);
	buf_wipe(&key);
}

/* ---- requests ---- */

static void test_a_request_of_ours_is_valid(void **state)
{
	struct fixture *f = *state;
	struct authority_pair pair;
	struct buf csr, key;

	buf_init(&csr, AUTHORITY_CSR_MAX);
	buf_init(&key, AUTHORITY_CSR_MAX);
	assert_int_equal(authority_make_csr("agent", &csr, &key), ERR_OK);
	shell_save(&f->shell, "csr", buf_span(&csr));
	shell_save(&f->shell, "key", buf_span(&key));
	assert_int_equal(shell_run(&f->shell,
				 "openssl req -verify -in csr -noout -subject && openssl "
				 "req -in csr -pubkey -noout >p1 && openssl pkey -in key "
				 "-pubout >p2 && cmp p1 p2"),
		0);
	shell_assert_out(&f->shell, "verify OK");

	assert_int_equal(authority_issue_csr(f->a, buf_span(&csr), &admin, &pair, NULL),
		ERR_OK);
	assert_int_equal(pair.key.n, 0);
	shell_save(&f->shell, "crt", buf_span(&pair.cert));
	assert_int_equal(
		shell_run(&f->shell,
			"openssl x509 -in crt -pubkey -noout >p3 && cmp p1 p3 && "
			"openssl x509 -in crt -noout -subject -nameopt RFC2253"),
		0);
	shell_assert_out(&f->shell, "subject=CN=admin,O=adit"); /* not the request's */
	authority_pair_wipe(&pair);
	buf_fini(&csr);
	buf_wipe(&key);
}

static void test_keys_of_requests_have_a_minimum(void **state)
{
	static const struct {
		const char *arguments;
		enum err rc;
	} rows[] = {
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-256", ERR_OK },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-384", ERR_OK },
		{ "-newkey ed25519", ERR_OK },
		{ "-newkey rsa:2048", ERR_OK },
		{ "-newkey rsa:4096", ERR_OK },
		{ "-newkey rsa:1024", ERR_DENIED },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:P-521", ERR_DENIED },
		{ "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", ERR_DENIED },
		{ "-newkey ed448", ERR_DENIED },
		/* Extensions are ignored. */
		{ "-newkey ed25519 -addext basicConstraints=CA:TRUE -addext "
		  "extendedKeyUsage=serverAuth",
			ERR_OK },
	};
	struct fixture *f = *state;
	struct authority_identity of;

	for (size_t i = 0; i < mem_count(rows); i++) {
		struct authority_pair pair;
		char line[400];

		snprintf(line, sizeof(line),
			"openssl req -new -nodes -keyout key -out csr -subj /CN=root %s",
			rows[i].arguments);
		assert_int_equal(shell_run(&f->shell, line), 0);
		assert_int_equal(authority_issue_csr(f->a, shell_load(&f->shell, "csr"),
					 &admin, &pair, NULL),
			rows[i].rc);
		if (rows[i].rc != ERR_OK)
			continue;
		assert_int_equal(authority_check(f->a, buf_span(&pair.cert), NOW, &of,
					 NULL),
			ERR_OK);
		assert_string_equal(of.name, "admin");
		authority_pair_wipe(&pair);
	}
}

static void test_a_request_is_signed_by_its_own_key(void **state)
{
	struct fixture *f = *state;
	struct authority_pair pair;
	struct buf csr, key, changed;
	struct why why;
	X509_REQ *request;
	EVP_PKEY *other = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem()), *from;
	char *text;
	long n;

	buf_init(&csr, AUTHORITY_CSR_MAX);
	buf_init(&key, AUTHORITY_CSR_MAX);
	buf_init(&changed, AUTHORITY_CSR_MAX);
	assert_int_equal(authority_make_csr("agent", &csr, &key), ERR_OK);
	from = BIO_new_mem_buf(buf_span(&csr).p, (int)csr.n);
	request = PEM_read_bio_X509_REQ(from, NULL, NULL, NULL);
	assert_non_null(request);
	assert_true(X509_REQ_sign(request, other, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(bio, request), 1);
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_put(&changed, text, (size_t)n), ERR_OK);
	assert_int_equal(authority_issue_csr(f->a, buf_span(&changed), &admin, &pair,
				 &why),
		ERR_CRYPTO);
	assert_string_equal(why.text,
		"the signature of the certificate request is wrong");
	X509_REQ_free(request);
	BIO_free(bio);
	BIO_free(from);
	EVP_PKEY_free(other);
	buf_fini(&csr);
	buf_wipe(&key);
	buf_fini(&changed);
}

static void test_what_is_no_request_is_refused(void **state)
{
	struct fixture *f = *state;
	char big[AUTHORITY_CSR_MAX + 1];
	struct authority_pair pair;
	struct buf csr, key;

	memset(big, 'A', sizeof(big));
	buf_init(&csr, AUTHORITY_CSR_MAX);
	buf_init(&key, AUTHORITY_CSR_MAX);
	assert_int_equal(authority_make_csr("agent", &csr, &key), ERR_OK);
	for (size_t cut = 0; cut + 2 < csr.n; cut++)
		assert_int_equal(authority_issue_csr(f->a, span_of(buf_span(&csr).p, cut),
					 &admin, &pair, NULL),
			ERR_SYNTAX);
	assert_int_equal(authority_issue_csr(f->a, buf_span(&key), &admin, &pair, NULL),
		ERR_SYNTAX);
	assert_int_equal(authority_issue_csr(f->a, span_of(big, AUTHORITY_CSR_MAX),
				 &admin, &pair, NULL),
		ERR_SYNTAX);
	assert_int_equal(authority_issue_csr(f->a, span_of(big, sizeof(big)), &admin,
				 &pair, NULL),
		ERR_LIMIT);
	buf_fini(&csr);
	buf_wipe(&key);
}

/* ---- the same key for SSH ---- */

static void test_the_key_of_a_certificate_is_an_ssh_key(void **state)
{
	struct fixture *f = *state;
	char sha256[HOSTKEY_SHA256_CHARS + 1];
	struct authority_pair pair;
	struct hostkey *key;
	struct buf blob, line;
	struct span known;

	assert_int_equal(authority_issue_client(f->a, &admin, &pair, NULL), ERR_OK);
	buf_init(&blob, HOSTKEY_BLOB_MAX);
	buf_init(&line, 4096);
	assert_int_equal(hostkey_put_certificate_blob(buf_span(&pair.cert), &blob),
		ERR_OK);
	assert_int_equal(hostkey_parse(buf_span(&pair.key), &key, NULL), ERR_OK);
	assert_true(span_eq(buf_span(&blob), hostkey_blob(key)));
	hostkey_free(key);
	assert_int_equal(hostkey_print_blob(buf_span(&blob), &line), ERR_OK);
	assert_memory_equal(buf_span(&line).p, "ecdsa-sha2-nistp256 AAAA", 24);
	assert_int_equal(hostkey_print_blob(buf_span(&line), &line), ERR_SYNTAX);
	assert_int_equal(hostkey_put_certificate_blob(buf_span(&pair.key), &blob),
		ERR_SYNTAX);

	/* ssh-keygen comes to the same, if it is here. */
	shell_save(&f->shell, "key.pub", buf_span(&line));
	shell_save(&f->shell, "key", buf_span(&pair.key));
	if (shell_run(&f->shell, "ssh-keygen -l -f key.pub") == 0) {
		hostkey_sha256(buf_span(&blob), sha256);
		sha256[HOSTKEY_SHA256_CHARS - 1] = '\0'; /* without its padding */
		shell_assert_out(&f->shell, sha256);
		assert_int_equal(shell_run(&f->shell,
					 "chmod 600 key; ssh-keygen -y -f key"),
			0);
		known = shell_load(&f->shell, "out");
		assert_true(known.n > line.n &&
			memcmp(known.p, buf_span(&line).p, line.n) == 0);
	}
	buf_fini(&line);
	buf_fini(&blob);
	authority_pair_wipe(&pair);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_ca_is_its_own_issuer_for_ten_years),
		TEST(test_a_client_certificate_is_for_clients_alone),
		TEST(test_serials_are_long_and_differ),
		TEST(test_a_server_certificate_has_names_and_addresses),
		TEST(test_an_order_has_a_name_and_days),
		TEST(test_a_certificate_ends_with_its_ca),
		TEST(test_time_and_issuer_of_a_certificate_are_checked),
		TEST(test_a_ca_of_rsa_is_used_as_it_is),
		TEST(test_a_ca_that_does_not_fit_says_why),
		TEST(test_a_ca_can_be_written_and_read),
		TEST(test_a_request_of_ours_is_valid),
		TEST(test_keys_of_requests_have_a_minimum),
		TEST(test_a_request_is_signed_by_its_own_key),
		TEST(test_what_is_no_request_is_refused),
		TEST(test_the_key_of_a_certificate_is_an_ssh_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
