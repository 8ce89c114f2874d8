/* A reach: a dial, and the handshake that may follow. */
#include "net/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/fd.h"
#include "net/dialer.h"
#include "net/socket.h"

#define UNIX_AGAIN_MS 20 /* until a Unix socket with a full queue is asked again */

struct reach {
	struct reach_options o; /* its texts and its context are ours */
	char *unix_path, *host, *server_name;
	struct dial *dial;        /* NULL unless it is out */
	struct loop_timer *again; /* for a Unix socket; begins it, too */
	struct loop_timer *late;
	struct stream *stream; /* NULL before a connection */
};

void reach_close(struct reach *r)
{
	if (r == NULL)
		return;
	dial_close(r->dial);
	loop_timer_close(r->again);
	loop_timer_close(r->late);
	stream_abort(r->stream);
	tls_context_free(r->o.tls);
	dial_memory_unref(r->o.memory);
	free(r->unix_path);
	free(r->host);
	free(r->server_name);
	free(r);
}

/* Tells the owner, after all else is gone: it may do anything then. */
static void reach_end(struct reach *r, enum err rc, const struct why *why)
{
	struct reach_options o = r->o;
	struct stream *stream = rc == ERR_OK ? r->stream : NULL;

	if (stream != NULL)
		r->stream = NULL;
	else
		dial_memory_forget(r->o.memory); /* it may be somebody else by now */
	reach_close(r);
	o.fn(o.arg, rc, stream, why);
}

static const char *reach_print(const struct reach *r, char to[ADDR_TEXT_MAX * 4])
{
	const char *text = r->unix_path != NULL ? r->unix_path : r->host;

	return str_quote(to, (size_t)ADDR_TEXT_MAX * 4, span_str(text));
}

static void reach_on_late(void *arg)
{
	struct reach *r = arg;
	char name[ADDR_TEXT_MAX * 4];
	struct why why;

	err_set(&why, ERR_TIMEOUT, "%s: %s timed out", reach_print(r, name),
		r->stream != NULL ? "the TLS handshake" : "connecting");
	reach_end(r, ERR_TIMEOUT, &why);
}

/* ---- TLS ---- */

static void reach_on_secured(void *arg, unsigned ready)
{
	struct reach *r = arg;
	struct why why = { "" };
	enum err rc = tls_handshake(r->stream, &why);

	(void)ready;
	if (rc == ERR_AGAIN) {
		stream_want(r->stream, tls_wants(r->stream));
		return;
	}
	if (rc == ERR_OK)
		stream_want(r->stream, 0);
	reach_end(r, rc, &why);
}

static void reach_secure(struct reach *r)
{
	struct tls_options o = {
		.context = r->o.tls,
		.loop = r->o.loop,
		.below = r->stream,
		.server_name = r->server_name,
	};
	struct why why = { "" };
	struct stream *tls = NULL;
	enum err rc = tls_open(&o, &tls, &why);

	if (rc != ERR_OK) {
		reach_end(r, rc, &why);
		return;
	}
	r->stream = tls;
	stream_set_owner(tls, reach_on_secured, r);
	reach_on_secured(r, 0);
}

static void reach_take_fd(struct reach *r, int fd)
{
	enum err rc = socket_open_take(r->o.loop, fd, &r->stream);

	if (rc != ERR_OK)
		close(fd);
	if (rc == ERR_OK && r->o.tls != NULL)
		reach_secure(r);
	else
		reach_end(r, rc, NULL);
}

/* ---- TCP ---- */

static void reach_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct reach *r = arg;

	(void)errnum;
	r->dial = NULL;
	if (rc == ERR_OK)
		reach_take_fd(r, fd);
	else
		reach_end(r, rc, why);
}

static enum err reach_dial(struct reach *r)
{
	struct dial_options o = {
		.loop = r->o.loop,
		.host = r->host,
		.port = r->o.port,
		.timeout_ms = r->o.timeout_ms,
		.memory = r->o.memory,
		.fn = reach_on_dialled,
		.arg = r,
	};

	return dial_open(&o, &r->dial);
}

/* ---- Unix sockets: there is no waiting for one, only asking again ---- */

/* 0 and the socket in @out, or why not. */
static int unix_connect(const char *path, int *out)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, errnum;

	if (!str_copy(at.sun_path, sizeof(at.sun_path), path))
		return ENAMETOOLONG;
	fd = fd_socket(AF_UNIX, SOCK_STREAM);
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		*out = fd;
		return 0;
	}
	errnum = errno;
	close(fd);
	return errnum;
}

static void reach_on_again(void *arg)
{
	struct reach *r = arg;
	char name[ADDR_TEXT_MAX * 4];
	struct why why;
	int fd = -1;
	int errnum = unix_connect(r->unix_path, &fd);

	if (errnum == 0) {
		reach_take_fd(r, fd);
	} else if (errnum == EAGAIN) {
		loop_timer_set(r->again, UNIX_AGAIN_MS);
	} else {
		(void)err_sys(&why, errnum, "connect to %s", reach_print(r, name));
		reach_end(r, ERR_SYS, &why);
	}
}

/* ---- the start ---- */

/* NULL stays NULL. */
static enum err dup_to(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return *to == NULL && text != NULL ? ERR_NOMEM : ERR_OK;
}

static enum err reach_copy(struct reach *r, const struct reach_options *o)
{
	enum err rc = dup_to(&r->unix_path, o->unix_path);

	if (rc == ERR_OK)
		rc = dup_to(&r->host, o->host != NULL ? o->host : "");
	if (rc == ERR_OK)
		rc = dup_to(&r->server_name,
			o->server_name != NULL ? o->server_name : r->host);
	return rc;
}

enum err reach_open(const struct reach_options *options, struct reach **out)
{
	struct reach *r = mem_new(r);
	enum err rc;

	if (r == NULL)
		return ERR_NOMEM;
	r->o = *options;
	if (r->o.tls != NULL)
		tls_context_ref(r->o.tls);
	dial_memory_ref(r->o.memory);
	rc = reach_copy(r, options);
	if (rc == ERR_OK)
		rc = loop_timer_open(r->o.loop, reach_on_late, r, &r->late);
	if (rc == ERR_OK && r->unix_path != NULL)
		rc = loop_timer_open(r->o.loop, reach_on_again, r, &r->again);
	else if (rc == ERR_OK)
		rc = reach_dial(r);
	if (rc != ERR_OK) {
		reach_close(r);
		return rc;
	}
	if (r->again != NULL)
		loop_timer_set(r->again, 0);
	loop_timer_set(r->late, r->o.timeout_ms);
	*out = r;
	return ERR_OK;
}
