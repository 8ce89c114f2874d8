/*
 * A dial tries the addresses of a host, staggered; the first to connect wins. One that is
 * remembered is tried by itself; the others are asked for when it fails, or takes its
 * time.
 */
#include "net/dialer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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
	struct loop *loop; /* borrowed: outlives its dials */
	void (*fn)(void *arg, enum err rc, int fd, int errnum, const struct why *why);
	void *arg; /* borrowed: the owner's */
	char *host;
	struct resolve *resolve; /* NULL once it has answered */
	struct loop_timer *patience;
	struct loop_timer *stagger;
	struct loop_deferred next;  /* the next attempt, when the last failed at once */
	struct dial_memory *memory; /* a reference, or NULL */
	bool has_asked;             /* for the name */
	uint16_t port;
	struct addr addrs[DIAL_ADDRS_MAX];
	struct dial_attempt attempts[DIAL_ADDRS_MAX];
	unsigned count, begun, failed;
	int errnum; /* the most telling one so far */
};

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
	loop_timer_close(d->patience);
	loop_timer_close(d->stagger);
	loop_undefer(&d->next);
	for (unsigned i = 0; i < d->begun; i++)
		dial_attempt_end(&d->attempts[i]);
	dial_memory_unref(d->memory);
	free(d->host);
	free(d);
}

/* Tells the owner, after all else is gone: it may do anything then. */
static void dial_end(struct dial *d, enum err rc, int fd, int errnum,
	const struct why *why)
{
	void (*fn)(void *arg, enum err rc, int fd, int errnum,
		const struct why *why) = d->fn;
	void *arg = d->arg;

	dial_close(d);
	fn(arg, rc, fd, errnum, why);
}

/* Somebody who refuses is there; an address that we cannot even try says least. */
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

static void dial_on_patience_end(void *arg)
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
	loop_defer(d->loop, &d->next);
}

static void dial_on_connected(struct dial *d, struct dial_attempt *a)
{
	int fd = a->fd;

	if (d->memory != NULL && d->has_asked)
		dial_memory_set(d->memory, &d->addrs[a - d->attempts]);
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
 * As connect(2), with 0 for success. Over loopback the handshake is over before the call
 * returns, yet it says EINPROGRESS; asking again tells the truth, and saves a turn.
 */
static int dial_connect(int fd, const struct addr *to)
{
	int tries = addr_is_loopback(to) ? 2 : 1;

	while (tries-- > 0)
		if (connect(fd, &to->sa, to->n) == 0)
			return 0;
	return errno == EALREADY ? EINPROGRESS : errno;
}

/* 0: connected; EINPROGRESS: to be waited for; or why not. */
static int dial_attempt_begin(struct dial_attempt *a, const struct addr *to)
{
	int errnum;

	a->fd = fd_socket(to->sa.sa_family, SOCK_STREAM);
	if (a->fd < 0)
		return errno;
	errnum = dial_connect(a->fd, to);
	if (errnum != EINPROGRESS)
		return errnum;
	if (loop_io_open(a->dial->loop, a->fd, dial_on_ready, a, &a->io) != ERR_OK)
		return ENOMEM;
	loop_io_want(a->io, LOOP_WRITE);
	return EINPROGRESS;
}

static enum err dial_ask(struct dial *d);

/* All that are known have been tried. */
static void dial_on_no_more(struct dial *d)
{
	enum err rc = ERR_AGAIN;

	if (!d->has_asked) {
		dial_memory_forget(d->memory);
		rc = dial_ask(d);
	} else if (d->resolve == NULL && d->failed == d->count) {
		rc = ERR_SYS;
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		dial_fail(d, rc);
}

/* Also called when the attempts so far take their time. */
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
	return resolve_open(d->loop, d->host, d->port, dial_on_resolved, d, &d->resolve);
}

static enum err dial_begin(struct dial *d)
{
	if (d->memory == NULL || !dial_memory_get(d->memory, &d->addrs[0]))
		return dial_ask(d);
	d->count = 1;
	loop_defer(d->loop, &d->next);
	return ERR_OK;
}

enum err dial_open(const struct dial_options *options, struct dial **out)
{
	struct dial *d = mem_new(d);
	uint32_t timeout_ms = options->timeout_ms;
	enum err rc;

	if (d == NULL)
		return ERR_NOMEM;
	d->loop = options->loop;
	d->fn = options->fn;
	d->arg = options->arg;
	d->port = options->port;
	d->memory = dial_memory_ref(options->memory);
	loop_deferred_init(&d->next, dial_try_next, d);
	d->host = strdup(options->host);
	rc = d->host != NULL ? ERR_OK : ERR_NOMEM;
	if (rc == ERR_OK)
		rc = loop_timer_open(d->loop, dial_on_patience_end, d, &d->patience);
	if (rc == ERR_OK)
		rc = loop_timer_open(d->loop, dial_try_next, d, &d->stagger);
	if (rc == ERR_OK)
		rc = dial_begin(d);
	if (rc != ERR_OK) {
		dial_close(d);
		return rc;
	}
	loop_timer_set(d->patience, timeout_ms != 0 ? timeout_ms : DIAL_TIMEOUT_MS);
	*out = d;
	return ERR_OK;
}
