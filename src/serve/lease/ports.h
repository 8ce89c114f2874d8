/*
 * TCP ports for leases, out of a range. portal-protocol 10.
 *
 * A name gets the port that it had within the last five minutes; else the lowest port
 * that is free and that no other program listens on.
 */
#ifndef SERVE_LEASE_PORTS_H
#define SERVE_LEASE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PORTS_STICKY_MS (5 * 60 * 1000)

struct ports;

/* @host is borrowed: the address to listen on; NULL for all. The range has both its ends;
 * @min 0: there are no ports. */
enum err ports_new(const char *host, uint16_t min, uint16_t max,
	struct ports **out) MUST_USE;
void ports_free(struct ports *p); /* NULL is fine */

/*
 * @fd listens there, and is the caller's.
 * ERR_NOENT: no port is free.  ERR_NOMEM.  ERR_SYS.
 */
enum err ports_take(struct ports *p, const char *name, uint64_t now_ms, uint16_t *port,
	int *fd, struct why *why) MUST_USE;

/* Keeps @port for @name for a while, unless it is in use or kept for another name. */
void ports_remember(struct ports *p, const char *name, uint16_t port, uint64_t now_ms);

/* It is free; if @is_kept, it is kept for its name for a while. */
void ports_release(struct ports *p, uint16_t port, bool is_kept, uint64_t now_ms);

#endif
