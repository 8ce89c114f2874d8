/*
 * The inside of a link server: for the files of serve/link.
 *
 * Links are a service of the data workers. The control worker accepts connections and
 * hands each to a data worker, which keeps it for good. Data workers share what is const
 * after the start, and nothing else: new users reach them in a snapshot, and claims for
 * ports by mail.
 */
#ifndef SERVE_LINK_LINK_PRIV_H
#define SERVE_LINK_LINK_PRIV_H

#include <stdatomic.h>

#include "http/proxy.h"
#include "serve/data_worker.h"
#include "serve/link/link_server.h"
#include "serve/link/login_guard.h"
#include "store/file_watch.h"
#include "text/url.h"
#include "tunnel/chisel/users.h"

/* What data workers know of the settings. */
struct link_snapshot {
	struct snapshot base;
	/* A reference; NULL: no login is needed, or only by key. */
	struct users *users;
};

/* The service's state on one worker. All of it belongs to the worker's thread. */
struct link_service {
	struct data_worker *worker; /* borrowed: has us */
	struct link_server *server; /* borrowed: const for us but for the counters */
	struct list sessions;       /* struct link_session */
	struct map agents;          /* those of agents, by label */
	struct users
		*users;   /* a reference: those that sessions were checked for; or NULL */
	unsigned pending; /* sessions that have not authenticated */
	struct loop_timer *count; /* link_sessions_count() */
};

/* A set of files that is read again when one of them changes. */
struct link_files {
	struct file_watch *watch;
	char trouble[sizeof(struct why)]; /* with the files, reported already; or "" */
};

struct link_server {
	const struct link_server_options *o; /* borrowed */
	struct worker *control;              /* borrowed: its loop is ours */
	struct log log;
	struct hostkey *key;
	struct link_files tls_files, users_file;
	struct snapshot *snapshot; /* struct link_snapshot: what workers have now */
	struct tls_context *backend_tls;
	struct url backend;
	char backend_host[URL_TEXT_MAX]; /* its Host header */
	struct listener *listener;
	struct link_acme *acme;     /* NULL: no --tls-domain */
	struct notify *notify;      /* borrowed; NULL: no service manager */
	struct login_guard *guard;  /* the control worker's; NULL: no logins */
	struct data_shared *shared; /* with the workers: &own, or the host's, borrowed */
	struct data_shared own;
	struct http_metrics *metrics;  /* NULL: not configured */
	atomic_uint_fast64_t numbers;  /* sessions so far */
	atomic_uint_fast64_t open;     /* sessions now */
	atomic_uint_fast64_t channels; /* now, as below */
	/* so far, as of LINK_COUNT_MS ago at most */
	atomic_uint_fast64_t sent_bytes, received_bytes;
	atomic_uint_fast64_t failed_logins;
};

/* @worker: the receiver of mail. */
static inline struct link_service *link_service_of(struct worker *worker)
{
	return data_worker_state(data_worker_of(worker), &link_data_service);
}

static inline struct link_snapshot *link_snapshot_of(struct snapshot *s)
{
	return mem_container(s, struct link_snapshot, base);
}

/* Of the newest snapshot that the worker has. */
static inline struct users *link_users_of(const struct link_service *ls)
{
	if (ls->server->shared != &ls->server->own)
		return NULL; /* the snapshots are the host's */
	return link_snapshot_of(ls->worker->snapshot)->users;
}

/* ---- link_acme.c: certificates for --tls-domain, on the control worker ---- */

/* Before link_files_open(), which makes the TLS context. */
enum err link_acme_open(struct link_server *s, struct why *why) MUST_USE;
void link_acme_retry(struct link_acme *a); /* NULL is fine, as below */
void link_acme_close(struct link_acme *a); /* when no handshake runs any more */

/* A tls_choose_fn; @arg is the struct link_acme. */
struct tls_certificate *link_acme_choose(void *arg, const struct tls_hello *hello);

/* ---- link_files.c: users, certificate, key and CAs, on the control worker ---- */

/* Reads them, and watches them; makes the first snapshot. */
enum err link_files_open(struct link_server *s, struct why *why) MUST_USE;

/* Reads the files again; if that fails, the previous ones stay. */
void link_files_reload(struct link_server *s);
void link_files_close(struct link_server *s);

#endif
