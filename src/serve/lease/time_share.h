/*
 * A share of a thread's time for one kind of work: half of it, so that endless requests
 * for that work leave as much for all the rest.
 */
#ifndef SERVE_LEASE_TIME_SHARE_H
#define SERVE_LEASE_TIME_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_SHARE_BURST_US 1000000 /* of which half is work */

/* All zeroes is one that has spent nothing. */
struct time_share {
	uint64_t due_us; /* when all that was spent will have been half of the time */
};

/* May more be done now? */
bool time_share_has_room(const struct time_share *s, uint64_t now_us);

/* How long until more may be done; 0: it may be now. */
uint64_t time_share_wait_us(const struct time_share *s, uint64_t now_us);

/* It has taken @spent_us. */
void time_share_spend(struct time_share *s, uint64_t now_us, uint64_t spent_us);

#endif
