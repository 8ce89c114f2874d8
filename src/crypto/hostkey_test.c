/* Host keys: seeds and files give the known keys, signatures hold, wrong ones do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/hostkey.h"
#include "crypto/hostkey_test_keys.h"
#include "crypto/ssh_data.h"
#include "text/hex.h"

static struct hostkey *parse(const char *text)
{
	struct hostkey *key = NULL;
	struct why why = { "" };

	if (hostkey_parse(span_str(text), &key, &why) != ERR_OK)
		fail_msg("%s", why.text);
	return key;
}

/* chisel-protocol A.1 */
static const struct seed_row {
	const char *seed, *point, *sha256, *md5, *ck;
} seeds[] = {
	{
		"test123",
		"04526e412005ff893cdd93ebe5b40d2cde85456eb384fabfa23b0ccbff689615f1"
		"5d57000a3e89f3a9f4f6915e8bb8cdfea93c23946ed86c03272df6c2e5ef46b1",
		"qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY=",
		"a5:32:92:c6:56:7a:9e:61:26:74:1b:81:a6:f5:1b:44",
		"ck-MHcCAQEEIAY8EM+MQ00AcnYULvfhNQYGwdpnEpuyF/IxZH1lut9roAoGCCqGSM49AwEHoUQDQgAE"
		"Um5BIAX/iTzdk+vltA0s3oVFbrOE+r+iOwzL/2iWFfFdVwAKPonzqfT2kV6LuM3+qTwjlG7YbAMnLfbC"
		"5e9GsQ",
	},
	{
		"foobar",
		"04ee250087183b26a28d82ae979a2028c7f134d82d62e944fcf77af22e03711b66"
		"a5fd893b075a441e1d5be5dacb7b848ad20d238f573a46716a93ff4d63e2b787",
		"OHclTPr2X1+S7CdRWW7dLFP7SwgtZy6jub2UmnpbTXw=",
		"ed:f2:cf:3c:56:49:c8:98:3c:a0:4c:1e:01:1d:fb:fc",
		"ck-MHcCAQEEIOEOn3c31McTVQbnfTMEU92FSlCoHfMx3T7Egyrg3X4zoAoGCCqGSM49AwEHoUQDQgAE"
		"7iUAhxg7JqKNgq6XmiAox/E02C1i6UT893ryLgNxG2al/Yk7B1pEHh1b5drLe4SK0g0jj1c6RnFqk/9N"
		"Y+K3hw",
	},
};

static void check_seeded(const struct hostkey *key, const struct seed_row *row)
{
	struct span blob = hostkey_blob(key);
	char sha256[HOSTKEY_SHA256_CHARS + 1], md5[HOSTKEY_MD5_CHARS + 1];
	char point[2 * 65 + 1];
	struct buf ck;

	assert_int_equal(blob.n, 104);
	hex_encode(span_of(blob.p + 39, 65), point);
	assert_string_equal(point, row->point);
	hostkey_sha256(blob, sha256);
	assert_string_equal(sha256, row->sha256);
	hostkey_md5(blob, md5);
	assert_string_equal(md5, row->md5);
	assert_string_equal(hostkey_algorithms(key), "ecdsa-sha2-nistp256");

	buf_init(&ck, 1000);
	assert_int_equal(hostkey_print(key, &ck), ERR_OK);
	assert_true(span_is(buf_span(&ck), row->ck));
	assert_string_equal((char *)ck.p, row->ck);
	buf_fini(&ck);
}

static void test_a_seed_gives_the_key_it_gives_in_chisel(void **state)
{
	struct hostkey *key;

	(void)state;
	for (size_t i = 0; i < mem_count(seeds); i++) {
		assert_int_equal(hostkey_from_seed(seeds[i].seed, &key), ERR_OK);
		check_seeded(key, &seeds[i]);
		hostkey_free(key);
	}
}

static void test_a_ck_string_is_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(seeds); i++) {
		struct hostkey *key = parse(seeds[i].ck);

		check_seeded(key, &seeds[i]);
		hostkey_free(key);
	}
}

