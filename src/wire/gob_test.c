/* The gob stream of UDP packets: chisel-protocol 6.6.1 and A.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/hex.h"
#include "wire/gob.h"

#define DEFINITION_64 \
	"2a7f030101097564705061636b657401ff800001020103537263010c00" \
	"01075061796c6f6164010a000000"
#define DEFINITION_65 \
	"2bff81030101097564705061636b657401ff820001020103537263010c" \
	"0001075061796c6f6164010a000000"
/* The two fields the other way round, and Src left out. */
#define DEFINITION_SWAPPED \
	"2a7f030101097564705061636b657401ff8000010201075061796c6f61" \
	"64010a000103537263010c000000"
#define DEFINITION_NO_SRC \
	"227f030101097564705061636b657401ff8000010101075061796c6f61" \
	"64010a000000"

static void put_hex(struct buf *out, const char *hex)
{
	uint8_t bytes[256];
	size_t n;

	assert_int_equal(hex_decode(span_str(hex), bytes, sizeof(bytes), &n), ERR_OK);
	assert_int_equal(buf_put(out, bytes, n), ERR_OK);
}

/* clang-format off */
static const struct value_row {
	const char *src, *text;
	size_t aa; /* payload is so many bytes 0xaa instead */
	const char *head, *tail;
} values[] = {
	{ "127.0.0.1:54321", "hello", 0, "1bff80010f3132372e302e302e313a3534333231",
		"010568656c6c6f00" },
	{ "127.0.0.1:54321", "world!", 0, "1cff80010f3132372e302e302e313a3534333231",
		"0106776f726c642100" },
	{ "127.0.0.1:54321", "", 0, "14ff80010f3132372e302e302e313a3534333231",
		"00" },
	{ "", "a", 0, "06ff80", "02016100" },
	{ "", "", 0, "03ff80", "00" },
	{ "[::1]:53", NULL, 127, "ff8eff8001085b3a3a315d3a3533017f", "00" },
	{ "[::1]:53", NULL, 128, "ff90ff8001085b3a3a315d3a353301ff80", "00" },
	{ "[::1]:53", NULL, 300, "fe013dff8001085b3a3a315d3a353301fe012c", "00" },
};
/* clang-format on */

static struct gob_packet packet_of(const struct value_row *row)
{
	static uint8_t aa[300];

	memset(aa, 0xaa, sizeof(aa));
	return (struct gob_packet){
		.src = span_str(row->src),
		.payload = row->text != NULL ? span_str(row->text) : span_of(aa, row->aa),
	};
}

static void put_row(struct buf *out, const struct value_row *row)
{
	put_hex(out, row->head);
	for (size_t i = 0; i < row->aa; i++)
		buf_put_u8(out, 0xaa);
	put_hex(out, row->tail);
}

static void assert_packet(const struct gob_packet *got, const struct value_row *row)
{
	struct gob_packet want = packet_of(row);

	assert_true(span_eq(got->src, want.src));
	assert_true(span_eq(got->payload, want.payload));
}

static void test_what_is_written_is_what_go_writes(void **state)
{
	struct buf got, want;

	(void)state;
	buf_init(&got, 4096);
	buf_init(&want, 4096);
	assert_int_equal(gob_write_definition(&got), ERR_OK);
	put_hex(&want, DEFINITION_64);
	for (size_t i = 0; i < mem_count(values); i++) {
		struct gob_packet packet = packet_of(&values[i]);

		assert_int_equal(gob_write(&got, &packet), ERR_OK);
		put_row(&want, &values[i]);
	}
	assert_true(span_eq(buf_span(&got), buf_span(&want)));
	buf_fini(&got);
	buf_fini(&want);
}

static void test_a_stream_is_read_however_it_is_split(void **state)
{
	struct buf all;

	(void)state;
	buf_init(&all, 4096);
	put_hex(&all, DEFINITION_64);
	for (size_t i = 0; i < mem_count(values); i++)
		put_row(&all, &values[i]);

	for (size_t split = 0; split <= all.n; split++) {
		struct gob_reader r;
		struct span in = span_of(all.p, split);
		struct gob_packet packet;
		size_t seen = 0;

		gob_reader_init(&r);
		while (gob_read(&r, &in, &packet) == ERR_OK)
			assert_packet(&packet, &values[seen++]);
		in.n += all.n - split; /* the second half arrives behind what was left */
		while (gob_read(&r, &in, &packet) == ERR_OK)
			assert_packet(&packet, &values[seen++]);
		assert_int_equal(seen, mem_count(values));
		assert_int_equal(in.n, 0);
	}
	buf_fini(&all);
}

static void check_reads(const char *hex, const char *src, const char *payload)
{
	struct gob_reader r;
	struct gob_packet packet;
	struct buf b;
	struct span in;

	buf_init(&b, 256);
	put_hex(&b, hex);
	in = buf_span(&b);
	gob_reader_init(&r);
	assert_int_equal(gob_read(&r, &in, &packet), ERR_OK);
	assert_true(span_is(packet.src, src));
	assert_true(span_is(packet.payload, payload));
	assert_int_equal(gob_read(&r, &in, &packet), ERR_AGAIN);
	buf_fini(&b);
}

