/* The config request: what a client asks a server for, as JSON. chisel-protocol 4.1. */
#ifndef TUNNEL_CHISEL_CONFIG_H
#define TUNNEL_CHISEL_CONFIG_H

#include "base/buf.h"
#include "tunnel/chisel/remote.h"

#define CONFIG_BYTES_MAX 65536

/* The reason after "Server cannot listen on ...: " if a session of the same client has
 * the port. */
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

/* ERR_SYNTAX: not a list of @count ports. */
enum err chisel_ports_parse(struct span text, uint16_t *ports, unsigned count) MUST_USE;

struct chisel_config {
	char version[CONFIG_VERSION_MAX];
	/* Our own extension, unknown to others: identifies the client, or "". A client
	 * may take over the ports of its own dead session. */
	char client[CONFIG_CLIENT_MAX];
	/* Another extension: a random number of this run of the program, or "". A run
	 * has one session at a time, so its older session is closed. */
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
