/*
 * The client end of links: keeps one session with a server, for ever.
 * The program behind `adit client`. chisel-protocol 7.
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "tunnel/chisel/session.h"

/* All strings and arrays are borrowed and outlive the client; NULL is "not given". */
struct link_client_options {
	const char *server;         /* as the user wrote it; chisel-protocol 1.5 */
	const char *fingerprint;    /* of the server's key: SHA-256 base64 or MD5 pairs */
	const char *auth;           /* "user:password" */
	const char *proxy;          /* --proxy URL */
	const char *hostname;       /* --hostname: Host header and TLS name */
	const char *sni;            /* --sni: TLS name, wins over hostname */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const char *tls_ca;
	bool tls_skip_verify;
	const char *tls_cert, *tls_key; /* both or none */
	int max_retry_count;            /* -1 is for ever */
	uint32_t max_retry_ms;          /* 0 is 5 s */
	uint32_t min_retry_ms;          /* 0: the first retry is at once */
	uint32_t connect_timeout_ms;    /* CHISEL_WS_TIMEOUT; 0 is 45 s */
	const struct remote *remotes;
	unsigned remote_count;
	struct chisel_tuning tuning;
};

/* Runs until SIGINT or SIGTERM, or until it gives up. Returns the program's exit code. */
int link_client_run(const struct link_client_options *options);

#endif
