/* Untrusted input of policy: parts of paths, and admin_settings.json. */
#include <stdlib.h>

#include "relay/admin.h"
#include "relay/policy_import.h"
#include "tunnel/portal/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err on_rule(void *arg, const char *key, enum policy_rule rule, uint64_t value)
{
	(void)arg;
	if (strchr(key, ':') == NULL || value > (rule == POLICY_RATE ? INT64_MAX : 1))
		abort();
	return ERR_OK;
}

static enum err on_ban(void *arg, const struct prefix *prefix)
{
	(void)arg;
	if (prefix->bits > 128)
		abort();
	return ERR_OK;
}

static void check_path(struct span text)
{
	const uint8_t *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
	size_t n = slash != NULL ? (size_t)(slash - text.p) : text.n;
	struct api_call call = {
		.parts = { span_of(text.p, n), span_of(text.p + n, text.n - n) },
		.envelope = &relay_envelope,
	};
	char key[IDENTITY_KEY_SIZE], plain[64];

	buf_init(&call.answer, 4096);
	if (slash != NULL)
		call.parts[1] = span_of(slash + 1, text.n - n - 1);
	for (enum api_part part = API_PATH; part <= API_QUERY; part++)
		if (api_decode(call.parts[0], part, plain, sizeof(plain)) &&
			strlen(plain) > call.parts[0].n)
			abort();
	if (!admin_parse_identity(&call, key) && call.answer.n == 0)
		abort();
	buf_fini(&call.answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy_importer importer = {
		.on_rule = on_rule,
		.on_ban = on_ban,
	};
	struct policy_settings settings = { .is_manual = false };
	struct why why = { "" };

	if (policy_import_parse(span_of(data, size), &settings, &importer, &why) !=
			ERR_OK &&
		why.text[0] == '\0')
		abort();
	check_path(span_of(data, size));
	return 0;
}
