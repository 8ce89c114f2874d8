/* Snapshots of settings. */
#include "serve/snapshot.h"

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	tls_context_free(s->tls);
	tls_contexts_unref(s->contexts);
	prefix_set_fini(&s->banned);
	prefix_set_fini(&s->proxies);
	s->free(s);
}
