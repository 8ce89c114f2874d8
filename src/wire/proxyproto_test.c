/* PROXY protocol headers, read and written: HAProxy's doc/proxy-protocol.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/hex.h"
#include "wire/proxyproto.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"
#define IP4_ENDS \
	"c0000201" \
	"c6336402" \
	"dc04" \
	"01bb"
#define IP4_HEAD SIGNATURE "2111"
#define IP6_A "20010db8000000000000000000000001"
#define IP6_B "20010db8000000000000000000000002"
#define TEXT_MAX 8192

/* A line as it is; another header in hexadecimal. */
static struct span bytes_of(const char *text, uint8_t out[TEXT_MAX])
{
	size_t n;

	if (strncmp(text, SIGNATURE, 8) != 0)
		return span_str(text);
	assert_int_equal(hex_decode(span_str(text), out, TEXT_MAX, &n), ERR_OK);
	return span_of(out, n);
}

static void assert_ends(const struct proxyproto *p, const char *hex)
{
	const size_t n = p->family == PROXYPROTO_IP4 ? 4 : 16;
	uint8_t got[36], *to = got;
	char text[sizeof(got) * 2 + 1];

	to = mem_put(to, p->source.ip, n);
	to = mem_put(to, p->destination.ip, n);
	*to++ = (uint8_t)(p->source.port >> 8);
	*to++ = (uint8_t)p->source.port;
	*to++ = (uint8_t)(p->destination.port >> 8);
	*to++ = (uint8_t)p->destination.port;
	assert_string_equal(hex_encode(span_of(got, (size_t)(to - got)), text), hex);
}

