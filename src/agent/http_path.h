/*
 * The path of a request in canonical form. It is made canonical before routes are
 * matched, and the canonical path is forwarded (portal-protocol 14.4).
 *
 * Escapes of unreserved characters are decoded (RFC 3986 6.2.2.2), dot segments resolved,
 * and repeated slashes joined. Other escapes, including %2F, stay. Refused are paths that
 * an upstream might resolve to a parent directory: "..", or "..;x", beside an escaped
 * slash or a backslash, plain or escaped. Plain backslashes and malformed escapes are
 * refused, too.
 */
#ifndef AGENT_HTTP_PATH_H
#define AGENT_HTTP_PATH_H

#include "base/buf.h"

/*
 * Adds the canonical path to @out, which is empty. It begins with '/', never with "//",
 * and ends with '/' if @raw does. An empty path becomes "/".
 * ERR_SYNTAX: refused.  ERR_LIMIT: longer than @out may be.
 */
enum err http_path_clean(struct span raw, struct buf *out, struct why *why) MUST_USE;

/* The same for a prefix of paths: without a slash at the end, unless it is "/". */
enum err http_path_clean_prefix(struct span raw, struct buf *out,
	struct why *why) MUST_USE;

/* True if @path is @prefix, or lies under it. Both are canonical. */
bool http_path_is_under(struct span path, struct span prefix);

/* True if browsers read @path as a path, and not as "//host" of another host. */
bool http_path_is_safe(struct span path);

#endif
