/*
 * A client of a link server: its session, the ports it listens on here, and the targets
 * it reaches from here. Whether it may is decided here, for every remote it declares and
 * for every channel it opens. chisel-protocol 4.2, 5.4, 6.1.
 */
#ifndef SERVE_LINK_LINK_SESSION_H
#define SERVE_LINK_LINK_SESSION_H

#include "net/resolver.h"
#include "serve/link/link_priv.h"
#include "tunnel/chisel/entry.h"
#include "tunnel/chisel/exit.h"

#define LINK_TEXT_MAX 160 /* of untrusted text in a log line */

struct link_session {
	struct list in_service;
	struct map_node in_agents; /* by @user, if it is an agent's and is bound */
	bool is_agent;
	uint64_t told_changes; /* link_agents_changes() when it was told its tunnels */
	uint64_t told_version; /* of that list */
	struct link_service *service; /* borrowed: it closes us before it is freed */
	uint64_t number;
	struct log log, tun;
	struct chisel_session *session; /* borrowed: on_closed ends us */
	struct addr client; /* its address; a trusted proxy's header may name it */
	char *user; /* the authenticated user; NULL: not yet, or there are no users */
	uint8_t digest[USER_LOGIN_BYTES]; /* of that user's password at the login */
	struct buf key; /* by which it has logged in; empty: it has not done so by key */
	struct {
		/* The password or the key is this user's; NULL: it is wrong. */
		char *user;
		uint8_t digest[USER_LOGIN_BYTES];
		struct buf key;           /* empty: it is a login by password */
		char name[LINK_TEXT_MAX]; /* from the client, quoted */
		struct loop_timer *timer; /* until the reply */
	} login;
	uint64_t opened_ms; /* when it was bound */
	/* already included in the server's totals */
	uint64_t counted_sent, counted_received, counted_channels;
	struct chisel_config config;
	struct entry **entries;     /* one for each remote; NULL for normal ones */
	unsigned bound;             /* number of processed remotes */
	bool is_bound;              /* all are processed, and the client has the reply */
	bool has_claimed;           /* sent a claim for the port of remote [bound] */
	bool is_port_ours;          /* a session of the same client holds that port */
	struct resolve *lookup;     /* borrowed: of its local host, until its callback */
	char host[REMOTE_HOST_MAX]; /* the address of that host, once it is known */
	bool is_pending;            /* not authenticated, and not closed */
	struct exits exits;
	struct list claims; /* they wait for the end of this session */
};

/*
 * Logs at info. Lines of a session without a user are limited, since any client can
 * cause them.
 */
#define link_session_log(s, ...) \
	do { \
		if ((s)->user != NULL) \
			log_info(&(s)->log, __VA_ARGS__); \
		else \
			log_limited(LOG_INFO, &(s)->log, __VA_ARGS__); \
	} while (0)

/* Takes @stream, which has been upgraded, from @client. */
void link_session_open_take(struct link_service *ls, struct stream *stream,
	const struct addr *client);

/* The session of that number on this worker, or NULL. */
struct link_session *link_session_find(struct link_service *ls, uint64_t number);

/* All of them, on their worker. */
void link_sessions_close(struct link_service *ls);

/* Closes the oldest session that has not logged in. */
void link_sessions_drop_oldest(struct link_service *ls);

#define LINK_COUNT_MS 1000

/* Adds to the server's totals what is new. */
void link_sessions_count(void *service); /* of the timer */

/* The users are new: ends what they do not allow any more. */
void link_sessions_check_users(struct link_service *ls);

/* The keys are new: the same. */
void link_sessions_check_keys(struct link_service *ls);

/* Goes on with binding ports, after a claim or a lookup has come back. */
void link_session_bind(struct link_session *s);

/* ---- link_session_agent.c ---- */

/* The session of an agent, or NULL. */
struct link_session *link_session_of_agent(struct link_service *ls, const char *label);

/* Sends the agent the list of its tunnels, if it is here and the list is new. */
void link_session_tell_agent(struct link_service *ls, const char *label);

/* @s is its agent's from now on, in place of an older session, or is no more. */
void link_session_begin_agent(struct link_session *s);
void link_session_end_agent(struct link_session *s);

/* Why it may not be an agent's link on this worker; NULL: it may, or the server has no
 * agents. */
const char *link_session_judge_agent(const struct link_session *s);

/* ---- link_claim.c ---- */

/*
 * Claims the port for @s; link_session_bind() is called when the claim returns, if the
 * session is still open. ERR_DENIED: @s has neither user nor client name.
 */
enum err link_claim_send(struct link_session *s, uint16_t port, bool is_udp) MUST_USE;

/* The session that claims wait for has ended: its ports are free. */
void link_claims_release(struct link_session *s);

/* ---- link_login.c ---- */

/* The client of @s sends a login; chisel_session_login() answers it, now or later. */
void link_login_begin(struct link_session *s, struct span name, struct span password);

/* The same by a key. @is_proven: the client has the private half. */
void link_login_begin_key(struct link_session *s, struct span name, struct span blob,
	bool is_proven);

/* True if the key by which @s has logged in is still its user's. */
bool link_login_key_is_good(const struct link_session *s);

/* Frees the resources of a login of @s. */
void link_login_end(struct link_session *s);

#endif
