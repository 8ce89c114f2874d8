/* What strangers and other programs tell policy:
 * pieces of paths, and admin_settings.json. */
#include <stdlib.h>

#include "relay/admin.h"
#include "relay/policy_import.h"
#include "tunnel/portal/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err on_mark(void *arg, const char *key, enum policy_mark mark)
{
	(void)arg;
	if (strchr(key, ':') == NULL || mark > POLICY_BANNED)
		abort();
	return ERR_OK;
}

static enum err on_rate(void *arg, const char *key, uint64_t bytes_per_s)
{
	if (bytes_per_s > INT64_MAX)
		abort();
	return on_mark(arg, key, POLICY_BANNED);
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
	struct span parts[2] = { span_of(text.p, n), span_of(text.p + n, text.n - n) };
	char key[IDENTITY_KEY_SIZE], plain[64];
	enum message_error error;
	const char *words = NULL;

	if (slash != NULL)
		parts[1] = span_of(slash + 1, text.n - n - 1);
	for (enum api_part part = API_PATH; part <= API_QUERY; part++)
		if (api_decode(parts[0], part, plain, sizeof(plain)) &&
			strlen(plain) > parts[0].n)
			abort();
	if (!admin_parse_identity(parts, key, sizeof(key), &error, &words) &&
		words == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy_importer importer = {
		.on_mark = on_mark,
		.on_rate = on_rate,
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
