/*
 * Checks of the options of a link's ends, of values that would otherwise fail later, or
 * silently have another effect. They are for rows of fields (text/field.h), of kind
 * FIELD_TEXT unless stated. ERR_USAGE: @why says what is wrong and what to write.
 */
#ifndef TUNNEL_CHISEL_CHECK_H
#define TUNNEL_CHISEL_CHECK_H

#include "base/err.h"

/* An IP address or a host name, without a port. */
enum err check_host(void *member, struct why *why) MUST_USE;

/* A host, maybe with a port, as an HTTP Host header has it. */
enum err check_hostname(void *member, struct why *why) MUST_USE;

/* "name:password"; FIELD_SECRET. */
enum err check_auth(void *member, struct why *why) MUST_USE;

/* A URL of http or https, with a host. */
enum err check_backend(void *member, struct why *why) MUST_USE;

/* A URL of a client's proxy: http, or SOCKS with a port. */
enum err check_proxy(void *member, struct why *why) MUST_USE;

/* SHA-256 in base64, or MD5 as sixteen pairs. */
enum err check_fingerprint(void *member, struct why *why) MUST_USE;

/*
 * FIELD_REPEATED: "Name: value", and not one of those that make the tunnel. A later
 * header replaces an earlier one of the same name.
 */
enum err check_headers(void *member, struct why *why) MUST_USE;

/* ---- of other values; the sentence names the flag ---- */

/* --tls-key and --tls-cert: both or none. */
enum err check_tls_pair(const char *key, const char *cert, struct why *why) MUST_USE;

/* The server that a client connects to: a host, with http:// or https:// or neither. */
enum err check_server(const char *url, struct why *why) MUST_USE;

#endif
