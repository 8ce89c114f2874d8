/* The host that a request names, and whether this machine goes by it. */
#ifndef HTTP_HOST_H
#define HTTP_HOST_H

#include "wire/http1.h"

/* Host, without a port and without the brackets of IPv6; empty if there is none. */
struct span http_host(const struct http1_head *head);

/*
 * Can no web page have sent this request from afar? A page can have its own name resolved
 * to an address of this machine or network and then read what is answered there (DNS
 * rebinding), but it names itself in Host. So: no Host, an address, localhost or a name
 * below it, or @name, which may be NULL.
 */
bool http_host_is_local(const struct http1_head *head, const char *name);

#endif
