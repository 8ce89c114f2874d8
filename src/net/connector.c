/* A connector: a dial, and the TLS handshake that may follow. */
#include "net/connector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/fd.h"
#include "net/socket.h"

#define UNIX_AGAIN_MS \
	20 /* until connect() to a Unix socket with a full queue is repeated */

struct connector {
	struct connector_options o; /* its texts and its context are ours */
	char *unix_path, *host, *server_name;
	struct dial_proxy *proxy;      /* NULL: none */
	struct dial *dial;             /* NULL unless it is running */
	struct proxy_dial *proxy_dial; /* likewise */
	struct loop_timer *again;      /* for a Unix socket; begins it, too */
	struct loop_timer *late;
	struct stream *stream; /* NULL before a connection */
};

void connector_close(struct connector *c)
{
	if (c == NULL)
		return;
	dial_close(c->dial);
	proxy_dial_close(c->proxy_dial);
	loop_timer_close(c->again);
	loop_timer_close(c->late);
	stream_abort(c->stream);
	tls_context_free(c->o.tls);
	dial_memory_unref(c->o.memory);
	dial_proxy_free(c->proxy);
	free(c->unix_path);
	free(c->host);
	free(c->server_name);
	free(c);
}

/* Frees @c before the callback, which may do anything. */
static void connector_end(struct connector *c, enum err rc, const struct why *why)
{
	struct connector_options o = c->o;
	struct stream *stream = rc == ERR_OK ? c->stream : NULL;

	if (stream != NULL)
		c->stream = NULL;
	else
		dial_memory_forget(
			c->o.memory); /* another server may have the address by now */
	connector_close(c);
	o.fn(o.arg, rc, stream, why);
}

static const char *connector_print(const struct connector *c, char to[ADDR_TEXT_MAX * 4])
{
	const char *text = c->unix_path != NULL ? c->unix_path : c->host;

	return str_quote(to, (size_t)ADDR_TEXT_MAX * 4, span_str(text));
}

static void connector_on_late(void *arg)
{
	struct connector *c = arg;
	char name[ADDR_TEXT_MAX * 4];
	struct why why;

	err_set(&why, ERR_TIMEOUT, "%s: %s timed out", connector_print(c, name),
		c->stream != NULL ? "the TLS handshake" : "connecting");
	connector_end(c, ERR_TIMEOUT, &why);
}

/* ---- TLS ---- */

static void connector_on_secured(void *arg, unsigned ready)
{
	struct connector *c = arg;
	struct why why = { "" };
	enum err rc = tls_handshake(c->stream, &why);

	(void)ready;
	if (rc == ERR_AGAIN) {
		stream_want(c->stream, tls_wants(c->stream));
		return;
	}
	if (rc == ERR_OK) {
		stream_want(c->stream, 0);
	} else if (c->o.failure != NULL) {
		c->o.failure->is_of_tls = true;
		c->o.failure->tls = tls_find_trouble(c->stream, c->o.failure->detail);
	}
	connector_end(c, rc, &why);
}

static void connector_secure(struct connector *c)
{
	struct tls_options o = {
		.context = c->o.tls,
		.loop = c->o.loop,
		.below = c->stream,
		.server_name = c->server_name,
	};
	struct why why = { "" };
	struct stream *tls = NULL;
	enum err rc = tls_open(&o, &tls, &why);

	if (rc != ERR_OK) {
		connector_end(c, rc, &why);
		return;
	}
	c->stream = tls;
	stream_set_owner(tls, connector_on_secured, c);
	connector_on_secured(c, 0);
}

static void connector_take_fd(struct connector *c, int fd)
{
	enum err rc = socket_open_take(c->o.loop, fd, &c->stream);

	if (rc != ERR_OK)
		close(fd);
	if (rc == ERR_OK && c->o.tls != NULL)
		connector_secure(c);
	else
		connector_end(c, rc, NULL);
}

/* ---- TCP ---- */

static void connector_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct connector *c = arg;

	(void)errnum;
	c->dial = NULL;
	c->proxy_dial = NULL;
	if (rc == ERR_OK)
		connector_take_fd(c, fd);
	else
		connector_end(c, rc, why);
}

static enum err connector_dial(struct connector *c)
{
	struct dial_options o = {
		.loop = c->o.loop,
		.host = c->host,
		.port = c->o.port,
		.timeout_ms = c->o.timeout_ms,
		.memory = c->o.memory,
		.fn = connector_on_dialled,
		.arg = c,
	};
	struct proxy_dial_options proxied = {
		.loop = c->o.loop,
		.proxy = c->proxy,
		.host = c->host,
		.port = c->o.port,
		.timeout_ms = c->o.timeout_ms,
		.fn = connector_on_dialled,
		.arg = c,
	};

	if (c->proxy != NULL)
		return proxy_dial_open(&proxied, &c->proxy_dial, NULL);
	return dial_open(&o, &c->dial);
}

/* ---- Unix sockets: connect() does not wait for one; it has to be repeated ---- */

/* 0 and the socket in @out, or an errno. */
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

static void connector_on_again(void *arg)
{
	struct connector *c = arg;
	char name[ADDR_TEXT_MAX * 4];
	struct why why;
	int fd = -1;
	int errnum = unix_connect(c->unix_path, &fd);

	if (errnum == 0) {
		connector_take_fd(c, fd);
	} else if (errnum == EAGAIN) {
		loop_timer_set(c->again, UNIX_AGAIN_MS);
	} else {
		(void)err_sys(&why, errnum, "connect to %s", connector_print(c, name));
		connector_end(c, ERR_SYS, &why);
	}
}

/* ---- the start ---- */

/* NULL stays NULL. */
static enum err dup_to(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return *to == NULL && text != NULL ? ERR_NOMEM : ERR_OK;
}

static enum err connector_copy(struct connector *c, const struct connector_options *o)
{
	enum err rc = dup_to(&c->unix_path, o->unix_path);

	if (rc == ERR_OK)
		rc = dup_to(&c->host, o->host != NULL ? o->host : "");
	if (rc == ERR_OK)
		rc = dup_to(&c->server_name,
			o->server_name != NULL ? o->server_name : c->host);
	if (rc == ERR_OK)
		rc = dial_proxy_dup(o->proxy, &c->proxy);
	return rc;
}

enum err connector_open(const struct connector_options *options, struct connector **out)
{
	struct connector *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return ERR_NOMEM;
	c->o = *options;
	if (c->o.tls != NULL)
		tls_context_ref(c->o.tls);
	dial_memory_ref(c->o.memory);
	rc = connector_copy(c, options);
	if (rc == ERR_OK)
		rc = loop_timer_open(c->o.loop, connector_on_late, c, &c->late);
	if (rc == ERR_OK && c->unix_path != NULL)
		rc = loop_timer_open(c->o.loop, connector_on_again, c, &c->again);
	else if (rc == ERR_OK)
		rc = connector_dial(c);
	if (rc != ERR_OK) {
		connector_close(c);
		return rc;
	}
	if (c->again != NULL)
		loop_timer_set(c->again, 0);
	loop_timer_set(c->late, c->o.timeout_ms);
	*out = c;
	return ERR_OK;
}
