/*
 * A meter is a stream over a stream. It counts bytes, and reports when its owner closes
 * it, so that a stream can be given away and its end still be known.
 */
#ifndef NET_METER_H
#define NET_METER_H

#include "net/stream.h"

struct meter;

struct meter_end {
	uint64_t read_bytes, written_bytes;
	/* ERR_OK: it was closed in order; else what broke it, or ERR_CLOSED */
	enum err rc;
};

struct meter_options {
	struct loop *loop;    /* borrowed: outlives the meter */
	struct stream *below; /* taken if meter_open() succeeds */
	/* From inside the call that closes the stream; the meter is gone after it. */
	void (*on_closed)(void *arg, const struct meter_end *end);
	void *arg;
};

enum err meter_open(const struct meter_options *o, struct meter **out) MUST_USE;

/* The stream to give away. */
struct stream *meter_stream(struct meter *m);

/* The bytes so far. */
struct meter_end meter_progress(const struct meter *m);

/* The peer's connection is reset now, which the stream's user sees;
 * on_closed is not called. */
void meter_cut(struct meter *m);

#endif
