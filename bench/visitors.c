/* Many visitors at once, each with a request under way:
 * on connections kept, or on new ones. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "secure.h"

#define EVENTS_MAX 128
#define SAMPLES_MAX 4000000
#define ERRORS_MAX 10000 /* the path is broken: do not hammer it */
#define FACES 100        /* addresses to come from: one has too few ports for this */

static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

struct visitor {
	struct secure s;
	bool is_greeted;
	size_t got; /* of the answer */
	double since;
};

struct crowd {
	const struct load_options *opt;
	int epoll;
	char is_fresh; /* each request has a connection of its own */
	unsigned came;
	size_t done, errors, resumed;
	struct samples took;
};

static void visitor_ask(struct crowd *c, struct visitor *v)
{
	v->got = 0;
	if (secure_send(&v->s, request, sizeof(request) - 1) < 0)
		c->errors++; /* and reading will say so too */
}

/* A closed connection keeps its port for a minute;
 * the other loopback addresses have more. */
static void visitor_take_face(struct crowd *c, int fd)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->came++ % FACES);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		load_die("bind");
}

/* Connects without waiting; the request leaves when the socket can be written. */
static void visitor_come(struct crowd *c, struct visitor *v)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(c->opt->port) };
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = v };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		load_die("socket");
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v->since = load_now();
	v->is_greeted = false;
	secure_open(&v->s, fd);
	visitor_take_face(c, fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		load_die("connect");
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		load_die("epoll_ctl");
}

static void visitor_come_again(struct crowd *c, struct visitor *v)
{
	secure_close(&v->s);
	visitor_come(c, v);
}

static void visitor_on_error(struct crowd *c, struct visitor *v)
{
	if (++c->errors > ERRORS_MAX)
		load_die("too many errors; the last");
	visitor_come_again(c, v);
}

/* Connected, or further in the handshake. */
static void visitor_greet(struct crowd *c, struct visitor *v)
{
	struct epoll_event ev = { .data.ptr = v };
	bool is_writing;
	int rc = secure_greet(&v->s, &is_writing);

	if (rc < 0) {
		visitor_on_error(c, v);
		return;
	}
	ev.events = is_writing ? EPOLLOUT : EPOLLIN;
	if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, v->s.fd, &ev) != 0)
		load_die("epoll_ctl");
	if (rc == 0)
		return;
	v->is_greeted = true;
	c->resumed += secure_is_resumed(&v->s);
	visitor_ask(c, v);
}

static void visitor_on_answered(struct crowd *c, struct visitor *v)
{
	double now = load_now();

	c->done++;
	samples_add(&c->took, now - v->since);
	if (c->is_fresh) {
		visitor_come_again(c, v);
		return;
	}
	v->since = now;
	visitor_ask(c, v);
}

static void visitor_on_read(struct crowd *c, struct visitor *v)
{
	char in[2 * ANSWER_BYTES];
	ssize_t n;

	do {
		n = secure_recv(&v->s, in, sizeof(in));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			visitor_on_error(c, v);
			return;
		}
		v->got += (size_t)n;
	} while (v->got < ANSWER_BYTES && secure_has_more(&v->s));
	if (v->got >= ANSWER_BYTES)
		visitor_on_answered(c, v);
}

static void crowd_print(struct crowd *c, double seconds, double cpu)
{
	samples_sort(&c->took);
	printf("{\"done\": %zu, \"errors\": %zu, \"seconds\": %.6f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"resumed\": %zu, \"load_cpu\": %.6f}\n",
		c->done, c->errors, seconds, samples_ms(&c->took, 0.5),
		samples_ms(&c->took, 0.99), c->resumed, cpu);
}

static void crowd_run(struct crowd *c)
{
	struct epoll_event events[EVENTS_MAX];
	double start = load_now();
	int n;

	while (load_now() - start < c->opt->seconds) {
		n = epoll_wait(c->epoll, events, EVENTS_MAX, 100);
		for (int i = 0; i < n; i++) {
			struct visitor *v = events[i].data.ptr;

			if (v->is_greeted)
				visitor_on_read(c, v);
			else
				visitor_greet(c, v);
		}
	}
	crowd_print(c, load_now() - start, load_cpu());
}

static void crowd_measure(const struct load_options *opt, char is_fresh)
{
	struct crowd c = { .opt = opt, .is_fresh = is_fresh };
	struct visitor *all = calloc(opt->conns, sizeof(*all));

	if (all == NULL)
		load_die("visitors");
	samples_init(&c.took, SAMPLES_MAX);
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < opt->conns; i++)
		visitor_come(&c, &all[i]);
	crowd_run(&c);
	for (unsigned i = 0; i < opt->conns; i++)
		secure_close(&all[i].s);
	close(c.epoll);
	samples_fini(&c.took);
	free(all);
}

void load_rps(const struct load_options *opt)
{
	crowd_measure(opt, 0);
}

void load_connect(const struct load_options *opt)
{
	crowd_measure(opt, 1);
}
