/* Whom a proxy asks for. portal-protocol 16.6. */
#ifndef SERVE_FORWARDED_H
#define SERVE_FORWARDED_H

#include "net/prefix.h"
#include "wire/http1.h"

/*
 * @client is who sent @head. If that is one of @proxies, it becomes whom they speak for:
 * the last address in X-Forwarded-For that is not one of them, else the first; else
 * X-Real-IP.
 *
 * What is before the last that is not trusted was there when the request came to us, or
 * could have been: most proxies append. Portal takes the first, which is the same where a
 * proxy writes the header anew.
 */
void forwarded_find_client(const struct http1_head *head,
	const struct prefix_set *proxies, struct addr *client);

#endif
