/* Shares of a thread's time. */
#include "serve/lease/time_share.h"

bool time_share_has_room(const struct time_share *s, uint64_t now_us)
{
	return s->due_us < now_us + TIME_SHARE_BURST_US;
}

uint64_t time_share_wait_us(const struct time_share *s, uint64_t now_us)
{
	return time_share_has_room(s, now_us) ?
		0 :
		s->due_us - now_us - TIME_SHARE_BURST_US + 1;
}

void time_share_spend(struct time_share *s, uint64_t now_us, uint64_t spent_us)
{
	s->due_us = (s->due_us > now_us ? s->due_us : now_us) + 2 * spent_us;
}
