/* Routes on the data worker that serves them. All of it belongs to its thread. */
#ifndef SERVE_SERVED_H
#define SERVE_SERVED_H

#include "net/listener.h"
#include "net/throttle.h"
#include "serve/carrier.h"
#include "serve/data_worker.h"

/* The part that a visitor embeds, whatever serves it: it can be cut with all of its
 * owner. */
struct visit {
	struct list in_owner;
	void (*cut)(struct visit *v); /* ends it, and removes it from the list, now */
};

/* The state that all visitors of an owner share, on any of its routes. */
struct owner {
	struct map_node by_name;
	unsigned refs; /* routes that have it */
	struct throttle_bucket *bucket;
	struct list visitors;            /* struct visit */
	void *extra;                     /* what a service keeps for the owner, or NULL */
	void (*extra_free)(void *extra); /* called with @extra, when the owner goes */
	char name[ROUTE_OWNER_SIZE];
};

/* A route, on the worker that serves it. */
struct served {
	struct list in_worker;          /* removed when it is closed */
	unsigned refs;                  /* the worker's and its visitors' */
	struct data_worker *worker;     /* borrowed: it frees us */
	struct route *route;            /* a reference */
	struct carrier *carrier;        /* NULL when it is closed */
	struct listener *port;          /* NULL: none */
	struct owner *owner;            /* a reference; NULL: half-built */
	void *extra;                    /* what a service keeps for the route, or NULL */
	void (*extra_end)(void *extra); /* called with @extra, when it is closed */
};

/* Opens @r, by order of the control worker. Takes @tcp_fd if it succeeds. */
enum err served_open(struct data_worker *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s) MUST_USE;

/* Serves @r by @carrier, which is taken if that succeeds. */
enum err served_open_by(struct data_worker *d, struct route *r,
	struct carrier *carrier) MUST_USE;

/* @cuts_bridges: those of earlier routes of the same owner, too. */
void served_close(struct served *s, bool cuts_bridges);

/*
 * Returns the served route of @r. It is made if a visitor finds the route before the mail
 * that opens it has arrived. NULL: the route is closed, or has no carrier, or there is no
 * memory.
 */
struct served *served_get(struct data_worker *d, struct route *r);

/* The same for the route that the owner of @was has now in its place. */
struct served *served_get_next(struct data_worker *d, const struct route *was);
struct served *served_ref(struct served *s);
void served_unref(struct served *s); /* NULL is fine */
void served_set_rate(struct data_worker *d, const char *owner, uint64_t bytes_per_s);
void served_cut(struct data_worker *d, const char *owner);
void served_close_all(struct data_worker *d);

#endif
