/* A dial through an outbound proxy. */
#include "net/proxy_dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "text/base64.h"
#include "wire/socks5.h"

#define PROXY_TIMEOUT_MS 30000
#define PROXY_HEAD_MAX 8192 /* of a response */
#define PROXY_TEXT_MAX 255  /* of a host, user or password: the limit of SOCKS5 */
#define PROXY_PIECE_BYTES 1024

#define HTTP_PROXY_PORT 80
#define SOCKS_PROXY_PORT 1080

enum proxy_dial_state {
	PROXY_DIALING, /* the proxy */
	PROXY_SENDING, /* there is something to be sent */
	PROXY_WAITING, /* for a response */
};

struct proxy_dial {
	struct loop *loop; /* borrowed: outlives us */
	dial_fn *fn;
	void *arg; /* borrowed: the owner's */
	enum proxy_dial_state state;
	struct dial *dial; /* NULL once the proxy is connected to */
	struct loop_timer *timeout;
	struct loop_io *io;
	int fd;
	struct buf in, out;

	/* Bytes in, bytes out: ERR_OK is connected, ERR_AGAIN wants more. */
	enum err (*step)(struct proxy_dial *p, struct span *in, struct why *why);
	struct socks5_client socks;
};

/* ---- proxies ---- */

struct dial_proxy dial_proxy_of_url(const struct url *url)
{
	bool is_socks = str_has_prefix(url->scheme, "socks");
	uint16_t usual = is_socks ? SOCKS_PROXY_PORT : HTTP_PROXY_PORT;

	return (struct dial_proxy){
		.is_socks = is_socks,
		.host = url->host,
		.port = url->port != 0 ? url->port : usual,
		.user = url->has_user ? url->user : NULL,
		.password = url->has_password ? url->password : NULL,
	};
}

/* NULL stays NULL. */
static bool dup_text(const char **text)
{
	bool had_one = *text != NULL;

	*text = had_one ? strdup(*text) : NULL;
	return *text != NULL || !had_one;
}

enum err dial_proxy_dup(const struct dial_proxy *p, struct dial_proxy **out)
{
	struct dial_proxy *copy = NULL;
	bool ok;

	if (p != NULL) {
		copy = mem_new(copy);
		if (copy == NULL)
			return ERR_NOMEM;
		*copy = *p;
		ok = dup_text(&copy->host);
		ok = dup_text(&copy->user) && ok;
		ok = dup_text(&copy->password) && ok;
		if (!ok) {
			dial_proxy_free(copy);
			return ERR_NOMEM;
		}
	}
	*out = copy;
	return ERR_OK;
}

void dial_proxy_free(struct dial_proxy *p)
{
	if (p == NULL)
		return;
	free((char *)(uintptr_t)p->host);
	mem_free_secret_str((char *)(uintptr_t)p->user);
	mem_free_secret_str((char *)(uintptr_t)p->password);
	free(p);
}

/* ---- dialing ---- */

void proxy_dial_close(struct proxy_dial *p)
{
	if (p == NULL)
		return;
	dial_close(p->dial);
	loop_timer_close(p->timeout);
	loop_io_close(p->io);
	if (p->fd >= 0)
		close(p->fd);
	buf_fini(&p->in);
	mem_wipe(p->out.p, p->out.cap); /* a login */
	buf_fini(&p->out);
	free(p);
}

static void proxy_dial_end(struct proxy_dial *p, enum err rc, int errnum,
	const struct why *why)
{
	dial_fn *fn = p->fn;
	void *arg = p->arg;
	int fd = -1;

	if (rc == ERR_OK) {
		fd = p->fd;
		p->fd = -1;
	}
	proxy_dial_close(p);
	fn(arg, rc, fd, errnum, why);
}

static void proxy_dial_end_by_errno(struct proxy_dial *p, int errnum)
{
	struct why why;

	(void)err_sys(&why, errnum, "the proxy closed the connection");
	proxy_dial_end(p, ERR_SYS, errnum, &why);
}

static void proxy_dial_on_timeout(void *arg)
{
	struct proxy_dial *p = arg;
	struct why why;

	(void)err_set(&why, ERR_TIMEOUT, "the proxy does not answer");
	proxy_dial_end(p, ERR_TIMEOUT, ETIMEDOUT, &why);
}

