/* Views. */
#include "serve/relay_view.h"

#include <stdlib.h>

#include "serve/lease/keyless.h"

struct relay_view *relay_view_ref(struct relay_view *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

void relay_view_unref(struct relay_view *v)
{
	if (v == NULL || atomic_fetch_sub(&v->refs, 1) > 1)
		return;
	tls_context_free(v->tls);
	keyless_unref(v->keyless);
	prefix_set_fini(&v->banned);
	prefix_set_fini(&v->proxies);
	free(v);
}
