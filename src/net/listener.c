/* A listener accepts TCP connections. */
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/fd.h"
#include "net/resolver.h"
#include "net/socket.h"

#define LISTENER_BACKLOG 4096
#define LISTENER_ACCEPTS_PER_TURN 64
#define LISTENER_REST_MS 1000

/* What keeps us from accepting. */
enum listener_state {
	LISTENER_OPEN,
	LISTENER_PAUSED,  /* the owner */
	LISTENER_RESTING, /* the lack of descriptors or memory, for a second */
	LISTENER_CLOSED,  /* for good: the memory goes at the end of the turn */
};

struct listener {
	struct loop *loop; /* borrowed: outlives its listeners */
	listener_accept_fn *fn;
	void *arg; /* borrowed: the owner's */
	enum listener_state state;
	/* of lacking descriptors, since the last accept that worked */
	bool has_complained;
	int fd;
	struct loop_io *io;
	struct loop_timer *rest;
	struct loop_deferred gone;
	struct log log;
};

/* All addresses of both families; "0.0.0.0" too, as stock Chisel and Portal have it. */
static bool listener_is_for_all(const char *host)
{
	return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0;
}

/*
 * A literal or a name to what bind(2) takes. getaddrinfo() blocks, but only names of the
 * configuration come here, before the program serves.
 */
static enum err listener_find(const char *host, uint16_t port, struct addr *out,
	struct why *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL, *ai;
	int status;

	if (listener_is_for_all(host))
		host = "::";
	else if (resolver_is_localhost(host))
		host = "127.0.0.1"; /* on machines without /etc/hosts, too */
	if (addr_from_literal(host, port, out) == ERR_OK)
		return ERR_OK;
	status = getaddrinfo(host, NULL, &hints, &list);
	if (status != 0 || list == NULL)
		return err_set(why, ERR_NOENT, "cannot listen on %.100s: %s", host,
			gai_strerror(status));

	/* A name means one address; IPv4 if it has one, as Go has it. */
	for (ai = list; ai != NULL && ai->ai_family != AF_INET; ai = ai->ai_next)
		;
	if (ai == NULL)
		ai = list;
	*out = (struct addr){ .n = ai->ai_addrlen };
	memcpy(&out->any, ai->ai_addr, ai->ai_addrlen);
	addr_set_port(out, port);
	freeaddrinfo(list);
	return ERR_OK;
}

static int listener_bind_addr(const struct addr *a, int type, int *fd)
{
	int yes = 1, no = 0, errnum;

	*fd = fd_socket(a->sa.sa_family, type);
	if (*fd < 0)
		return errno;
	/* For UDP it would mean that a second binder steals the port. */
	if (type == SOCK_STREAM)
		(void)setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (a->sa.sa_family == AF_INET6)
		(void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(*fd, &a->sa, a->n) == 0)
		return 0;
	errnum = errno;
	close(*fd);
	return errnum;
}

static enum err listener_explain(int errnum, const struct addr *a, struct why *why)
{
	char text[ADDR_TEXT_MAX];

	addr_print(a, text);
	(void)err_sys(why, errnum, "cannot listen on %s", text);
	switch (errnum) {
	case EADDRINUSE:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return err_set(why, ERR_DENIED,
			"cannot listen on %s: %s: ports below 1024 need root or"
			" CAP_NET_BIND_SERVICE",
			text, strerror(errnum));
	default:
		return ERR_SYS;
	}
}

static enum err listener_bind(const char *host, uint16_t port, int type, int *fd,
	struct why *why)
{
	struct addr a;
	enum err rc = listener_find(host, port, &a, why);
	int errnum;

	if (rc != ERR_OK)
		return rc;
	errnum = listener_bind_addr(&a, type, fd);
	/* A machine without IPv6 has IPv4 at least. */
	if ((errnum == EAFNOSUPPORT || errnum == EADDRNOTAVAIL) &&
		listener_is_for_all(host) &&
		addr_from_literal("0.0.0.0", port, &a) == ERR_OK)
		errnum = listener_bind_addr(&a, type, fd);
	return errnum == 0 ? ERR_OK : listener_explain(errnum, &a, why);
}

enum err listener_bind_tcp(const char *host, uint16_t port, int *out, struct why *why)
{
	struct addr a;
	enum err rc = listener_bind(host, port, SOCK_STREAM, out, why);

