/*
 * Names of leases and hosts, in the canonical form in which they are compared.
 *
 * A host is visible text of letters, digits and "-_.:" in lower case, without a dot at
 * its end; an IPv6 address is one, without brackets. A label is one part of it: what a
 * person calls a lease becomes a label, with IDNA 2008 where ASCII does not do.
 */
#ifndef TEXT_NAMES_H
#define TEXT_NAMES_H

#include "base/err.h"
#include "base/span.h"

#define NAMES_LABEL_MAX 63
#define NAMES_HOST_MAX 253
#define NAMES_INPUT_MAX 1024 /* bytes that a person's name of something may have */

/* What is left of UTF-8 text without the white space (Unicode's) at both ends. */
struct span names_trim(struct span text);

/* ERR_SYNTAX: empty, or not a host.  ERR_LIMIT: more than NAMES_HOST_MAX. */
enum err names_parse_host(struct span text, char out[NAMES_HOST_MAX + 1],
	struct why *why) MUST_USE;

/*
 * "My App!" is "my-app", "bücher" is "xn--bcher-kva". A label stays as it is.
 * ERR_SYNTAX: nothing is left, or no label can be made of it.  ERR_LIMIT: it is too long.
 */
enum err names_parse_label(struct span text, char out[NAMES_LABEL_MAX + 1],
	struct why *why) MUST_USE;

/* "label.root", both in canonical form. Errors as those of the two. */
enum err names_lease_host(struct span label, struct span root,
	char out[NAMES_HOST_MAX + 1], struct why *why) MUST_USE;

/* Nothing, localhost, a name under it, or an address of the loopback interface. */
bool names_host_is_local(const char *host);

/*
 * An address of IPv4 or IPv6, and no name: also one that only some resolvers take, such
 * as 127.1 or 0x7f000001. No name ends in a number (RFC 1123 2.1).
 */
bool names_host_is_address(const char *host);

/*
 * Are the two equal, or is @pattern "*.suffix" and @host one label more than the suffix?
 * A suffix without a dot matches nothing. Both are in canonical form.
 */
bool names_match(const char *pattern, const char *host);

#endif
