/* The arithmetic of a key exchange, against the vectors of chisel-protocol A.2 and
 * A.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/ssh_data.h"
#include "text/hex.h"
#include "wire/ssh_kex_priv.h"
#include "wire/ssh_packet_priv.h"

#define VECTOR_MAX 512

/* Bytes written in hexadecimal. */
struct bytes {
	uint8_t p[VECTOR_MAX];
	size_t n;
};

static struct bytes unhex(const char *text)
{
	struct bytes b;

	assert_int_equal(hex_decode(span_str(text), b.p, sizeof(b.p), &b.n), ERR_OK);
	return b;
}

static struct span span_of_bytes(const struct bytes *b)
{
	return span_of(b->p, b->n);
}

static void assert_bytes(const uint8_t *got, size_t n, const char *want)
{
	struct bytes b = unhex(want);

	assert_int_equal(n, b.n);
	assert_memory_equal(got, b.p, n);
}

#define NAME_LISTS \
	"0000001365636473612d736861322d6e69737470323536000000166165733132382d67636d40" \
	"6f70656e7373682e636f6d000000166165733132382d67636d406f70656e7373682e636f6d00" \
	"00000d686d61632d736861322d3235360000000d686d61632d736861322d3235360000000" \
	"46e6f6e65000000046e6f6e6500000000000000000000000000"
#define KEX_LIST(letter) \
	"0000002e637572766532353531392d7368613235362c6b65782d7374726963742d" letter \
	"2d763030406f70656e7373682e636f6d"
#define CLIENT_KEXINIT "14000102030405060708090a0b0c0d0e0f" KEX_LIST("63") NAME_LISTS
#define SERVER_KEXINIT "14101112131415161718191a1b1c1d1e1f" KEX_LIST("73") NAME_LISTS
#define HOST_KEY \
	"0000001365636473612d736861322d6e69737470323536000000086e697374703235360000004" \
	"104526e412005ff893cdd93ebe5b40d2cde85456eb384fabfa23b0ccbff689615f15d57000a3e" \
	"89f3a9f4f6915e8bb8cdfea93c23946ed86c03272df6c2e5ef46b1"
#define SHARED "2ed76ab549b1e73c031eb49c9448f0798aea81b698279a0c3dc3e49fbfc4b953"
#define HASH "50c25ae1d31d82e79370c06db9466f56ced9228df6c990eaec30d86394d466b2"

static struct ssh_secret known_secret(void)
{
	struct ssh_secret s;
	struct bytes shared = unhex(SHARED), hash = unhex(HASH);

	memcpy(s.shared, shared.p, sizeof(s.shared));
	memcpy(s.hash, hash.p, sizeof(s.hash));
	memcpy(s.session, hash.p, sizeof(s.session));
	return s;
}

static void test_the_exchange_hash_is_the_known_one(void **state)
{
	struct bytes i_c = unhex(CLIENT_KEXINIT), i_s = unhex(SERVER_KEXINIT);
	struct bytes k_s = unhex(HOST_KEY), shared = unhex(SHARED);
	struct bytes q_c = unhex(
		"a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209");
	struct bytes q_s = unhex(
		"ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59");
	struct ssh_transcript t = {
		.version[SSH_CLIENT] = span_str("SSH-chisel-v3-client"),
		.version[SSH_SERVER] = span_str("SSH-chisel-v3-server"),
		.kexinit[SSH_CLIENT] = span_of_bytes(&i_c),
		.kexinit[SSH_SERVER] = span_of_bytes(&i_s),
		.host_key = span_of_bytes(&k_s),
		.q[SSH_CLIENT] = span_of_bytes(&q_c),
		.q[SSH_SERVER] = span_of_bytes(&q_s),
		.shared = span_of_bytes(&shared),
	};
	uint8_t hash[HASH_SHA256_BYTES];

	(void)state;
	assert_int_equal(i_c.n, 205);
	assert_int_equal(ssh_kex_hash(&t, hash), ERR_OK);
	assert_bytes(hash, sizeof(hash), HASH);
}

