/* Sign-in texts, addresses and signatures: what is printed is read as the same. */
#include <stdlib.h>

#include "tunnel/portal/siwe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct siwe *m, struct buf *out)
{
	buf_init(out, 2 * SIWE_TEXT_MAX);
	if (siwe_print(m, out) != ERR_OK)
		abort();
}

static void check_text(struct span text)
{
	struct siwe m, again;
	struct buf first, second;
	struct why why = { "" };
	enum err rc = siwe_parse(text, &m, &why);

	if (rc != ERR_OK && why.text[0] == '\0')
		abort();
	if (rc != ERR_OK)
		return;
	print(&m, &first);
	if (first.n <= SIWE_TEXT_MAX) {
		if (siwe_parse(buf_span(&first), &again, NULL) != ERR_OK)
			abort();
		print(&again, &second);
		if (!span_eq(buf_span(&first), buf_span(&second)))
			abort();
		buf_fini(&second);
	}
	buf_fini(&first);
}

static void check_address(struct span text)
{
	char address[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];

	if (address_parse(text, address) != ERR_OK)
		return;
	if (address_parse(span_str(address), again) != ERR_OK ||
		strcmp(address, again) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	char signer[ADDRESS_TEXT_SIZE];

	check_text(text);
	check_address(text);
	(void)!siwe_recover(span_str("text"), text, signer);
	return 0;
}
