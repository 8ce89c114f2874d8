/* Pieces of heads: the names of status codes, field lines as text, and Host. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/buf.h"
#include "wire/http1.h"

/* "Not Found" for 404; "Unknown" for what we never send. Never NULL. */
const char *http_status_name(unsigned status);

/* The line "Date" with the time now, whatever the locale (RFC 9110 5.6.7). */
void http_put_date(struct buf *out);

/*
 * True if one of @lines, each of which ends in CRLF, has that name, in any case of
 * letters. NULL is no lines.
 */
bool http_lines_have(const char *lines, struct span name);

/* Host, without a port and without the brackets of IPv6; empty if there is none. */
struct span http_host(const struct http1_head *head);

/*
 * False: a web page of another site may have sent this request. The name of such a page
 * may resolve to an address of this machine or network, so that the page can read
 * responses (DNS rebinding), but Host then has that name. So Host must be missing, an
 * address, localhost or a name below it, or @name, which may be NULL.
 */
bool http_host_is_local(const struct http1_head *head, const char *name);

#endif