static void test_the_known_signature_holds(void **state)
{
	struct bytes key = unhex(HOST_KEY), hash = unhex(HASH);
	struct bytes signature = unhex(
		"0000001365636473612d736861322d6e697374703235360000004a0000002100d8f431e982e6cb"
		"281ddfd58d57194ff4a49a5f85dec0dd6af2044bf8bafded8c0000002100e354f49c08f77d7e67"
		"fb39f8bce253240ac818056ed525f80a63e5f1bc25aa24");

	(void)state;
	assert_int_equal(hostkey_verify(span_of_bytes(&key), "ecdsa-sha2-nistp256",
				 span_of_bytes(&hash), span_of_bytes(&signature)),
		ERR_OK);
	hash.p[0] ^= 1;
	assert_int_equal(hostkey_verify(span_of_bytes(&key), "ecdsa-sha2-nistp256",
				 span_of_bytes(&hash), span_of_bytes(&signature)),
		ERR_CRYPTO);
}

static void test_the_keys_are_the_known_ones(void **state)
{
	static const char *const want[] = {
		"dd872a185610df68c7d08266773aebf79acdb7acf5930390c7e87e521dd25aa9387688f8f9b3b7"
		"8eb7f26109311e700e21fdac2a1d6b1b41dbb283a32387ecc0",
		"c1a3b401c3082c9517501c9fd9aaec13a616d7765e047f6502c5650a2b439c6330c4e38ea4efdc"
		"5f05b8a64adb3fdeee1fd0906e4c6c9612281abe920c67a087",
		"cddb0aef55be1106c51c50b73c28bf5530197718988cdb332c775467bdbb7937f36e59372247e3"
		"463426ca504fbd2e4a61ee9a993c8abee5f1bd415b770087b8",
		"34af27f8e3dc05ee1e529192f7fa66495969e7c5fd51993a05b34c0bd29c2414670d3a465cb150"
		"87b1fa69ad079a1759fefe7cd7b10a126eb1c72922217f4da9",
		"76c8fce6d9d6313f4c68d51995fd799d6fe05b65325990eda555d57b1e7eca72c4a24fe1ee1952"
		"1b31438ba31564ef6eca14fbf6bcbce06000e3eca8cfa8b9c1",
		"c7acd1bce92601b2e04cf45225342e35d4bd907a65a6c8908f9c9ebb0bc4bdba43dd1f90729865"
		"b3ba607f656c1c5fdb4e83a66323a769085ffe4f52e5645b22",
	};
	struct ssh_secret s = known_secret();
	uint8_t stream[SSH_KEY_STREAM_BYTES];

	(void)state;
	for (size_t i = 0; i < mem_count(want); i++) {
		assert_int_equal(ssh_kex_stream(&s, (char)('A' + i), stream), ERR_OK);
		assert_bytes(stream, sizeof(stream), want[i]);
	}
}

#define PAYLOAD_1 "050000000c7373682d7573657261757468"
#define PAYLOAD_2 "32000000000000000e7373682d636f6e6e656374696f6e000000046e6f6e65"

static void check_sealed(struct ssh_cipher *c, const char *payload, const char *want)
{
	struct bytes b = unhex(payload);
	uint8_t packet[VECTOR_MAX];

	memcpy(packet + SSH_PACKET_HEADER, b.p, b.n);
	assert_int_equal(ssh_packet_seal(c, packet, b.n), ERR_OK);
	assert_bytes(packet, ssh_packet_size(c, b.n), want);
}

static void check_opened(struct ssh_cipher *c, const char *packet, const char *want)
{
	struct bytes b = unhex(packet);
	struct mspan in = { b.p, 0 };
	struct span payload;

	/* Every prefix is too short, and takes nothing. */
	for (; in.n < b.n; in.n++)
		assert_int_equal(ssh_packet_open(c, &in, 35000, &payload), ERR_AGAIN);
	assert_ptr_equal(in.p, b.p);
	assert_int_equal(ssh_packet_open(c, &in, 35000, &payload), ERR_OK);
	assert_int_equal(in.n, 0);
	assert_bytes(payload.p, payload.n, want);
}

