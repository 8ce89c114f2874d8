/* The head of an HTTP/1 message as a whole: for http1.c only. */
#ifndef WIRE_HTTP1_HEAD_H
#define WIRE_HTTP1_HEAD_H

#include "wire/http1.h"

/*
 * Reads @raw, which ends with its empty line and in which every line ends in CRLF, into
 * @head, whose @is_request is set. @is_without_body: a response that can have none.
 */
enum err http1_head_read(struct http1_head *head, struct span raw, bool is_without_body,
	struct why *why) MUST_USE;

#endif
