/* Pairs of certificate and key: making, loading and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "relay/certificate.h"

static char directory[64];

static void path_of(const char *name, char to[128])
{
	snprintf(to, 128, "%s/%s", directory, name);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/adit-pair-XXXXXX");
	return mkdtemp(directory) == NULL;
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	path_of(CERTIFICATE_CHAIN_FILE, path);
	(void)unlink(path);
	path_of(CERTIFICATE_KEY_FILE, path);
	(void)unlink(path);
	return rmdir(directory);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	path_of(name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static X509 *leaf_of(const struct certificate_pair *pair)
{
	BIO *bio = BIO_new_mem_buf(buf_front(&pair->chain), (int)pair->chain.n);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(leaf);
	return leaf;
}

static void test_a_development_pair_is_for_the_root_and_this_machine(void **state)
{
	struct certificate_pair pair;
	struct stat st;
	char path[128];
	X509 *leaf;

	(void)state;
	assert_int_equal(certificate_pair_make(directory, "relay.localhost", NULL),
		ERR_OK);
	path_of(CERTIFICATE_KEY_FILE, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(certificate_pair_load(directory, "relay.localhost", &pair, NULL),
		ERR_OK);
	assert_true(pair.ends_s > time(NULL) + 3649L * 86400);
	leaf = leaf_of(&pair);
	assert_int_equal(X509_check_host(leaf, "relay.localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(leaf, "app.relay.localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
	assert_true(X509_check_ca(leaf) > 0);
	X509_free(leaf);
	certificate_pair_wipe(&pair);
}

static void test_all_kinds_of_local_roots_are_covered(void **state)
{
	static const char *const roots[] = { "localhost", "a.b.localhost" };
	struct certificate_pair pair;

	(void)state;
	for (size_t i = 0; i < mem_count(roots); i++) {
		assert_int_equal(certificate_pair_make(directory, roots[i], NULL),
			ERR_OK);
		assert_int_equal(certificate_pair_load(directory, roots[i], &pair, NULL),
			ERR_OK);
		certificate_pair_wipe(&pair);
	}
}

/* The names that clients of a relay with default settings use, each once. */
static void test_the_names_in_a_development_certificate(void **state)
{
	static const struct {
		const char *root;
		int names;
	} rows[] = { { "relay.localhost", 6 }, { "localhost", 4 } };
	struct certificate_pair pair;
	GENERAL_NAMES *names;
	X509 *leaf;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(certificate_pair_make(directory, rows[i].root, NULL),
			ERR_OK);
		assert_int_equal(certificate_pair_load(directory, rows[i].root, &pair,
					 NULL),
			ERR_OK);
		leaf = leaf_of(&pair);
		names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
		assert_int_equal(sk_GENERAL_NAME_num(names), rows[i].names);
		GENERAL_NAMES_free(names);
		assert_int_equal(X509_check_host(leaf, rows[i].root, 0, 0, NULL), 1);
		assert_int_equal(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
		assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
		assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
		X509_free(leaf);
		certificate_pair_wipe(&pair);
	}
}

static void test_a_certificate_for_other_names_is_refused(void **state)
{
	struct certificate_pair pair;
	struct why why = { "" };

	(void)state;
	assert_int_equal(certificate_pair_make(directory, "localhost", NULL), ERR_OK);
	assert_int_equal(certificate_pair_load(directory, "example.com", &pair, &why),
		ERR_DENIED);
	assert_non_null(strstr(why.text, "*.example.com"));
	/* The root itself is covered, but not the names under it. */
	assert_int_equal(certificate_pair_make(directory, "example.com", NULL), ERR_OK);
	assert_int_equal(certificate_pair_load(directory, "a.example.com", &pair, &why),
		ERR_DENIED);
	assert_non_null(strstr(why.text, "*.a.example.com"));
}

static void test_a_missing_pair_and_a_missing_half(void **state)
{
	struct certificate_pair pair;
	struct why why = { "" };

	(void)state;
	assert_int_equal(certificate_pair_load(directory, "localhost", &pair, &why),
		ERR_NOENT);
	write_file(CERTIFICATE_KEY_FILE, "x");
	assert_int_equal(certificate_pair_load(directory, "localhost", &pair, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, CERTIFICATE_CHAIN_FILE));
	write_file(CERTIFICATE_CHAIN_FILE, "x");
	assert_int_equal(certificate_pair_load(directory, "localhost", &pair, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, "no certificate"));
}

/* As on a full disk: what is left must not stop the next attempt. */
static void test_half_a_pair_is_removed_after_a_failure(void **state)
{
	char chain[128], key[128];

	(void)state;
	path_of(CERTIFICATE_CHAIN_FILE, chain);
	path_of(CERTIFICATE_KEY_FILE, key);
	assert_int_equal(mkdir(chain, 0700), 0);
	assert_int_equal(certificate_pair_make(directory, "localhost", NULL), ERR_SYS);
	assert_int_equal(access(key, F_OK), -1);
	assert_int_equal(rmdir(chain), 0);
}

static void test_a_key_of_another_certificate_is_refused(void **state)
{
	struct certificate_pair pair, other;
	struct why why = { "" };

	(void)state;
	assert_int_equal(certificate_pair_make(directory, "localhost", NULL), ERR_OK);
	assert_int_equal(certificate_pair_load(directory, "localhost", &other, NULL),
		ERR_OK);
	assert_int_equal(certificate_pair_make(directory, "localhost", NULL), ERR_OK);
	buf_put_u8(&other.key, '\0');
	write_file(CERTIFICATE_KEY_FILE, (const char *)buf_front(&other.key));
	assert_int_equal(certificate_pair_load(directory, "localhost", &pair, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, "does not belong"));
	write_file(CERTIFICATE_KEY_FILE, "-----BEGIN PRIVATE KEY-----\n");
	assert_int_equal(certificate_pair_load(directory, "localhost", &pair, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, "no private key"));
	certificate_pair_wipe(&other);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(test_a_development_pair_is_for_the_root_and_this_machine),
		ROW(test_all_kinds_of_local_roots_are_covered),
		ROW(test_the_names_in_a_development_certificate),
		ROW(test_a_certificate_for_other_names_is_refused),
		ROW(test_a_missing_pair_and_a_missing_half),
		ROW(test_half_a_pair_is_removed_after_a_failure),
		ROW(test_a_key_of_another_certificate_is_refused),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
