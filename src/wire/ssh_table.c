/* The channels of a connection by number. */
#include "wire/ssh_table.h"

#include <stdlib.h>

#include "wire/ssh.h"

#define WORD_BITS 64
#define FIRST_SLOTS 64

void ssh_table_fini(struct ssh_table *t)
{
	free(t->slots);
	free(t->used);
	*t = (struct ssh_table){ 0 };
}

static enum err table_grow(struct ssh_table *t)
{
	size_t cap = t->cap == 0 ? FIRST_SLOTS : t->cap * 2;
	struct ssh_channel **slots;
	uint64_t *used;

	if (cap > SSH_CHANNELS_MAX)
		return ERR_LIMIT;
	slots = realloc(t->slots, cap * sizeof(struct ssh_channel *));
	if (slots == NULL)
		return ERR_NOMEM;
	t->slots = slots;
	used = realloc(t->used, cap / 8);
	if (used == NULL)
		return ERR_NOMEM; /* the larger array of slots does no harm */
	t->used = used;
	memset(slots + t->cap, 0, (cap - t->cap) * sizeof(struct ssh_channel *));
	memset(used + t->cap / WORD_BITS, 0, (cap - t->cap) / 8);
	t->cap = cap;
	return ERR_OK;
}

enum err ssh_table_add(struct ssh_table *t, struct ssh_channel *ch, uint32_t *id)
{
	enum err rc;
	unsigned bit;

	while (t->first < t->cap / WORD_BITS && t->used[t->first] == UINT64_MAX)
		t->first++;
	if (t->first == t->cap / WORD_BITS) {
		rc = table_grow(t);
		if (rc != ERR_OK)
			return rc;
	}
	bit = (unsigned)__builtin_ctzll(~t->used[t->first]);
	t->used[t->first] |= UINT64_C(1) << bit;
	*id = (uint32_t)(t->first * WORD_BITS + bit);
	t->slots[*id] = ch;
	t->count++;
	return ERR_OK;
}

struct ssh_channel *ssh_table_find(const struct ssh_table *t, uint32_t id)
{
	return id < t->cap ? t->slots[id] : NULL;
}

void ssh_table_remove(struct ssh_table *t, uint32_t id)
{
	size_t word = id / WORD_BITS;

	t->slots[id] = NULL;
	t->used[word] &= ~(UINT64_C(1) << id % WORD_BITS);
	if (word < t->first)
		t->first = word;
	t->count--;
}
