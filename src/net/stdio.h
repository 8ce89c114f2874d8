/*
 * A stream over two descriptors, one to read and one to write: standard input and output.
 * They may be pipes, terminals, sockets or files; files are always ready.
 */
#ifndef NET_STDIO_H
#define NET_STDIO_H

#include "net/stream.h"

/*
 * The descriptors are borrowed, and non-blocking until the stream closes. When the stream
 * finishes, the file of @out_fd is closed, and the number then refers to /dev/null.
 */
enum err stdio_open(struct loop *loop, int in_fd, int out_fd, struct stream **out,
	struct why *why) MUST_USE;

#endif
