/*
 * TLS contexts by server name: an exact name, "*.suffix" for one label more, or "*" for
 * all that have no other. A set of names is counted, and const once it is shared: a
 * change is a copy, which takes its place in the next snapshot. Connections keep the
 * context that they have begun with.
 */
#ifndef SERVE_TLS_CONTEXTS_H
#define SERVE_TLS_CONTEXTS_H

#include "net/tls.h"
#include "text/names.h"

#define TLS_CONTEXTS_MAX 100000

struct tls_contexts;

/* ---- while the caller alone has it ---- */

/* An empty one, or a copy of @of unless that is NULL. */
enum err tls_contexts_new(const struct tls_contexts *of,
	struct tls_contexts **out) MUST_USE;

/*
 * From now on @name, in canonical form, has @tls, in the place of what it had before. A
 * reference is taken.  ERR_SYNTAX: a name that is empty or too long, or has a "*"
 * anywhere but in front of a suffix of two labels.  ERR_LIMIT: there are too many.
 * ERR_NOMEM.
 */
enum err tls_contexts_put(struct tls_contexts *n, const char *name,
	struct tls_context *tls) MUST_USE;

/* False: it was not there. */
bool tls_contexts_remove(struct tls_contexts *n, const char *name);

/* ---- any thread ---- */

struct tls_contexts *tls_contexts_ref(struct tls_contexts *n);
void tls_contexts_unref(struct tls_contexts *n); /* NULL is fine */

/*
 * The context for @host, which is in canonical form: that of the name itself, else that
 * of its wildcard, else that of all. NULL: there is none, or @n is NULL. Borrowed: good
 * as long as the caller's reference to @n.
 */
struct tls_context *tls_contexts_find(const struct tls_contexts *n, const char *host);

size_t tls_contexts_count(const struct tls_contexts *n);

#endif
