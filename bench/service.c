/* The service: what the tunnels publish. One thread, and as little work as can be. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 128
#define BACKLOG 4096

struct guest {
	int fd;
	char wants;      /* the first byte, 0 before it */
	char is_stopped; /* a download: the visitor has had enough */
	char ends;       /* a request: how much of the empty line has been seen */
};

struct service {
	int epoll, listener;
	char answer[ANSWER_BYTES];
	uint8_t in[LOAD_CHUNK_BYTES];
	uint8_t zeros[LOAD_CHUNK_BYTES];
};

static void guest_watch(struct service *s, struct guest *g, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = g };

	if (epoll_ctl(s->epoll, op, g->fd, &ev) != 0)
		load_die("epoll_ctl");
}

static void guest_close(struct guest *g)
{
	close(g->fd);
	free(g);
}

/* A visitor that asks and does not read what it gets is no visitor of ours: false. */
static int guest_say(const struct guest *g, const void *p, size_t n)
{
	return send(g->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static int guest_request(struct service *s, struct guest *g, const uint8_t *p, size_t n)
{
	static const char ending[] = "\r\n\r\n";

	for (size_t i = 0; i < n; i++) {
		if (p[i] == ending[(int)g->ends])
			g->ends++;
		else
			g->ends = p[i] == '\r';
		if (g->ends < 4)
			continue;
		g->ends = 0;
		if (!guest_say(g, s->answer, sizeof(s->answer)))
			return 0;
	}
	return 1;
}

/* True: go on with this guest. */
static int guest_hears(struct service *s, struct guest *g, const uint8_t *p, size_t n)
{
	char is_first = g->wants == 0;

	if (is_first)
		g->wants = (char)p[0];
	switch (g->wants) {
	case 'G':
		return guest_request(s, g, p, n);
	case 'E':
		return guest_say(g, p, n);
	case 'U':
		return p[n - 1] != LOAD_LAST || guest_say(g, "!", 1);
	case 'D':
		g->is_stopped = !is_first || n > 1;
		guest_watch(s, g, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
		return 1;
	default:
		return 0;
	}
}

static int guest_on_read(struct service *s, struct guest *g)
{
	ssize_t n = recv(g->fd, s->in, sizeof(s->in), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN;
	return n > 0 && guest_hears(s, g, s->in, (size_t)n);
}

static int guest_on_write(struct service *s, struct guest *g)
{
	static const uint8_t last = LOAD_LAST;
	const uint8_t *p = g->is_stopped ? &last : s->zeros;
	ssize_t n = send(g->fd, p, g->is_stopped ? 1 : sizeof(s->zeros),
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	if (g->is_stopped)
		guest_watch(s, g, EPOLL_CTL_MOD, EPOLLIN);
	return 1;
}

static void service_accept(struct service *s)
{
	struct guest *g;
	int on = 1;
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
		0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			load_die("guest");
		g->fd = fd;
		guest_watch(s, g, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void service_listen(struct service *s, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(at);
	int on = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		listen(s->listener, BACKLOG) != 0 ||
		getsockname(s->listener, (struct sockaddr *)&at, &len) != 0)
		load_die("listen");
	printf("{\"port\": %d}\n", ntohs(at.sin_port));
	fflush(stdout);
}

static void service_serve(struct service *s, const struct epoll_event *ev)
{
	struct guest *g = ev->data.ptr;
	int goes_on = 1;

	if (g == NULL) {
		service_accept(s);
		return;
	}
	if (ev->events & ~(uint32_t)EPOLLOUT)
		goes_on = guest_on_read(s, g);
	if (goes_on && (ev->events & EPOLLOUT))
		goes_on = guest_on_write(s, g);
	if (!goes_on)
		guest_close(g);
}

void load_serve(const struct load_options *opt)
{
	struct service *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN };
	struct epoll_event events[EVENTS_MAX];
	int n;

	if (s == NULL)
		load_die("service");
	memset(s->answer, 'a', sizeof(s->answer));
	memcpy(s->answer, ANSWER_HEAD, sizeof(ANSWER_HEAD) - 1);
	service_listen(s, opt->port);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &ev) != 0)
		load_die("epoll_ctl");
	for (;;) {
		n = epoll_wait(s->epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++)
			service_serve(s, &events[i]);
	}
}
