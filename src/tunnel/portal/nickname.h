/* Names for those who give none: three words that can be said aloud. */
#ifndef TUNNEL_PORTAL_NICKNAME_H
#define TUNNEL_PORTAL_NICKNAME_H

#include "text/names.h"

/* Random, one of some hundred thousand, and a good label: "calm-amber-heron". */
void nickname_make(char out[NAMES_LABEL_MAX + 1]);

#endif