static void test_a_value_is_read_by_its_definition(void **state)
{
	(void)state;
	check_reads(DEFINITION_65 "09ff8201017301017000", "s", "p");
	check_reads(DEFINITION_SWAPPED "09ff8001017001017300", "s", "p");
	check_reads(DEFINITION_NO_SRC "06ff8001017000", "", "p");
	/* a second definition replaces the first */
	check_reads(DEFINITION_64 DEFINITION_65 "09ff8201017301017000", "s", "p");
}

static void check_fails(const char *hex, enum err want)
{
	struct gob_reader r;
	struct gob_packet packet = { .src = span_of("kept", 4) };
	struct buf b;
	struct span in;

	buf_init(&b, 256);
	put_hex(&b, hex);
	in = buf_span(&b);
	gob_reader_init(&r);
	assert_int_equal(gob_read(&r, &in, &packet), want);
	assert_true(span_is(packet.src, "kept"));
	buf_fini(&b);
}

static void test_useless_streams_are_refused(void **state)
{
	static const struct {
		const char *hex;
		enum err want;
	} rows[] = {
		{ "00", ERR_SYNTAX },       /* a message without a type */
		{ "03ff8000", ERR_SYNTAX }, /* a value before its definition */
		{ DEFINITION_64 "03ff8200", ERR_SYNTAX },   /* of another type */
		{ DEFINITION_64 "020a00", ERR_SYNTAX },     /* of a built-in type */
		{ DEFINITION_64 "02ff80", ERR_SYNTAX },     /* a struct without an end */
		{ DEFINITION_64 "04ff800000", ERR_SYNTAX }, /* bytes behind the end */
		{ DEFINITION_64 "06ff8003016100",
			ERR_SYNTAX }, /* a field that is not there */
		{ DEFINITION_64 "06ff8002056100",
			ERR_SYNTAX }, /* a length past the message */
		{ DEFINITION_64 "0dff8002f87fffffffffffffff00",
			ERR_SYNTAX }, /* a huge length */
		{ DEFINITION_64 "0cff8001f8ffffffffffffffff", ERR_SYNTAX },
		{ "fd011171", ERR_LIMIT }, /* 70,001 bytes */
		{ "f8ffffffffffffffff", ERR_LIMIT },
		{ "f7", ERR_SYNTAX }, /* a number of nine bytes */
		{ "80", ERR_SYNTAX },
		{ "037f0100", ERR_SYNTAX },             /* an array type */
		{ "09f8ffffffffffffffff", ERR_SYNTAX }, /* type id -2^63 */
		{ "fd011170", ERR_AGAIN },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		check_fails(rows[i].hex, rows[i].want);
}

static void test_definitions_of_other_structs_are_refused(void **state)
{
	(void)state;
	/* Src is bytes */
	check_fails("1e7f030101097564705061636b657401ff800001010103537263010a000000",
		ERR_SYNTAX);
	/* Src twice */
	check_fails("267f030101097564705061636b657401ff800001020103537263010c00"
		    "0103537263010c000000",
		ERR_SYNTAX);
	/* "Srd" */
	check_fails("1e7f030101097564705061636b657401ff800001010103537264010c000000",
		ERR_SYNTAX);
	/* three fields */
	check_fails("307f030101097564705061636b657401ff800001030103537263010c00"
		    "01075061796c6f6164010a00010158010c000000",
		ERR_SYNTAX);
}

static void test_no_packet_is_too_long_to_be_written_but_not_read(void **state)
{
	static uint8_t bytes[GOB_PAYLOAD_MAX + 1];
	struct gob_packet packet = { .src = span_of(bytes, GOB_SRC_MAX),
		.payload = span_of(bytes, GOB_PAYLOAD_MAX) },
			  got;
	struct gob_reader r;
	struct buf b;
	struct span in;

	(void)state;
	buf_init(&b, 80000);
	gob_reader_init(&r);
	assert_int_equal(gob_write_definition(&b), ERR_OK);
	assert_int_equal(gob_write(&b, &packet), ERR_OK);
	in = buf_span(&b);
	assert_int_equal(gob_read(&r, &in, &got), ERR_OK);
	assert_int_equal(got.payload.n, GOB_PAYLOAD_MAX);

	packet.payload.n++;
	assert_int_equal(gob_write(&b, &packet), ERR_LIMIT);
	packet.payload.n--;
	packet.src.n++;
	assert_int_equal(gob_write(&b, &packet), ERR_LIMIT);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_what_is_written_is_what_go_writes),
		cmocka_unit_test(test_a_stream_is_read_however_it_is_split),
		cmocka_unit_test(test_a_value_is_read_by_its_definition),
		cmocka_unit_test(test_useless_streams_are_refused),
		cmocka_unit_test(test_definitions_of_other_structs_are_refused),
		cmocka_unit_test(test_no_packet_is_too_long_to_be_written_but_not_read),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
