/*
 * The inside of a link server: for the files relay/link*.c.
 *
 * The control worker accepts connections and hands each to a data worker, which keeps it
 * for good. Data workers share what is const after the start, and nothing else: new users
 * reach them by mail, and so do claims for ports.
 */
#ifndef SERVE_LINK_LINK_PRIV_H
#define SERVE_LINK_LINK_PRIV_H

#include <stdatomic.h>

#include "http/proxy.h"
#include "http/server.h"
#include "serve/link/link_server.h"
#include "serve/link/login_guard.h"
#include "store/file_watch.h"
#include "text/url.h"
#include "tunnel/chisel/users.h"

#define LINK_WORKERS_MAX 64

/* One data worker. Everything but the worker itself belongs to its thread. */
struct link_worker {
	struct worker worker;
	struct link_server *server; /* borrowed: const for us but for the counters */
	struct http_server *http;
	struct users *users; /* a reference of our own; NULL: no logins are asked for */
	struct tls_context *tls;  /* likewise; NULL: plain HTTP */
	struct list sessions;     /* struct link_session */
	unsigned pending;         /* sessions that have not authenticated */
	struct loop_timer *count; /* link_sessions_count() */
	bool is_closing;
};

struct link_server {
	const struct link_server_options *o; /* borrowed */
	struct worker *control;              /* borrowed: its loop is ours */
	struct log log;
	struct hostkey *key;
	struct tls_context *tls; /* the control worker's reference; NULL: plain HTTP */
	struct file_watch *tls_watch;
	char tls_trouble[sizeof(struct why)]; /* with the files, told already; or "" */
	struct tls_context *backend_tls;
	struct url backend;
	char backend_host[URL_TEXT_MAX]; /* its Host header */
	struct users *users;             /* the control worker's reference */
	struct listener *listener;
	struct notify *notify;     /* borrowed; NULL: no service manager */
	struct login_guard *guard; /* the control worker's; NULL: there are no users */
	struct prefix_set proxies; /* whose word about addresses is believed */
	struct file_watch *users_watch;
	char users_trouble[sizeof(struct why)]; /* with the file, told already; or "" */
	struct link_worker *workers;
	unsigned count, next;          /* data workers, and whose turn it is */
	atomic_uint_fast64_t numbers;  /* sessions so far */
	atomic_uint_fast64_t open;     /* sessions now */
	atomic_uint_fast64_t channels; /* now, as below */
	/* so far, as of LINK_COUNT_MS ago at most */
	atomic_uint_fast64_t sent_bytes, received_bytes;
	atomic_uint_fast64_t failed_logins;
	struct http_metrics *metrics; /* NULL: not asked for */
};

/* ---- serve/link/link_worker.c ---- */

enum err link_worker_open(struct link_worker *w, struct link_server *server,
	unsigned index, struct why *why) MUST_USE;

/* After its thread has ended. Takes half-open ones. */
void link_worker_close(struct link_worker *w);

/* From the control worker: a connection, what is new, the end. False: out of memory. */
bool link_worker_give(struct link_worker *w, int fd, const struct addr *peer);
bool link_worker_set_users(struct link_worker *w, struct users *users);
bool link_worker_set_tls(struct link_worker *w, struct tls_context *tls);
void link_worker_end(struct link_worker *w);

/* ---- serve/link/link_users.c: the users file, on the control worker ---- */

enum err link_users_open(struct link_server *s, struct why *why) MUST_USE;

/* Reads the file again; if that fails, the previous users stay. */
void link_users_reload(struct link_server *s);
void link_users_close(struct link_server *s);

/* ---- serve/link/link_tls.c: certificate, key and client CAs, on the control worker ---- */

enum err link_tls_open(struct link_server *s, struct why *why) MUST_USE;

/* Reads the files again; if that fails, the previous ones stay. */
void link_tls_reload(struct link_server *s);
void link_tls_close(struct link_server *s);

/* ---- serve/link/link_metrics.c: on the control worker ---- */

enum err link_metrics_open(struct link_server *s, struct why *why) MUST_USE;

#endif
