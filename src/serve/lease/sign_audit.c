/* Signatures that are not in the audit yet, by identity. */
#include "serve/lease/sign_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "store/audit.h"

#define ACTOR "adit"
#define OTHERS "other identities"

struct sign_count {
	struct map_node by_key;
	struct list in_all; /* in the order of their first signature */
	uint64_t count;
	char key[];
};

struct sign_audit {
	struct map counts; /* struct sign_count, by identity */
	struct list all;
	uint64_t others; /* signatures of identities without a count of their own */
};

enum err sign_audit_new(struct sign_audit **out)
{
	struct sign_audit *a = mem_new(a);

	if (a == NULL)
		return ERR_NOMEM;
	map_init(&a->counts);
	list_init(&a->all);
	*out = a;
	return ERR_OK;
}

static void clear(struct sign_audit *a)
{
	struct sign_count *c;

	while ((c = list_first(&a->all, struct sign_count, in_all)) != NULL) {
		map_remove(&a->counts, &c->by_key);
		list_remove(&c->in_all);
		free(c);
	}
	a->others = 0;
}

void sign_audit_free(struct sign_audit *a)
{
	if (a == NULL)
		return;
	clear(a);
	map_fini(&a->counts);
	free(a);
}

/* NULL: there is no room. */
static struct sign_count *count_obtain(struct sign_audit *a, const char *key)
{
	struct map_node *node = map_find(&a->counts, span_str(key));
	size_t n = strlen(key) + 1;
	struct sign_count *c;

	if (node != NULL)
		return map_object(node, struct sign_count, by_key);
	if (a->counts.count >= SIGN_AUDIT_IDENTITIES)
		return NULL;
	c = calloc(1, sizeof(*c) + n);
	if (c == NULL)
		return NULL;
	memcpy(c->key, key, n);
	map_add(&a->counts, &c->by_key, span_str(c->key));
	list_add(&a->all, &c->in_all);
	return c;
}

void sign_audit_add(struct sign_audit *a, const char *identity_key, uint64_t count)
{
	struct sign_count *c = count > 0 ? count_obtain(a, identity_key) : NULL;

	*(c != NULL ? &c->count : &a->others) += count;
}

static enum err put_row(struct store *s, uint64_t count, const char *about,
	struct why *why)
{
	char what[64];
	const struct audit_row row = {
		.at_ms = clock_wall_ms(),
		.kind = AUDIT_SIGNATURES,
		.who = ACTOR,
		.what = what,
		.about = about,
	};

	snprintf(what, sizeof(what), "signed %llu handshake%s", (unsigned long long)count,
		count == 1 ? "" : "s");
	return audit_add(s, &row, why);
}

static enum err put_rows(struct sign_audit *a, struct store *s, struct why *why)
{
	struct list *it, *tmp;
	enum err rc = ERR_OK;

	list_each(it, tmp, &a->all) {
		const struct sign_count *c = list_object(it, struct sign_count, in_all);

		if (rc == ERR_OK)
			rc = put_row(s, c->count, c->key, why);
	}
	if (rc == ERR_OK && a->others > 0)
		rc = put_row(s, a->others, OTHERS, why);
	return rc == ERR_OK ? audit_trim(s, AUDIT_SIGNATURES, AUDIT_MAX, why) : rc;
}

enum err sign_audit_flush(struct sign_audit *a, struct store *s, struct why *why)
{
	enum err rc;

	if (a->counts.count == 0 && a->others == 0)
		return ERR_OK;
	rc = store_begin(s, false, why);
	if (rc == ERR_OK)
		rc = store_end(s, put_rows(a, s, why), why);
	if (rc == ERR_OK)
		clear(a);
	return rc;
}
