/* The head and the fields of an HTTP/1 message, for the files of wire/http1 only. */
#ifndef WIRE_HTTP1_PRIV_H
#define WIRE_HTTP1_PRIV_H

#include "wire/http1.h"

/*
 * Reads field lines from @lines up to an empty one into @out, which has room for one
 * field a line. The reader of lines has checked what is_strict forbids; the rest is made
 * canonical in place. ERR_SYNTAX.
 */
enum err http1_fields_read(struct mspan lines, bool is_strict, struct http1_header *out,
	unsigned *n, struct why *why) MUST_USE;

/* Is @line, without its end, a request line or a status line? ERR_SYNTAX. */
enum err http1_check_first_line(bool is_request, struct span line,
	struct why *why) MUST_USE;

/*
 * Reads @raw, which ends with its empty line, into @head, whose is_request is set and
 * whose headers have room for one a line. @raw may be changed in place.
 */
enum err http1_head_read(struct http1_head *head, struct mspan raw, bool is_without_body,
	struct why *why) MUST_USE;

#endif
