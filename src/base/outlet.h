/*
 * An outlet writes text to a descriptor that it did not open, such as standard error, and
 * never waits for the reader. The descriptor itself stays as it is: other programs share
 * it.
 *
 * A text is written whole, kept whole until the reader goes on, or refused whole.
 * Not thread safe.
 */
#ifndef BASE_OUTLET_H
#define BASE_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#define OUTLET_KEPT_BYTES 16384

enum outlet_kind {
	OUTLET_POLLED, /* asked whether it takes bytes, then written to */
	OUTLET_PLAIN,  /* a file: write(2) does not wait for a reader */
	OUTLET_SOCKET, /* written to with MSG_DONTWAIT */
	OUTLET_OWN,    /* a pipe or terminal, opened again without blocking */
};

struct outlet {
	int fd;
	enum outlet_kind kind;
	size_t kept_n;
	char kept[OUTLET_KEPT_BYTES]; /* accepted, and not taken by the reader yet */
};

/* Static storage: good for use without outlet_open(). */
#define OUTLET_INIT(number) \
	{ \
		.fd = (number), .kind = OUTLET_POLLED \
	}

/* Finds out what @fd is, and how to write to it without waiting. */
void outlet_open(struct outlet *o, int fd);

/* Closes what outlet_open() opened. What is kept is lost. */
void outlet_close(struct outlet *o);

/* @n is at most OUTLET_KEPT_BYTES. False: refused; the reader is too slow, or gone. */
bool outlet_write(struct outlet *o, const char *text, size_t n);

/* Writes what is kept, as far as possible. True: nothing is left. */
bool outlet_flush(struct outlet *o);

#endif
