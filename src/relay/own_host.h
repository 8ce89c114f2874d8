/*
 * The relay's own host names. There is the root host, under which leases have their names. A relay
 * whose root host is a local one, for development, also goes by "localhost" and by the addresses
 * of the loopback interface; names under "localhost" are the same as those under its root, since
 * stock clients take the host of the URL that they use for the root (portal-protocol 8.1).
 */
#ifndef RELAY_OWN_HOST_H
#define RELAY_OWN_HOST_H

#include "text/names.h"

/* Is @host, which is in form and without a port, one by which the API is asked? */
bool own_host_is(const char *root, const char *host);

/* Brings a name under another own host under the root: "app.localhost" to "app.root". */
void own_host_unify(const char *root, char host[NAMES_HOST_MAX + 1]);

#endif
