/* Access tokens that were found good lately. */
#include "tunnel/portal/access_cache.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/mem.h"

struct access_entry {
	int64_t issued_at_s, expires_at_s;
	struct access_holder holder;
	size_t n;
	uint8_t text[]; /* secret */
};

static void entry_free(struct access_entry *e)
{
	if (e != NULL)
		mem_free_secret(e, sizeof(*e) + e->n);
}

void access_cache_fini(struct access_cache *cache)
{
	for (size_t i = 0; i < ACCESS_CACHE_PLACES; i++)
		entry_free(cache->places[i]);
	memset(cache, 0, sizeof(*cache));
}

/* By its end: that is a signature, and nobody but us makes one that gets in here. */
static struct access_entry **cache_place(struct access_cache *cache, struct span text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = text.n > 16 ? text.n - 16 : 0; i < text.n; i++)
		hash = (hash ^ text.p[i]) * 16777619u;
	return &cache->places[hash & (ACCESS_CACHE_PLACES - 1)];
}

static bool entry_is(const struct access_entry *e, struct span text)
{
	return e != NULL && e->n == text.n && CRYPTO_memcmp(e->text, text.p, text.n) == 0;
}

/* Without memory for it, it is verified again the next time. */
static void cache_keep(struct access_entry **place, struct span text,
	const struct access_token *token, const struct access_holder *holder)
{
	struct access_entry *e = malloc(sizeof(*e) + text.n);

	if (e == NULL)
		return;
	e->issued_at_s = token->issued_at_s;
	e->expires_at_s = token->expires_at_s;
	e->holder = *holder;
	e->n = text.n;
	memcpy(e->text, text.p, text.n);
	entry_free(*place);
	*place = e;
}

enum err access_cache_verify(struct access_cache *cache, struct span text,
	const struct access_check *check, struct access_holder *holder, struct why *why)
{
	struct access_entry **place = cache_place(cache, text);
	struct access_token token;
	enum err rc;

	if (entry_is(*place, text) && check->now_s >= (*place)->issued_at_s &&
		check->now_s <= (*place)->expires_at_s) {
		*holder = (*place)->holder;
		return ERR_OK;
	}
	rc = access_token_verify(text, check, &token, why);
	if (rc != ERR_OK)
		return rc;
	memset(holder, 0, sizeof(*holder));
	identity_key_print(token.name, token.address, holder->identity_key);
	holder->registration = token.registration;
	cache_keep(place, text, &token, holder);
	return ERR_OK;
}
