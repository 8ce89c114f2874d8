/*
 * What a visitor says and hears: through TLS when the path ends in it, else plain. The
 * other end proves nothing: a measurement knows whom it called.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct secure {
	int fd;
	struct ssl_st *ssl; /* NULL: plain */
};

/* Visitors from now on speak TLS and ask for @name; with @resumes, a session that the
 * newest of them has had is resumed. Exits when it cannot be. */
void secure_init(const char *name, bool resumes);

/* Owns @fd from now on. TLS, if secure_init() was called; no byte has been said yet. */
void secure_open(struct secure *s, int fd);
void secure_close(struct secure *s);

/* One step of the handshake: 1 done, 0 not yet (then *is_writing says for what it waits),
 * -1 it failed. A plain one is done at once. */
int secure_greet(struct secure *s, bool *is_writing);

/* As send() and recv(); -1 with EAGAIN: later. A close_notify is an end, 0. */
ssize_t secure_send(struct secure *s, const void *p, size_t n);
ssize_t secure_recv(struct secure *s, void *p, size_t n);

/* Whether something has been decrypted that was not yet received. */
bool secure_has_more(const struct secure *s);
bool secure_is_resumed(const struct secure *s);

#endif