static const struct packet_row {
	enum aead_kind kind;
	const char *packets[2];
} packet_rows[] = {
	{ AEAD_AES128_GCM,
		{ "00000020b9d3ef05db692be782002e326c0709daf0434ff99294370348571d5fa11decdcbe0a8"
		  "c402c70c919515d5835c05c6c03",
			"00000030cdfe2e8391d00bff2b7dbcad3935c5c9c5a2288f88897602ed9d36f9e741b80fd9"
			"0edb50f3cec49bf681c4549a7ca34442ca98aba6e66bf79ea53e91ab36de43" } },
	{ AEAD_CHACHA20_POLY1305,
		{ "daed498bc2fbda338161128f826e9d49114a1035ba2e09f8fe9f20c63e22526585c9d082d9149"
		  "43d4c6275fe",
			NULL } },
};

static void test_packets_are_the_known_ones(void **state)
{
	static const char *const payloads[] = { PAYLOAD_1, PAYLOAD_2 };
	struct ssh_secret s = known_secret();

	(void)state;
	for (size_t i = 0; i < mem_count(packet_rows); i++) {
		const struct packet_row *row = &packet_rows[i];
		struct ssh_cipher out = { 0 }, in = { 0 };

		assert_int_equal(ssh_kex_cipher(&s, SSH_CLIENT, row->kind, true,
					 &out.aead),
			ERR_OK);
		assert_int_equal(ssh_kex_cipher(&s, SSH_CLIENT, row->kind, false,
					 &in.aead),
			ERR_OK);
		for (size_t k = 0; k < 2 && row->packets[k] != NULL; k++) {
			check_sealed(&out, payloads[k], row->packets[k]);
			check_opened(&in, row->packets[k], payloads[k]);
		}
		ssh_cipher_fini(&out);
		ssh_cipher_fini(&in);
	}
}

/* Lists as a stock peer sends them. */
#define STOCK_KEX \
	"mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org," \
	"ecdh-sha2-nistp256,ext-info-c,kex-strict-c-v00@openssh.com"
#define STOCK_CIPHERS \
	"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com," \
	"aes128-ctr"
#define OUR_KEX \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
	"kex-strict-s-v00@openssh.com"

static const struct choice_row {
	const char *client_kex, *server_kex;
	const char *client_ciphers, *server_ciphers;
	enum err rc;
	enum kex_kind kex;
	enum aead_kind cipher;
	bool guess_is_wrong, is_strict;
} choice_rows[] = {
	{ STOCK_KEX, OUR_KEX, STOCK_CIPHERS, STOCK_CIPHERS, ERR_OK, KEX_X25519,
		AEAD_AES128_GCM, true, true },
	{ OUR_KEX, OUR_KEX, "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com",
		STOCK_CIPHERS, ERR_OK, KEX_X25519, AEAD_CHACHA20_POLY1305, false, false },
	{ "ecdh-sha2-nistp256,curve25519-sha256", OUR_KEX, "aes256-gcm@openssh.com",
		STOCK_CIPHERS, ERR_OK, KEX_P256, AEAD_AES256_GCM, true, false },
	/* Chisel up to 1.8 */
	{ "curve25519-sha256@libssh.org,ecdh-sha2-nistp256", OUR_KEX,
		"aes128-gcm@openssh.com,aes128-ctr", STOCK_CIPHERS, ERR_OK, KEX_X25519,
		AEAD_AES128_GCM, true, false },
	/* A private name in common is no method. */
	{ "secret,curve25519-sha256", "secret,curve25519-sha256", STOCK_CIPHERS,
		STOCK_CIPHERS, ERR_OK, KEX_X25519, AEAD_AES128_GCM, false, false },
	{ "", OUR_KEX, STOCK_CIPHERS, STOCK_CIPHERS, ERR_PROTO, 0, 0, false, false },
	{ ",,", ",,", STOCK_CIPHERS, STOCK_CIPHERS, ERR_PROTO, 0, 0, false, false },
	{ "mlkem768x25519-sha256", OUR_KEX, STOCK_CIPHERS, STOCK_CIPHERS, ERR_PROTO, 0, 0,
		false, false },
	{ OUR_KEX, OUR_KEX, "aes128-ctr", STOCK_CIPHERS, ERR_PROTO, 0, 0, false, false },
};

static struct ssh_kexinit kexinit_of(const char *kex, const char *ciphers)
{
	struct ssh_kexinit k = {
		.kex = span_str(kex),
		.host_key = span_str("ecdsa-sha2-nistp256"),
		.ciphers = { span_str(ciphers), span_str(ciphers) },
		.compression = { span_str("none"), span_str("none") },
	};

