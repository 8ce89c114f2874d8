/* The relays that whoever ships this program has built in. portal-protocol 13.1. */
#ifndef AGENT_DEFAULT_RELAYS_H
#define AGENT_DEFAULT_RELAYS_H

/* URLs, NULL at the end. */
extern const char *const default_relays[];

#endif
