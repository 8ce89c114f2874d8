/* The clocks of macOS, where CLOCK_MONOTONIC goes on in sleep. */
#include "base/clock_priv.h"

const clockid_t clock_awake = CLOCK_UPTIME_RAW;
const clockid_t clock_always = CLOCK_MONOTONIC;
