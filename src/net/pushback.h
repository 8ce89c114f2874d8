/*
 * A pushback is a stream over a stream that is read from first bytes which were already
 * taken from the stream below, and then from that stream. Writes pass through.
 */
#ifndef NET_PUSHBACK_H
#define NET_PUSHBACK_H

#include "net/stream.h"

#define PUSHBACK_MAX 64 /* bytes */

/* @below is taken if the call succeeds; @first is copied. ERR_LIMIT, ERR_NOMEM. */
enum err pushback_open(struct loop *loop, struct stream *below, struct span first,
	struct stream **out) MUST_USE;

#endif
