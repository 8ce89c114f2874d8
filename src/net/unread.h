/*
 * A stream with bytes put back in front: somebody has looked at what came first, and it
 * is for another. What goes the other way, and all that follows, passes through.
 */
#ifndef NET_UNREAD_H
#define NET_UNREAD_H

#include "net/stream.h"

#define UNREAD_MAX 64 /* bytes */

/* @below is taken if the call succeeds; @first is copied. ERR_LIMIT, ERR_NOMEM. */
enum err unread_open(struct loop *loop, struct stream *below, struct span first,
	struct stream **out) MUST_USE;

#endif
