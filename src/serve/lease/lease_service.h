/*
 * The service of leases on a data worker: its part of the relay's API, with reverse
 * sessions and signatures.
 */
#ifndef SERVE_LEASE_LEASE_SERVICE_H
#define SERVE_LEASE_LEASE_SERVICE_H

#include "http/api.h"
#include "serve/data_worker.h"
#include "serve/lease/fair_queue.h"
#include "serve/lease/time_share.h"
#include "tunnel/portal/access_token.h"
#include "tunnel/portal/envelope.h"

#define LEASE_HEAD_MAX 16384                /* bytes of the head of a request */
#define LEASE_BODIES_MAX ((size_t)32 << 20) /* bytes of requests to the API, in all */

/* The context of the service: what all workers share. Const, but for the counters. */
struct lease_context {
	const char *issuer; /* of access tokens: the relay's URL */
	const struct k1_public *token_key;
	const struct api_table *const *tables; /* of the API */
	/*
	 * Not in the tables. It is sent as a call if the lease of a reverse session's
	 * token is unknown. Its body is the token; after status 200 there is a lease.
	 */
	const struct api_operation *revival;
	/* Takes a call, on any thread; lease_service_answer() brings it back. */
	void (*take_call)(void *arg, struct api_call *call);
	void *arg;
	atomic_uint_fast64_t signatures, signatures_refused;
};

/* The settings of the relay that data workers need. */
struct lease_snapshot {
	struct snapshot base;
	struct keyless *keyless; /* a reference: signs for leases */
	uint32_t sign_per_s;
};

/* An empty one; the caller has the reference. NULL: out of memory. */
struct lease_snapshot *lease_snapshot_new(void);

static inline struct lease_snapshot *lease_snapshot_of(struct snapshot *s)
{
	return mem_container(s, struct lease_snapshot, base);
}

/* Of one worker. */
struct lease_service {
	struct data_worker *worker;    /* borrowed: it owns this */
	struct lease_context *context; /* borrowed: it outlives this */
	struct api api;
	struct access_cache tokens;
	struct time_share signing;
	struct fair_queue unsigned_items; /* struct signing: waiting requests */
	struct loop_deferred sign_turn;   /* serves them, at once, */
	struct loop_timer *sign_timer;    /* or when @signing has room */
};

extern const struct data_service lease_service;

static inline struct lease_service *lease_service_of(const struct data_worker *d)
{
	return data_worker_state(d, &lease_service);
}

/* Moves a session that @client has opened to the worker of @r. Takes @session. */
void lease_service_pass_session_take(struct data_worker *d, struct route *r,
	struct stream *session, const struct addr *client);

/* From the control worker: returns an answered call. Takes it. */
void lease_service_answer(struct data_worker *w, struct api_call *call);

/* ---- lease_api.c ---- */

/* The worker's part of the API. */
enum err lease_api_open(struct lease_service *s) MUST_USE;

/* The control worker has answered; @call is the caller's. */
void lease_api_on_answer(struct lease_service *s, struct api_call *call);

#define REQUEST_TOKEN "X-Portal-Access-Token"
#define REQUEST_BANNED "request denied because source IP is banned"
#define REQUEST_NO_LEASE "lease not found: register it again"

/*
 * The route of the token in @call: a reference, or NULL if there is no such lease. False:
 * @call is refused.
 */
bool lease_api_find_lease(struct lease_service *s, struct api_call *call,
	struct access_holder *holder, struct route **out) MUST_USE;
void lease_api_release_lease(struct api_call *call);

/* ---- signing.c: requests to /v1/sign ---- */

void signing_on_turn(void *service); /* deferred, and of the timer */

/* Frees waiting requests; the server frees their exchanges. */
void signing_close(struct lease_service *s);

/* ---- the tables of operations ---- */

extern const struct api_table relay_connect_table; /* lease_api.c */
extern const struct api_table signing_table;       /* signing.c */

#endif
