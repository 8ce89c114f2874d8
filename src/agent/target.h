/*
 * A target is the local service of a tunnel, as the user writes it
 * (portal-protocol 14.1).
 *
 *	3000, :3000              127.0.0.1:3000
 *	host, host:port          port 80 unless there is one
 *	http://host[:port]       the same
 *	https://host[:port]      with TLS; port 443 unless there is one
 *	https+insecure://…       the same, without verification of the certificate
 *	unix:/path               a Unix socket
 *
 * The certificate of an https target is verified, unless the target is on this machine:
 * no attacker can be in between, and certificates for localhost are mostly self-signed.
 */
#ifndef AGENT_TARGET_H
#define AGENT_TARGET_H

#include "base/buf.h"
#include "text/url.h"

#define TARGET_UNIX_MAX 108 /* with its terminator, as in sockaddr_un */

struct target {
	char unix_path[TARGET_UNIX_MAX]; /* empty: host and port */
	char host[URL_HOST_MAX];         /* a name or literal, without brackets */
	uint16_t port;
	bool is_tls;
	bool skip_verify;
};

/* Of an upstream's URL. */
struct target_path {
	char path[URL_PATH_MAX];  /* canonical, begins with '/' */
	char query[URL_PATH_MAX]; /* without '?'; mostly empty */
};

/* ERR_SYNTAX, ERR_LIMIT: @why says what is wrong, and what to write instead. */
enum err target_parse(struct span text, struct target *out, struct why *why) MUST_USE;

/*
 * The upstream of a route: a target that may have a path and a query if it is a URL. A
 * fragment is dropped (portal-protocol 14.3). Errors as above.
 */
enum err target_parse_upstream(struct span text, struct target *out,
	struct target_path *path, struct why *why) MUST_USE;

/* Prints the value of its Host header: "host" or "host:port". Returns @to. */
const char *target_print_authority(const struct target *t, char to[URL_TEXT_MAX]);

/* For messages: "127.0.0.1:3000", "https://host", "unix:/path". Returns @to. */
const char *target_print(const struct target *t, char to[URL_TEXT_MAX]);

/* True for names and literals of this machine. */
bool target_host_is_local(const char *host);

#endif
