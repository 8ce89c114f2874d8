/* The built-in relays: none. A package may add some. */
#include "agent/default_relays.h"

#include <stddef.h>

const char *const default_relays[] = { NULL };
