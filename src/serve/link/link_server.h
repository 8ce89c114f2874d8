/*
 * The server end of links: takes Chisel's clients, over HTTP, and listens for them. It
 * owns its data workers; loop and signals of the control worker are its owner's.
 * chisel-protocol 1, 4, 5.
 */
#ifndef SERVE_LINK_LINK_SERVER_H
#define SERVE_LINK_LINK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/prefix.h"
#include "serve/data_worker.h"
#include "tunnel/chisel/session.h"

#define LINK_KEY_NAME_MAX 128 /* of the owner of a key, with its terminator */

/*
 * Who logs in by public key, and what that client may reach. Called on data workers, on
 * several at the same time; link_server_check_keys() after a change.
 */
struct link_keys {
	/* The name of the client that has the key, in SSH's format; false: unknown. */
	bool (*find)(void *arg, struct span blob, char name[LINK_KEY_NAME_MAX]);
	/* @access: remote_print_access() of a remote or of a channel's target. */
	bool (*may_reach)(void *arg, const char *name, const char *access);
	void *arg;
};

/* Certificates by ACME, for --tls-domain. Likewise. */
struct link_acme_options {
	struct field_list domains; /* canonical: acme/certificates.h; empty: no ACME */
	const char *url;           /* of the CA's directory; NULL: Let's Encrypt */
	const char *ca_file;       /* to verify the CA's server */
	const char *email;
	/* The directory for certificates; "-": none; NULL: "$HOME/.cache/chisel". */
	const char *cache;
	const char *dns_hook;          /* enables DNS-01 */
	const char *eab_kid, *eab_key; /* both or none */
	uint16_t http_port;            /* for HTTP-01; 0: none */
};

/* All strings are borrowed and outlive the server; NULL is "not given". */
struct link_server_options {
	const char *host;     /* NULL is 0.0.0.0 */
	uint16_t port;        /* 0 lets the kernel choose; the log says which */
	const char *key_seed; /* --key */
	/* --keyfile: a path or a "ck-" string; wins over the seed */
	const char *key_file;
	const char *auth_file; /* --authfile */
	const char *auth;      /* --auth */
	/* NULL: no logins by key. With keys and no users, no password is accepted. */
	const struct link_keys *keys;
	/* Its clients are these agents and no others; @keys are theirs. NULL: any. */
	struct link_agents *agents;
	/* Gets requests that are for no link, on data workers. False: @x is untouched,
	 * and answered here. NULL: there are none. */
	bool (*on_other)(void *arg, struct data_worker *d, struct http_exchange *x);
	void *other_arg;
	const char *backend;               /* --backend: an http or https URL */
	struct field_list trusted_proxies; /* "10.0.0.0/8", "192.0.2.1" */
	bool allows_socks;                 /* --socks5 */
	bool checks_socks;                 /* --socks-acl */
	bool allows_reverse;               /* --reverse */
	const char *tls_key, *tls_cert;    /* both or none */
	const char *tls_ca;                /* file or directory; needs TLS */
	struct link_acme_options acme;     /* in place of key and certificate */
	unsigned workers;                  /* data workers; 0 is one for each core */
	const char *metrics;               /* --metrics: "127.0.0.1:9464" */
	unsigned head_max; /* bytes of a request's head; 0: see http/server.h */
	struct chisel_tuning tuning;
};

struct link_agents;
struct link_server;
struct notify;

extern const struct data_service link_data_service; /* link_service.c */

/* Listens. @options, @control and @notify (NULL:
 * no service manager) outlive the server. */
enum err link_server_open(const struct link_server_options *options,
	struct worker *control, struct notify *notify, struct link_server **out,
	struct why *why) MUST_USE;

/*
 * A link server on the data workers of @host, before these are opened: they get
 * link_data_service with the server as its context. It has no listener, users, TLS,
 * backend and metrics of its own; whose X-Forwarded-For is trusted is in the snapshots.
 */
enum err link_server_open_in(const struct link_server_options *options,
	struct worker *control, struct data_shared *host, struct link_server **out,
	struct why *why) MUST_USE;

/* SHA-256 of its host key, base64: what clients pin. */
void link_server_fingerprint(const struct link_server *s,
	char out[HOSTKEY_SHA256_CHARS + 1]);

/* The session of the agent on the worker @d, which has been told its newest list, and its
 * address; NULL: it is not there. On the thread of @d. */
struct chisel_session *link_server_find(struct data_worker *d, const char *label,
	struct addr *client);

/* Sends the agent the list of its tunnels that link_agents_set_list() was given, if it is
 * connected. ERR_NOMEM. */
enum err link_server_tell(struct link_server *s, const char *label) MUST_USE;

/* Reads users, certificate and key again; what is wrong leaves the previous ones.
 * Certificates by ACME that are due are asked for now. */
void link_server_reload(struct link_server *s);

/*
 * Ends the sessions of keys that are not known any more, and what the others may not
 * reach any more; on the data workers, at once. ERR_NOMEM: not on all of them.
 */
enum err link_server_check_keys(struct link_server *s) MUST_USE;

/* Writes figures to the log. */
void link_server_report(const struct link_server *s);

/* Takes nothing new. */
void link_server_end(struct link_server *s);

/* Ends its sessions. NULL is fine. */
void link_server_close(struct link_server *s);

#endif
