/* The config request: chisel-protocol 4.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/chisel/config.h"

#define STOCK \
	"{\"Version\":\"1.11.5\",\"Remotes\":[{\"LocalHost\":\"0.0.0.0\"," \
	"\"LocalPort\":\"3000\",\"LocalProto\":\"tcp\",\"RemoteHost\":\"127.0.0.1\"," \
	"\"RemotePort\":\"3000\",\"RemoteProto\":\"tcp\",\"Socks\":false,\"Reverse\":false," \
	"\"Stdio\":false}]}"

static void assert_printed(const struct chisel_config *c, const char *want)
{
	struct buf out;

	buf_init(&out, CONFIG_BYTES_MAX);
	assert_int_equal(chisel_config_print(c, &out), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_string_equal((char *)out.p, want);
	buf_fini(&out);
}

static void test_a_config_is_printed_as_go_prints_it(void **state)
{
	struct remote r;
	struct chisel_config c = { .version = "1.11.5", .remotes = &r, .count = 1 };

	(void)state;
	assert_int_equal(remote_parse(span_str("3000"), &r, NULL), ERR_OK);
	assert_printed(&c, STOCK);
}

static void test_an_empty_list_of_remotes_is_null_and_markup_is_escaped(void **state)
{
	struct chisel_config c = { .version = "<1>&\"\\\n", .client = "me", .run = "1" };

	(void)state;
	assert_printed(&c,
		"{\"Version\":\"\\u003c1\\u003e\\u0026\\\"\\\\\\n\","
		"\"Remotes\":null,\"Client\":\"me\",\"Run\":\"1\"}");
}

static void test_what_is_printed_is_read_back(void **state)
{
	static const char *const texts[] = { "3000", "R:2222:localhost:22", "5000:socks",
		"R:socks", "stdio:h:22", "R:53/udp", "[::1]:8080:[::2]:80" };
	struct remote remotes[mem_count(texts)];
	struct chisel_config c = { .version = "1",
		.client = "id",
		.run = "0123456789abcdef0123456789abcdef",
		.remotes = remotes,
		.count = mem_count(texts) };
	struct chisel_config got;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++)
		assert_int_equal(remote_parse(span_str(texts[i]), &remotes[i], NULL),
			ERR_OK);
	buf_init(&out, CONFIG_BYTES_MAX);
	assert_int_equal(chisel_config_print(&c, &out), ERR_OK);
	assert_int_equal(chisel_config_parse(buf_span(&out), &got), ERR_OK);
	assert_string_equal(got.version, "1");
	assert_string_equal(got.client, "id");
	assert_int_equal(got.count, c.count);
	assert_memory_equal(got.remotes, remotes, sizeof(remotes));
	chisel_config_fini(&got);
	for (size_t n = 0; n < out.n; n++) /* and no prefix is one */
		assert_int_equal(chisel_config_parse(span_of(out.p, n), &got),
			ERR_SYNTAX);
	buf_fini(&out);
}

static void test_configs_of_other_clients_are_read(void **state)
{
	static const struct {
		const char *text, *version, *client;
		unsigned count;
	} rows[] = {
		{ "{}", "", "", 0 },
		{ "{\"Version\":null,\"Remotes\":null,\"Client\":null}", "", "", 0 },
		{ "{\"version\":\"a\",\"REMOTES\":[]}", "a", "", 0 },
		{ "{\"Version\":\"a\",\"Version\":\"b\"}", "b", "", 0 },
		{ "{\"Version\":\"a\",\"version\":\"b\"}", "b", "", 0 },
		{ "{\"Else\":[1,2.5,{\"x\":[]}],\"Client\":\"me\"}", "", "me", 0 },
		{ "{\"Remotes\":[null,{},null]}", "", "", 1 },
		{ "{\"Remotes\":[{},{}],\"remotes\":[{}]}", "", "", 1 },
		{ " \n{ \"Version\" : \"\\u0031\" } ", "1", "", 0 },
	};
	struct chisel_config c;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		if (chisel_config_parse(span_str(rows[i].text), &c) != ERR_OK)
			fail_msg("%s was refused", rows[i].text);
		assert_string_equal(c.version, rows[i].version);
		assert_string_equal(c.client, rows[i].client);
		assert_int_equal(c.count, rows[i].count);
		chisel_config_fini(&c);
	}
}

