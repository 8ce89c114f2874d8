/* PKCS#12 files: ours are read by the openssl command, and its files by us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "base/mem.h"
#include "base/rand.h"
#include "crypto/authority.h"
#include "crypto/p12.h"
#include "crypto/shell_test.h"

#define PASSWORD "pass"

struct fixture {
	struct shell shell; /* first */
	struct authority_pair pair;
	struct buf ca;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	const struct authority_order admin = { .name = "admin",
		.now_s = (int64_t)time(NULL),
		.days = 700 };
	struct authority *a;

	assert_non_null(f);
	shell_init(&f->shell);
	assert_int_equal(authority_make("adit CA", admin.now_s, &a, NULL), ERR_OK);
	assert_int_equal(authority_issue_client(a, &admin, &f->pair, NULL), ERR_OK);
	buf_init(&f->ca, 65536);
	assert_int_equal(authority_put(a, &f->ca, NULL), ERR_OK);
	authority_free(a);
	shell_save(&f->shell, "crt", buf_span(&f->pair.cert));
	shell_save(&f->shell, "key", buf_span(&f->pair.key));
	shell_save(&f->shell, "ca", buf_span(&f->ca));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ERR_peek_error(), 0); /* the next TLS call would find it */
	shell_fini(&f->shell);
	authority_pair_wipe(&f->pair);
	buf_fini(&f->ca);
	free(f);
	return 0;
}

static struct p12_order order_of(const struct fixture *f, enum p12_encryption encryption)
{
	return (struct p12_order){
		.cert = buf_span(&f->pair.cert),
		.key = buf_span(&f->pair.key),
		.chain = buf_span(&f->ca),
		.name = "adit admin",
		.password = PASSWORD,
		.encryption = encryption,
	};
}

/* ---- writing ---- */

static const struct form_row {
	enum p12_encryption encryption;
	const char *said[4];
} forms[] = {
	{ P12_MODERN,
		{ "MAC: sha256, Iteration 100000",
			"PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256",
			"Shrouded Keybag: PBES2", "Certificate bag" } },
	{ P12_LEGACY,
		{ "MAC: sha1, Iteration 2048",
			"Encrypted data: pbeWithSHA1And3-KeyTripleDES-CBC",
			"Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC",
			"Certificate bag" } },
};

/* Without -legacy: OpenSSL's default provider has all that they need. */
static void test_openssl_reads_both_forms(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(forms); i++) {
		struct p12_order order = order_of(f, forms[i].encryption);
		struct buf out;

		buf_init(&out, P12_FILE_MAX);
		assert_int_equal(p12_write(&order, &out, NULL), ERR_OK);
		shell_save(&f->shell, "p12", buf_span(&out));
		assert_int_equal(shell_run(&f->shell,
					 "openssl pkcs12 -in p12 -passin "
					 "pass:" PASSWORD " -info -noout"),
			0);
		for (size_t k = 0; k < mem_count(forms[i].said); k++)
			shell_assert_out(&f->shell, forms[i].said[k]);
		assert_int_equal(
			shell_run(&f->shell,
				"openssl pkcs12 -in p12 -passin pass:" PASSWORD
				" -nodes -out all && openssl pkey -in all >k && "
				"openssl pkey -in key >k2 && cmp k k2 && openssl "
				"verify -CAfile ca all && cat all"),
			0);
		shell_assert_out(&f->shell, "friendlyName: adit admin");
		shell_assert_out(&f->shell, "CN = adit CA");
		assert_int_not_equal(
			shell_run(&f->shell,
				"openssl pkcs12 -in p12 -passin pass:wrong -noout"),
			0);
		buf_wipe(&out);
	}
}

static void test_a_key_of_another_certificate_is_refused(void **state)
{
	struct fixture *f = *state;
	struct p12_order order = order_of(f, P12_MODERN);
	struct why why = { "" };
	struct buf out;

	buf_init(&out, P12_FILE_MAX);
	order.cert = buf_span(&f->ca);
	assert_int_equal(p12_write(&order, &out, &why), ERR_SYNTAX);
	assert_string_equal(why.text, "the key does not belong to the certificate");
	order.cert = order.key;
	assert_int_equal(p12_write(&order, &out, NULL), ERR_SYNTAX);
	order.cert = (struct span){ 0 };
	assert_int_equal(p12_write(&order, &out, NULL), ERR_SYNTAX);
	assert_int_equal(out.n, 0);
}

static void test_passwords_are_readable_and_differ(void **state)
{
	char one[P12_PASSWORD_CHARS + 1], two[P12_PASSWORD_CHARS + 1];

	(void)state;
	p12_make_password(one);
	p12_make_password(two);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), P12_PASSWORD_CHARS);
	assert_int_equal(strspn(one, "abcdefghjkmnpqrstuvwxyz23456789-"),
		P12_PASSWORD_CHARS);
	for (size_t i = 5; i < P12_PASSWORD_CHARS; i += 6)
		assert_int_equal(one[i], '-');
}

/* ---- reading ---- */

static void assert_same(const struct fixture *f, const struct p12 *got)
{
	assert_true(span_eq(buf_span(&got->cert), buf_span(&f->pair.cert)));
	assert_true(span_eq(buf_span(&got->key), buf_span(&f->pair.key)));
}

