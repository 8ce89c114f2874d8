/* A connect is one attempt to reach a server, up to the stream a session runs on. */
#include "tunnel/chisel/connect.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/handshake.h"
#include "net/dialer.h"
#include "net/socket.h"
#include "tunnel/chisel/session.h"

#define CONNECT_MS 45000

/*
 * TCP alone gets less: on a path that loses everything the kernel retransmits at growing
 * intervals, so a fresh attempt notices sooner that the path is back.
 */
#define CONNECT_TCP_MS 3000

#define CONNECT_REQUEST_MAX 16384
#define CONNECT_READ_BYTES 4096
#define TLS_ALERT 0x15 /* the type of a record, RFC 8446 B.1 */

enum connect_state {
	CONNECT_DIALLING,
	CONNECT_SECURING,
	CONNECT_ASKING,
};

struct connect {
	struct connect_options o;
	enum connect_state state;
	struct dial *dial;             /* borrowed: until it has called */
	struct proxy_dial *proxy_dial; /* borrowed: until it has called */
	struct stream *stream;         /* the outermost so far */
	struct addr local;
	struct connect_failure failure;
	struct loop_timer *timer;
	struct http_handshake handshake;
	char key[WEBSOCKET_KEY_CHARS + 1];
};

/* Frees it with what it still has. */
void connect_close(struct connect *c)
{
	if (c == NULL)
		return;
	dial_close(c->dial);
	proxy_dial_close(c->proxy_dial);
	loop_timer_close(c->timer);
	stream_abort(c->stream);
	http_handshake_fini(&c->handshake);
	free(c);
}

/* Reports the failure and frees it. */
static void connect_end(struct connect *c, enum err rc, const struct why *why)
{
	void (*fn)(void *, enum err, const struct connect_result *,
		const struct why *) = c->o.fn;
	void *arg = c->o.arg;
	struct connect_result result = { .failure = c->failure };

	connect_close(c);
	fn(arg, rc, &result, why);
}

static void connect_done(struct connect *c, struct span first)
{
	struct connect_result result = { .stream = c->stream, .local = c->local };
	uint8_t kept[CONNECT_READ_BYTES];

	/* What was read lies in memory that is freed below. */
	memcpy(kept, first.p, first.n);
	result.first = span_of(kept, first.n);
	result.is_adit = span_is(http1_head_value(&c->handshake.answer.head,
					 "Sec-WebSocket-Protocol"),
		CHISEL_PROTOCOL);
	stream_want(c->stream, 0);
	c->stream = NULL;
	c->o.fn(c->o.arg, ERR_OK, &result, NULL);
	connect_close(c);
}

static void connect_on_timer(void *arg)
{
	static const char *const doing[] = {
		[CONNECT_DIALLING] = "connecting",
		[CONNECT_SECURING] = "the TLS handshake",
		[CONNECT_ASKING] = "the WebSocket handshake",
	};
	struct connect *c = arg;
	struct why why;
	enum err rc = err_set(&why, ERR_TIMEOUT, "%s timed out", doing[c->state]);

	connect_end(c, rc, &why);
}

/* ---- why an attempt fails ---- */

static void connect_note_tls(struct connect *c)
{
	if (c->o.tls == NULL)
		return;
	c->failure.tls = tls_find_trouble(c->stream, c->failure.detail);
	if (c->failure.tls != TLS_TROUBLE_OTHER)
		c->failure.trouble = CONNECT_TROUBLE_TLS;
}

static bool has_text(struct span in, const char *text)
{
	return memmem(in.p, in.n, text, strlen(text)) != NULL;
}

/* The server expects TLS: it sends an alert, or an error page as Go and nginx do. */
static bool connect_has_met_tls(const struct connect *c, struct span said)
{
	if (c->o.tls != NULL || said.n == 0)
		return false;
	return said.p[0] == TLS_ALERT || has_text(said, "HTTPS server") ||
		has_text(said, "HTTPS port");
}

static void connect_note_answer(struct connect *c)
{
	const struct http1_head *head = &c->handshake.answer.head;
	struct span where = http1_head_value(head, "Location");

	if (head->status < 100)
		return;
	c->failure.trouble = CONNECT_TROUBLE_STATUS;
	c->failure.status = head->status;
	str_quote(c->failure.detail, sizeof(c->failure.detail), where);
}

/* ---- the handshakes ---- */

/* ERR_OK: done, and @c is gone. */
static enum err connect_ask(struct connect *c, struct why *why)
{
	uint8_t bytes[CONNECT_READ_BYTES];
	struct span read, rest;
	enum err rc = http_handshake_step(&c->handshake, c->stream,
		(struct mspan){ .p = bytes, .n = sizeof(bytes) }, &read, &rest, why);

