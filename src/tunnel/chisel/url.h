/* The URL of a server, as a client is given it. chisel-protocol 1.5. */
#ifndef TUNNEL_CHISEL_URL_H
#define TUNNEL_CHISEL_URL_H

#include "text/url.h"

/*
 * Reads "host", "host:port" or a URL of scheme http, https, ws or wss. In @out the scheme
 * is ws or wss, and the port is never 0: 80 or 443 if none is given.
 * ERR_SYNTAX, ERR_LIMIT: @why has the reason. A user in the URL is an error.
 */
enum err chisel_url_parse(struct span text, struct url *out, struct why *why) MUST_USE;

#endif
