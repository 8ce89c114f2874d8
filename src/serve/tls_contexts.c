/* TLS contexts by server name. */
#include "serve/tls_contexts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"

#define ALL "*"

struct tls_name {
	struct map_node by_name;
	struct tls_context *tls; /* a reference */
	char name[];
};

struct tls_contexts {
	atomic_uint refs;
	struct map names;
	size_t wildcards;
};

static bool is_wildcard(const char *name)
{
	return name[0] == '*';
}

static bool name_is_good(const char *name)
{
	const char *rest = is_wildcard(name) ? name + 1 : name;

	if (strcmp(name, ALL) == 0)
		return true;
	if (*rest == '\0' || strlen(name) > NAMES_HOST_MAX || strchr(rest, '*') != NULL)
		return false;
	return rest == name || (rest[0] == '.' && strchr(rest + 1, '.') != NULL);
}

static struct tls_name *name_find(const struct tls_contexts *n, const char *name)
{
	struct map_node *node = map_find(&n->names, span_str(name));

	return node != NULL ? map_object(node, struct tls_name, by_name) : NULL;
}

static void name_free(struct tls_name *name)
{
	tls_context_free(name->tls);
	free(name);
}

enum err tls_contexts_put(struct tls_contexts *n, const char *name,
	struct tls_context *tls)
{
	struct tls_name *made = name_find(n, name);
	size_t size = strlen(name) + 1;

	if (made != NULL) {
		tls_context_ref(tls);
		tls_context_free(made->tls);
		made->tls = tls;
		return ERR_OK;
	}
	if (!name_is_good(name))
		return ERR_SYNTAX;
	if (n->names.count >= TLS_CONTEXTS_MAX)
		return ERR_LIMIT;
	made = calloc(1, sizeof(*made) + size);
	if (made == NULL)
		return ERR_NOMEM;
	memcpy(made->name, name, size);
	made->tls = tls_context_ref(tls);
	map_add(&n->names, &made->by_name, span_str(made->name));
	n->wildcards += is_wildcard(name);
	return ERR_OK;
}

bool tls_contexts_remove(struct tls_contexts *n, const char *name)
{
	struct tls_name *old = name_find(n, name);

	if (old == NULL)
		return false;
	n->wildcards -= is_wildcard(name);
	map_remove(&n->names, &old->by_name);
	name_free(old);
	return true;
}

enum err tls_contexts_new(const struct tls_contexts *of, struct tls_contexts **out)
{
	struct tls_contexts *n = mem_new(n);
	struct map_node *it, *tmp;
	enum err rc = ERR_OK;

	if (n == NULL)
		return ERR_NOMEM;
	atomic_init(&n->refs, 1);
	map_init(&n->names);
	if (of != NULL) {
		map_each(it, tmp, &of->names)
		{
			struct tls_name *name = map_object(it, struct tls_name, by_name);

			if (rc == ERR_OK)
				rc = tls_contexts_put(n, name->name, name->tls);
		}
	}
	if (rc != ERR_OK) {
		tls_contexts_unref(n);
		return rc;
	}
	*out = n;
	return ERR_OK;
}

struct tls_contexts *tls_contexts_ref(struct tls_contexts *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

void tls_contexts_unref(struct tls_contexts *n)
{
	struct map_node *it, *tmp;

	if (n == NULL || atomic_fetch_sub(&n->refs, 1) > 1)
		return;
	map_each(it, tmp, &n->names) name_free(map_object(it, struct tls_name, by_name));
	map_fini(&n->names);
	free(n);
}

struct tls_context *tls_contexts_find(const struct tls_contexts *n, const char *host)
{
	char wildcard[NAMES_HOST_MAX + 2] = "*";
	const char *dot = strchr(host, '.');
	struct tls_name *name;

	if (n == NULL || is_wildcard(host))
		return NULL;
	name = name_find(n, host);
	if (name == NULL && n->wildcards > 0 && dot != NULL && dot != host &&
		str_copy(wildcard + 1, sizeof(wildcard) - 1, dot)) {
		name = name_find(n, wildcard);
	}
	if (name == NULL && n->wildcards > 0)
		name = name_find(n, ALL);
	return name != NULL ? name->tls : NULL;
}

size_t tls_contexts_count(const struct tls_contexts *n)
{
	return n->names.count;
}
