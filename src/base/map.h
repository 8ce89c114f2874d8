/*
 * A map finds objects by a key of bytes: a hash table that grows, of objects that embed a
 * node for each map they can be in. Several may have the same key.
 *
 * The hash has a random key, so that a remote peer that chooses the keys cannot make them
 * collide. A map never runs out of memory: without room for a larger table it gets
 * slower.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "base/span.h"

/* Zeroes: in no map. */
struct map_node {
	struct map_node *next;
	struct span key; /* borrowed: the object's, and const while it is in the map */
	uint64_t hash;
};

struct map {
	struct map_node **table; /* owned; NULL: only @small */
	struct map_node *small;
	size_t mask; /* the size of the table, a power of two, less one */
	size_t count;
	struct siphash_key hash_key;
};

void map_init(struct map *m);

/* The objects are the owner's: it may have freed them already. Zeroes are fine. */
void map_fini(struct map *m);

/* In front of others that have the same key. @node must not be in it. */
void map_add(struct map *m, struct map_node *node, struct span key);

/* False: it was not in it. */
bool map_remove(struct map *m, struct map_node *node);

/* The one that was added last of those with this key, or NULL. Changes nothing. */
struct map_node *map_find(const struct map *m, struct span key);

/* The one before it with the same key, or NULL. */
struct map_node *map_find_next(const struct map_node *node);

/* All of them, in no order; NULL: there are no more. */
struct map_node *map_first(const struct map *m);
struct map_node *map_next(const struct map *m, const struct map_node *node);

#define map_object(node, type, field) mem_container(node, type, field)

/* Walks all nodes; the current one may be removed, and freed. */
#define map_each(it, tmp, m) \
	for ((it) = map_first(m), (tmp) = NULL; \
		(it) != NULL && ((tmp) = map_next(m, it), true); (it) = (tmp))

#endif
