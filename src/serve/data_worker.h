/*
 * A data worker: visitors, bridges, and connections to the server's own host.
 *
 * It reads the name that a visitor requests and finds the route. A route is served by one
 * worker, which has its carrier; a visitor that arrives at another worker is moved by
 * mail before anything else is allocated for it. A server adds services to each worker,
 * which answer HTTP requests: the first of them those to the server's own host.
 */
#ifndef SERVE_DATA_WORKER_H
#define SERVE_DATA_WORKER_H

#include "base/log.h"
#include "base/map.h"
#include "http/server.h"
#include "loop/worker.h"
#include "serve/route.h"
#include "serve/snapshot.h"

#define DATA_WORKERS_MAX 64
#define DATA_PARTS_MAX 4

struct data_worker;

/*
 * What a tunnel adds to a data worker. Each worker has a state of it; all is called on
 * its thread, close() and free() after that has ended.
 */
struct data_service {
	enum err (*open)(struct data_worker *d, void **state);
	/* of the service's HTTP server; NULL: it has none */
	void (*on_request)(void *state, struct http_exchange *x);
	void (*on_snapshot)(void *state); /* the worker has another one; or NULL */
	/* Nothing new from now on: its sessions begin to close. Or NULL. */
	void (*end)(void *state);
	/* Forgets what waits, and its timers; exchanges go with the HTTP server, behind
	 * this. */
	void (*close)(void *state);
	/* No more mail arrives. */
	void (*free)(void *state);
};

/* A service, as a server adds it. */
struct data_part {
	const struct data_service *service;
	void *context;     /* of the service, const for workers but for its atomics */
	uint32_t first_ms; /* of its HTTP server, as these */
	size_t head_max, bodies_max; /* bytes; 0: no limit of ours */
};

/* What the workers of a server share. Const while they run, but for the routes. */
struct data_shared {
	const char
		*root; /* borrowed, as all here; the own host; NULL: no visitors come */
	struct route_table *routes;             /* NULL: likewise */
	struct data_part parts[DATA_PARTS_MAX]; /* the first is the own host's */
	unsigned parts_n;
	struct log *log;
	struct data_worker *workers; /* owned by data_workers_close() */
	unsigned count;
	unsigned running; /* workers that have a thread */
	unsigned next;    /* the worker that gets the next connection */
};

/* Counters of one worker, for status and metrics. Any thread. */
struct data_stats {
	atomic_uint_fast64_t visitors; /* that were bridged so far */
	atomic_uint_fast64_t unknown;  /* without SNI, or with a name that has no route */
	atomic_uint_fast64_t unserved; /* that found no session in time */
	atomic_uint_fast64_t bytes_up, bytes_down; /* from and to visitors */
	atomic_uint_fast64_t bridges;              /* now */
	atomic_uint_fast64_t sessions;             /* idle ones, now */
};

enum data_state {
	DATA_SERVING,
	DATA_DRAINING, /* accepts nothing new, and waits for bridges and responses */
	DATA_ENDED,
};

/* All but the worker itself and the counters belongs to its thread. */
struct data_worker {
	struct worker worker;
	struct data_stats stats;
	struct data_shared *shared; /* borrowed: outlives us */
	struct snapshot *snapshot;  /* a reference */
	struct {
		void *state;              /* of shared->parts; NULL: half-built */
		struct http_server *http; /* NULL: none, or not now */
	} parts[DATA_PARTS_MAX];
	enum data_state state;
	unsigned busy;      /* while draining: HTTP servers that have clients */
	struct list served; /* struct served */
	struct map owners;  /* struct owner, by name */

	/* struct visitor: before their name is read, in the order of their deadlines;
	 * those that wait for a session; those that have one. */
	struct list pending, claims, bridges;
	unsigned pending_n;
	struct loop_timer *pending_timer; /* of the first that is pending */
	struct loop_timer *drain;
};

static inline struct data_worker *data_worker_of(struct worker *w)
{
	return mem_container(w, struct data_worker, worker);
}

