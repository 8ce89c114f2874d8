/* Times: what is printed is read as the same. */
#include <stdlib.h>

#include "text/timefmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TIMEFMT_TEXT_MAX];
	struct timestamp t, again;

	if (timefmt_parse(span_of(data, size), &t) != ERR_OK)
		return 0;
	timefmt_print(t, text);
	if (timefmt_parse(span_str(text), &again) != ERR_OK || again.s != t.s ||
		again.ns != t.ns)
		abort();
	return 0;
}