/* ---- the two protocols ---- */

/* "HTTP/1.1 200 ...": only 200 will do. */
static enum err connect_check_status(struct span head, struct why *why)
{
	const uint8_t *end = memchr(head.p, '\r', head.n);
	struct span line = span_of(head.p, end != NULL ? (size_t)(end - head.p) : head.n);
	char text[128];

	if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ')
		return err_set(why, ERR_SYNTAX, "the proxy does not speak HTTP");
	if (memcmp(line.p + 9, "200", 3) == 0 && (line.n == 12 || line.p[12] == ' '))
		return ERR_OK;
	return err_set(why, ERR_DENIED, "the proxy refuses: %s",
		str_quote(text, sizeof(text), span_of(line.p + 9, line.n - 9)));
}

static enum err connect_step(struct proxy_dial *p, struct span *in, struct why *why)
{
	const uint8_t *blank = memmem(in->p, in->n, "\r\n\r\n", 4);
	struct span head = { 0 };

	(void)p;
	if (blank == NULL || !span_cut(in, (size_t)(blank - in->p) + 4, &head))
		return in->n < PROXY_HEAD_MAX ?
			ERR_AGAIN :
			err_set(why, ERR_LIMIT, "the proxy's answer is too long");
	return connect_check_status(head, why);
}

static enum err connect_put_login(struct buf *out, const struct dial_proxy *proxy)
{
	char plain[2 * PROXY_TEXT_MAX + 2];
	char text[BASE64_TEXT_SIZE(sizeof(plain))];
	enum err rc;

	if (proxy->password == NULL)
		return ERR_OK;
	snprintf(plain, sizeof(plain), "%s:%s", proxy->user != NULL ? proxy->user : "",
		proxy->password);
	base64_encode(BASE64_PADDED, span_str(plain), text);
	rc = buf_printf(out, "Proxy-Authorization: Basic %s\r\n", text);
	mem_wipe(plain, sizeof(plain));
	mem_wipe(text, sizeof(text));
	return rc;
}

/* Byte for byte what Go sends: some proxies are particular. */
static enum err connect_begin(struct proxy_dial *p, const struct proxy_dial_options *o)
{
	const char *fmt = strchr(o->host, ':') != NULL ? "[%s]:%u" : "%s:%u";
	char target[PROXY_TEXT_MAX + 16];
	enum err rc;

	p->step = connect_step;
	snprintf(target, sizeof(target), fmt, o->host, o->port);
	rc = buf_printf(&p->out,
		"CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n",
		target, target);
	if (rc == ERR_OK)
		rc = connect_put_login(&p->out, o->proxy);
	return rc == ERR_OK ? buf_put_str(&p->out, "\r\n") : rc;
}

static enum err socks_step(struct proxy_dial *p, struct span *in, struct why *why)
{
	return socks5_client_next(&p->socks, in, &p->out, why);
}

static enum err socks_begin(struct proxy_dial *p, const struct proxy_dial_options *o)
{
	struct socks5_target target = { .port = o->port };

	p->step = socks_step;
	str_copy(target.host, sizeof(target.host), o->host);
	return socks5_client_start(&p->socks, &target, o->proxy->user, o->proxy->password,
		&p->out);
}

/* ---- the connection to the proxy ---- */

static void proxy_dial_enter(struct proxy_dial *p, enum proxy_dial_state state)
{
	p->state = state;
	loop_io_want(p->io, state == PROXY_SENDING ? LOOP_WRITE : LOOP_READ);
}

static void proxy_dial_send(struct proxy_dial *p)
{
	struct span s = buf_span(&p->out);
	ssize_t n = send(p->fd, s.p, s.n, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		proxy_dial_end_by_errno(p, errno);
		return;
	}
	buf_consume(&p->out, n > 0 ? (size_t)n : 0);
	if (p->out.n == 0)
		proxy_dial_enter(p, PROXY_WAITING);
}

/* Bytes are peeked, and only those of the proxy's response are taken. */
static enum err proxy_dial_step(struct proxy_dial *p, size_t peeked, struct why *why)
{
	uint8_t piece[PROXY_PIECE_BYTES];
	struct span rest = buf_span(&p->in);
	size_t had = rest.n;
	enum err rc = p->step(p, &rest, why);

