/* A memory of where somebody was reached last. */
#include "net/dial_memory.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

struct dial_memory {
	unsigned refs;
	struct addr at;
	uint64_t until_ms; /* 0: nothing is known */
};

struct dial_memory *dial_memory_new(void)
{
	struct dial_memory *m = mem_new(m);

	if (m != NULL)
		m->refs = 1;
	return m;
}

struct dial_memory *dial_memory_ref(struct dial_memory *m)
{
	if (m != NULL)
		m->refs++;
	return m;
}

void dial_memory_unref(struct dial_memory *m)
{
	if (m != NULL && --m->refs == 0)
		free(m);
}

bool dial_memory_get(const struct dial_memory *m, struct addr *out)
{
	if (clock_now_ms() >= m->until_ms)
		return false;
	*out = m->at;
	return true;
}

void dial_memory_set(struct dial_memory *m, const struct addr *at)
{
	m->at = *at;
	m->until_ms = clock_now_ms() + DIAL_MEMORY_MS;
}

void dial_memory_forget(struct dial_memory *m)
{
	if (m != NULL)
		m->until_ms = 0;
}
