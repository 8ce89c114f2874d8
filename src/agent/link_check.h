/*
 * Looks whether a link's remotes would work, one after the other, each in a session of
 * its own: what the server allows, whether the ports are free, whether the targets can be
 * reached where that shows. The program behind `adit client --check`.
 */
#ifndef AGENT_LINK_CHECK_H
#define AGENT_LINK_CHECK_H

#include <stdio.h>

#include "agent/link.h"

/* Prints a line for each remote on @out. Returns the program's exit code:
 * 0 if all is well. */
int link_check_run(const struct link_client_options *options, FILE *out);

#endif
