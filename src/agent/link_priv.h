/*
 * A link client has the data of connection attempts at a server: the parsed options, and
 * the state of the current connection. Embedded as the first member of a link
 * (agent/link.c) and of a check (agent/link_check.c), which own it.
 */
#ifndef AGENT_LINK_PRIV_H
#define AGENT_LINK_PRIV_H

#include "agent/link.h"
#include "crypto/hostkey.h"
#include "tunnel/chisel/connect.h"
#include "tunnel/chisel/url.h"

#define LINK_HEADERS_MAX 32
#define LINK_DEAD_MS 8000 /* a peer that acknowledges nothing for this time is dead */
#define LINK_TROUBLE_MAX 512

/*
 * The reason of a failed attempt: first stock Chisel's text, if it has one, then the
 * cause, then what to do.
 */
struct link_trouble {
	char text[LINK_TROUBLE_MAX];
	/* the login or the server's settings: a retry soon cannot succeed */
	bool is_denied;
	bool is_login;
};

struct link_client {
	const struct link_client_options *o; /* borrowed */
	struct worker *worker;               /* borrowed, as the log */
	const struct log *log;
	struct chisel_tuning tuning;
	struct url url, proxy_url;
	char proxy_text[URL_TEXT_MAX];
	struct dial_proxy proxy;
	bool has_proxy;
	struct tls_context *tls;
	struct websocket_header headers[LINK_HEADERS_MAX];
	size_t headers_n;
	char *texts; /* owned: what the headers, user and password point into */
	size_t texts_n;
	const char *user, *password;
	char identity[CONFIG_CLIENT_MAX];

	/* Set by the owner before it connects. The hooks get the link client. */
	const struct chisel_session_hooks *hooks;
	void (*on_failed)(struct link_client *c, const struct link_trouble *t);
	struct remote *remotes; /* borrowed: to ask for */
	unsigned remotes_n;
	char run[CONFIG_RUN_MAX]; /* may be "" */

	/* The connection. */
	struct connect *connect;
	struct chisel_session *session;     /* borrowed: until on_closed */
	bool has_greeted;                   /* the config was sent */
	char key[HOSTKEY_SHA256_CHARS + 1]; /* the server's, if one is expected */
	bool is_key_bad;                    /* the key is not the expected one */
	bool is_refused;                    /* the remotes are refused */
	bool is_adit;                       /* the server */
	struct addr local;                  /* this end's address */
};

/* Reads the options: everything that needs no loop. @why names the flag that is wrong. */
enum err link_client_init(struct link_client *c, const struct link_client_options *o,
	struct worker *worker, const struct log *log, struct why *why) MUST_USE;

/* Takes half-initialised ones. */
void link_client_fini(struct link_client *c);

/* Begins to connect, up to a session. on_failed may be called from inside this call. */
void link_client_connect(struct link_client *c);

/* Closes the connection. If there is a session, on_closed follows. */
void link_client_disconnect(struct link_client *c);

/* ---- hooks of the session ---- */

/* Checks the server's key against the fingerprint. If it differs, @why has stock's
 * text. */
bool link_client_is_host_key_good(void *owner, struct span blob, struct why *why);

/* Asks for the remotes; the session is closed if that fails. */
void link_client_on_up(void *owner);

/* ---- link_trouble.c ---- */

/* No connection came about: @rc, @failure and @why are those of a connect. */
void link_trouble_of_connect(struct link_trouble *t, const struct link_client *c,
	enum err rc, const struct connect_failure *failure, const struct why *why);

/* A session ended without being open. */
void link_trouble_of_session(struct link_trouble *t, const struct link_client *c,
	enum err rc, const struct why *why);

/* The server refused the remotes. @words are its own. */
void link_trouble_of_refusal(struct link_trouble *t, const char *words);

#endif
