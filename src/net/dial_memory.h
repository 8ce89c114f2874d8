/*
 * A memory of where a host and port was reached last: for a few seconds, that is tried
 * first, and only if nobody answers there is the name asked for again. Of one host and
 * port, and of one loop; shared by whoever has a reference.
 */
#ifndef NET_DIAL_MEMORY_H
#define NET_DIAL_MEMORY_H

#include "net/addr.h"

/* After so long the name is asked for again even if all goes well. */
#define DIAL_MEMORY_MS 5000

struct dial_memory;

/* NULL: no memory. */
struct dial_memory *dial_memory_new(void);
struct dial_memory *dial_memory_ref(struct dial_memory *m); /* NULL stays NULL */
void dial_memory_unref(struct dial_memory *m);              /* NULL is fine */

/* False: nothing is known. */
bool dial_memory_get(const struct dial_memory *m, struct addr *out);

/* @at was found by asking, and answered. */
void dial_memory_set(struct dial_memory *m, const struct addr *at);

/* Who answers there may not be the one who was looked for. NULL is fine. */
void dial_memory_forget(struct dial_memory *m);

#endif
