/*
 * An outlet writes text to an inherited descriptor, such as standard error, and never
 * waits for the reader. The flags of the descriptor do not change, because other programs
 * share it.
 *
 * A text is written completely, kept until the reader continues, or refused completely.
 * Not thread safe.
 */
#ifndef BASE_OUTLET_H
#define BASE_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#define OUTLET_KEPT_BYTES 16384

enum outlet_kind {
	OUTLET_POLLED, /* polled for room before each write(2) */
	OUTLET_PLAIN,  /* a file: write(2) does not wait for a reader */
	OUTLET_SOCKET, /* written to with MSG_DONTWAIT */
	OUTLET_OWN,    /* a pipe or terminal, opened again as non-blocking */
};

struct outlet {
	int fd;
	enum outlet_kind kind;
	size_t kept_n;
	char kept[OUTLET_KEPT_BYTES]; /* accepted, but not written yet */
};

/* For static storage: usable without outlet_open(). */
#define OUTLET_INIT(number) \
	{ \
		.fd = (number), .kind = OUTLET_POLLED \
	}

/* Detects the kind of @fd, and how to write to it without blocking. */
void outlet_open(struct outlet *o, int fd);

/* Closes a descriptor that outlet_open() has opened. Kept text is lost. */
void outlet_close(struct outlet *o);

/* @n is at most OUTLET_KEPT_BYTES. False: refused; the reader is too slow or has
 * ended. */
bool outlet_write(struct outlet *o, const char *text, size_t n);

/* Writes kept text, as far as possible. True: nothing is left. */
bool outlet_flush(struct outlet *o);

#endif
