/*
 * A throttle bounds how fast bytes pass, as a filter: a stream over a stream. All
 * throttles of a bucket share its rate, in both directions together, after a burst of one
 * second's.
 *
 * Excess bytes stay unread, so that back-pressure reaches the sender. Waiting streams are
 * served round robin: each turn is a tenth of a second's bytes, at most 64 KiB.
 * portal-protocol 16.4.
 */
#ifndef NET_THROTTLE_H
#define NET_THROTTLE_H

#include "net/stream.h"

/* Of one worker; shared by its throttles and other holders of a reference. */
struct throttle_bucket;

/* @bytes_per_s of 0 is no limit. The caller has a reference. */
enum err throttle_bucket_new(struct loop *loop, uint64_t bytes_per_s,
	struct throttle_bucket **out) MUST_USE;
struct throttle_bucket *throttle_bucket_ref(struct throttle_bucket *b);
void throttle_bucket_unref(struct throttle_bucket *b); /* NULL is fine */

/* At once, also for open streams. */
void throttle_bucket_set_rate(struct throttle_bucket *b, uint64_t bytes_per_s);

struct throttle_options {
	struct throttle_bucket *bucket; /* a reference is taken */
	struct stream *below;           /* taken if the call succeeds */

	/* So many bytes have been read from, or written to, the stream below.
	 * May be NULL. */
	void (*on_moved)(void *arg, bool is_read, size_t n);
	void *arg;
};

enum err throttle_open(const struct throttle_options *o, struct stream **out) MUST_USE;

#endif
