/* A table of certificates by name. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/str.h"
#include "net/tls_certificate.h"
#include "text/names.h"

struct tls_name {
	struct map_node by_name;
	struct tls_certificate *certificate; /* a reference */
	char name[NAMES_HOST_MAX + 3];       /* canonical; may begin with "*." */
};

struct tls_names {
	pthread_rwlock_t lock;
	struct map names;
};

enum err tls_names_new(struct tls_names **out)
{
	struct tls_names *t = mem_new(t);

	if (t == NULL)
		return ERR_NOMEM;
	if (pthread_rwlock_init(&t->lock, NULL) != 0) {
		free(t);
		return ERR_NOMEM;
	}
	map_init(&t->names);
	*out = t;
	return ERR_OK;
}

static void name_free(struct tls_name *n)
{
	if (n != NULL)
		tls_certificate_unref(n->certificate);
	free(n);
}

void tls_names_free(struct tls_names *t)
{
	struct map_node *it, *tmp;

	if (t == NULL)
		return;
	map_each(it, tmp, &t->names) name_free(map_object(it, struct tls_name, by_name));
	map_fini(&t->names);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}

static struct tls_name *names_get(const struct tls_names *t, const char *name)
{
	struct map_node *node = map_find(&t->names, span_str(name));

	return node != NULL ? map_object(node, struct tls_name, by_name) : NULL;
}

enum err tls_names_set(struct tls_names *t, const char *name, struct tls_certificate *c)
{
	struct tls_name *next = NULL, *last;

	if (c != NULL) {
		next = mem_new(next);
		if (next == NULL || !str_copy(next->name, sizeof(next->name), name)) {
			free(next);
			return ERR_NOMEM;
		}
		next->certificate = tls_certificate_ref(c);
	}
	pthread_rwlock_wrlock(&t->lock);
	last = names_get(t, name);
	if (last != NULL)
		(void)map_remove(&t->names, &last->by_name);
	if (next != NULL)
		map_add(&t->names, &next->by_name, span_str(next->name));
	pthread_rwlock_unlock(&t->lock);
	name_free(last);
	return ERR_OK;
}

struct tls_certificate *tls_names_find(struct tls_names *t, const char *host)
{
	char pattern[NAMES_HOST_MAX + 3];
	const char *parent = strchr(host, '.');
	struct tls_certificate *found = NULL;
	struct tls_name *n;

	pthread_rwlock_rdlock(&t->lock);
	n = names_get(t, host);
	if (n == NULL && parent != NULL && strlen(parent) <= NAMES_HOST_MAX) {
		snprintf(pattern, sizeof(pattern), "*%s", parent);
		n = names_get(t, pattern);
	}
	if (n != NULL)
		found = tls_certificate_ref(n->certificate);
	pthread_rwlock_unlock(&t->lock);
	return found;
}

struct tls_certificate *tls_names_choose(void *arg, const struct tls_hello *hello)
{
	return tls_names_find(arg, hello->name);
}