	if (rc != ERR_OK || listen(*out, LISTENER_BACKLOG) == 0)
		return rc;
	if (!addr_of_local(*out, &a))
		a = (struct addr){ .n = 0 };
	rc = listener_explain(errno, &a, why);
	close(*out);
	return rc;
}

enum err listener_bind_udp(const char *host, uint16_t port, int *out, struct why *why)
{
	return listener_bind(host, port, SOCK_DGRAM, out, why);
}

static void listener_enter(struct listener *l, enum listener_state state)
{
	l->state = state;
	loop_io_want(l->io, state == LISTENER_OPEN ? LOOP_READ : 0);
	if (state == LISTENER_RESTING)
		loop_timer_set(l->rest, LISTENER_REST_MS);
	else
		loop_timer_stop(l->rest);
}

static void listener_on_rested(void *arg)
{
	struct listener *l = arg;

	listener_enter(l, LISTENER_OPEN);
}

static void listener_rest(struct listener *l, int errnum)
{
	if (!l->has_complained)
		log_warn(&l->log, "cannot accept for now: %s", strerror(errnum));
	l->has_complained = true;
	listener_enter(l, LISTENER_RESTING);
}

/* False: no more for now. */
static bool listener_accept(struct listener *l)
{
	struct addr peer = { .n = sizeof(peer.any) };
	int fd = fd_accept(l->fd, &peer.sa, &peer.n);

	if (fd >= 0) {
		l->has_complained = false;
		l->fn(l->arg, fd, &peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		listener_rest(l, errno);
		return false;
	default:
		return true; /* that one connection broke while it was queued */
	}
}

static void listener_on_ready(void *arg, unsigned ready)
{
	struct listener *l = arg;
	int i = 0;

	(void)ready;
	while (i < LISTENER_ACCEPTS_PER_TURN && l->state == LISTENER_OPEN &&
		listener_accept(l))
		i++;
}

static enum err listener_start(struct listener *l, struct why *why)
{
	struct addr a;
	char text[ADDR_TEXT_MAX];

	listener_addr(l, &a);
	if (listen(l->fd, LISTENER_BACKLOG) != 0)
		return listener_explain(errno, &a, why);
	log_init(&l->log, NULL, "listener %s", addr_print(&a, text));
	socket_tune(l->fd);
	if (loop_io_open(l->loop, l->fd, listener_on_ready, l, &l->io) != ERR_OK ||
		loop_timer_open(l->loop, listener_on_rested, l, &l->rest) != ERR_OK)
		return err_set(why, ERR_NOMEM, "no memory for a listener");
	listener_enter(l, LISTENER_OPEN);
	return ERR_OK;
}

enum err listener_adopt_take(struct loop *loop, int fd, listener_accept_fn *fn, void *arg,
	struct listener **out, struct why *why)
{
	struct listener *l = mem_new(l);
	enum err rc;

	if (l == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a listener");
	l->loop = loop;
	l->fn = fn;
	l->arg = arg;
	l->fd = fd;
	loop_deferred_init(&l->gone, free, l);
	rc = listener_start(l, why);
	if (rc != ERR_OK) {
		l->fd = -1; /* still the caller's */
		listener_close(l);
		return rc;
	}
	*out = l;
	return ERR_OK;
}

enum err listener_open(struct loop *loop, const char *host, uint16_t port,
	listener_accept_fn *fn, void *arg, struct listener **out, struct why *why)
{
	int fd = -1;
	enum err rc = listener_bind(host, port, SOCK_STREAM, &fd, why);

	if (rc != ERR_OK)
		return rc;
	rc = listener_adopt_take(loop, fd, fn, arg, out, why);
	if (rc != ERR_OK)
		close(fd);
	return rc;
}

void listener_addr(const struct listener *l, struct addr *out)
{
	if (!addr_of_local(l->fd, out))
		*out = (struct addr){ .n = 0 };
}

uint16_t listener_port(const struct listener *l)
{
	struct addr a = { .n = 0 };

	if (l != NULL)
		listener_addr(l, &a);
	return addr_port(&a);
}

void listener_pause(struct listener *l, bool is_paused)
{
	listener_enter(l, is_paused ? LISTENER_PAUSED : LISTENER_OPEN);
}

void listener_close(struct listener *l)
{
	if (l == NULL || l->state == LISTENER_CLOSED)
		return;
	l->state = LISTENER_CLOSED;
	loop_timer_close(l->rest);
	loop_io_close(l->io);
	if (l->fd >= 0)
		close(l->fd);
	loop_defer(l->loop, &l->gone);
}