static void test_what_is_written_is_read(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(forms); i++) {
		struct p12_order order = order_of(f, forms[i].encryption);
		struct buf out;
		struct p12 got;

		buf_init(&out, P12_FILE_MAX);
		assert_int_equal(p12_write(&order, &out, NULL), ERR_OK);
		assert_int_equal(p12_read(buf_span(&out), PASSWORD, &got, NULL), ERR_OK);
		assert_same(f, &got);
		assert_true(span_eq(buf_span(&got.chain), buf_span(&f->ca)));
		p12_wipe(&got);
		buf_wipe(&out);
	}
}

static const struct file_row {
	const char *arguments; /* of openssl pkcs12 -export */
	const char *password;
	enum err rc;
	const char *why;
} files[] = {
	{ "-in crt -inkey key -passout pass:pass", PASSWORD, ERR_OK, NULL },
	{ "-in crt -inkey key -certfile ca -passout pass:pass", PASSWORD, ERR_OK, NULL },
	/* The certificate of the key is not the first. */
	{ "-in both -inkey key -passout pass:pass", PASSWORD, ERR_OK, NULL },
	{ "-in crt -inkey key -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 "
	  "-passout pass:pass",
		PASSWORD, ERR_OK, NULL },
	{ "-in crt -inkey key -keypbe NONE -certpbe NONE -passout pass:pass", PASSWORD,
		ERR_OK, NULL },
	{ "-in crt -inkey key -passout pass:", "", ERR_OK, NULL },
	{ "-in crt -inkey key -passout pass:p\xc3\xa4ss", "p\xc3\xa4ss", ERR_OK, NULL },
	{ "-in crt -inkey key -passout pass:other", PASSWORD, ERR_DENIED,
		"the password of the PKCS#12 file is wrong, or the file is damaged" },
	{ "-in crt -inkey key -nomac -passout pass:pass", PASSWORD, ERR_SYNTAX,
		"the PKCS#12 file has no MAC, so that its password cannot be checked" },
	{ "-in crt -nokeys -passout pass:pass", PASSWORD, ERR_SYNTAX,
		"not a PKCS#12 file with a key" },
	{ "-in key -nocerts -inkey key -passout pass:pass", PASSWORD, ERR_SYNTAX,
		"the PKCS#12 file has no certificate for its key" },
	{ "-in crt -inkey key -iter 700000 -passout pass:pass", PASSWORD, ERR_LIMIT,
		"the PKCS#12 file demands more than 2000000 iterations of key "
		"derivation" },
	{ "-in crt -inkey key -legacy -passout pass:pass", PASSWORD, ERR_CRYPTO,
		"the PKCS#12 file is encrypted with pbeWithSHA1And40BitRC2-CBC, which is not "
		"supported: export it again with AES or 3DES" },
};

static void test_files_of_openssl_are_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shell_run(&f->shell, "cat ca crt > both"), 0);
	for (size_t i = 0; i < mem_count(files); i++) {
		struct why why = { "" };
		struct p12 got;
		char line[300];

		snprintf(line, sizeof(line), "openssl pkcs12 -export -out p12 %s",
			files[i].arguments);
		assert_int_equal(shell_run(&f->shell, line), 0);
		assert_int_equal(p12_read(shell_load(&f->shell, "p12"), files[i].password,
					 &got, &why),
			files[i].rc);
		if (files[i].rc == ERR_OK) {
			assert_same(f, &got);
			p12_wipe(&got);
		} else {
			assert_string_equal(why.text, files[i].why);
		}
	}
}

static void test_a_damaged_file_is_not_read(void **state)
{
	struct fixture *f = *state;
	struct p12_order order = order_of(f, P12_LEGACY);
	struct buf out;
	struct p12 got;
	struct span all;

	buf_init(&out, P12_FILE_MAX);
	assert_int_equal(p12_write(&order, &out, NULL), ERR_OK);
	all = buf_span(&out);
	for (size_t cut = 0; cut < all.n; cut++)
		assert_int_equal(p12_read(span_of(all.p, cut), PASSWORD, &got, NULL),
			ERR_SYNTAX);
	/* Every 7th byte: each costs the derivation of a key. */
	for (size_t at = 0; at < all.n; at += 7) {
		buf_front(&out)[at] ^= 1;
		assert_int_not_equal(p12_read(all, PASSWORD, &got, NULL), ERR_OK);
		buf_front(&out)[at] ^= 1;
	}
	assert_int_equal(p12_read(all, PASSWORD, &got, NULL), ERR_OK);
	p12_wipe(&got);
	buf_wipe(&out);
}

static void test_a_file_has_a_bound(void **state)
{
	static const uint8_t zeros[P12_FILE_MAX + 1];
	struct p12 got;

	(void)state;
	assert_int_equal(p12_read(span_of(zeros, sizeof(zeros)), PASSWORD, &got, NULL),
		ERR_LIMIT);
	assert_int_equal(p12_read(span_of(zeros, P12_FILE_MAX), PASSWORD, &got, NULL),
		ERR_SYNTAX);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_openssl_reads_both_forms),
		TEST(test_a_key_of_another_certificate_is_refused),
		TEST(test_passwords_are_readable_and_differ),
		TEST(test_what_is_written_is_read),
		TEST(test_files_of_openssl_are_read),
		TEST(test_a_damaged_file_is_not_read),
		TEST(test_a_file_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
