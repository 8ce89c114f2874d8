/*
 * A private authority: the first byte says whether a certificate request, a certificate
 * that is presented, or a CA's certificate and key follow.
 */
#include <stdlib.h>

#include "crypto/authority.h"
#include "crypto/hostkey.h"

#define NOW 1900000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct authority *the_authority(void)
{
	static struct authority *a;

	if (a == NULL && authority_make("adit CA", NOW, &a, NULL) != ERR_OK)
		abort();
	return a;
}

static void check_why(enum err rc, const struct why *why)
{
	if (rc != ERR_OK && why->text[0] == '\0')
		abort();
}

static void check_identity(const struct authority_identity *of)
{
	if (of->name[0] == '\0' || strlen(of->name) > AUTHORITY_NAME_MAX ||
		strspn(of->serial, "0123456789ABCDEF") != strlen(of->serial))
		abort();
}

/* What is issued names the one that the order says, and is accepted. */
static void issue(struct span csr)
{
	const struct authority_order order = { .name = "agent:home",
		.now_s = NOW,
		.days = 1 };
	struct authority_identity of;
	struct authority_pair pair;
	struct why why = { "" };
	struct buf blob;
	enum err rc = authority_issue_csr(the_authority(), csr, &order, &pair, &why);

	check_why(rc, &why);
	if (rc != ERR_OK)
		return;
	if (authority_check(the_authority(), buf_span(&pair.cert), NOW, &of, NULL) !=
			ERR_OK ||
		strcmp(of.name, "agent:home") != 0 || pair.key.n > 0)
		abort();
	buf_init(&blob, HOSTKEY_BLOB_MAX);
	if (hostkey_put_certificate_blob(buf_span(&pair.cert), &blob) != ERR_OK)
		abort();
	buf_fini(&blob);
	authority_pair_wipe(&pair);
}

/* None that this CA has issued. */
static void check(struct span pem)
{
	struct authority_identity of;
	struct why why = { "" };
	enum err rc = authority_check(the_authority(), pem, NOW, &of, &why);

	check_why(rc, &why);
	if (rc == ERR_OK)
		abort();
	rc = authority_read(pem, &of, NULL);
	if (rc == ERR_OK)
		check_identity(&of);
}

static void load(struct span pem)
{
	struct authority *a;
	struct why why = { "" };
	enum err rc = authority_load(pem, pem, &a, &why);

	check_why(rc, &why);
	if (rc != ERR_OK)
		return;
	check_identity(authority_of(a));
	authority_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;

	if (size < 1)
		return 0;
	in = span_of(data + 1, size - 1);
	if (data[0] % 3 == 0)
		issue(in);
	else if (data[0] % 3 == 1)
		check(in);
	else
		load(in);
	return 0;
}
