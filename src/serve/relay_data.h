/*
 * The inside of a data worker: for relay_worker.c, served.c, visitor.c, and for
 * services. All of it belongs to the worker's thread.
 */
#ifndef SERVE_RELAY_DATA_H
#define SERVE_RELAY_DATA_H

#include "base/map.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/throttle.h"
#include "serve/carrier.h"
#include "serve/relay_worker.h"

#define DATA_HEAD_MAX 16384                /* bytes of the head of such a request */
#define DATA_BODIES_MAX ((size_t)32 << 20) /* bytes of requests to the API, in all */

enum data_state {
	DATA_SERVING,
	DATA_DRAINING, /* takes nothing new, and waits for bridges and answers */
	DATA_ENDED,
};

struct relay_data {
	struct relay_worker *worker; /* borrowed: has us */
	struct relay_shared *shared; /* borrowed: outlives us */
	struct snapshot *snapshot;   /* a reference */
	void *service;               /* the state of shared->service; NULL: half-built */
	struct http_server *http;    /* NULL before its beginning and at its end */
	enum data_state state;
	bool is_unasked;    /* while draining: no client of the API is left */
	struct list leases; /* struct served */
	struct map owners;  /* struct owner, by name */

	/* struct visitor: whose wish is not known yet, in the order of their deadlines;
	 * those that wait for a session; those that have one. */
	struct list fronts, claims, bridges;
	unsigned fronts_n;
	struct loop_timer *front_timer; /* of the first of the fronts */
	struct loop_timer *drain;
};

/*
 * What a tunnel adds to a data worker. Each worker has a state of it; all is called on
 * its thread.
 */
struct data_service {
	enum err (*open)(struct relay_data *d, void **state);
	void (*on_request)(void *state, struct http_exchange *x);
	/* Forgets what waits; exchanges go with the HTTP server, behind this. */
	void (*close)(void *state);
	void (*free)(void *state);
};

static inline struct relay_data *data_of_worker(struct worker *w)
{
	return mem_container(w, struct relay_worker, worker)->data;
}

static inline struct loop *data_loop(const struct relay_data *d)
{
	return d->worker->worker.loop;
}

/* ---- served.c ---- */

/* What all visitors of an owner share, whichever of its routes they came by. */
struct owner {
	struct map_node by_name;
	unsigned refs; /* routes that have it */
	struct throttle_bucket *bucket;
	struct list visitors; /* struct visitor */
	char name[ROUTE_OWNER_SIZE];
};

/* A route, on the worker that serves it. */
struct served {
	struct list in_data; /* on none once it is over */
	unsigned refs;       /* the worker's and its visitors' */
	struct relay_data *data;
	struct route *route;     /* a reference */
	struct carrier *carrier; /* NULL once it is over */
	struct listener *port;   /* NULL: none */
	struct owner *owner;     /* a reference; NULL: half-built */
};

/* What the control worker has to say of @r. Takes @tcp_fd if it succeeds. */
enum err served_open(struct relay_data *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s) MUST_USE;

/* Serves @r by @carrier, which is taken if that succeeds. */
enum err served_open_by(struct relay_data *d, struct route *r,
	struct carrier *carrier) MUST_USE;

/* @cuts_bridges: those of earlier routes of the same owner, too. */
void served_close(struct served *l, bool cuts_bridges);

/*
 * What serves @r. It is made if a visitor finds the route before the mail that opens it
 * has arrived. NULL: the route is over, or has no carrier, or there is no memory.
 */
struct served *served_get(struct relay_data *d, struct route *r);

/* The same for the route that the owner of @was has now in its place. */
struct served *served_get_next(struct relay_data *d, const struct route *was);
void served_unref(struct served *l); /* NULL is fine */
void served_set_rate(struct relay_data *d, const char *owner, uint64_t bytes_per_s);
void served_cut(struct relay_data *d, const char *owner);
void served_close_all(struct relay_data *d);

/* ---- visitor.c ---- */

/* Both take @fd. The second knows where it belongs; @is_raw: it came by a TCP port. */
void visitor_open_take(struct relay_data *d, int fd, const struct addr *peer);
void visitor_claim_take(struct served *l, int fd, const struct addr *peer, bool is_raw);

void visitor_on_timeout(void *data); /* of the fronts' timer */

/* Drops whoever has no session yet. */
void visitor_close_fronts(struct relay_data *d);
void visitor_cut(struct list *visitors_of_owner);
void visitor_cut_all(struct relay_data *d);

/* Those that are served by a session of a client in @banned. */
void visitor_cut_banned(struct relay_data *d, const struct prefix_set *banned);

/* ---- relay_worker.c ---- */

/*
 * All of a worker but its thread: relay_worker_open() gives it one; tests turn its loop.
 * relay_worker_close() takes half-built ones.
 */
enum err relay_data_new(struct relay_worker *w, struct relay_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why) MUST_USE;

/* Serves a client of the API; takes @fd. */
void relay_data_serve_take(struct relay_data *d, int fd, const struct addr *peer);

/* Brings a visitor to the worker of @r. */
void relay_data_pass_visitor_take(struct relay_data *d, struct route *r, int fd,
	const struct addr *peer);

/* A bridge has ended, or the last client of the API has gone. */
void relay_data_check_drained(struct relay_data *d);

#endif