static void test_missing_protocols_are_tcp(void **state)
{
	struct chisel_config c;

	(void)state;
	assert_int_equal(chisel_config_parse(
				 span_str("{\"Remotes\":[{\"LocalPort\":\"1\","
					  "\"remoteport\":\"2\"},{\"LocalProto\":\"UDP\","
					  "\"RemoteProto\":\"udp\"}]}"),
				 &c),
		ERR_OK);
	assert_int_equal(c.count, 2);
	assert_false(c.remotes[0].is_udp);
	assert_string_equal(c.remotes[0].local_port, "1");
	assert_string_equal(c.remotes[0].remote_port, "2");
	assert_true(c.remotes[1].is_udp);
	chisel_config_fini(&c);
}

static void test_invalid_configs_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"null",
		"[]",
		"1",
		"\"x\"",
		"{",
		"{}x",
		"{\"Version\":1}",
		"{\"Remotes\":{}}",
		"{\"Remotes\":\"\"}",
		"{\"Remotes\":[1]}",
		"{\"Remotes\":[[]]}",
		"{\"Client\":[]}",
		"{\"Version\":\"\\u0000\"}",
		"{\"Version\":\"\xff\"}",
		"{\"Remotes\":[{\"Socks\":1}]}",
		"{\"Remotes\":[{\"LocalPort\":80}]}",
		"{\"Remotes\":[{\"LocalPort\":\"http\"}]}",
		"{\"Remotes\":[{\"LocalPort\":\"00\"}]}",
		"{\"Remotes\":[{\"RemotePort\":\"0\"}]}",
		"{\"Remotes\":[{\"LastPort\":\"1\"}]}",
		"{\"Remotes\":[{\"LastPort\":-1}]}",
		"{\"Remotes\":[{\"LastPort\":65536}]}",
		"{\"Remotes\":[{\"LocalHost\":\"a b\"}]}",
		"{\"Remotes\":[{\"RemoteHost\":\"x\\u001b[2J\"}]}",
		"{\"Remotes\":[{\"LocalProto\":\"sctp\"}]}",
		"{\"Remotes\":[{\"LocalProto\":\"udp\"}]}",
		"{\"Remotes\":[{\"Stdio\":true,\"Reverse\":true}]}",
		"{\"Remotes\":[{\"Socks\":true,\"LocalProto\":\"udp\",\"RemoteProto\":\"udp\"}]}",
	};
	struct chisel_config c = { .version = "kept" };

	(void)state;
	for (size_t i = 0; i < mem_count(texts); i++)
		if (chisel_config_parse(span_str(texts[i]), &c) != ERR_SYNTAX)
			fail_msg("%s was taken", texts[i]);
	assert_string_equal(c.version, "kept");
}

/* @head, @middle so many times, @tail. */
static enum err parse_long(const char *head, const char *middle, size_t count,
	const char *tail)
{
	struct chisel_config c = { .count = 0 };
	struct buf text;
	enum err rc;

	buf_init(&text, 2 * CONFIG_BYTES_MAX);
	buf_put_str(&text, head);
	for (size_t i = 0; i < count; i++)
		buf_put_str(&text, middle);
	buf_put_str(&text, tail);
	assert_int_equal(text.failed, ERR_OK);
	rc = chisel_config_parse(buf_span(&text), &c);
	chisel_config_fini(&c);
	buf_fini(&text);
	return rc;
}

static void test_a_long_version_is_cut_between_characters(void **state)
{
	struct chisel_config c;
	struct buf text, out;

	(void)state;
	buf_init(&text, 1024);
	buf_init(&out, CONFIG_BYTES_MAX);
	buf_put_str(&text, "{\"Version\":\"");
	for (int i = 0; i < CONFIG_VERSION_MAX - 2; i++)
		buf_put_u8(&text, 'v');
	buf_put_str(&text, "\xc3\xa4 and more\"}");
	assert_int_equal(chisel_config_parse(buf_span(&text), &c), ERR_OK);
	assert_int_equal(strlen(c.version), CONFIG_VERSION_MAX - 2);
	assert_int_equal(chisel_config_print(&c, &out), ERR_OK);
	chisel_config_fini(&c);
	buf_fini(&text);
	buf_fini(&out);
}