static void test_line_ends_in_a_ck_string_are_ignored(void **state)
{
	char text[400] = "ck-\r\n";
	const char *ck = seeds[0].ck + 3;
	struct hostkey *key;

	(void)state;
	for (size_t n = 5; *ck != '\0'; ck++) {
		text[n++] = *ck;
		text[n++] = '\n';
	}
	key = parse(text);
	check_seeded(key, &seeds[0]);
	hostkey_free(key);
}

static const struct file_row {
	const char *text, *sha256, *algorithms;
} files[] = {
	{ key_ec_sec1,
		"5dkGs+s/cN+X6sKkVR5sTala/C0bHzuaXBsqNW/KjdE=", "ecdsa-sha2-nistp256" },
	{ key_ec_with_parameters,
		"5dkGs+s/cN+X6sKkVR5sTala/C0bHzuaXBsqNW/KjdE=", "ecdsa-sha2-nistp256" },
	{ key_ec_compressed,
		"5dkGs+s/cN+X6sKkVR5sTala/C0bHzuaXBsqNW/KjdE=", "ecdsa-sha2-nistp256" },
	{ key_p384_pkcs8,
		"iQQ0Fmh6tbCn0EQ0Fyjnpv1damO2v5veZqdlXmasTn0=", "ecdsa-sha2-nistp384" },
	{ key_ed25519_pkcs8,
		"Q1C0a/l8rkVSBeIIHHS1QbrI9hGO8UOw/5JXkFFGfDI=", "ssh-ed25519" },
	{ key_rsa_traditional, "4mVbrTNVIQcuyUcvW7h4/FZAb+OJncI6poLpd599GqM=",
		"rsa-sha2-256,rsa-sha2-512" },
	{ key_rsa_pkcs8, "4mVbrTNVIQcuyUcvW7h4/FZAb+OJncI6poLpd599GqM=",
		"rsa-sha2-256,rsa-sha2-512" },
	{ key_openssh_ed25519,
		"Iu3Tx6C8S81ZLNV7YVhXPTldDYfAOrf7tGb/Xft7/V4=", "ssh-ed25519" },
	{ key_openssh_p256,
		"Ex3JnfKoQRsFQUMRdaew8cRchis54BhXGtxrpAP/NEs=", "ecdsa-sha2-nistp256" },
	{ key_openssh_p384,
		"QJsfdRbcCWDwY6cgRQXavRTidsC1Ja6xkiFx+5kFTY4=", "ecdsa-sha2-nistp384" },
	{ key_openssh_p521,
		"XFJAaLs8w+NSf4T6prETmnkEL6v/nWMtlmsWsUetIRk=", "ecdsa-sha2-nistp521" },
	{ key_openssh_rsa, "+xvqDr+nGwyzNIiHxvnbzJmX1A6BvGQcXcSQo2cioXg=",
		"rsa-sha2-256,rsa-sha2-512" },
};

static void test_key_files_of_every_kind_are_read(void **state)
{
	char sha256[HOSTKEY_SHA256_CHARS + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(files); i++) {
		struct hostkey *key = parse(files[i].text);

		hostkey_sha256(hostkey_blob(key), sha256);
		assert_string_equal(sha256, files[i].sha256);
		assert_string_equal(hostkey_algorithms(key), files[i].algorithms);
		hostkey_free(key);
	}
}

static void test_only_p256_has_a_ck_string(void **state)
{
	struct hostkey *key = parse(key_openssh_p384);
	struct buf ck;

	(void)state;
	buf_init(&ck, 1000);
	assert_int_equal(hostkey_print(key, &ck), ERR_USAGE);
	assert_int_equal(ck.n, 0);
	buf_fini(&ck);
	hostkey_free(key);
}