/* Headers that are taken: what each says. */
static const struct good_row {
	const char *in;
	enum proxyproto_family family;
	const char *ends; /* addresses and ports as in version 2; NULL: none */
	bool is_local;
	const char *authority, *alpn, *tls_version;
	bool is_tls;
} good_rows[] = {
	{ .in = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		.family = PROXYPROTO_IP4,
		.ends = IP4_ENDS },
	{ .in = "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n",
		.family = PROXYPROTO_IP4,
		.ends = "00000000ffffffff0000ffff" },
	{ .in = "PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 80 1\r\n",
		.family = PROXYPROTO_IP6,
		.ends = IP6_A IP6_B "00500001" },
	{ .in = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 80 1\r\n",
		.family = PROXYPROTO_IP6,
		.ends = "00000000000000000000ffffc0000201" IP6_B "00500001" },
	{ .in = "PROXY UNKNOWN\r\n" },
	/* The longest line that there is. */
	{ .in = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n" },

	{ .in = IP4_HEAD "000c" IP4_ENDS, .family = PROXYPROTO_IP4, .ends = IP4_ENDS },
	{ .in = SIGNATURE "21210024" IP6_A IP6_B "00500001",
		.family = PROXYPROTO_IP6,
		.ends = IP6_A IP6_B "00500001" },
	/* What comes with LOCAL is ignored, an undefined family too. */
	{ .in = SIGNATURE "20000000", .is_local = true },
	{ .in = SIGNATURE "20770003ffffff", .is_local = true },
	{ .in = SIGNATURE "21000000" },
	{ .in = SIGNATURE "21000002ffff" },
	/* UDP. */
	{ .in = SIGNATURE "2112000c" IP4_ENDS },
	/* Host name and protocol; a NOOP and an unknown type. */
	{ .in = IP4_HEAD "0028" IP4_ENDS "02000b6578616d706c652e636f6d"
			 "0100026832"
			 "04000100"
			 "ea0002abcd",
		.family = PROXYPROTO_IP4,
		.ends = IP4_ENDS,
		.authority = "example.com",
		.alpn = "h2" },
	{ .in = IP4_HEAD "001e" IP4_ENDS "20000f0100000001"
			 "210007544c5376312e33",
		.family = PROXYPROTO_IP4,
		.ends = IP4_ENDS,
		.is_tls = true,
		.tls_version = "TLSv1.3" },
	/* The client does not use TLS. */
	{ .in = IP4_HEAD "0014" IP4_ENDS "2000050000000001",
		.family = PROXYPROTO_IP4,
		.ends = IP4_ENDS },
	/* A checksum. */
	{ .in = IP4_HEAD "0013" IP4_ENDS "03000420ec9549",
		.family = PROXYPROTO_IP4,
		.ends = IP4_ENDS },
	/* All that HAProxy 2.6 can send: checksum, protocol, host name, a unique id, and
	 * the details of TLS. */
	{ .in = SIGNATURE "211100777f0000017f000001a1eee9d30300045374b17b010002683202000b"
			  "6578616d706c652e636f6d05000c3132372e302e302e312d2d2d20003f01"
			  "00000000210007544c5376312e3325000752534132303438240"
			  "00a5253412d534841323536230016544c535f4145535f3235365f47434d5f"
			  "534841333834",
		.family = PROXYPROTO_IP4,
		.ends = "7f0000017f000001a1eee9d3",
		.authority = "example.com",
		.alpn = "h2",
		.is_tls = true,
		.tls_version = "TLSv1.3" },
};

static void assert_field(struct span got, const char *wanted)
{
	assert_true(span_is(got, wanted != NULL ? wanted : ""));
}

static void assert_good(const struct good_row *row, const struct proxyproto *p)
{
	assert_int_equal(p->family, row->family);
	assert_int_equal(p->is_local, row->is_local);
	assert_int_equal(p->is_tls, row->is_tls);
	if (row->ends != NULL)
		assert_ends(p, row->ends);
	assert_field(p->authority, row->authority);
	assert_field(p->alpn, row->alpn);
	assert_field(p->tls_version, row->tls_version);
}

/* Nothing is taken until all is there, and then no byte of what follows. */
static void test_a_header_is_taken_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(good_rows); i++) {
		uint8_t memory[TEXT_MAX];
		struct span all = bytes_of(good_rows[i].in, memory);
		uint8_t *copy = malloc(all.n + 3);
		struct proxyproto p;
		struct span in;

		assert_non_null(copy);
		memcpy(copy, all.p, all.n);
		memcpy(copy + all.n, "GET", 3);
		for (size_t n = 0; n < all.n; n++) {
			/* Exactly so many bytes, for AddressSanitizer. */
			uint8_t *part = malloc(n + 1);

			assert_non_null(part);
			memcpy(part + 1, copy, n);
			in = span_of(part + 1, n);
			assert_int_equal(proxyproto_read(&in, &p, NULL), ERR_AGAIN);
			assert_ptr_equal(in.p, part + 1);
			assert_int_equal(in.n, n);
			free(part);
		}
		for (size_t more = 0; more <= 3; more += 3) {
			in = span_of(copy, all.n + more);
			assert_int_equal(proxyproto_read(&in, &p, NULL), ERR_OK);
			assert_int_equal(in.n, more);
			assert_ptr_equal(in.p, copy + all.n);
			assert_good(&good_rows[i], &p);
		}
		free(copy);
	}
}

static const struct bad_row {
	const char *in;
	enum err rc;
	const char *why;
} bad_rows[] = {
	{ "GET / HTTP/1.1\r\n", ERR_SYNTAX,
		"the connection does not begin with a PROXY protocol header" },
	{ "PRI * HTTP/2.0\r\n", ERR_SYNTAX,
		"the connection does not begin with a PROXY protocol header" },
	{ "\x16\x03\x01", ERR_SYNTAX,
		"the connection does not begin with a PROXY protocol header" },
	{ "\r\n\r\nx", ERR_SYNTAX,
		"the connection does not begin with a PROXY protocol header" },
	{ "proxy UNKNOWN\r\n", ERR_SYNTAX,
		"the connection does not begin with a PROXY protocol header" },
	{ "PROXY UNKNOWN\n", ERR_SYNTAX,
		"the PROXY protocol header (version 1) does not end in CR LF" },
	{ "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535x\r\n",
		ERR_LIMIT,
		"the PROXY protocol header (version 1) is longer than 107 bytes" },
	{ SIGNATURE "21110401", ERR_LIMIT,
		"the PROXY protocol header (version 2) announces 1025 bytes, more than "
		"1024" },
	{ IP4_HEAD "0013" IP4_ENDS "030004"
		   "00000000",
		ERR_CRYPTO, "the checksum of the PROXY protocol header is wrong" },
};

