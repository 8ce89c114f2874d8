/* Visitors with one thing to do at a time: transfers, the echo, and those who only wait. */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t chunk[LOAD_CHUNK_BYTES];

static void say(int fd, char byte)
{
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		load_die("send");
}

/* At least one byte. */
static size_t hear(int fd)
{
	ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

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
	int fd = load_dial(opt->port);
	double start = load_now();
	double bytes = 0;
	char is_stopped = 0;
	size_t n;

	say(fd, 'D');
	do {
		n = hear(fd);
		bytes += (double)n;
		if (!is_stopped && load_now() - start > opt->seconds) {
			say(fd, 'X');
			is_stopped = 1;
		}
	} while (chunk[n - 1] != LOAD_LAST);
	print_transfer(bytes, load_now() - start);
	close(fd);
}

void load_up(const struct load_options *opt)
{
	int fd = load_dial(opt->port);
	double start = load_now();
	double bytes = 0;
	ssize_t n;

	say(fd, 'U');
	while (load_now() - start < opt->seconds) {
		n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		if (n < 0)
			load_die("send");
		bytes += (double)n;
	}
	say(fd, (char)LOAD_LAST);
	hear(fd);
	print_transfer(bytes, load_now() - start);
	close(fd);
}

/*
 * Bytes leave when they are due, answered or not, and their time counts from when they were due:
 * so one long silence is seen as long by all who would have spoken in it.
 */
void load_echo(const struct load_options *opt)
{
	size_t total = (size_t)(opt->seconds * opt->rate);
	struct pollfd watch = { .fd = load_dial(opt->port), .events = POLLIN };
	struct samples took;
	size_t sent = 0;
	double start, due;

	samples_init(&took, total + 1);
	say(watch.fd, 'E');
	hear(watch.fd);
	start = load_now();
	while (took.n < total) {
		due = sent < total ? start + (double)sent / opt->rate - load_now() : 1;
		if (due <= 0) {
			say(watch.fd, 'e');
			sent++;
			continue;
		}
		if (ppoll(&watch, 1, &(struct timespec){ .tv_nsec = (long)(due * 9e8) },
			    NULL) <= 0)
			continue;
		for (size_t n = hear(watch.fd); n > 0; n--)
			samples_add(&took,
				load_now() - start - (double)took.n / opt->rate);
	}
	samples_sort(&took);
	printf("{\"echoes\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
	       "\"load_cpu\": %.6f}\n",
		took.n, samples_ms(&took, 0.5), samples_ms(&took, 0.99),
		samples_ms(&took, 1), load_cpu());
	samples_fini(&took);
	close(watch.fd);
}

/* Each has had an answer before the next comes, so that all of them are known at the far end. */
void load_idle(const struct load_options *opt)
{
	int *fds = calloc(opt->conns, sizeof(*fds));

	if (fds == NULL)
		load_die("idle");
	for (unsigned i = 0; i < opt->conns; i++) {
		fds[i] = load_dial(opt->port);
		say(fds[i], 'E');
		hear(fds[i]);
	}
	printf("{\"open\": %u}\n", opt->conns);
	fflush(stdout);
	while (read(STDIN_FILENO, chunk, sizeof(chunk)) > 0)
		continue;
	for (unsigned i = 0; i < opt->conns; i++)
		close(fds[i]);
	free(fds);
}
