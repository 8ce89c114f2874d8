/* A map finds objects by a key. */
#include "base/map.h"

#include <stdlib.h>

#define MAP_SIZE_MIN 16

void map_init(struct map *m)
{
	*m = (struct map){ .count = 0 };
	siphash_key_make(&m->hash_key);
}

void map_fini(struct map *m)
{
	free(m->table);
	*m = (struct map){ .count = 0 };
}

static struct map_node **map_bucket(const struct map *m, uint64_t hash)
{
	return m->table != NULL ? &m->table[hash & m->mask] :
				  (struct map_node **)&m->small;
}

/* Nodes keep their order, so that the newest of a key stays the first. */
static void map_grow(struct map *m)
{
	size_t size = m->table != NULL ? 2 * (m->mask + 1) : MAP_SIZE_MIN;
	struct map_node **table = calloc(size, sizeof(struct map_node *));
	struct map_node *node, *next, **end;

	if (table == NULL)
		return;
	for (size_t i = 0; i <= m->mask; i++) {
		for (node = *map_bucket(m, i); node != NULL; node = next) {
			next = node->next;
			end = &table[node->hash & (size - 1)];
			while (*end != NULL)
				end = &(*end)->next;
			node->next = NULL;
			*end = node;
		}
	}
	free(m->table);
	m->table = table;
	m->small = NULL;
	m->mask = size - 1;
}

void map_add(struct map *m, struct map_node *node, struct span key)
{
	struct map_node **bucket;

	if (m->count > m->mask)
		map_grow(m);
	node->key = key;
	node->hash = siphash(&m->hash_key, key);
	bucket = map_bucket(m, node->hash);
	node->next = *bucket;
	*bucket = node;
	m->count++;
}

bool map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at = map_bucket(m, node->hash);

	while (*at != NULL && *at != node)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = node->next;
	*node = (struct map_node){ .next = NULL };
	m->count--;
	return true;
}

static struct map_node *map_same(struct map_node *node, uint64_t hash, struct span key)
{
	while (node != NULL && (node->hash != hash || !span_eq(node->key, key)))
		node = node->next;
	return node;
}

struct map_node *map_find(const struct map *m, struct span key)
{
	uint64_t hash;

	if (m->count == 0)
		return NULL;
	hash = siphash(&m->hash_key, key);
	return map_same(*map_bucket(m, hash), hash, key);
}

struct map_node *map_find_next(const struct map_node *node)
{
	return map_same(node->next, node->hash, node->key);
}

static struct map_node *map_from(const struct map *m, size_t i)
{
	while (i <= m->mask && *map_bucket(m, i) == NULL)
		i++;
	return i <= m->mask ? *map_bucket(m, i) : NULL;
}

struct map_node *map_first(const struct map *m)
{
	return map_from(m, 0);
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
	return node->next != NULL ? node->next : map_from(m, (node->hash & m->mask) + 1);
}
