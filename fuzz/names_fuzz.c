/* Labels, hosts and relay URLs: what has been brought into form stays as it is. */
#include <stdlib.h>

#include "text/relay_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_label(struct span text)
{
	char label[NAMES_LABEL_MAX + 1], again[NAMES_LABEL_MAX + 1];
	struct why why = { "" };

	if (names_parse_label(text, label, &why) != ERR_OK) {
		if (why.text[0] == '\0')
			abort();
		return;
	}
	if (names_parse_label(span_str(label), again, NULL) != ERR_OK ||
		strcmp(label, again) != 0)
		abort();
}

static void check_host(struct span text)
{
	char host[NAMES_HOST_MAX + 1], lease[NAMES_HOST_MAX + 1],
		pattern[NAMES_HOST_MAX + 3];

	if (names_parse_host(text, host, NULL) != ERR_OK)
		return;
	names_host_is_local(host);
	pattern[0] = '*';
	pattern[1] = '.';
	memcpy(pattern + 2, host, strlen(host) + 1);
	if (names_match(pattern, host))
		abort();
	if (names_lease_host(span_str("x"), text, lease, NULL) == ERR_OK &&
		names_match(pattern, lease) != (strchr(host, '.') != NULL))
		abort();
}

static void check_urls(struct span text)
{
	struct relay_urls list = { .count = 0 };
	char again[URL_TEXT_MAX], host[NAMES_HOST_MAX + 1];
	struct why why = { "" };

	if (relay_urls_add(&list, text, &why) != ERR_OK && why.text[0] == '\0')
		abort();
	for (unsigned i = 0; i < list.count; i++) {
		if (relay_url_parse(span_str(list.urls[i]), again, NULL) != ERR_OK)
			abort();
		(void)!relay_url_host(again, host, NULL);
	}
	relay_urls_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);

	check_label(text);
	check_host(text);
	check_urls(text);
	return 0;
}