static void test_a_chosen_port_and_the_last_port_are_read(void **state)
{
	struct chisel_config c;
	struct buf out;

	(void)state;
	assert_int_equal(chisel_config_parse(span_str(
						     "{\"Remotes\":[{\"LocalPort\":\"0\","
						     "\"LastPort\":40001}]}"),
				 &c),
		ERR_OK);
	assert_string_equal(c.remotes[0].local_port, "0");
	assert_int_equal(c.remotes[0].last_port, 40001);
	buf_init(&out, CONFIG_BYTES_MAX);
	assert_int_equal(chisel_config_print(&c, &out), ERR_OK);
	buf_put_u8(&out, '\0');
	assert_non_null(strstr((char *)out.p, ",\"LastPort\":40001}"));
	buf_fini(&out);
	chisel_config_fini(&c);
}

static void test_ports_are_printed_and_read(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"Ports\":1}",
		"{\"Ports\":[1,2]}", "{\"Ports\":[1,2,3,4]}", "{\"Ports\":[1,2,-3]}",
		"{\"Ports\":[1,2,65536]}", "{\"Ports\":[1,2,\"3\"]}",
		"{\"Ports\":[1,2,null]}" };
	const uint16_t ports[] = { 0, 65535, 7 };
	uint16_t got[3] = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, CONFIG_BYTES_MAX);
	assert_int_equal(chisel_ports_print(ports, 3, &out), ERR_OK);
	assert_true(span_is(buf_span(&out), "{\"Ports\":[0,65535,7]}"));
	assert_int_equal(chisel_ports_parse(buf_span(&out), got, 3), ERR_OK);
	assert_memory_equal(got, ports, sizeof(ports));
	for (size_t n = 0; n < out.n; n++)
		assert_int_equal(chisel_ports_parse(span_of(out.p, n), got, 3),
			ERR_SYNTAX);
	buf_fini(&out);
	for (size_t i = 0; i < mem_count(bad); i++)
		assert_int_equal(chisel_ports_parse(span_str(bad[i]), got, 3),
			ERR_SYNTAX);
	assert_memory_equal(got, ports, sizeof(ports));
}

static void test_a_config_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(parse_long("{}", " ", CONFIG_BYTES_MAX - 2, ""), ERR_OK);
	assert_int_equal(parse_long("{}", " ", CONFIG_BYTES_MAX - 1, ""), ERR_LIMIT);
	assert_int_equal(parse_long("{\"Remotes\":[{}", ",{}", 1023, "]}"), ERR_OK);
	assert_int_equal(parse_long("{\"Remotes\":[{}", ",{}", 1024, "]}"), ERR_LIMIT);
	assert_int_equal(parse_long("{\"Client\":\"", "x", 64, "\"}"), ERR_OK);
	assert_int_equal(parse_long("{\"Client\":\"", "x", 65, "\"}"), ERR_LIMIT);
	assert_int_equal(parse_long("{\"Run\":\"", "x", 32, "\"}"), ERR_OK);
	assert_int_equal(parse_long("{\"Run\":\"", "x", 33, "\"}"), ERR_LIMIT);
	assert_int_equal(parse_long("{\"Version\":\"", "x", 5000, "\"}"),
		ERR_OK); /* cut */
	assert_int_equal(parse_long("{\"Remotes\":[{\"LocalHost\":\"", "x", 255, "\"}]}"),
		ERR_OK);
	assert_int_equal(parse_long("{\"Remotes\":[{\"LocalHost\":\"", "x", 256, "\"}]}"),
		ERR_LIMIT);
	assert_int_equal(parse_long("{\"x\":", "[", 60000, ""), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_a_config_is_printed_as_go_prints_it),
		cmocka_unit_test(
			test_an_empty_list_of_remotes_is_null_and_markup_is_escaped),
		cmocka_unit_test(test_what_is_printed_is_read_back),
		cmocka_unit_test(test_configs_of_other_clients_are_read),
		cmocka_unit_test(test_missing_protocols_are_tcp),
		cmocka_unit_test(test_invalid_configs_are_refused),
		cmocka_unit_test(test_a_chosen_port_and_the_last_port_are_read),
		cmocka_unit_test(test_ports_are_printed_and_read),
		cmocka_unit_test(test_a_config_is_bounded),
		cmocka_unit_test(test_a_long_version_is_cut_between_characters),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
