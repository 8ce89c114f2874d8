/*
 * Answers of an ACME server: the first byte says which. What was read owns only what
 * field_fini() frees, also after an error, and a token that is used is safe in a path. A
 * chain is read behind a key that is always the same.
 */
#include <stdlib.h>
#include <string.h>

#include "acme/message.h"
#include "acme/pair.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_problem(struct span text)
{
	struct acme_problem p;
	const char *name;

	if (!acme_read_problem(text, &p))
		return;
	if (acme_problem_kind(&p) == ACME_PROBLEM_NONE ||
		acme_problem_detail(&p, &name) == NULL)
		abort();
	field_fini(&acme_problem_fields, &p);
}

static void run_authorization(struct span text)
{
	static const enum acme_challenge_kind kinds[] = { ACME_HTTP_01, ACME_TLS_ALPN_01,
		ACME_DNS_01 };
	struct acme_authorization a;
	struct why why;
	char authorization[ACME_KEY_AUTHORIZATION_MAX];
	bool ok = acme_read_authorization(text, &a, &why) == ERR_OK;

	for (size_t i = 0; ok && i < mem_count(kinds); i++) {
		const struct acme_challenge *c = acme_find_challenge(&a, kinds[i]);

		if (c == NULL)
			continue;
		if (c->url == NULL || strpbrk(c->token, "/.\r\n ") != NULL)
			abort();
		acme_key_authorization(c->token, "thumbprint", authorization);
	}
	if (ok)
		(void)acme_find_failure(&a);
	field_fini(&acme_authorization_fields, &a);
}

/* The key of RFC 7515 A.3. */
static const char key_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
	"-----END PRIVATE KEY-----\n";

static void run_chain(struct span chain)
{
	struct acme_pair pair, again;
	struct buf text;
	struct why why;

	buf_init(&text, ACME_PAIR_MAX);
	buf_put_str(&text, key_pem);
	if (buf_put_span(&text, chain) == ERR_OK &&
		acme_pair_read(buf_span(&text), "a.example", &pair, &why) == ERR_OK) {
		buf_reset(&text);
		if (acme_pair_put(&pair, &text) != ERR_OK ||
			acme_pair_read(buf_span(&text), "a.example", &again, &why) !=
				ERR_OK ||
			!span_eq(buf_span(&pair.chain), buf_span(&again.chain)))
			abort();
		acme_pair_wipe(&again);
		acme_pair_wipe(&pair);
	}
	buf_wipe(&text);
}

static void run_others(uint8_t which, struct span text)
{
	struct acme_directory d;
	struct acme_order_object o;
	struct acme_renewal_info r;
	struct why why;

	switch (which % 4) {
	case 0:
		if (acme_read_directory(text, &d, &why) == ERR_OK && d.new_order == NULL)
			abort();
		field_fini(&acme_directory_fields, &d);
		break;
	case 1:
		if (acme_read_order(text, &o, &why) == ERR_OK &&
			(o.authorizations.n == 0 || o.authorizations.n > ACME_NAMES_MAX))
			abort();
		field_fini(&acme_order_fields, &o);
		break;
	case 2:
		if (acme_read_renewal_info(text, &r, &why) == ERR_OK &&
			r.window.end.s < r.window.start.s)
			abort();
		field_fini(&acme_renewal_info_fields, &r);
		break;
	default:
		if (acme_read_retry_after(text, 1780315200) > 24 * 3600 * 1000)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text;

	if (size < 1)
		return 0;
	text = span_of(data + 1, size - 1);
	if (data[0] % 8 == 0)
		run_problem(text);
	else if (data[0] % 8 == 1)
		run_authorization(text);
	else if (data[0] % 8 == 3)
		run_chain(text);
	else
		run_others((uint8_t)(data[0] / 8), text);
	return 0;
}
