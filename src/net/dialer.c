/*
 * A dial tries the addresses of a host, staggered; the first to connect wins. A
 * remembered address is tried alone; the name is looked up when that fails or is slow.
 */
#include "net/dialer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/fd.h"

#define DIAL_STAGGER_MS 250
#define DIAL_TIMEOUT_MS 30000
#define DIAL_ADDRS_MAX (1 + RESOLVER_ADDRS_MAX) /* one may be remembered */

/* One address being tried. */
struct dial_attempt {
	struct dial *dial; /* borrowed: embeds us */
	struct loop_io *io;
	int fd; /* -1: not begun, or failed */
};

struct dial {
	struct dial_options o; /* @memory is a reference; @host is NULL */
	char *host;
	struct resolve *resolve; /* NULL once it has answered */
	struct loop_timer *timeout;
	struct loop_timer *stagger;
	struct loop_deferred next; /* the next attempt, when the last failed at once */
	bool has_asked;            /* for the name */
	struct addr addrs[DIAL_ADDRS_MAX];
	struct dial_attempt attempts[DIAL_ADDRS_MAX];
	unsigned count, begun, failed;
	int errnum; /* the most telling one so far */
};

/* ---- the memory ---- */

struct dial_memory {
	unsigned refs;
	struct addr at;
	uint64_t until_ms; /* 0: nothing is known */
};

struct dial_memory *dial_memory_new(void)
{
	struct dial_memory *m = mem_new(m);

	if (m != NULL)
		m->refs = 1;
	return m;
}

struct dial_memory *dial_memory_ref(struct dial_memory *m)
{
	if (m != NULL)
		m->refs++;
	return m;
}

void dial_memory_unref(struct dial_memory *m)
{
	if (m != NULL && --m->refs == 0)
		free(m);
}

bool dial_memory_get(const struct dial_memory *m, struct addr *out)
{
	if (clock_now_ms() >= m->until_ms)
		return false;
	*out = m->at;
	return true;
}

static void dial_memory_set(struct dial_memory *m, const struct addr *at)
{
	m->at = *at;
	m->until_ms = clock_now_ms() + DIAL_MEMORY_MS;
}

void dial_memory_forget(struct dial_memory *m)
{
	if (m != NULL)
		m->until_ms = 0;
}

/* ---- the dial ---- */

static void dial_attempt_end(struct dial_attempt *a)
{
	loop_io_close(a->io);
	a->io = NULL;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

void dial_close(struct dial *d)
{
	if (d == NULL)
		return;
	resolve_close(d->resolve);
	loop_timer_close(d->timeout);
	loop_timer_close(d->stagger);
	loop_undefer(&d->next);
	for (unsigned i = 0; i < d->begun; i++)
		dial_attempt_end(&d->attempts[i]);
	dial_memory_unref(d->o.memory);
	free(d->host);
	free(d);
}

/* Frees @d before the callback, which may do anything. */
static void dial_end(struct dial *d, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct dial_options o = d->o;

	dial_close(d);
	o.fn(o.arg, rc, fd, errnum, why);
}

/* A refusal means that the host is there; an address that cannot be tried says least. */
static int dial_errnum_weight(int errnum)
{
	switch (errnum) {
	case 0:
		return 0;
	case ECONNREFUSED:
	case ECONNRESET:
		return 5;
	case ETIMEDOUT:
		return 4;
	case EHOSTUNREACH:
		return 3;
	case ENETUNREACH:
		return 2;
	default:
		return 1;
	}
}

const char *dial_advice(int errnum)
{
	switch (errnum) {
	case 0:
		return "; is the name right?";
	case ECONNREFUSED:
		return "; is it running?";
	case ETIMEDOUT:
		return "; does a firewall drop the packets?";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "; is the network up?";
	default:
		return "";
	}
}

static void dial_fail(struct dial *d, enum err rc)
{
	struct why why;
	char host[160];

	str_quote(host, sizeof(host), span_str(d->host));
	if (d->errnum == 0)
		d->errnum = ETIMEDOUT;
	(void)err_sys(&why, d->errnum, "dial %s:%u", host, addr_port(&d->addrs[0]));
	dial_end(d, rc, -1, d->errnum, &why);
}

static void dial_on_timeout(void *arg)
{
	struct dial *d = arg;
	struct why why;

	if (d->count > 0) {
		dial_fail(d, ERR_TIMEOUT);
		return;
	}
	(void)err_set(&why, ERR_TIMEOUT, "lookup %s: timed out", d->host);
	dial_end(d, ERR_TIMEOUT, -1, 0, &why);
}

static void dial_note_failure(struct dial *d, struct dial_attempt *a, int errnum)
{
	dial_attempt_end(a);
	d->failed++;
	if (dial_errnum_weight(errnum) > dial_errnum_weight(d->errnum))
		d->errnum = errnum;
	loop_defer(d->o.loop, &d->next);
}

static void dial_on_connected(struct dial *d, struct dial_attempt *a)
{
	int fd = a->fd;

	if (d->o.memory != NULL && d->has_asked)
		dial_memory_set(d->o.memory, &d->addrs[a - d->attempts]);
	loop_io_close(a->io);
	a->io = NULL;
	a->fd = -1;
	dial_end(d, ERR_OK, fd, 0, &(struct why){ .text = "" });
}

static void dial_on_ready(void *arg, unsigned ready)
{
	struct dial_attempt *a = arg;
	int errnum = 0;
	socklen_t n = sizeof(errnum);

	(void)ready;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &errnum, &n) != 0)
		errnum = errno;
	if (errnum == 0)
		dial_on_connected(a->dial, a);
	else
		dial_note_failure(a->dial, a, errnum);
}

