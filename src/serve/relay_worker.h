/*
 * A data worker: visitors, bridges, and connections to the server's own host.
 *
 * It reads the name that a visitor asks for and finds the route. A route is served by one
 * worker, which has its carrier; a visitor that arrives at another is handed over by mail
 * before anything else is made for it. What a tunnel adds to a worker is a service
 * (struct data_service), which answers the requests to the server's own host.
 */
#ifndef SERVE_RELAY_WORKER_H
#define SERVE_RELAY_WORKER_H

#include "base/log.h"
#include "loop/worker.h"
#include "serve/route.h"
#include "serve/snapshot.h"

#define RELAY_WORKERS_MAX 64

struct api_call;
struct api_table;
struct data_service;

/* What a relay's workers share. Const while they run, but for the routes. */
struct relay_shared {
	const char *root;   /* borrowed, as all here: the relay outlives its workers */
	const char *issuer; /* of access tokens: the relay's URL */
	const struct k1_public *token_key;
	struct route_table *routes;
	const struct data_service *service;
	struct log *log;
	struct relay_worker *workers;
	unsigned count;

	const struct api_table *const *tables; /* of the API */
	/* Takes a call, on any thread; lease_service_answer() brings it back. */
	void (*take_call)(void *arg, struct api_call *call);
	void *arg;
};

/* Figures of one worker, for status and metrics. Any thread. */
struct relay_figures {
	atomic_uint_fast64_t visitors; /* that were bridged so far */
	atomic_uint_fast64_t unknown;  /* without SNI, or with a name that has no route */
	atomic_uint_fast64_t unserved; /* that found no session in time */
	atomic_uint_fast64_t bytes_up, bytes_down; /* from and to visitors */
	atomic_uint_fast64_t signatures, signatures_refused;
	atomic_uint_fast64_t bridges;  /* now */
	atomic_uint_fast64_t sessions; /* idle ones, now */
};

struct relay_worker {
	struct worker worker;
	struct relay_figures figures;
	struct relay_data *data; /* its own: relay_worker.c */
};

/* Starts its thread. @snapshot is borrowed: it takes a reference. */
enum err relay_worker_open(struct relay_worker *w, struct relay_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why) MUST_USE;

/* After its thread has ended (worker_join()). Takes half-open ones. */
void relay_worker_close(struct relay_worker *w);

/* ---- from the control worker, by mail. False: out of memory, nothing was taken. ---- */

bool relay_worker_give_visitor(struct relay_worker *w, int fd, const struct addr *peer);
bool relay_worker_give_client(struct relay_worker *w, int fd, const struct addr *peer);

/*
 * A route begins. @tcp_fd listens on its port already, and is the worker's if this
 * succeeds; -1: it has none. @bytes_per_s is the limit of its owner, 0 for none. The
 * worker takes a reference to @r.
 */
bool relay_worker_open_route(struct relay_worker *w, struct route *r, int tcp_fd,
	uint64_t bytes_per_s);

/* It ends: its carrier and its port close. Bridges go on, unless @cuts_bridges. */
bool relay_worker_close_route(struct relay_worker *w, struct route *r, bool cuts_bridges);

/* The limit of an owner, also for bridges that are open. 0: none. */
bool relay_worker_set_rate(struct relay_worker *w, const char *owner,
	uint64_t bytes_per_s);

/* Ends all bridges of an owner, also those that began on routes that are over. */
bool relay_worker_cut(struct relay_worker *w, const char *owner);

bool relay_worker_set_snapshot(struct relay_worker *w, struct snapshot *snapshot);

/* No new work from now on; it stops when its bridges have ended, or after @drain_ms. */
void relay_worker_end(struct relay_worker *w, uint32_t drain_ms);

#endif
