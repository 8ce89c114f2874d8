/* The load's command line, and what its modes share. */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "secure.h"

/* What a mode may take beyond its seconds before it is given up. */
#define GRACE_S 30

static const struct mode {
	const char *name;
	void (*run)(const struct load_options *opt);
	const char *help;
} modes[] = {
	{ "serve", load_serve, "be the service; prints {\"port\": N}" },
	{ "down", load_down, "one stream from the service" },
	{ "up", load_up, "one stream to the service" },
	{ "echo", load_echo, "one byte there and back, at a fixed rate" },
	{ "rps", load_rps, "requests on connections that are kept" },
	{ "connect", load_connect, "connect, one request, close, again" },
	{ "idle", load_idle, "hold connections open until stdin ends" },
};

_Noreturn void load_die(const char *what)
{
	perror(what);
	exit(1);
}

double load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double load_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int load_dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		load_die("socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		load_die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void samples_init(struct samples *s, size_t cap)
{
	*s = (struct samples){ .us = calloc(cap, sizeof(*s->us)), .cap = cap };
	if (s->us == NULL)
		load_die("samples");
}

void samples_fini(struct samples *s)
{
	free(s->us);
}

void samples_add(struct samples *s, double seconds)
{
	if (s->n < s->cap)
		s->us[s->n++] = (uint32_t)(seconds * 1e6);
}

static int sample_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	qsort(s->us, s->n, sizeof(*s->us), sample_compare);
}

double samples_ms(const struct samples *s, double quantile)
{
	if (s->n == 0)
		return 0;
	return s->us[(size_t)((double)(s->n - 1) * quantile)] / 1e3;
}

/* Thousands of connections need as many descriptors. */
static void raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

static _Noreturn void usage(void)
{
	fputs("usage: load MODE [-p PORT] [-s SECONDS] [-c CONNECTIONS] [-r RATE]\n"
	      "            [-n NAME (visitors speak TLS)] [-k (and resume)]\n",
		stderr);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, "  %-8s %s\n", modes[i].name, modes[i].help);
	exit(2);
}

static const struct mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	usage();
}

static struct load_options options_read(int argc, char **argv)
{
	struct load_options opt = { .seconds = 2, .conns = 64, .rate = 500 };
	int c;

	while ((c = getopt(argc, argv, "p:s:c:r:n:k")) != -1) {
		if (c == 'p')
			opt.port = (uint16_t)atoi(optarg);
		else if (c == 's')
			opt.seconds = atof(optarg);
		else if (c == 'c')
			opt.conns = (unsigned)atoi(optarg);
		else if (c == 'r')
			opt.rate = (unsigned)atoi(optarg);
		else if (c == 'n')
			opt.name = optarg;
		else if (c == 'k')
			opt.resumes = true;
		else
			usage();
	}
	if (opt.conns == 0 || opt.rate == 0 || opt.seconds <= 0)
		usage();
	return opt;
}

int main(int argc, char **argv)
{
	struct load_options opt;
	const struct mode *mode;

	if (argc < 2)
		usage();
	mode = mode_find(argv[1]);
	opt = options_read(argc - 1, argv + 1);
	if (opt.name != NULL)
		secure_init(opt.name, opt.resumes);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	if (mode->run != load_serve)
		alarm((unsigned)opt.seconds + GRACE_S);
	mode->run(&opt);
	return 0;
}
