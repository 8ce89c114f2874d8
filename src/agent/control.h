/*
 * The control API of an agent: HTTP on a loopback address, with a bearer token that is in
 * agent-endpoint.json in the state directory, and on a Unix socket there. Wallets may
 * read the status. portal-agent "Local Control API"; portal-protocol 15.3 to 15.6.
 *
 * Web pages cannot use it: Host must be a name or address of this machine, and a request
 * with the Origin of another site is refused.
 */
#ifndef AGENT_CONTROL_H
#define AGENT_CONTROL_H

#include "base/err.h"

#define CONTROL_ENDPOINT_FILE "agent-endpoint.json"
#define CONTROL_SOCKET_FILE "agent.sock"
#define CONTROL_TOKEN_MAX 64
#define CONTROL_ADDR_MAX 80

struct agent;
struct control;

/*
 * Listens, and writes the endpoint file. @a is borrowed; its config says where.
 * ERR_EXISTS: the port is taken.  ERR_SYS, ERR_NOMEM.
 */
enum err control_open(struct agent *a, struct control **out, struct why *why) MUST_USE;

/* Removes file and socket. NULL is fine. */
void control_close(struct control *c);

/* The config has changed: allowed_wallets. ERR_SYNTAX, ERR_NOMEM. */
enum err control_reload(struct control *c, struct why *why) MUST_USE;

/* ---- for programs that use the API ---- */

struct control_endpoint {
	char addr[CONTROL_ADDR_MAX]; /* "127.0.0.1:4018" */
	char token[CONTROL_TOKEN_MAX];
	long pid; /* 0: not there, as in that of a stock agent */
};

/* Reads the file in @state_dir. ERR_NOENT: no agent has written one.  ERR_SYS,
 * ERR_SYNTAX: it cannot be read. */
enum err control_read_endpoint(const char *state_dir, struct control_endpoint *out,
	struct why *why) MUST_USE;

/* The process that has written the file, or 0. */
long control_pid(const char *state_dir);

#endif
