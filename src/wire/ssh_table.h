/*
 * The channels of a connection by our number for them. A new one gets the lowest free
 * number, as Chisel's do, so that numbers stay small and the table as large as it must
 * be.
 */
#ifndef WIRE_SSH_TABLE_H
#define WIRE_SSH_TABLE_H

#include "base/err.h"
#include "base/span.h"

struct ssh_channel;

/* Zeroed, it is empty. */
struct ssh_table {
	struct ssh_channel **slots; /* the table owns the array, not the channels */
	uint64_t *used;             /* a bit for each slot */
	size_t cap;                 /* slots, a multiple of 64 */
	size_t first;               /* words of @used before this one are full */
	size_t count;
};

void ssh_table_fini(struct ssh_table *t);

/* ERR_LIMIT: there are SSH_CHANNELS_MAX. */
enum err ssh_table_add(struct ssh_table *t, struct ssh_channel *ch,
	uint32_t *id) MUST_USE;

/* NULL if there is none. */
struct ssh_channel *ssh_table_find(const struct ssh_table *t, uint32_t id);

/* @id is in the table; it is free from now on. */
void ssh_table_remove(struct ssh_table *t, uint32_t id);

#endif
