/*
 * A call is one connection of a client: it is made, carries one question after the other,
 * and is idle in between. For client.c only.
 */
#ifndef HTTP_CLIENT_CALL_H
#define HTTP_CLIENT_CALL_H

#include "base/list.h"
#include "http/client.h"
#include "http/incoming.h"
#include "net/reach.h"

struct http_ask {
	struct http_client *client; /* borrowed: has us */
	struct list in_waiting;     /* while there is no call for it */
	struct call *call;          /* borrowed: carries us; NULL: none yet */
	struct buf request;         /* whole: it may have to be sent again */
	size_t sent;
	size_t answer_max;
	struct http1_reader answer;
	struct buf body;
	unsigned interims;
	uint64_t asked_us,
		first_us; /* when it was asked, and when a byte of the answer came */
	bool has_heard;   /* it has */
	bool is_retried;  /* on a new connection only */
	char method[16];
	struct loop_timer *timer;
	http_answer_fn *fn;
	void *arg;
};

enum call_state {
	CALL_CONNECTING,
	CALL_IDLE,
	CALL_ASKING,
	CALL_CLOSED, /* goes at the end of the turn */
};

struct call {
	struct http_client *client; /* borrowed: has us */
	struct list in_client;
	enum call_state state;
	struct reach *reach; /* CALL_CONNECTING */
	struct stream *stream;
	struct incoming in;
	struct http_ask *ask;      /* CALL_ASKING */
	bool is_reused;            /* it has been idle before this question */
	bool is_outdated;          /* not to be kept */
	struct loop_timer *timer;  /* of an idle one */
	struct loop_deferred turn; /* CALL_CLOSED */
};

struct http_client {
	struct http_client_options o; /* its texts are ours, below */
	char *unix_path, *host, *server_name, *host_header;
	struct list calls; /* the one that has been idle for the shortest time is last */
	unsigned calls_n;
	struct list waiting; /* questions, in order */
	struct list doomed;  /* those that hear of a failure at the end of this turn */
	enum err doomed_rc;
	struct why doomed_why;
	unsigned warm_n;
	struct loop_timer *warm; /* set while it is too early to try again */
	struct loop_deferred turn;
};

/* It is idle. */
void client_on_call_ready(struct http_client *client, struct call *call);

/* It has been idle for long. */
void client_on_call_old(struct http_client *client, struct call *call);

/* It is of no use any more, if @rc is an error because it could not be made: frees it. */
void client_on_call_gone(struct http_client *client, struct call *call, enum err rc,
	const struct why *why);

/* Puts @ask back, to be asked on a new connection. */
void client_take_back(struct http_client *client, struct http_ask *ask);

/* Begins to connect. */
enum err call_open(struct http_client *client, const struct reach_options *how,
	struct call **out) MUST_USE;

/* Asks @ask on an idle call. False: the call has just ended, and does not carry it. */
bool call_carry(struct call *call, struct http_ask *ask);

/* It shall be idle for @ms; 0 is for ever. */
void call_keep(struct call *call, uint32_t ms);

/* Ends it, asking or idle: it goes at the end of the turn. */
void call_cancel(struct call *call);

/* Frees it now; a question it carries is left without a call. NULL is fine. */
void call_close(struct call *call);

/* Ends @ask: calls its fn, last, after everything else is in order. */
void ask_end(struct http_ask *ask, enum err rc, const struct http_answer *a,
	const struct why *why);

#endif