static void test_a_refusal_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(bad_rows); i++) {
		uint8_t memory[TEXT_MAX];
		struct span in = bytes_of(bad_rows[i].in, memory), before = in;
		struct why why = { "" };
		struct proxyproto p;

		assert_int_equal(proxyproto_read(&in, &p, &why), bad_rows[i].rc);
		assert_string_equal(why.text, bad_rows[i].why);
		assert_true(span_eq(in, before));
	}
}

static const char *const malformed[] = {
	"PROXY \r\n",
	"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY UNKNOWNX\r\n",
	"PROXY unknown\r\n",
	"PROXY TCP4\r\n",
	"PROXY TCP4 1.2.3.4\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 111111\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
	"PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n",
	"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
	"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
	"PROXY TCP4 ::1 ::1 1 2\r\n",
	"PROXY TCP4 example.com 1.2.3.4 1 2\r\n",
	"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
	"PROXY TCP6 [::1] ::1 1 2\r\n",
	"PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
	"PROXY TCP6 ::1::2 ::1 1 2\r\n",
	"PROXY TCP6 fffff::1 ::1 1 2\r\n",
	"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
	"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",

	SIGNATURE "11", /* version 1 in binary */
	SIGNATURE "31",
	SIGNATURE "22",   /* a command that does not exist */
	SIGNATURE "2110", /* families that do not exist */
	SIGNATURE "2113",
	SIGNATURE "2141",
	SIGNATURE "21ff",
	IP4_HEAD "000b" /* too short for its family */
		 "c0000201c6336402dc0401",
	SIGNATURE "2121000c" IP4_ENDS,
	SIGNATURE "2131000c" IP4_ENDS,
	IP4_HEAD "000d" IP4_ENDS "04", /* TLVs that are cut off */
	IP4_HEAD "000e" IP4_ENDS "0400",
	IP4_HEAD "000f" IP4_ENDS "040001",
	IP4_HEAD "000f" IP4_ENDS "04ffff",
	IP4_HEAD "0014" IP4_ENDS "01000161"
		 "01000162", /* a protocol that comes twice */
	IP4_HEAD "0013" IP4_ENDS "200004"
		 "01000000", /* TLS without its result */
	IP4_HEAD "0016" IP4_ENDS "200007"
		 "0100000000"
		 "2100",
};

static void test_malformed_headers_are_refused_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < mem_count(malformed); i++) {
		uint8_t memory[TEXT_MAX];
		struct span in = bytes_of(malformed[i], memory), before = in;
		struct proxyproto p;

		assert_int_equal(proxyproto_read(&in, &p, NULL), ERR_SYNTAX);
		assert_true(span_eq(in, before));
	}
}

/* inet_pton() would stop at the terminator. */
static void test_a_nul_does_not_end_an_address(void **state)
{
	static const char line[] = "PROXY TCP4 1.2.3.4\0x 1.2.3.4 1 2\r\n";
	struct span in = span_of(line, sizeof(line) - 1);
	struct proxyproto p;

	(void)state;
	assert_int_equal(proxyproto_read(&in, &p, NULL), ERR_SYNTAX);
}

static void test_a_host_name_has_a_bound(void **state)
{
	(void)state;
	for (size_t n = PROXYPROTO_TEXT_MAX; n <= PROXYPROTO_TEXT_MAX + 1; n++) {
		uint8_t memory[TEXT_MAX], *to;
		struct span in = bytes_of(IP4_HEAD "0000" IP4_ENDS, memory);
		struct proxyproto p;

		to = memory + in.n;
		*to++ = 0x02;
		*to++ = (uint8_t)(n >> 8);
		*to++ = (uint8_t)n;
		memset(to, 'a', n);
		in.n += 3 + n;
		memory[14] = (uint8_t)((in.n - PROXYPROTO_V2_HEAD) >> 8);
		memory[15] = (uint8_t)(in.n - PROXYPROTO_V2_HEAD);
		assert_int_equal(proxyproto_read(&in, &p, NULL),
			n > PROXYPROTO_TEXT_MAX ? ERR_SYNTAX : ERR_OK);
	}
}