	return k;
}

static void test_the_order_of_the_client_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(choice_rows); i++) {
		const struct choice_row *row = &choice_rows[i];
		struct ssh_kexinit offers[] = {
			[SSH_CLIENT] = kexinit_of(row->client_kex, row->client_ciphers),
			[SSH_SERVER] = kexinit_of(row->server_kex, row->server_ciphers),
		};
		struct ssh_choice choice;

		assert_int_equal(ssh_kexinit_choose(offers, &choice, NULL), row->rc);
		if (row->rc != ERR_OK)
			continue;
		assert_int_equal(choice.kex, row->kex);
		assert_int_equal(choice.ciphers[SSH_CLIENT], row->cipher);
		assert_int_equal(choice.ciphers[SSH_SERVER], row->cipher);
		assert_int_equal(choice.guess_is_wrong, row->guess_is_wrong);
		assert_string_equal(choice.host_key, "ecdsa-sha2-nistp256");
		assert_int_equal(ssh_kexinit_is_strict(offers), row->is_strict);
	}
}

static void test_our_offer_is_what_old_peers_need(void **state)
{
	struct ssh_kexinit k;
	struct buf b;

	(void)state;
	buf_init(&b, SSH_KEXINIT_MAX);
	assert_int_equal(ssh_kexinit_put(SSH_CLIENT, NULL, true, &b), ERR_OK);
	assert_int_equal(ssh_kexinit_read(buf_span(&b), &k), ERR_OK);
	assert_true(ssh_list_has(k.kex, span_str("curve25519-sha256@libssh.org")));
	assert_true(ssh_list_has(k.kex, span_str("kex-strict-c-v00@openssh.com")));
	assert_false(ssh_list_has(k.kex, span_str("ext-info-c")));
	assert_true(ssh_list_has(k.macs[SSH_CLIENT], span_str("hmac-sha2-256")));

	buf_consume(&b, b.n);
	assert_int_equal(ssh_kexinit_put(SSH_SERVER, "rsa-sha2-256,rsa-sha2-512", false,
				 &b),
		ERR_OK);
	assert_int_equal(ssh_kexinit_read(buf_span(&b), &k), ERR_OK);
	assert_false(ssh_list_has(k.kex, span_str("kex-strict-s-v00@openssh.com")));
	assert_true(span_is(k.host_key, "rsa-sha2-256,rsa-sha2-512"));
	buf_fini(&b);
}

static void test_every_prefix_of_a_kexinit_is_too_short(void **state)
{
	struct bytes b = unhex(CLIENT_KEXINIT);
	struct ssh_kexinit k;

	(void)state;
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(ssh_kexinit_read(span_of(b.p, n), &k), ERR_SYNTAX);
	assert_int_equal(ssh_kexinit_read(span_of_bytes(&b), &k), ERR_OK);
	b.p[0] = SSH_MSG_NEWKEYS;
	assert_int_equal(ssh_kexinit_read(span_of_bytes(&b), &k), ERR_SYNTAX);
}

/* RFC 4251 5 */
static void test_mpints_are_encoded_minimally(void **state)
{
	static const struct {
		const char *number, *mpint;
	} rows[] = {
		{ "", "00000000" },
		{ "0000", "00000000" },
		{ "09a378f9b2e332a7", "0000000809a378f9b2e332a7" },
		{ "0080", "000000020080" },
		{ "80", "000000020080" },
		{ "00007f", "000000017f" },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct bytes number = unhex(rows[i].number);
		struct buf b;

		buf_init(&b, 64);
		ssh_put_mpint(&b, span_of_bytes(&number));
		assert_bytes(b.p, b.n, rows[i].mpint);
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_exchange_hash_is_the_known_one),
		cmocka_unit_test(test_the_known_signature_holds),
		cmocka_unit_test(test_the_keys_are_the_known_ones),
		cmocka_unit_test(test_packets_are_the_known_ones),
		cmocka_unit_test(test_the_order_of_the_client_decides),
		cmocka_unit_test(test_our_offer_is_what_old_peers_need),
		cmocka_unit_test(test_every_prefix_of_a_kexinit_is_too_short),
		cmocka_unit_test(test_mpints_are_encoded_minimally),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
