/* Visitors with one thing to do at a time:
 * transfers, the echo, and those who only wait. */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "secure.h"

static uint8_t chunk[LOAD_CHUNK_BYTES];

/* Blocking, and greeted. */
static struct secure come(const struct load_options *opt)
{
	struct secure s;
	bool is_writing;

	secure_open(&s, load_dial(opt->port));
	if (secure_greet(&s, &is_writing) != 1) {
		errno = ECONNRESET;
		load_die("the handshake failed");
	}
	return s;
}

static void say(struct secure *s, char byte)
{
	if (secure_send(s, &byte, 1) != 1)
		load_die("send");
}

/* At least one byte. */
static size_t hear(struct secure *s)
{
	ssize_t n;

	do
		n = secure_recv(s, chunk, sizeof(chunk));
	while (n < 0 && errno == EAGAIN); /* a record that was no data: a ticket */

	if (n < 0)
		load_die("recv");
	if (n == 0) {
		errno = ECONNRESET;
		load_die("the service's end closed");
	}
	return (size_t)n;
}

static void print_transfer(double bytes, double seconds)
{
	printf("{\"bytes\": %.0f, \"seconds\": %.6f, \"load_cpu\": %.6f}\n", bytes,
		seconds, load_cpu());
}

void load_down(const struct load_options *opt)
{
	struct secure s = come(opt);
	double start = load_now();
	double bytes = 0;
	char is_stopped = 0;
	size_t n;

	say(&s, 'D');
	do {
		n = hear(&s);
		bytes += (double)n;
		if (!is_stopped && load_now() - start > opt->seconds) {
			say(&s, 'X');
			is_stopped = 1;
		}
	} while (chunk[n - 1] != LOAD_LAST);
	print_transfer(bytes, load_now() - start);
	secure_close(&s);
}

void load_up(const struct load_options *opt)
{
	struct secure s = come(opt);
	double start = load_now();
	double bytes = 0;
	ssize_t n;

	say(&s, 'U');
	while (load_now() - start < opt->seconds) {
		n = secure_send(&s, chunk, sizeof(chunk));
		if (n < 0)
			load_die("send");
		bytes += (double)n;
	}
	say(&s, (char)LOAD_LAST);
	hear(&s);
	print_transfer(bytes, load_now() - start);
	secure_close(&s);
}

/*
 * Bytes leave when they are due, answered or not, and their time counts from when they
 * were due: so one long silence is seen as long by all who would have spoken in it.
 */
void load_echo(const struct load_options *opt)
{
	size_t total = (size_t)(opt->seconds * opt->rate);
	struct secure s = come(opt);
	struct pollfd watch = { .fd = s.fd, .events = POLLIN };
	struct samples took;
	size_t sent = 0;
	double start, due;

	samples_init(&took, total + 1);
	say(&s, 'E');
	hear(&s);
	start = load_now();
	while (took.n < total) {
		due = sent < total ? start + (double)sent / opt->rate - load_now() : 1;
		if (due <= 0) {
			say(&s, 'e');
			sent++;
			continue;
		}
		if (ppoll(&watch, 1, &(struct timespec){ .tv_nsec = (long)(due * 9e8) },
			    NULL) <= 0)
			continue;
		for (size_t n = hear(&s); n > 0; n--)
			samples_add(&took,
				load_now() - start - (double)took.n / opt->rate);
	}
	samples_sort(&took);
	printf("{\"echoes\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
	       "\"load_cpu\": %.6f}\n",
		took.n, samples_ms(&took, 0.5), samples_ms(&took, 0.99),
		samples_ms(&took, 1), load_cpu());
	samples_fini(&took);
	secure_close(&s);
}

/* Each has had an answer before the next comes, so that all of them are known at the far
 * end. */
void load_idle(const struct load_options *opt)
{
	struct secure *all = calloc(opt->conns, sizeof(*all));

	if (all == NULL)
		load_die("idle");
	for (unsigned i = 0; i < opt->conns; i++) {
		all[i] = come(opt);
		say(&all[i], 'E');
		hear(&all[i]);
	}
	printf("{\"open\": %u}\n", opt->conns);
	fflush(stdout);
	while (read(STDIN_FILENO, chunk, sizeof(chunk)) > 0)
		continue;
	for (unsigned i = 0; i < opt->conns; i++)
		secure_close(&all[i]);
	free(all);
}
