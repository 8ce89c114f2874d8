/*
 * PKCS#12 files. The first byte says whether a file follows, or the content of one: the
 * fuzzer cannot make a MAC, so that is made here, and what lies behind it is reached.
 */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "base/mem.h"
#include "crypto/p12.h"

#define PASSWORD "fuzz"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tag and a length of three bytes. */
static void put_head(struct buf *b, uint8_t tag, size_t n)
{
	const uint8_t head[] = { tag, 0x83, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
		(uint8_t)n };

	(void)buf_put(b, head, sizeof(head));
}

/* A file without a MAC, whose authenticated safe is @content. */
static void wrap(struct span content, struct buf *out)
{
	static const uint8_t version[] = { 2, 1, 3 };
	static const uint8_t data_type[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1,
		7, 1 };

	put_head(out, 0x30, sizeof(version) + sizeof(data_type) + 15 + content.n);
	(void)buf_put(out, version, sizeof(version));
	put_head(out, 0x30, sizeof(data_type) + 10 + content.n);
	(void)buf_put(out, data_type, sizeof(data_type));
	put_head(out, 0xa0, 5 + content.n);
	put_head(out, 0x04, content.n);
	(void)buf_put_span(out, content);
}

static void add_mac(struct buf *b)
{
	uint8_t salt[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, *der = NULL;
	const uint8_t *p = buf_front(b);
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)b->n);
	int n;

	if (p12 == NULL ||
		PKCS12_set_mac(p12, PASSWORD, -1, salt, sizeof(salt), 1, EVP_sha1()) != 1)
		abort(); /* the wrapping is wrong */
	n = i2d_PKCS12(p12, &der);
	buf_consume(b, b->n);
	(void)buf_put(b, der, (size_t)n);
	OPENSSL_free(der);
	PKCS12_free(p12);
}

static void read(struct span file)
{
	struct why why = { "" };
	struct p12 got;
	enum err rc = p12_read(file, PASSWORD, &got, &why);

	if (rc != ERR_OK && why.text[0] == '\0')
		abort();
	if (ERR_peek_error() != 0)
		abort();
	if (rc != ERR_OK)
		return;
	if (got.cert.n == 0 || got.key.n == 0)
		abort();
	p12_wipe(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file;

	if (size < 2 || size > 8192)
		return 0;
	if (data[0] % 2 == 0) {
		read(span_of(data + 1, size - 1));
		return 0;
	}
	buf_init(&file, 2 * P12_FILE_MAX);
	wrap(span_of(data + 1, size - 1), &file);
	add_mac(&file);
	read(buf_span(&file));
	buf_wipe(&file);
	return 0;
}