/*
 * As connect(2), with 0 for success. Over loopback the handshake ends before the call
 * returns EINPROGRESS; a second call finds the connection, and saves a turn of the loop.
 */
static int dial_connect(int fd, const struct addr *to)
{
	int tries = addr_is_loopback(to) ? 2 : 1;

	while (tries-- > 0)
		if (connect(fd, &to->sa, to->n) == 0)
			return 0;
	return errno == EALREADY ? EINPROGRESS : errno;
}

/* 0: connected; EINPROGRESS: not yet; else the failure. */
static int dial_attempt_begin(struct dial_attempt *a, const struct addr *to)
{
	int errnum;

	a->fd = fd_socket(to->sa.sa_family, SOCK_STREAM);
	if (a->fd < 0)
		return errno;
	errnum = dial_connect(a->fd, to);
	if (errnum != EINPROGRESS)
		return errnum;
	if (loop_io_open(a->dial->o.loop, a->fd, dial_on_ready, a, &a->io) != ERR_OK)
		return ENOMEM;
	loop_io_want(a->io, LOOP_WRITE);
	return EINPROGRESS;
}

static enum err dial_ask(struct dial *d);

/* All known addresses have been tried. */
static void dial_on_no_more(struct dial *d)
{
	enum err rc = ERR_AGAIN;

	if (!d->has_asked) {
		dial_memory_forget(d->o.memory);
		rc = dial_ask(d);
	} else if (d->resolve == NULL && d->failed == d->count) {
		rc = ERR_SYS;
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		dial_fail(d, rc);
}

/* Also called when the attempts so far have taken DIAL_STAGGER_MS. */
static void dial_try_next(void *arg)
{
	struct dial *d = arg;
	struct dial_attempt *a;
	int errnum;

	if (d->begun == d->count) {
		dial_on_no_more(d);
		return;
	}
	a = &d->attempts[d->begun];
	*a = (struct dial_attempt){ .dial = d, .fd = -1 };
	d->begun++;
	errnum = dial_attempt_begin(a, &d->addrs[d->begun - 1]);
	if (errnum == 0)
		dial_on_connected(d, a);
	else if (errnum != EINPROGRESS)
		dial_note_failure(d, a, errnum);
	else if (d->begun < d->count || !d->has_asked)
		loop_timer_set(d->stagger, DIAL_STAGGER_MS);
}

static void dial_on_resolved(void *arg, enum err rc, const struct addr *addrs,
	unsigned count, const struct why *why)
{
	struct dial *d = arg;
	unsigned tried = d->count;

	d->resolve = NULL;
	if (rc != ERR_OK && d->failed == d->count) {
		dial_end(d, rc, -1, 0, why);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		if (tried == 0 || !addr_eq(&addrs[i], &d->addrs[0]))
			d->addrs[d->count++] = addrs[i];
	}
	dial_try_next(d);
}

static enum err dial_ask(struct dial *d)
{
	d->has_asked = true;
	return resolve_open(d->o.loop, d->host, d->o.port, dial_on_resolved, d,
		&d->resolve);
}

static enum err dial_begin(struct dial *d)
{
	if (d->o.memory == NULL || !dial_memory_get(d->o.memory, &d->addrs[0]))
		return dial_ask(d);
	d->count = 1;
	loop_defer(d->o.loop, &d->next);
	return ERR_OK;
}

enum err dial_open(const struct dial_options *options, struct dial **out)
{
	struct dial *d = mem_new(d);
	enum err rc;

	if (d == NULL)
		return ERR_NOMEM;
	d->o = *options;
	d->o.host = NULL;
	dial_memory_ref(d->o.memory);
	loop_deferred_init(&d->next, dial_try_next, d);
	d->host = strdup(options->host);
	rc = d->host != NULL ? ERR_OK : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = loop_timer_open(d->o.loop, dial_on_timeout, d, &d->timeout);
	if (rc == ERR_OK)
		rc = loop_timer_open(d->o.loop, dial_try_next, d, &d->stagger);
	if (rc == ERR_OK)
		rc = dial_begin(d);
	if (rc != ERR_OK) {
		dial_close(d);
		return rc;
	}
	loop_timer_set(d->timeout,
		d->o.timeout_ms != 0 ? d->o.timeout_ms : DIAL_TIMEOUT_MS);
	*out = d;
	return ERR_OK;
}
