/* The clocks of Linux. */
#include "base/clock_priv.h"

const clockid_t clock_awake = CLOCK_MONOTONIC;
const clockid_t clock_always = CLOCK_BOOTTIME;
