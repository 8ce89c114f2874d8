/* The client of a request that a proxy has forwarded. portal-protocol 16.6. */
#ifndef SERVE_FORWARDED_H
#define SERVE_FORWARDED_H

#include "net/prefix.h"
#include "wire/http1.h"

/*
 * @client is the peer that sent @head. If it is one of @proxies, it is replaced by the
 * last address in X-Forwarded-For that is not one of them, else by the first; without
 * that header, by X-Real-IP.
 *
 * Addresses left of the last untrusted one may be forged by the client, since most
 * proxies append. Portal takes the first, which is the same if a proxy replaces the
 * header.
 */
void forwarded_find_client(const struct http1_head *head,
	const struct prefix_set *proxies, struct addr *client);

#endif