static void test_a_unix_socket_has_no_address(void **state)
{
	uint8_t memory[TEXT_MAX] = { 0 };
	struct span in = bytes_of(SIGNATURE "213100df", memory);
	struct proxyproto p;

	(void)state;
	memcpy(memory + PROXYPROTO_V2_HEAD + 216, "\x02\0\x04host", 7);
	in.n = PROXYPROTO_V2_HEAD + 223;
	assert_int_equal(proxyproto_read(&in, &p, NULL), ERR_OK);
	assert_int_equal(p.family, PROXYPROTO_UNKNOWN);
	assert_false(p.is_local);
	assert_true(span_is(p.authority, "host"));
	assert_int_equal(in.n, 0);
}

/* ---- writing ---- */

static struct proxyproto ip4_header(void)
{
	return (struct proxyproto){
		.family = PROXYPROTO_IP4,
		.source = { { 192, 0, 2, 1 }, 56324 },
		.destination = { { 198, 51, 100, 2 }, 443 },
	};
}

static struct proxyproto ip6_header(void)
{
	return (struct proxyproto){
		.family = PROXYPROTO_IP6,
		.source = { { 0x20, 1, 0x0d, 0xb8, [15] = 1 }, 80 },
		.destination = { { 0x20, 1, 0x0d, 0xb8, [15] = 2 }, 1 },
	};
}

static void assert_written(enum err (*write)(const struct proxyproto *, struct buf *),
	struct proxyproto p, const char *wanted)
{
	uint8_t memory[TEXT_MAX];
	struct buf out;

	buf_init(&out, TEXT_MAX);
	assert_int_equal(write(&p, &out), ERR_OK);
	assert_true(span_eq(buf_span(&out), bytes_of(wanted, memory)));
	buf_fini(&out);
}

static void test_version_1_is_written(void **state)
{
	struct proxyproto local = ip4_header();

	(void)state;
	local.is_local = true;
	assert_written(proxyproto_write_v1, ip4_header(),
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
	assert_written(proxyproto_write_v1, ip6_header(),
		"PROXY TCP6 2001:db8::1 2001:db8::2 80 1\r\n");
	assert_written(proxyproto_write_v1, (struct proxyproto){ 0 },
		"PROXY UNKNOWN\r\n");
	assert_written(proxyproto_write_v1, local, "PROXY UNKNOWN\r\n");
}

static void test_version_2_is_written(void **state)
{
	struct proxyproto full = ip4_header(), local = ip4_header();

	(void)state;
	local.is_local = true;
	full.authority = span_str("example.com");
	full.alpn = span_str("h2");
	full.is_tls = true;
	full.tls_version = span_str("TLSv1.3");
	assert_written(proxyproto_write_v2, ip4_header(), IP4_HEAD "000c" IP4_ENDS);
	assert_written(proxyproto_write_v2, ip6_header(),
		SIGNATURE "21210024" IP6_A IP6_B "00500001");
	assert_written(proxyproto_write_v2, (struct proxyproto){ 0 },
		SIGNATURE "21000000");
	assert_written(proxyproto_write_v2, local, SIGNATURE "20000000");
	assert_written(proxyproto_write_v2, full,
		IP4_HEAD "0031" IP4_ENDS "010002"
			 "6832"
			 "02000b"
			 "6578616d706c652e636f6d"
			 "20000f"
			 "0100000001"
			 "210007"
			 "544c5376312e33");
}

static void test_a_field_that_is_too_long_is_not_written(void **state)
{
	char name[PROXYPROTO_TEXT_MAX + 1] = "";
	struct proxyproto p = ip4_header();
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	p.authority = span_of(name, sizeof(name));
	assert_int_equal(proxyproto_write_v2(&p, &out), ERR_LIMIT);
	assert_int_equal(out.n, 0);
	p.authority.n--;
	p.alpn = p.tls_version = p.authority;
	p.is_tls = true;
	assert_int_equal(proxyproto_write_v2(&p, &out), ERR_OK);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_header_is_taken_whole),
		cmocka_unit_test(test_a_refusal_says_why),
		cmocka_unit_test(test_malformed_headers_are_refused_at_once),
		cmocka_unit_test(test_a_nul_does_not_end_an_address),
		cmocka_unit_test(test_a_host_name_has_a_bound),
		cmocka_unit_test(test_a_unix_socket_has_no_address),
		cmocka_unit_test(test_version_1_is_written),
		cmocka_unit_test(test_version_2_is_written),
		cmocka_unit_test(test_a_field_that_is_too_long_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
