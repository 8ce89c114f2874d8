/* The config request of a foreign client. */
#include <stdlib.h>
#include <string.h>

#include "tunnel/chisel/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is printed, read and printed again as the same. */
static void check_config(const struct chisel_config *c)
{
	struct chisel_config again;
	struct buf a, b;

	buf_init(&a, 64 * CONFIG_BYTES_MAX); /* a short config may print long */
	buf_init(&b, 64 * CONFIG_BYTES_MAX);
	if (chisel_config_print(c, &a) != ERR_OK)
		abort();
	if (a.n <= CONFIG_BYTES_MAX) {
		if (chisel_config_parse(buf_span(&a), &again) != ERR_OK ||
			chisel_config_print(&again, &b) != ERR_OK ||
			!span_eq(buf_span(&a), buf_span(&b)))
			abort();
		chisel_config_fini(&again);
	}
	buf_fini(&a);
	buf_fini(&b);
}

/* What a foreign server answers about its ports. */
static void check_ports(const uint8_t *data, size_t size)
{
	uint16_t ports[3], again[3];
	struct buf out;

	if (chisel_ports_parse(span_of(data, size), ports, 3) != ERR_OK)
		return;
	buf_init(&out, CONFIG_BYTES_MAX);
	if (chisel_ports_print(ports, 3, &out) != ERR_OK ||
		chisel_ports_parse(buf_span(&out), again, 3) != ERR_OK ||
		memcmp(ports, again, sizeof(ports)) != 0)
		abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[REMOTE_TEXT_MAX];
	struct chisel_config c;

	check_ports(data, size);
	if (chisel_config_parse(span_of(data, size), &c) != ERR_OK)
		return 0;
	for (unsigned i = 0; i < c.count; i++) {
		remote_print(&c.remotes[i], text);
		for (const char *p = text; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e)
				abort(); /* it goes into logs */
	}
	check_config(&c);
	chisel_config_fini(&c);
	return 0;
}