	if (rc == ERR_AGAIN)
		return rc;
	if (rc == ERR_OK) {
		rc = websocket_check_answer(&c->handshake.answer.head, c->key, why);
		if (rc == ERR_OK) {
			connect_done(c, rest);
			return ERR_OK;
		}
		connect_note_answer(c);
	} else if (read.n == 0) {
		c->failure.trouble = CONNECT_TROUBLE_NO_ANSWER;
		connect_note_tls(c);
		return err_set(why, ERR_CLOSED, "the server closed the connection");
	}
	if (connect_has_met_tls(c, read))
		c->failure.trouble = CONNECT_TROUBLE_SPEAKS_TLS;
	return rc;
}

static void connect_on_ready(void *arg, unsigned ready)
{
	struct connect *c = arg;
	struct why why = { 0 };
	enum err rc;

	(void)ready;
	if (c->state == CONNECT_SECURING) {
		rc = tls_handshake(c->stream, &why);
		if (rc == ERR_AGAIN) {
			stream_want(c->stream, tls_wants(c->stream));
			return;
		}
		if (rc != ERR_OK) {
			connect_note_tls(c);
			connect_end(c, rc, &why);
			return;
		}
		c->state = CONNECT_ASKING;
	}
	rc = connect_ask(c, &why);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		connect_end(c, rc, &why);
}

/* ---- dialling ---- */

static void connect_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct connect *c = arg;
	struct why ours = { 0 };
	struct tls_options tls = {
		.context = c->o.tls,
		.loop = c->o.loop,
		.server_name = c->o.tls_name != NULL ? c->o.tls_name : c->o.server->host,
	};

	c->dial = NULL;
	c->proxy_dial = NULL;
	if (rc != ERR_OK) {
		/* The error text of a proxy dial is more specific. */
		if (c->o.proxy == NULL)
			c->failure.trouble = CONNECT_TROUBLE_DIAL;
		c->failure.errnum = errnum;
		ours = *why;
		connect_end(c, rc, &ours);
		return;
	}
	(void)addr_of_local(fd, &c->local);
	rc = socket_open_take(c->o.loop, fd, &c->stream);
	if (rc == ERR_OK)
		socket_tune_carrier(fd, c->o.dead_ms);
	else
		close(fd);
	tls.below = c->stream;
	if (rc == ERR_OK && c->o.tls != NULL)
		rc = tls_open(&tls, &c->stream, &ours);
	if (rc != ERR_OK) {
		connect_end(c, rc, &ours);
		return;
	}
	stream_set_owner(c->stream, connect_on_ready, c);
	c->state = c->o.tls != NULL ? CONNECT_SECURING : CONNECT_ASKING;
	connect_on_ready(c, 0);
}

static enum err connect_dial(struct connect *c, struct why *why)
{
	struct dial_options direct = {
		.loop = c->o.loop,
		.host = c->o.server->host,
		.port = c->o.server->port,
		.timeout_ms = CONNECT_TCP_MS,
		.fn = connect_on_dialled,
		.arg = c,
	};
	struct proxy_dial_options proxied = {
		.loop = c->o.loop,
		.proxy = c->o.proxy,
		.host = c->o.server->host,
		.port = c->o.server->port,
		.timeout_ms = c->o.timeout_ms,
		.fn = connect_on_dialled,
		.arg = c,
	};

	if (c->o.timeout_ms < CONNECT_TCP_MS)
		direct.timeout_ms = c->o.timeout_ms;
	if (c->o.proxy == NULL)
		return dial_open(&direct, &c->dial);
	return proxy_dial_open(&proxied, &c->proxy_dial, why);
}

static enum err connect_prepare(struct connect *c, struct why *why)
{
	char authority[URL_TEXT_MAX];
	struct websocket_request request = {
		.target = c->o.server->path,
		.host = c->o.host_header,
		.key = c->key,
		.protocol = CHISEL_PROTOCOL,
		.headers = c->o.headers,
		.headers_n = c->o.headers_n,
	};

	if (request.host == NULL)
		request.host = url_print_authority(c->o.server, authority);
	websocket_make_key(c->key);
	return websocket_request_write(&request, &c->handshake.request, why);
}

enum err connect_open(const struct connect_options *options, struct connect **out,
	struct why *why)
{
	struct connect *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	c->o = *options;
	if (c->o.timeout_ms == 0)
		c->o.timeout_ms = CONNECT_MS;
	http_handshake_init(&c->handshake, CONNECT_REQUEST_MAX);
	rc = connect_prepare(c, why);
	if (rc == ERR_OK)
		rc = loop_timer_open(c->o.loop, connect_on_timer, c, &c->timer);
	if (rc == ERR_OK)
		rc = connect_dial(c, why);
	if (rc != ERR_OK) {
		connect_close(c);
		return rc;
	}
	loop_timer_set(c->timer, c->o.timeout_ms);
	*out = c;
	return ERR_OK;
}
