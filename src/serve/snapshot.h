/*
 * What data workers know of the settings: a snapshot that never changes. The control
 * worker makes a new one when something has changed, and mails it to all.
 */
#ifndef SERVE_SNAPSHOT_H
#define SERVE_SNAPSHOT_H

#include <stdatomic.h>

#include "net/prefix.h"
#include "net/tls.h"
#include "serve/tls_contexts.h"

/* A service embeds it first in its own. */
struct snapshot {
	atomic_uint refs;
	void (*free)(struct snapshot *s); /* frees the service's part, and all of it */
	struct tls_context *tls; /* a reference: for the own host; NULL: plain HTTP */
	struct tls_contexts
		*contexts; /* a reference: for other names that are served here, or
				  * NULL */
	struct prefix_set banned;
	struct prefix_set proxies; /* their X-Forwarded-For is trusted */
};

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */

#endif
