/* URLs, a server's among them: what is printed is read as the same. */
#include <stdlib.h>

#include "tunnel/chisel/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(const struct url *u)
{
	char text[URL_TEXT_MAX];
	struct url again;

	if (url_parse(span_str(url_print(u, text)), &again, NULL) != ERR_OK)
		abort();
	if (strcmp(again.host, u->host) != 0 || strcmp(again.path, u->path) != 0 ||
		strcmp(again.scheme, u->scheme) != 0 || again.port != u->port)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct why why;
	struct url u;

	if (url_parse(text, &u, &why) == ERR_OK)
		check_url(&u);
	if (chisel_url_parse(text, &u, &why) == ERR_OK) {
		if (u.port == 0)
			abort();
		check_url(&u);
	}
	return 0;
}
