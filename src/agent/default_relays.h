/* The relays that are built into this program. portal-protocol 13.1. */
#ifndef AGENT_DEFAULT_RELAYS_H
#define AGENT_DEFAULT_RELAYS_H

/* URLs, NULL at the end. */
extern const char *const default_relays[];

#endif
