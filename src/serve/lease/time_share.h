/*
 * A share of a thread's time for one kind of work: half of it. Endless requests for that
 * work leave the other half for all other work.
 */
#ifndef SERVE_LEASE_TIME_SHARE_H
#define SERVE_LEASE_TIME_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_SHARE_BURST_US 1000000 /* half of it is for the work */

/* Begins as zeroes. */
struct time_share {
	uint64_t due_us; /* when the time spent will be half of all time */
};

/* Is work allowed now? */
bool time_share_has_room(const struct time_share *s, uint64_t now_us);

/* The time until work is allowed; 0: it is. */
uint64_t time_share_wait_us(const struct time_share *s, uint64_t now_us);

/* The work has taken @spent_us. */
void time_share_spend(struct time_share *s, uint64_t now_us, uint64_t spent_us);

#endif
