/*
 * The load is both ends of a measurement: the service that is published, and its
 * visitors.
 *
 * The first byte of a connection says what the visitor wants of the service:
 *
 *	G	an HTTP GET; each is answered with ANSWER_BODY bytes, kept alive
 *	D	a download: zeros, until the visitor sends one byte more; then LOAD_LAST
 *	U	an upload: zeros, until LOAD_LAST; then one byte is the receipt
 *	E	an echo of this and of every byte after it
 *
 * The end of a transfer is a byte and not a half-close, because not every tunnel carries
 * those; and a transfer whose LOAD_LAST has arrived has arrived in full.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_LAST 0xff
#define LOAD_CHUNK_BYTES (128 * 1024)

#define ANSWER_BODY "1024"
#define ANSWER_HEAD \
	"HTTP/1.1 200 OK\r\n" \
	"Content-Type: application/octet-stream\r\n" \
	"Content-Length: " ANSWER_BODY "\r\n\r\n"
#define ANSWER_BYTES (sizeof(ANSWER_HEAD) - 1 + 1024)

struct load_options {
	uint16_t port;    /* on 127.0.0.1; 0, for the service: any */
	double seconds;   /* how long to measure */
	unsigned conns;   /* rps, connect: at once; idle: in total */
	unsigned rate;    /* echo: bytes a second */
	const char *name; /* visitors speak TLS and ask for this one; NULL: plain */
	bool resumes;     /* sessions of TLS */
};

/* Modes; each prints one line of JSON. load_serve() prints its port and never returns. */
void load_serve(const struct load_options *opt);
void load_down(const struct load_options *opt);
void load_up(const struct load_options *opt);
void load_echo(const struct load_options *opt);
void load_idle(const struct load_options *opt);
void load_rps(const struct load_options *opt);
void load_connect(const struct load_options *opt);

/* Seconds of a clock that only goes forward. */
double load_now(void);

/* CPU seconds that this process has used. */
double load_cpu(void);

/* Says why on stderr and exits 1: a measurement that went wrong is not one. */
_Noreturn void load_die(const char *what);

/* A connected socket without Nagle's delay, blocking.
 * Exits when there is none to be had. */
int load_dial(uint16_t port);

/*
 * How long each of many things took. One that has no room for a sample drops it, so that
 * the memory is bounded; the room is for more than any run here can fill.
 */
struct samples {
	uint32_t *us;
	size_t n, cap;
};

void samples_init(struct samples *s, size_t cap);
void samples_fini(struct samples *s);
void samples_add(struct samples *s, double seconds);

/* Sorts them once; samples_ms() then gives quantiles, 0 when there are none. */
void samples_sort(struct samples *s);
double samples_ms(const struct samples *s, double quantile);

#endif
