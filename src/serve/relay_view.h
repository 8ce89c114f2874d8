/*
 * A view is what data workers know of the relay's settings: a snapshot that never
 * changes. The control worker makes a new one when something has changed, and mails it to
 * all.
 */
#ifndef SERVE_RELAY_VIEW_H
#define SERVE_RELAY_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>

#include "crypto/secp256k1.h"
#include "net/prefix.h"
#include "net/tls.h"

struct keyless;

struct relay_view {
	atomic_uint refs;
	struct tls_context *tls; /* a reference: for the API and the root host */
	struct keyless *keyless; /* a reference: signs for leases */
	struct prefix_set banned;
	struct prefix_set proxies; /* whose X-Forwarded-For is believed */
	uint32_t sign_per_s;
};

struct relay_view *relay_view_ref(struct relay_view *v);
void relay_view_unref(struct relay_view *v); /* NULL is fine */

#endif
