/*
 * TCP ports for leases, out of a range. portal-protocol 10.
 *
 * A name gets the port that it had within the last five minutes; else the lowest that is
 * free, or the next one when another program on this machine has it.
 */
#ifndef SERVE_LEASE_PORTS_H
#define SERVE_LEASE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PORTS_STICKY_MS (5 * 60 * 1000)

struct ports;

/* @host is borrowed: where to listen, NULL for all interfaces. Both ends of the range are
 * in it; without any it is 0. */
enum err ports_new(const char *host, uint16_t min, uint16_t max,
	struct ports **out) MUST_USE;
void ports_free(struct ports *p); /* NULL is fine */

/*
 * @fd listens there, and is the caller's.
 * ERR_NOENT: no port is free.  ERR_NOMEM.  ERR_SYS: the kernel lets us listen nowhere.
 */
enum err ports_take(struct ports *p, const char *name, uint64_t now_ms, uint16_t *port,
	int *fd, struct why *why) MUST_USE;

/* @name has a claim to @port for a while, as if it had had it, unless another name has
 * one. */
void ports_remember(struct ports *p, const char *name, uint16_t port, uint64_t now_ms);

/* It is free; if @is_kept, its name has a claim to it for a while. */
void ports_release(struct ports *p, uint16_t port, bool is_kept, uint64_t now_ms);

#endif
