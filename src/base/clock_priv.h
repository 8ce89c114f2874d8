/* The clocks of this system: clock_linux.c or clock_darwin.c. */
#ifndef BASE_CLOCK_PRIV_H
#define BASE_CLOCK_PRIV_H

#include <time.h>

/* Stands still while the machine sleeps. */
extern const clockid_t clock_awake;

/* Goes on. */
extern const clockid_t clock_always;

#endif
