/*
 * A link is an agent's session with a Chisel server: one connection, in which every
 * visitor is a channel. It implements agent/session.h. chisel-protocol 7.
 *
 *     waiting -> connecting -> open -> closed
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include "agent/session.h"
#include "tunnel/chisel/managed.h"
#include "tunnel/chisel/session.h"

/* All strings and arrays are borrowed and outlive the link; NULL is "not given". */
struct link_client_options {
	const char *server;      /* as the user wrote it; chisel-protocol 1.5 */
	const char *fingerprint; /* of the server's key: SHA-256 base64 or MD5 pairs */
	const char *auth;        /* "user:password" */
	/* A private key to log in with, tried before the password; NULL: none. @key_user
	 * is the user's name if there is no @auth. */
	const struct hostkey *key;
	const char *key_user;
	const char *proxy;          /* --proxy URL */
	bool uses_proxy_env;        /* without one, text/proxy_env.h says */
	const char *hostname;       /* --hostname: Host header and TLS name */
	const char *sni;            /* --sni: TLS name, wins over hostname */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const char *tls_ca;
	const char *tls_more_ca; /* certificates to trust besides; NULL: none */
	bool tls_skip_verify;
	const char *tls_cert, *tls_key; /* both or none */
	int max_retry_count;            /* -1 is for ever */
	uint32_t max_retry_ms;          /* 0 is 5 s */
	uint32_t min_retry_ms;          /* 0: the first retry is at once */
	uint32_t connect_timeout_ms;    /* CHISEL_WS_TIMEOUT; 0 is 45 s */
	const struct remote *remotes;
	unsigned remote_count;
	/* The server sends the tunnels (tunnel/chisel/managed.h); @key is that of the
	 * agent with the label @key_user. No remotes. */
	bool is_managed;
	struct chisel_tuning tuning;
};

struct link_options {
	/* all borrowed: they outlive the link's last turn of the loop, or on_released */
	struct worker *worker;
	const struct link_client_options *client;
	const struct log *log;
	const struct agent_session_hooks *hooks;
	/* After it was closed: nothing that was borrowed is used any more. Or NULL. */
	void (*on_released)(void *owner);
	void *owner;
};

/*
 * Listens for the remotes that are not reverse, and begins to connect.
 * ERR_EXISTS: a port is taken.  ERR_USAGE, ERR_SYNTAX: @why names the flag that is wrong.
 */
enum err link_open(const struct link_options *o, struct agent_session **out,
	struct why *why) MUST_USE;

/* The tunnels of a managed link, as they were sent last; borrowed, until the next
 * callback of the loop. Of another link: none. */
const struct managed_list *link_managed_list(const struct agent_session *s);

#endif
