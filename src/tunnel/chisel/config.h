/* The config request: what a client wants of a server, as JSON. chisel-protocol 4.1. */
#ifndef TUNNEL_CHISEL_CONFIG_H
#define TUNNEL_CHISEL_CONFIG_H

#include "base/buf.h"
#include "tunnel/chisel/remote.h"

#define CONFIG_BYTES_MAX 65536

/* Behind "Server cannot listen on ...: ": a session of the same client has the port. */
#define CONFIG_PORT_IS_YOURS "another session of yours has it"
#define CONFIG_REMOTES_MAX 1024
#define CONFIG_VERSION_MAX 64
#define CONFIG_CLIENT_MAX 65
#define CONFIG_RUN_MAX 33

/*
 * The server's answer to a client of ours that lets it choose ports: for each remote of
 * the config the port that it listens on, 0 for those that it does not listen for.
 */
enum err chisel_ports_print(const uint16_t *ports, unsigned count,
	struct buf *out) MUST_USE;

/* ERR_SYNTAX: not such an answer, or not for @count remotes. */
enum err chisel_ports_parse(struct span text, uint16_t *ports, unsigned count) MUST_USE;

struct chisel_config {
	char version[CONFIG_VERSION_MAX];
	/* Our own extension, unknown to others: the same client says the same, "" if it
	 * says nothing. It may take over the ports of its own dead session. */
	char client[CONFIG_CLIENT_MAX];
	/* Another one: a number drawn when the client's program started. It has one
	 * session at a time, so an older one of the same run is given up. */
	char run[CONFIG_RUN_MAX];
	struct remote *remotes; /* owned, may be NULL */
	unsigned count;
};

/* Compact JSON, fields in the order of the protocol. */
enum err chisel_config_print(const struct chisel_config *c, struct buf *out) MUST_USE;

/*
 * Keys in any case, unknown ones ignored, missing protos are tcp, null remotes skipped.
 * ERR_SYNTAX: not such JSON. ERR_LIMIT: too much of it.
 */
enum err chisel_config_parse(struct span text, struct chisel_config *out) MUST_USE;
void chisel_config_fini(struct chisel_config *c);

#endif
