/* Key files, and a server's key and signature: the first byte says which. */
#include <stdlib.h>

#include "crypto/hostkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_file(struct span text)
{
	char sha256[HOSTKEY_SHA256_CHARS + 1];
	struct hostkey *key;
	struct why why = { "" };
	struct buf ck;
	enum err rc = hostkey_parse(text, &key, &why);

	if (rc != ERR_OK && why.text[0] == '\0')
		abort(); /* somebody must be told */
	if (rc != ERR_OK)
		return;
	hostkey_sha256(hostkey_blob(key), sha256);
	if (strlen(sha256) != HOSTKEY_SHA256_CHARS)
		abort();
	buf_init(&ck, 1000);
	rc = hostkey_print(key, &ck);
	if (rc != ERR_OK && rc != ERR_USAGE)
		abort();
	buf_fini(&ck);
	hostkey_free(key);
}

/* Two bytes of length, the blob, the signature. */
static void verify(struct span in, const char *algorithm)
{
	struct span blob;
	uint16_t n;

	if (!span_u16(&in, &n) || !span_cut(&in, n, &blob))
		return;
	if (hostkey_verify(blob, algorithm, span_str("data"), in) == ERR_AGAIN)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const algorithms[] = { "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519",
		"rsa-sha2-256", "rsa-sha2-512" };
	struct span in;

	if (size < 1)
		return 0;
	in = span_of(data + 1, size - 1);
	if (data[0] >= '0' && data[0] <= '5')
		verify(in, algorithms[data[0] - '0']);
	else
		parse_file(in);
	return 0;
}