	if (rc == ERR_OK)
		peeked -= rest.n;
	if (peeked > 0 && recv(p->fd, piece, peeked, 0) != (ssize_t)peeked)
		return err_set(why, ERR_SYS, "the proxy closed the connection");
	buf_consume(&p->in, had - rest.n);
	return rc;
}

static void proxy_dial_receive(struct proxy_dial *p)
{
	uint8_t piece[PROXY_PIECE_BYTES];
	struct why why = { .text = "" };
	ssize_t n = recv(p->fd, piece, sizeof(piece), MSG_PEEK);
	enum err rc;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		proxy_dial_end_by_errno(p, n < 0 ? errno : ECONNRESET);
		return;
	}
	rc = buf_put(&p->in, piece, (size_t)n);
	if (rc == ERR_OK)
		rc = proxy_dial_step(p, (size_t)n, &why);
	if (rc != ERR_AGAIN)
		proxy_dial_end(p, rc, 0, &why);
	else if (p->out.n > 0)
		proxy_dial_enter(p, PROXY_SENDING);
}

static void proxy_dial_on_ready(void *arg, unsigned ready)
{
	struct proxy_dial *p = arg;

	(void)ready;
	if (p->state == PROXY_SENDING)
		proxy_dial_send(p);
	else
		proxy_dial_receive(p);
}

static void proxy_dial_on_dialed(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct proxy_dial *p = arg;
	struct why words;

	p->dial = NULL;
	p->fd = fd;
	if (rc == ERR_OK)
		rc = loop_io_open(p->loop, fd, proxy_dial_on_ready, p, &p->io);
	if (rc == ERR_OK) {
		proxy_dial_enter(p, PROXY_SENDING);
		return;
	}
	(void)err_set(&words, rc, "proxy: %.200s", err_text(rc, why));
	proxy_dial_end(p, rc, errnum, &words);
}

/* A line break in a header would be a header of its own. */
static bool proxy_text_is_sendable(const char *text)
{
	if (text == NULL)
		return true;
	if (strlen(text) > PROXY_TEXT_MAX)
		return false;
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static enum err proxy_dial_begin(struct proxy_dial *p, const struct proxy_dial_options *o)
{
	uint32_t timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : PROXY_TIMEOUT_MS;
	struct dial_options to_proxy = {
		.loop = o->loop,
		.host = o->proxy->host,
		.port = o->proxy->port,
		.timeout_ms = timeout_ms,
		.fn = proxy_dial_on_dialed,
		.arg = p,
	};
	enum err rc = o->proxy->is_socks ? socks_begin(p, o) : connect_begin(p, o);

	if (rc == ERR_OK)
		rc = loop_timer_open(p->loop, proxy_dial_on_timeout, p, &p->timeout);
	if (rc != ERR_OK)
		return rc;
	loop_timer_set(p->timeout, timeout_ms);
	return dial_open(&to_proxy, &p->dial);
}

enum err proxy_dial_open(const struct proxy_dial_options *options,
	struct proxy_dial **out, struct why *why)
{
	const struct dial_proxy *proxy = options->proxy;
	struct proxy_dial *p;
	enum err rc;

	if (options->host[0] == '\0' || !proxy_text_is_sendable(options->host))
		return err_set(why, ERR_USAGE,
			"the name of the host cannot be sent to a proxy");
	if (!proxy_text_is_sendable(proxy->user) ||
		!proxy_text_is_sendable(proxy->password))
		return err_set(why, ERR_USAGE,
			"the user or password for the proxy cannot be sent: it is longer than 255"
			" bytes or has control characters");
	p = mem_new(p);
	if (p == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a dial");
	p->loop = options->loop;
	p->fn = options->fn;
	p->arg = options->arg;
	p->fd = -1;
	buf_init(&p->in, PROXY_HEAD_MAX + PROXY_PIECE_BYTES);
	buf_init(&p->out, 4096);
	rc = proxy_dial_begin(p, options);
	if (rc != ERR_OK) {
		proxy_dial_close(p);
		return err_set(why, rc, "cannot dial through the proxy: %s",
			err_name(rc));
	}
	*out = p;
	return ERR_OK;
}
