/*
 * The demo: a server, a client and something to publish, on the loopback addresses of one
 * machine, and a visitor who comes through the tunnel.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct demo_options {
	FILE *out;               /* borrowed: what happens */
	FILE *err;               /* borrowed: what the server and the client log */
	const char *target_host; /* what to publish; NULL: a page of our own */
	uint16_t target_port;
	bool is_once; /* end after the visit */
};

/* Returns the exit code. What went wrong is told on @o->out. */
int demo_run(const struct demo_options *o);

#endif
