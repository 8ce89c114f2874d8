/*
 * A link client is what attempts at a server need: the options, read, and what is known
 * of the connection that is under way. For agent/link.c and agent/link_check.c.
 */
#ifndef AGENT_LINK_CLIENT_H
#define AGENT_LINK_CLIENT_H

#include "agent/link.h"
#include "agent/link_trouble.h"
#include "crypto/hostkey.h"
#include "tunnel/chisel/connect.h"
#include "tunnel/chisel/url.h"

#define LINK_HEADERS_MAX 32
#define LINK_DEAD_MS 8000 /* a peer that acknowledges nothing so long */

struct link_client {
	const struct link_client_options *o; /* borrowed */
	struct worker *worker;               /* borrowed, as the log */
	const struct log *log;
	struct chisel_tuning tuning;
	struct url url, proxy_url;
	char proxy_text[URL_TEXT_MAX];
	struct proxy proxy;
	struct tls_context *tls;
	struct websocket_header headers[LINK_HEADERS_MAX];
	size_t headers_n;
	char *texts; /* owned: what the headers, user and password point into */
	size_t texts_n;
	const char *user, *password;
	char identity[CONFIG_CLIENT_MAX];

	/* The connection. */
	struct connect *connect;
	struct chisel_session *session;     /* borrowed: it tells when it is gone */
	uint64_t greeted_ms;                /* when the config was sent; 0: not yet */
	char key[HOSTKEY_SHA256_CHARS + 1]; /* the server's, if one is expected */
	bool is_key_bad;                    /* it is not the one that is expected */
	bool is_refused;                    /* and the remotes */
	bool is_adit;                       /* the server */
	struct addr local;                  /* this end's address */
};

/* Reads the options: everything that needs no loop. @why names the flag that is wrong. */
enum err link_client_init(struct link_client *c, const struct link_client_options *o,
	struct worker *worker, const struct log *log, struct why *why) MUST_USE;

/* Takes half-initialised ones. */
void link_client_fini(struct link_client *c);

/* Begins to connect; @fn is told with @arg, and calls link_client_greet(). */
enum err link_client_connect(struct link_client *c,
	void (*fn)(void *arg, enum err rc, const struct connect_result *result,
		const struct why *why),
	void *arg, struct why *why) MUST_USE;

/* What came of a connect becomes a session; on failure @t says what is wrong. */
bool link_client_greet(struct link_client *c, enum err rc,
	const struct connect_result *result, const struct why *why,
	const struct chisel_session_hooks *hooks, void *owner, struct link_trouble *t);

/* Asks for @remotes; the session is closed if that fails. @run may be "". */
void link_client_configure(struct link_client *c, struct remote *remotes, unsigned count,
	const char *run);

/* Is this the server's key? Notes what it is; @why has stock's words if it is another. */
bool link_client_takes_key(struct link_client *c, struct span blob, struct why *why);

/* What is said of a session that ended without being open. */
void link_client_explain(const struct link_client *c, enum err rc, const struct why *why,
	struct link_trouble *t);

#endif