/* What @key makes must hold, and any changed bit must break it. */
static void check_signing(const struct hostkey *key, const char *algorithm)
{
	struct span data = span_str("data"), blob = hostkey_blob(key), sig;
	struct buf out;

	buf_init(&out, HOSTKEY_SIGNATURE_MAX);
	assert_int_equal(hostkey_sign(key, algorithm, data, &out), ERR_OK);
	sig = buf_span(&out);
	assert_int_equal(hostkey_verify(blob, algorithm, data, sig), ERR_OK);
	assert_int_equal(hostkey_verify(blob, algorithm, span_str("Data"), sig),
		ERR_CRYPTO);
	for (size_t n = 0; n < sig.n; n++) {
		assert_int_equal(hostkey_verify(blob, algorithm, data, span_of(sig.p, n)),
			ERR_SYNTAX);
		out.p[n] ^= 1;
		assert_int_not_equal(hostkey_verify(blob, algorithm, data, sig), ERR_OK);
		out.p[n] ^= 1;
	}
	assert_int_equal(hostkey_verify(blob, algorithm, data, sig), ERR_OK);
	buf_fini(&out);
}

static void test_signatures_hold_until_a_bit_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(files); i++) {
		struct hostkey *key = parse(files[i].text);
		const char *list = hostkey_algorithms(key);
		char first[32];

		snprintf(first, sizeof(first), "%.*s", (int)strcspn(list, ","), list);
		check_signing(key, first);
		if (strchr(list, ',') != NULL)
			check_signing(key, strchr(list, ',') + 1);
		hostkey_free(key);
	}
}

static void check_made_by_openssl(const char *text, const char *algorithm,
	const char *sha256)
{
	struct hostkey *key = parse(text);
	uint8_t digest[HASH_SHA256_BYTES];
	char hex[2 * HASH_SHA256_BYTES + 1];
	struct buf out;

	buf_init(&out, HOSTKEY_SIGNATURE_MAX);
	assert_int_equal(hostkey_sign(key, algorithm, span_str("data"), &out), ERR_OK);
	assert_int_equal(hash_sha256(buf_span(&out), digest), ERR_OK);
	assert_string_equal(hex_encode(span_of(digest, sizeof(digest)), hex), sha256);
	buf_fini(&out);
	hostkey_free(key);
}

static void test_signatures_are_those_of_other_programs(void **state)
{
	(void)state;
	check_made_by_openssl(key_rsa_traditional, "rsa-sha2-256",
		"16c3c34bee3268a5be4f112cc67684639fa0618e249d6a178c0f0133ef1394b5");
	check_made_by_openssl(key_rsa_traditional, "rsa-sha2-512",
		"5f250e205d9fa04bbe0fde6b80d3197f1989d97dfdaa0da732512cc6f9a70df1");
	check_made_by_openssl(key_ed25519_pkcs8, "ssh-ed25519",
		"288f43618927cbf15f738cc6e89f896b6c99fedc814f34cb4ad415fca2445489");
}

/* chisel-protocol A.2: the signature over H by the key of seed "test123". */
static void test_the_signature_of_the_protocol_holds(void **state)
{
	static const char h_hex[] =
		"50c25ae1d31d82e79370c06db9466f56ced9228df6c990eaec30d86394d466b2";
	static const char sig_hex[] =
		"0000001365636473612d736861322d6e697374703235360000004a0000002100d8f431e982e6cb28"
		"1ddfd58d57194ff4a49a5f85dec0dd6af2044bf8bafded8c0000002100e354f49c08f77d7e67fb39"
		"f8bce253240ac818056ed525f80a63e5f1bc25aa24";
	struct hostkey *key;
	uint8_t h[32], sig[128];
	size_t h_n, n;

	(void)state;
	assert_int_equal(hostkey_from_seed("test123", &key), ERR_OK);
	assert_int_equal(hex_decode(span_str(h_hex), h, sizeof(h), &h_n), ERR_OK);
	assert_int_equal(hex_decode(span_str(sig_hex), sig, sizeof(sig), &n), ERR_OK);
	assert_int_equal(hostkey_verify(hostkey_blob(key), "ecdsa-sha2-nistp256",
				 span_of(h, h_n), span_of(sig, n)),
		ERR_OK);
	hostkey_free(key);
}

