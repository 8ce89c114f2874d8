/* Prefixes of addresses: what is printed is read as the same, and holds its own
 * address. */
#include <stdlib.h>

#include "net/prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prefix p, again;
	char text[PREFIX_TEXT_MAX];
	char *copy = span_dup(span_of(data, size));
	struct prefix_set set = { .n = 0 };
	struct addr a;

	if (copy == NULL)
		return 0;
	if (prefix_parse(span_of(data, size), &p) == ERR_OK) {
		prefix_print(&p, text);
		if (prefix_parse(span_str(text), &again) != ERR_OK ||
			again.bits != p.bits ||
			memcmp(again.bytes, p.bytes, sizeof(p.bytes)) != 0)
			abort();
		if (addr_from_literal(copy, 0, &a) == ERR_OK &&
			(prefix_set_add(&set, &p) != ERR_OK || !prefix_set_has(&set, &a)))
			abort();
	}
	prefix_set_fini(&set);
	free(copy);
	return 0;
}
