/* Visitors, from the first byte to the last, on a data worker. */
#ifndef SERVE_VISITOR_H
#define SERVE_VISITOR_H

#include "serve/served.h"

/* Both take @fd. The second has a route already; @is_raw: it came by a TCP port. */
void visitor_open_take(struct data_worker *d, int fd, const struct addr *peer);
void visitor_claim_take(struct served *s, int fd, const struct addr *peer, bool is_raw);

/* Takes @fd, whose ClientHello names nothing that is served: it gets an alert. */
void visitor_refuse_take(struct data_worker *d, int fd, const struct addr *peer);

void visitor_on_timeout(void *data_worker); /* of its pending_timer */

/* Drops those that have no session yet. */
void visitor_close_pending(struct data_worker *d);
void visitor_cut_all(struct data_worker *d);

/* Those that are served by a session of a client in @banned. */
void visitor_cut_banned(struct data_worker *d, const struct prefix_set *banned);

#endif