static void test_another_algorithm_than_negotiated_is_refused(void **state)
{
	struct hostkey *rsa = parse(key_rsa_pkcs8), *p256 = parse(key_ec_sec1);
	struct span data = span_str("data");
	struct buf out;

	(void)state;
	buf_init(&out, HOSTKEY_SIGNATURE_MAX);
	assert_int_equal(hostkey_sign(rsa, "ssh-rsa", data, &out), ERR_USAGE);
	assert_int_equal(hostkey_sign(rsa, "ecdsa-sha2-nistp256", data, &out), ERR_USAGE);
	assert_int_equal(hostkey_sign(rsa, "rsa-sha2-512", data, &out), ERR_OK);
	assert_int_equal(hostkey_verify(hostkey_blob(rsa), "rsa-sha2-256", data,
				 buf_span(&out)),
		ERR_CRYPTO);
	assert_int_equal(hostkey_verify(hostkey_blob(p256), "rsa-sha2-512", data,
				 buf_span(&out)),
		ERR_CRYPTO);
	assert_int_equal(hostkey_verify(hostkey_blob(p256), "ecdsa-sha2-nistp256", data,
				 buf_span(&out)),
		ERR_CRYPTO);
	buf_fini(&out);
	hostkey_free(rsa);
	hostkey_free(p256);
}

static void test_a_damaged_public_key_verifies_nothing(void **state)
{
	struct hostkey *key = parse(key_openssh_p521);
	struct span data = span_str("data"), blob = hostkey_blob(key);
	uint8_t copy[HOSTKEY_BLOB_MAX];
	struct buf out;

	(void)state;
	buf_init(&out, HOSTKEY_SIGNATURE_MAX);
	assert_int_equal(hostkey_sign(key, "ecdsa-sha2-nistp521", data, &out), ERR_OK);
	memcpy(copy, blob.p, blob.n);
	for (size_t n = 0; n < blob.n; n++) {
		assert_int_equal(hostkey_verify(span_of(copy, n), "ecdsa-sha2-nistp521",
					 data, buf_span(&out)),
			ERR_SYNTAX);
		copy[n] ^= 1;
		assert_int_not_equal(hostkey_verify(span_of(copy, blob.n),
					     "ecdsa-sha2-nistp521", data, buf_span(&out)),
			ERR_OK);
		copy[n] ^= 1;
	}
	copy[blob.n] = 0;
	assert_int_equal(hostkey_verify(span_of(copy, blob.n + 1), "ecdsa-sha2-nistp521",
				 data, buf_span(&out)),
		ERR_SYNTAX);
	buf_fini(&out);
	hostkey_free(key);
}

static void test_an_rsa_key_with_a_trivial_exponent_is_refused(void **state)
{
	static const uint8_t exponents[][4] = { { 0, 0, 0, 1 }, { 0, 1, 0, 0 } };
	uint8_t modulus[256];
	struct span name = span_str("ssh-rsa");
	struct buf blob, sig;

	(void)state;
	memset(modulus, 0xff, sizeof(modulus));
	buf_init(&sig, 100);
	ssh_put_string(&sig, span_str("rsa-sha2-256"));
	ssh_put_string(&sig, span_str("x"));
	for (size_t i = 0; i < mem_count(exponents); i++) {
		buf_init(&blob, HOSTKEY_BLOB_MAX);
		ssh_put_string(&blob, name);
		ssh_put_mpint(&blob, span_of(exponents[i], 4));
		ssh_put_mpint(&blob, span_of(modulus, sizeof(modulus)));
		assert_int_equal(hostkey_verify(buf_span(&blob), "rsa-sha2-256",
					 span_str("data"), buf_span(&sig)),
			ERR_CRYPTO);
		buf_fini(&blob);
	}
	buf_fini(&sig);
}

static void test_encrypted_keys_are_denied_without_asking(void **state)
{
	static const char *const texts[] = { key_ec_encrypted, key_pkcs8_encrypted,
		key_openssh_encrypted };
	struct hostkey *key = NULL;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++) {
		assert_int_equal(hostkey_parse(span_str(texts[i]), &key, &why),
			ERR_DENIED);
		assert_non_null(strstr(why.text, "pass phrase"));
	}
	assert_null(key);
}

