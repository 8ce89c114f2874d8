/* The config request of a foreign client. */
#include <stdlib.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[REMOTE_TEXT_MAX];
	struct chisel_config c;

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