/* What the worker has of @service; NULL: the server does not have it. */
void *data_worker_state(const struct data_worker *d, const struct data_service *service);
struct http_server *data_worker_http(const struct data_worker *d,
	const struct data_service *service);
void *data_worker_context(const struct data_worker *d,
	const struct data_service *service);

/* ---- all of a server's, from the control worker ---- */

/* How many there are if @wanted is in the settings. 0: one for each core. */
unsigned data_workers_count(unsigned wanted);

/*
 * Makes and starts @shared->count workers; each takes a reference to @snapshot.
 * data_workers_close() is due, after a failure as well.
 */
enum err data_workers_open(struct data_shared *shared, struct snapshot *snapshot,
	struct why *why) MUST_USE;

/* The one that gets the next connection. */
struct data_worker *data_workers_next(struct data_shared *shared);

/* Tells all of them; logs an error if there is no memory for that. */
void data_workers_set_snapshot(struct data_shared *shared, struct snapshot *snapshot);

/* No new work from now on; they stop when their bridges have ended, or after @drain_ms
 * milliseconds. */
void data_workers_end(struct data_shared *shared, uint32_t drain_ms);
bool data_workers_are_stopping(const struct data_shared *shared);

/* The metrics of all of them together. */
struct data_totals {
	uint64_t visitors, unknown, unserved, bytes_up, bytes_down, bridges, sessions;
};
struct data_totals data_workers_sum(const struct data_shared *shared);

/* Stops their threads. */
void data_workers_join(struct data_shared *shared);

/* After data_workers_join(). Posted mail is delivered before they are freed. */
void data_workers_close(struct data_shared *shared);

/* ---- one of them, from the control worker, by mail. False: out of memory, nothing was
 * taken. ---- */

bool data_worker_give_visitor(struct data_worker *d, int fd, const struct addr *peer);
/* A client of the own host: with TLS, if the snapshot has it. */
bool data_worker_give_client(struct data_worker *d, int fd, const struct addr *peer);
/* A client of one service, without TLS. */
bool data_worker_give_plain(struct data_worker *d, const struct data_service *service,
	int fd, const struct addr *peer);

/*
 * A route begins. @tcp_fd listens on its port already, and is the worker's if this
 * succeeds; -1: it has none. @bytes_per_s is the limit of its owner, 0 for none. The
 * worker takes a reference to @r.
 */
bool data_worker_open_route(struct data_worker *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s);

/* It ends: its carrier and its port close. Bridges go on, unless @cuts_bridges. */
bool data_worker_close_route(struct data_worker *d, struct route *r, bool cuts_bridges);

/* The limit of an owner, also for bridges that are open. 0: none. */
bool data_worker_set_rate(struct data_worker *d, const char *owner, uint64_t bytes_per_s);

/* Ends all bridges of an owner, also those that began on routes that are over. */
bool data_worker_cut(struct data_worker *d, const char *owner);

bool data_worker_set_snapshot(struct data_worker *d, struct snapshot *snapshot);
void data_worker_end(struct data_worker *d, uint32_t drain_ms);

/* ---- on its own thread ---- */

/*
 * Initialises zeroed memory, without a thread: data_workers_open() starts one; tests run
 * the loop themselves. data_worker_close() accepts a half-built worker.
 */
enum err data_worker_init(struct data_worker *d, struct data_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why) MUST_USE;
void data_worker_close(struct data_worker *d);

/* Serves a client of @service; NULL: of the own host. @tls: borrowed for the call; NULL:
 * plain HTTP. Takes @fd. */
void data_worker_serve_take(struct data_worker *d, const struct data_service *service,
	struct tls_context *tls, int fd, const struct addr *peer);

/* Moves a visitor to the worker of @r. */
void data_worker_pass_visitor_take(struct data_worker *d, struct route *r, int fd,
	const struct addr *peer);

/* A bridge has ended, or the last client of an HTTP server has disconnected. */
void data_worker_check_drained(struct data_worker *d);

#endif