static void test_unusable_keys_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"ck-",
		"ck-AAAA",
		"ck-!!!!",
		"hello",
		key_rsa_1024,
		key_x25519,
		key_openssh_dsa,
		"-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
		/* the scalar of one key and the point of another */
		"ck-MHcCAQEEIAY8EM+MQ00AcnYULvfhNQYGwdpnEpuyF/IxZH1lut9roAoGCCqGSM49AwEHoUQDQgAE"
		"7iUAhxg7JqKNgq6XmiAox/E02C1i6UT893ryLgNxG2al/Yk7B1pEHh1b5drLe4SK0g0jj1c6RnFqk/9N"
		"Y+K3hw",
		/* the scalar zero */
		"ck-MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAoAoGCCqGSM49AwEHoUQDQgAE"
		"7iUAhxg7JqKNgq6XmiAox/E02C1i6UT893ryLgNxG2al/Yk7B1pEHh1b5drLe4SK0g0jj1c6RnFqk/9N"
		"Y+K3hw",
	};
	struct hostkey *key = NULL;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++) {
		why.text[0] = '\0';
		assert_int_equal(hostkey_parse(span_str(texts[i]), &key, &why),
			ERR_SYNTAX);
		assert_string_not_equal(why.text, "");
	}
	assert_null(key);
}

static void test_no_prefix_of_a_key_file_is_a_key(void **state)
{
	static const char *const texts[] = { key_ec_sec1, key_openssh_ed25519,
		key_openssh_p256 };
	struct hostkey *key = NULL;

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++)
		for (size_t n = 0; n + 1 < strlen(texts[i]); n++)
			assert_int_equal(hostkey_parse(span_of(texts[i], n), &key, NULL),
				ERR_SYNTAX);
	assert_null(key);
}

static void test_generated_keys_differ(void **state)
{
	struct hostkey *a, *b;

	(void)state;
	assert_int_equal(hostkey_generate(&a), ERR_OK);
	assert_int_equal(hostkey_generate(&b), ERR_OK);
	assert_false(span_eq(hostkey_blob(a), hostkey_blob(b)));
	hostkey_free(a);
	hostkey_free(b);
	hostkey_free(NULL);
}

static void test_numbers_have_one_form(void **state)
{
	static const struct {
		const char *hex;
		bool is_good;
	} rows[] = {
		{ "0000000101", true },
		{ "00000002008f", true },
		{ "000000027fff", true },
		{ "00000000", false }, /* zero */
		{ "0000000100", false },
		{ "00000001ff", false }, /* below zero */
		{ "0000000200ff", true },
		{ "00000002007f", false }, /* a zero too many */
		{ "0000000301", false },
		{ "000000", false },
	};
	uint8_t bytes[16];
	struct buf out;
	size_t n;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct span in, v;

		assert_int_equal(hex_decode(span_str(rows[i].hex), bytes, sizeof(bytes),
					 &n),
			ERR_OK);
		in = span_of(bytes, n);
		assert_int_equal(ssh_get_mpint(&in, &v), rows[i].is_good);
		assert_int_equal(in.n, rows[i].is_good ? 0 : n);
		if (!rows[i].is_good)
			continue;
		buf_init(&out, 16);
		ssh_put_mpint(&out, v);
		assert_true(span_eq(buf_span(&out), span_of(bytes, n)));
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_a_seed_gives_the_key_it_gives_in_chisel),
		cmocka_unit_test(test_a_ck_string_is_read_back),
		cmocka_unit_test(test_line_ends_in_a_ck_string_are_ignored),
		cmocka_unit_test(test_key_files_of_every_kind_are_read),
		cmocka_unit_test(test_only_p256_has_a_ck_string),
		cmocka_unit_test(test_signatures_hold_until_a_bit_changes),
		cmocka_unit_test(test_signatures_are_those_of_other_programs),
		cmocka_unit_test(test_the_signature_of_the_protocol_holds),
		cmocka_unit_test(test_another_algorithm_than_negotiated_is_refused),
		cmocka_unit_test(test_a_damaged_public_key_verifies_nothing),
		cmocka_unit_test(test_an_rsa_key_with_a_trivial_exponent_is_refused),
		cmocka_unit_test(test_encrypted_keys_are_denied_without_asking),
		cmocka_unit_test(test_unusable_keys_are_refused),
		cmocka_unit_test(test_no_prefix_of_a_key_file_is_a_key),
		cmocka_unit_test(test_generated_keys_differ),
		cmocka_unit_test(test_numbers_have_one_form),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
