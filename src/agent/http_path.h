/*
 * The path of a request, made canonical before anything is decided: the bytes that are
 * matched are those that are forwarded (portal-protocol 14.4).
 *
 * Escapes of unreserved characters are undone (RFC 3986 6.2.2.2), dot segments resolved,
 * and slashes that follow each other made one; other escapes, %2F among them, stay. What
 * an upstream might still take for a way up is refused: "..", or "..;x", beside an
 * escaped slash or a backslash, plain or escaped. So are plain backslashes and escapes
 * that are none.
 */
#ifndef AGENT_HTTP_PATH_H
#define AGENT_HTTP_PATH_H

#include "base/buf.h"

/*
 * Adds the canonical path to @out, which is empty: it begins with '/', never with "//",
 * and ends with one if @raw does. An empty path is "/".
 * ERR_SYNTAX: refused.  ERR_LIMIT: longer than @out may be.
 */
enum err http_path_clean(struct span raw, struct buf *out, struct why *why) MUST_USE;

/* The same without a slash at the end, unless it is "/": for what paths begin with. */
enum err http_path_clean_prefix(struct span raw, struct buf *out,
	struct why *why) MUST_USE;

/* True if @path is @prefix, or lies under it. Both are canonical. */
bool http_path_is_under(struct span path, struct span prefix);

/* True if a browser would take @path for a path, and not for another host's name. */
bool http_path_is_safe(struct span path);

#endif
