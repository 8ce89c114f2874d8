/*
 * The inside of the demo, for the files cli/demo*.c: one state machine that shows one
 * tunnel after the other. It never sleeps: the children's logs say when they are ready,
 * and SIGCHLD when one is gone.
 */
#ifndef CLI_DEMO_INSIDE_H
#define CLI_DEMO_INSIDE_H

#include "cli/demo.h"
#include "cli/demo_child.h"
#include "cli/demo_fetch.h"
#include "cli/demo_page.h"
#include "cli/demo_tap.h"
#include "net/dialer.h"
#include "net/tls.h"

#define DEMO_LOCAL "127.0.0.1"
#define DEMO_PASSWORD_BYTES 16
#define DEMO_DIRECTORY_MAX 128
#define DEMO_PATH_MAX (DEMO_DIRECTORY_MAX + 260)

enum demo_state {
	DEMO_KNOCKING, /* at the target: is somebody there? */
	DEMO_STARTING_SERVER,
	DEMO_STARTING_CLIENT,
	DEMO_FETCHING, /* through the link */
	DEMO_STARTING_RELAY,
	DEMO_STARTING_EXPOSE,
	DEMO_FETCHING_LEASE, /* through the lease */
	DEMO_OPEN,           /* until Ctrl-C */
	DEMO_ENDING,         /* until all children have gone */
};

/* In the order in which they end: who dials goes before who is dialled. */
enum demo_role { DEMO_CLIENT, DEMO_EXPOSE, DEMO_SERVER, DEMO_RELAY, DEMO_ROLES };

struct demo_part {
	struct demo *demo; /* borrowed: embeds us */
	enum demo_role role;
	struct demo_child *child;                     /* NULL when it does not run */
	void (*on_line)(void *arg, const char *line); /* with the demo */
};

/* Of the link: a server and a client. */
struct demo_link {
	char password[2 * DEMO_PASSWORD_BYTES + 1]; /* secret */
	char fingerprint[64];                       /* of the server */
	uint16_t server_port, public_port;
	unsigned port_tries;
};

/* Of the lease: a relay and `adit expose`, with a tap on each wire. */
struct demo_lease {
	char directory[DEMO_DIRECTORY_MAX]; /* "" until it is made; ours to remove */
	struct demo_tap *to_relay;          /* between agent and relay */
	struct demo_tap *to_visitor;        /* between visitor and relay */
	struct demo_tap *to_target;         /* between agent and target */
	uint16_t api_port, visitors_port;   /* of the relay; 0: not told yet */
	struct tls_context *tls;            /* trusts the relay's certificate only */
};

struct demo {
	const struct demo_options *o; /* borrowed: the caller's */
	enum demo_state state;
	struct loop *loop;
	struct loop_timer *patience;
	struct loop_signals *signals;
	struct dial *knock;
	struct demo_page *page; /* NULL: the target is somebody else's */
	struct demo_part parts[DEMO_ROLES];
	struct demo_fetch *fetch;
	unsigned answers;
	bool is_wrong; /* an answer was not what it should have been */
	void (*after_visit)(struct demo *d);
	struct demo_link link;
	struct demo_lease lease;
	int exit_code;
	struct why why; /* if it is not 0 */
};

/* ---- demo.c, for the tunnels ---- */

/* The first failure is the one that is told. */
void demo_fail(struct demo *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Goes to @state, and waits for what it waits for no longer than the demo waits. */
void demo_await(struct demo *d, enum demo_state state);

/* Host and port of what is published. */
const char *demo_target_host(const struct demo *d);
uint16_t demo_target_port(const struct demo *d);

/* How a child is started. */
struct demo_start {
	const char *user, *password; /* NULL: it signs in nowhere */
	const char *const *argv;
	void (*on_line)(void *arg, const char *line); /* of its log; @arg is the demo */
};

enum err demo_start(struct demo *d, enum demo_role role, const struct demo_start *how,
	struct why *why) MUST_USE;
void demo_drop(struct demo *d, enum demo_role role);

/* Fetches twice over one connection; @next is called if both answers were right. @how
 * says from where, and the rest of it is filled in. */
void demo_visit(struct demo *d, enum demo_state state, struct demo_fetch_options *how,
	void (*next)(struct demo *d));

/* All is shown: stay open, or end. */
void demo_open(struct demo *d);

/* ---- the tunnels; each goes on to what comes after it ---- */

void demo_link_begin(struct demo *d);
void demo_lease_begin(struct demo *d);
void demo_lease_print_open(struct demo *d);
void demo_lease_fini(struct demo *d);

#endif
