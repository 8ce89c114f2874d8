/*
 * Checks of values on the command line that would otherwise fail later, or silently do
 * something else. All take NULL as "not given", and refuse with ERR_USAGE and a sentence
 * that names the flag and says what to write.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "base/err.h"

/* An IP address or a host name, without a port. */
enum err check_host(const char *flag, const char *host, struct why *why) MUST_USE;

/* --hostname: a host, maybe with a port, as an HTTP Host header has it. */
enum err check_hostname(const char *hostname, struct why *why) MUST_USE;

/* "name:password". */
enum err check_auth(const char *auth, struct why *why) MUST_USE;

/* --tls-key and --tls-cert: both or none. */
enum err check_tls_pair(const char *key, const char *cert, struct why *why) MUST_USE;

/* --backend: http or https, with a host. */
enum err check_backend(const char *url, struct why *why) MUST_USE;

/* --proxy of a client: http, or SOCKS with a port. */
enum err check_proxy(const char *url, struct why *why) MUST_USE;

/* The server that a client connects to: a host, with http:// or https:// or neither. */
enum err check_server(const char *url, struct why *why) MUST_USE;

/* --fingerprint: SHA-256 in base64, or MD5 as sixteen pairs. */
enum err check_fingerprint(const char *text, struct why *why) MUST_USE;

/* --header: "Name: value", and not one of those that make the tunnel. */
enum err check_header(const char *header, struct why *why) MUST_USE;

#endif
