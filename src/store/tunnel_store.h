/* The tunnels of a relay's panel in the store: names, ports, owners and settings. */
#ifndef STORE_TUNNEL_STORE_H
#define STORE_TUNNEL_STORE_H

#include "store/store.h"

/* Texts are borrowed, and "" where there is none. */
struct tunnel_row {
	const char *id;        /* a UUID */
	const char *subdomain; /* of one tunnel only, */
	uint16_t port;         /* as the port */
	const char *kind, *access;
	const char *agent;     /* the label of its owner */
	const char *target;    /* at the agent; "": its port on localhost */
	const char *note;      /* for people */
	const char *options;   /* for the edge: a JSON object */
	uint64_t created_ms;   /* wall clock */
	uint64_t paused_ms;    /* since when it is paused; 0: it is not */
	const char *paused_by; /* who paused it */
};

/* ---- inside a transaction ---- */

/* Adds the row, or replaces the one with its id. ERR_SYS: another tunnel has its name or
 * port. */
enum err tunnel_store_put(struct store *s, const struct tunnel_row *row,
	struct why *why) MUST_USE;
enum err tunnel_store_remove(struct store *s, const char *id, struct why *why) MUST_USE;

/* Gets a row, good for the call. Any result but ERR_OK ends the reading. */
typedef enum err tunnel_store_fn(void *arg, const struct tunnel_row *row);

/* Reads all rows, the oldest first. */
enum err tunnel_store_read(struct store *s, tunnel_store_fn *fn, void *arg,
	struct why *why) MUST_USE;

#endif
