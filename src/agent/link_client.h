/* The state of a link's client end, and what is made of its options: for agent/link.c. */
#ifndef AGENT_LINK_CLIENT_H
#define AGENT_LINK_CLIENT_H

#include "agent/link.h"
#include "agent/link_trouble.h"
#include "agent/retry.h"
#include "crypto/hostkey.h"
#include "net/netwatch.h"
#include "tunnel/chisel/connect.h"
#include "tunnel/chisel/entry.h"
#include "tunnel/chisel/exit.h"
#include "tunnel/chisel/url.h"

#define LINK_HEADERS_MAX 32
#define LINK_DEAD_MS 8000 /* a peer that acknowledges nothing so long */

enum link_state {
	LINK_WAITING,    /* for the time to try again */
	LINK_CONNECTING, /* TCP, TLS, WebSocket */
	LINK_GREETING,   /* SSH and the config */
	LINK_OPEN,
	LINK_ENDED,
};

struct link_client {
	const struct link_client_options *o; /* borrowed */
	enum link_state state;
	struct worker worker;
	struct notify *notify; /* NULL: no service manager */
	struct log log, tun;
	struct url url, proxy_url;
	char proxy_text[URL_TEXT_MAX];
	struct proxy proxy;
	struct tls_context *tls;
	struct websocket_header headers[LINK_HEADERS_MAX];
	size_t headers_n;
	char *texts; /* owned: what the headers, user and password point into */
	const char *user, *password;
	char identity[CONFIG_CLIENT_MAX];
	char run[CONFIG_RUN_MAX];
	struct remote
		*remotes; /* owned: those of the options, and ports that were chosen */
	struct entry **entries; /* one for each remote; NULL for reverse ones */
	struct connect *connect;
	struct chisel_session *session; /* borrowed: it tells when it is gone */
	struct exits exits;
	struct loop_timer *timer; /* WAITING: the next attempt; OPEN: it has lasted */
	struct netwatch *netwatch;
	struct loop_signals *signals;
	struct retry retry;
	bool has_hidden;     /* the line "Connected" of this session: it may end soon */
	uint64_t greeted_ms; /* when the config was sent; 0: not in this session */
	char key[HOSTKEY_SHA256_CHARS + 1]; /* the server's, in this session */
	bool is_key_bad;                    /* it is not the one that is expected */
	bool is_refused;                    /* and the remotes */
	struct addr local;                  /* this end's address, in this session */
	int exit_code;
};

/* Reads the options: everything that needs no loop. @why names the flag that is wrong. */
enum err link_client_init(struct link_client *c, struct why *why) MUST_USE;

/* Takes half-initialised ones. */
void link_client_fini(struct link_client *c);

/* How to reach the server: all but whom to tell. */
struct connect_options link_client_connect_options(struct link_client *c);

/* Is this the server's key? Notes what it is; @why has stock's words if it is another. */
bool link_client_takes_key(struct link_client *c, struct span blob, struct why *why);

/* What is said of a session that ended without being open. */
void link_client_explain(const struct link_client *c, enum err rc, const struct why *why,
	struct link_trouble *t);

#endif
