/*
 * The panel's API where agents connect, as a service of the data workers. The control
 * worker answers.
 */
#ifndef RELAY_RELAY_FRONT_H
#define RELAY_RELAY_FRONT_H

#include "serve/data_worker.h"

/* Its context is the relay. */
extern const struct data_service relay_front_service;

/* A request at the host of links that is not for a link: true if it is the API's, which
 * answers it then. @arg is unused. */
bool relay_front_on_request(void *arg, struct data_worker *d, struct http_exchange *x);

#endif
