/*
 * The edge as a service of the data workers: TLS of a tunnel's visitors ends here, on the
 * worker of its route, and their requests go to the app as HTTP/1.1 over streams of the
 * route's carrier. Nothing here depends on what the carrier is.
 *
 * A connection is for the tunnel that its ClientHello has named: a request for another
 * host gets 421, whereupon browsers open another connection. What a request may do is
 * decided for each one, by the tunnel's newest route.
 *
 * What a visitor says of proxies before it is dropped, unless it is one of the snapshot's
 * proxies. The limits for an address do not count for those.
 */
#ifndef EDGE_EDGE_SERVICE_H
#define EDGE_EDGE_SERVICE_H

#include "serve/data_worker.h"

/* Its context is unused. The snapshot's names have the contexts for TLS. */
extern const struct data_service edge_service;

/* The serve_take of a tunnel's route_ops. A name without a TLS context gets the alert
 * unrecognized_name. */
void edge_serve_take(struct data_worker *d, struct route *r, int fd,
	const struct addr *peer);

#endif
