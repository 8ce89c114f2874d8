/*
 * The relay's own host names. The root host is the one under which leases have their
 * names. A relay with a local root host, for development, also answers as "localhost" and
 * under the addresses of the loopback interface. There, names under "localhost" are the
 * same as names under the root: stock clients derive the root from the URL that they use
 * (portal-protocol 8.1).
 */
#ifndef SERVE_OWN_HOST_H
#define SERVE_OWN_HOST_H

#include "text/names.h"

/* Is @host, which is canonical and has no port, a name of the relay itself? */
bool own_host_is(const char *root, const char *host);

/* Brings a name under another own host under the root: "app.localhost" to "app.root". */
void own_host_unify(const char *root, char host[NAMES_HOST_MAX + 1]);

#endif
