/*
 * TLS as a filter: a stream over a stream.
 *
 * OpenSSL writes into a buffer of ours, which is sent on by itself. So a write is either
 * taken or not: there is no half-written record that the owner would have to offer again.
 * The buffer holds one write at most; the next waits until it has gone. But a little may wait
 * for what its owner says next: each send costs more than what is in it. It waits to the end of
 * the call to the owner that is under way; or to the end of the turn, if the owner is TLS again,
 * whose words come from events of other streams. Such an owner makes records that are just what
 * one of ours can hold, and hands them over without a copy.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/pem.h"
#include "net/addr.h"
#include "net/tls_context.h"

#define TLS_RECORD_BYTES 16384
#define TLS_RECORD_ADDS (5 + 1 + 16)         /* to what is in one, with TLS 1.3 */
#define TLS_WRITE_MAX (5 * TLS_RECORD_BYTES) /* a bridge's block is sent as one */
#define TLS_OUT_MAX (192 * 1024) /* a write, and what the protocol adds on its own */
#define TLS_HELD_MAX 4096        /* so little may wait for more */
#define TLS_CARRIED_HELD_MAX (56 * 1024) /* the same, under TLS that writes records */
#define TLS_DIRECT_MIN 4096              /* a record of bytes, not one of a handshake */

enum tls_state {
	TLS_OPEN,     /* or still shaking hands: OpenSSL knows */
	TLS_FINISHED, /* we have said close_notify, and write no more */
	TLS_FAILED,   /* see @failure */
	TLS_CLOSED,   /* the memory goes at the end of the turn */
};

struct tls {
	struct stream stream;
	struct loop *loop;           /* borrowed: outlives us; NULL between two loops */
	struct tls_context *context; /* one reference */
	SSL *ssl;
	struct buf
		out; /* records on their way to @below; memory only while there are any */
	struct loop_deferred
		wake; /* the owner: what it wants is in OpenSSL's memory already */
	struct loop_deferred sending; /* what is held, if we carry TLS */
	struct loop_deferred gone;
	const char *failure_text; /* borrowed: OpenSSL's table of words, or ours */
	enum err failure;
	enum err below_rc; /* what @below said last */
	bool *has_left; /* borrowed: of the call to the owner that is under way, or NULL */
	enum tls_state state : 8;
	unsigned wants : 8;     /* the owner's */
	bool waits_for_key : 1; /* nothing goes on before the signature is here */
	bool has_signature : 1; /* it is: the owner is to try again */
	bool is_full : 1;       /* @below has not taken all of @out */
	bool carries_tls : 1;   /* the owner is TLS, too */
	bool is_carried : 1;    /* @below is */
	bool owes_ticket : 1;   /* to a client: it goes with the first bytes for it */
	bool below_hides_ends : 1;
	bool is_dry : 1; /* @below had less than there was room for, in this call to the
			    owner: it will call when there is more */

	/* What reading and writing have to wait for; 0: they did not have to wait last time. */
	unsigned read_needs : 8;
	unsigned write_needs : 8;
};

static struct tls *tls_of(struct stream *s)
{
	return mem_container(s, struct tls, stream);
}

/* ---- OpenSSL's way to the stream below ---- */

static int tls_bio_read(BIO *bio, char *to, size_t room, size_t *got)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	t->below_rc = t->is_dry ? ERR_AGAIN : stream_read(t->stream.below, to, room, got);
	if (t->below_rc == ERR_AGAIN)
		BIO_set_retry_read(bio);
	if (t->below_rc == ERR_AGAIN ||
		(t->below_rc == ERR_OK && *got < room && t->stream.below->fd >= 0))
		t->is_dry = t->has_left != NULL;
	return t->below_rc == ERR_OK;
}

/* Some of it needs no copy on the way to another TLS. An error shows when the rest is sent. */
static size_t tls_hand_over(struct tls *t, const char *p, size_t n)
{
	size_t put = 0;

	if (!t->is_carried || n < TLS_DIRECT_MIN || t->out.n > 0 ||
		!SSL_is_init_finished(t->ssl))
		return 0;
	return stream_put(t->stream.below, p, n, &put) == ERR_OK ? put : 0;
}

static int tls_bio_write(BIO *bio, const char *p, size_t n, size_t *put)
{
	struct tls *t = BIO_get_data(bio);
	size_t over = tls_hand_over(t, p, n);
	enum err rc = buf_put(&t->out, p + over, n - over);

	BIO_clear_retry_flags(bio);
	if (rc == ERR_OK) {
		*put = n;
		return 1;
	}
	t->out.failed = ERR_OK;
	t->below_rc = rc;
	if (rc == ERR_LIMIT && t->out.n > 0)
		BIO_set_retry_write(bio); /* a peer makes us answer and does not listen */
	return 0;
}

static long tls_bio_ctrl(BIO *bio, int what, long number, void *arg)
{
	(void)bio;
	(void)number;
	(void)arg;
	return what == BIO_CTRL_FLUSH; /* the buffer is flushed after each call anyway */
}

static int tls_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

	if (method == NULL)
		return NULL;
	BIO_meth_set_read_ex(method, tls_bio_read);
	BIO_meth_set_write_ex(method, tls_bio_write);
	BIO_meth_set_ctrl(method, tls_bio_ctrl);
	BIO_meth_set_create(method, tls_bio_create);
	return method;
}

/* ---- the outcome of a call ---- */

static enum err tls_fail(struct tls *t, enum err rc, const char *text)
{
	if (t->state != TLS_FAILED) {
		t->state = TLS_FAILED;
		t->failure = rc;
		t->failure_text = text;
	}
	return t->failure;
}

static enum err tls_fail_by_openssl(struct tls *t)
{
	long verdict = SSL_get_verify_result(t->ssl);

	/* Who does not verify has a verdict, too, but no trouble with it. */
	if (verdict != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		return tls_fail(t, ERR_CRYPTO, X509_verify_cert_error_string(verdict));
	return tls_fail(t, ERR_PROTO, tls_reason());
}

const SSL *tls_failure(const struct stream *tls, const char **text)
{
	const struct tls *t = mem_container(tls, const struct tls, stream);

	*text = t->state == TLS_FAILED ? t->failure_text : NULL;
	return t->ssl;
}

static enum err tls_explain_below(struct tls *t)
{
	if (t->below_rc == ERR_EOF && SSL_is_init_finished(t->ssl))
		return ERR_EOF; /* no close_notify: what we carry marks its own end */
	if (t->below_rc == ERR_EOF)
		return tls_fail(t, ERR_RESET, "the peer closed the connection");
	if (t->below_rc == ERR_OK || t->below_rc == ERR_AGAIN)
		return tls_fail_by_openssl(t);
	return tls_fail(t, t->below_rc, err_name(t->below_rc));
}

/* What a call of OpenSSL's that did not work means, and what it waits for. */
static enum err tls_explain(struct tls *t, int result, unsigned *needs)
{
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_ASYNC:
		t->waits_for_key = true;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_ASYNC_JOB:
		return tls_fail(t, ERR_LIMIT, "too many handshakes at once");
	case SSL_ERROR_WANT_READ:
		*needs = LOOP_READ;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*needs = LOOP_WRITE;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_EOF;
	case SSL_ERROR_SYSCALL:
		return tls_explain_below(t);
	default:
		return tls_fail_by_openssl(t);
	}
}

static enum err tls_flush(struct tls *t)
{
	size_t put;
	enum err rc;

	t->is_full = false;
	while (t->out.n > 0) {
		struct span s = buf_span(&t->out);

		rc = stream_put(t->stream.below, s.p, s.n, &put);
		t->is_full = rc == ERR_AGAIN;
		if (rc == ERR_AGAIN)
			return rc;
		if (rc != ERR_OK) {
			buf_reset(&t->out);
			return tls_fail(t, rc, err_name(rc));
		}
		buf_consume(&t->out, put);
	}
	buf_reset(&t->out);
	return ERR_OK;
}

/* ---- waiting ---- */

/*
 * What the owner need not wait for: bytes or an end that came with others, or bad news. Nor
 * the first word of a handshake: a client that waits for the server's would wait for ever.
 */
static unsigned tls_ready_now(const struct tls *t)
{
	if (t->state == TLS_FAILED || t->has_signature || SSL_in_before(t->ssl))
		return t->wants;
	if (t->waits_for_key || t->read_needs != 0)
		return 0;
	if (SSL_has_pending(t->ssl) ||
		(SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
		return t->wants & LOOP_READ;
	return 0;
}

static unsigned tls_or(unsigned needs, unsigned otherwise)
{
	return needs != 0 ? needs : otherwise;
}

/* Is there so little to send that it may wait for more? */
static bool tls_holds(const struct tls *t)
{
	size_t most = t->carries_tls ? TLS_CARRIED_HELD_MAX : TLS_HELD_MAX;

	return t->out.n > 0 && t->out.n <= most && !t->is_full && t->state == TLS_OPEN &&
		(t->has_left != NULL || t->carries_tls);
}

/* After every call: sends what it made, and waits for what is wanted now. */
static void tls_settle(struct tls *t)
{
	unsigned below = 0;

	if (!tls_holds(t))
		(void)tls_flush(t);
	else if (t->has_left == NULL)
		loop_defer(t->loop, &t->sending);
	if (t->is_full)
		below |= LOOP_WRITE;
	else if (!t->waits_for_key && (t->wants & LOOP_WRITE) != 0)
		below |= tls_or(t->write_needs, LOOP_WRITE);
	if (!t->waits_for_key && (t->wants & LOOP_READ) != 0)
		below |= tls_or(t->read_needs, LOOP_READ);
	if (tls_ready_now(t) != 0)
		loop_defer(t->loop, &t->wake);
	stream_want(t->stream.below, t->state == TLS_FAILED ? 0 : below);
}

/* Before each call that may go on with a handshake. False: it cannot yet. */
static bool tls_may_go_on(struct tls *t)
{
	if (t->waits_for_key && !t->has_signature)
		return false;
	t->waits_for_key = t->has_signature = false;
	return true;
}

/* The signature is here. Called from anywhere, so the owner hears of it later. */
static int tls_on_signature(SSL *ssl, void *arg)
{
	struct tls *t = arg;

	(void)ssl;
	t->has_signature = true;
	if (t->loop != NULL)
		loop_defer(t->loop, &t->wake);
	return 1;
}

/* From here on it is only bytes, which need no stack of their own. */
static void tls_leave_async(struct tls *t)
{
	if ((SSL_get_mode(t->ssl) & SSL_MODE_ASYNC) != 0 && SSL_is_init_finished(t->ssl))
		SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
}

static void tls_on_sending(void *arg)
{
	struct tls *t = arg;

	(void)tls_flush(t);
	tls_settle(t);
}

static void tls_tell_owner(struct tls *t, unsigned ready)
{
	if (ready != 0) {
		bool has_left = false;

		t->has_left = &has_left;
		t->stream.on_ready(t->stream.arg, ready);
		if (has_left)
			return; /* another thread may have it by now */
		t->has_left = NULL;
		t->is_dry = false;
	}
	if (t->state != TLS_CLOSED)
		tls_settle(t);
}

static void tls_on_wake(void *arg)
{
	struct tls *t = arg;

	tls_tell_owner(t, tls_ready_now(t));
}

static void tls_on_below_ready(void *arg, unsigned ready)
{
	struct tls *t = arg;
	unsigned owner = 0;

	(void)tls_flush(t);
	if ((ready & tls_or(t->read_needs, LOOP_READ)) != 0)
		owner |= LOOP_READ;
	if (t->out.n == 0 && (ready & tls_or(t->write_needs, LOOP_WRITE)) != 0)
		owner |= LOOP_WRITE;
	tls_tell_owner(t, (owner & t->wants) | tls_ready_now(t));
}

static void tls_want(struct stream *s, unsigned wants)
{
	struct tls *t = tls_of(s);

	t->wants = wants & (LOOP_READ | LOOP_WRITE);
	tls_settle(t);
}

/* ---- reading and writing ---- */

static enum err tls_read_some(struct tls *t, uint8_t *to, size_t room, size_t *got)
{
	unsigned needs = 0;
	size_t n = 0;
	int result;
	enum err rc = ERR_OK;

	if (!tls_may_go_on(t))
		return ERR_AGAIN;
	ERR_clear_error();
	result = SSL_read_ex(t->ssl, to, room, &n);
	if (result != 1)
		rc = tls_explain(t, result, &needs);
	tls_leave_async(t);
	t->read_needs = needs & (LOOP_READ | LOOP_WRITE);
	*got = n;
	return rc;
}

/*
 * Records that are here already are read together: one copy, one write further on. So are those
 * that lie below, in a call that says that something does.
 */
static enum err tls_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct tls *t = tls_of(s);
	size_t have = 0, n = 0;
	enum err rc;

	if (t->state == TLS_FAILED)
		return t->failure;
	do {
		rc = tls_read_some(t, (uint8_t *)to + have, room - have, &n);
		have += n;
	} while (rc == ERR_OK && have < room &&
		(SSL_has_pending(t->ssl) || (t->has_left != NULL && !t->is_dry)));
	tls_settle(t);
	if (have == 0)
		return rc;
	*got = have;
	return ERR_OK;
}

/* A cursor over the owner's pieces. */
struct pieces {
	const struct iovec *iov;
	int count;
	size_t at; /* in the first */
};

static void pieces_skip(struct pieces *p, size_t n)
{
	p->at += n;
	while (p->count > 0 && p->at >= p->iov->iov_len) {
		p->at -= p->iov->iov_len;
		p->iov++;
		p->count--;
	}
}

/* One record's worth: in place if the next piece is enough or the last, else gathered. */
static struct span pieces_for_record(struct pieces p, uint8_t room[TLS_RECORD_BYTES])
{
	size_t n = 0;

	if (p.count == 1 || p.iov->iov_len - p.at >= TLS_RECORD_BYTES)
		return span_of((const uint8_t *)p.iov->iov_base + p.at,
			p.iov->iov_len - p.at);
	while (p.count > 0 && n < TLS_RECORD_BYTES) {
		size_t here = p.iov->iov_len - p.at;

		if (here > TLS_RECORD_BYTES - n)
			here = TLS_RECORD_BYTES - n;
		memcpy(room + n, (const uint8_t *)p.iov->iov_base + p.at, here);
		n += here;
		pieces_skip(&p, here);
	}
	return span_of(room, n);
}

/*
 * A ticket of TLS 1.3 goes with the first bytes for the client: by itself it would cost a send
 * here, and at each hop that it passes. OpenSSL sends it with the next write. True: it is due.
 */
static bool tls_pay_ticket(struct tls *t)
{
	if (!t->owes_ticket || !SSL_is_init_finished(t->ssl))
		return false;
	t->owes_ticket = false;
	return SSL_new_session_ticket(t->ssl) ==
		1; /* not with TLS 1.2, which has sent it */
}

/* For a ticket OpenSSL makes room to read into, and keeps it until something is read. */
static void tls_drop_room(struct tls *t)
{
	if (!SSL_has_pending(t->ssl))
		(void)SSL_free_buffers(t->ssl);
}

static enum err tls_write_record(struct tls *t, struct pieces *pieces, size_t *put)
{
	uint8_t room[TLS_RECORD_BYTES];
	struct span record = pieces_for_record(*pieces, room);
	unsigned needs = 0;
	bool has_paid;
	int result;
	enum err rc = ERR_OK;

	if (!tls_may_go_on(t))
		return ERR_AGAIN;
	has_paid = tls_pay_ticket(t);
	ERR_clear_error();
	result = SSL_write_ex(t->ssl, record.p, record.n, put);
	if (has_paid)
		tls_drop_room(t);
	if (result == 1)
		pieces_skip(pieces, *put);
	else
		rc = tls_explain(t, result, &needs);
	t->write_needs = needs & (LOOP_READ | LOOP_WRITE);
	return rc;
}

/* The buffer grows by doubling and copying, unless it is told where that will end. */
static void tls_make_room(struct tls *t, size_t n)
{
	size_t most = t->carries_tls ? TLS_CARRIED_HELD_MAX + n : n;
	uint8_t *unused;

	if (n < TLS_DIRECT_MIN || t->out.n > 0 || t->is_carried)
		return;
	if (most > TLS_WRITE_MAX)
		most = TLS_WRITE_MAX;
	if (buf_reserve(&t->out, most + 8 * TLS_RECORD_ADDS, &unused) != ERR_OK)
		t->out.failed = ERR_OK; /* who needs it will be told */
}

static enum err tls_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct tls *t = tls_of(s);
	struct pieces pieces = { .iov = iov, .count = count };
	size_t have = 0, n;
	enum err rc;

	if (t->state != TLS_OPEN)
		return t->state == TLS_FAILED ? t->failure : ERR_CLOSED;
	tls_make_room(t, count > 0 ? iov->iov_len : 0);
	rc = tls_holds(t) ? ERR_OK : tls_flush(t);
	pieces_skip(&pieces, 0); /* empty ones at the front */
	while (rc == ERR_OK && pieces.count > 0 && have < TLS_WRITE_MAX) {
		rc = tls_write_record(t, &pieces, &n);
		if (rc == ERR_OK)
			have += n;
	}
	tls_settle(t);
	if (have == 0)
		return rc;
	*put = have;
	return ERR_OK;
}

/* ---- beginning and end ---- */

static enum err tls_shake_hands(struct tls *t)
{
	unsigned needs = 0;
	int result;
	enum err rc = ERR_OK;

	if (t->state == TLS_FAILED)
		return t->failure;
	if (!tls_may_go_on(t))
		return ERR_AGAIN;
	ERR_clear_error();
	result = SSL_do_handshake(t->ssl);
	if (result != 1)
		rc = tls_explain(t, result, &needs);
	tls_leave_async(t);
	if (rc == ERR_EOF)
		rc = tls_fail(t, ERR_RESET, "the peer closed the connection");
	t->read_needs = t->write_needs = needs & (LOOP_READ | LOOP_WRITE);
	tls_settle(t);
	return rc;
}

enum err tls_handshake(struct stream *tls, struct why *why)
{
	struct tls *t = tls_of(tls);
	enum err rc = tls_shake_hands(t);

	if (rc == ERR_OK || rc == ERR_AGAIN)
		return rc;
	if (rc == ERR_CRYPTO)
		return err_set(why, rc, "certificate verify failed: %s", t->failure_text);
	return err_set(why, rc, "TLS: %s", t->failure_text);
}

unsigned tls_wants(const struct stream *tls)
{
	const struct tls *t = mem_container(tls, const struct tls, stream);

	return tls_or(t->read_needs, LOOP_READ);
}

static enum err tls_finish(struct stream *s)
{
	struct tls *t = tls_of(s);
	enum err rc = ERR_OK;

	if (t->state == TLS_OPEN && !SSL_is_init_finished(t->ssl))
		rc = tls_shake_hands(t);
	if (rc == ERR_OK && t->state == TLS_OPEN) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl); /* puts close_notify into the buffer */
		t->state = TLS_FINISHED;
		t->write_needs = 0;
	}
	if (rc == ERR_OK)
		rc = t->state == TLS_FAILED ? t->failure : tls_flush(t);
	if (rc == ERR_OK && t->below_hides_ends)
		rc = stream_finish(t->stream.below);
	tls_settle(t);
	return rc;
}

/* A handshake that waits is run to its end, without a signature: it has a stack to free. */
static void tls_cancel_signature(struct tls *t)
{
	if (!t->waits_for_key)
		return;
	ERR_clear_error();
	(void)SSL_do_handshake(t->ssl);
	t->state = TLS_FAILED;
}

/*
 * OpenSSL takes a session for void if its connection ends without a farewell. That was a rule of
 * TLS 1.0; a visitor who hangs up must not cost the next connection its resumption.
 */
static void tls_spare_session(struct tls *t)
{
	bool is_suspect = t->state == TLS_FAILED &&
		(t->failure == ERR_PROTO || t->failure == ERR_CRYPTO);

	if (!is_suspect)
		SSL_set_shutdown(t->ssl, SSL_get_shutdown(t->ssl) | SSL_SENT_SHUTDOWN);
}

/*
 * A peer that would wait for ever gets a record that no key has sealed, or a fatal alert while
 * the handshake goes on: close_notify would make a part look like the whole. OpenSSL has no call
 * for an alert of our own.
 */
static void tls_put_error(struct tls *t)
{
	static const uint8_t alert[] = { 0x15, 3, 3, 0, 2, 2, 80 /* internal_error */ };
	static const uint8_t unsealed[5 + 32] = { 0x17, 3, 3, 0, 32 };

	if (t->state == TLS_OPEN && SSL_is_init_finished(t->ssl))
		(void)buf_put(&t->out, unsealed, sizeof(unsealed));
	else if (t->state == TLS_OPEN)
		(void)buf_put(&t->out, alert, sizeof(alert));
}

static void tls_close(struct stream *s, bool is_abort)
{
	struct tls *t = tls_of(s);

	loop_undefer(&t->wake);
	loop_undefer(&t->sending);
	tls_cancel_signature(t);
	if (is_abort && t->below_hides_ends && t->state != TLS_FINISHED) {
		tls_put_error(t);
		is_abort = false;
	} else if (!is_abort && t->state == TLS_OPEN && SSL_is_init_finished(t->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl);
	}
	if (!is_abort || tls_holds(t))
		(void)tls_flush(t);
	tls_spare_session(t);
	t->stream.below->ops->close(t->stream.below, is_abort);
	SSL_free(t->ssl);
	buf_fini(&t->out);
	tls_context_free(t->context);
	t->state = TLS_CLOSED;
	if (t->loop != NULL)
		loop_defer(t->loop, &t->gone);
	else
		free(t); /* nobody calls it between two loops */
}

static enum err tls_leave(struct stream *s)
{
	struct tls *t = tls_of(s);
	enum err rc;

	loop_undefer(&t->wake);
	loop_undefer(&t->sending);
	(void)tls_flush(t); /* what is held need not wait for the move */
	rc = stream_leave(t->stream.below);
	if (rc != ERR_OK)
		return rc;
	if (t->has_left != NULL)
		*t->has_left = true;
	t->has_left = NULL;
	t->is_dry = false;
	t->loop = NULL;
	t->wants = 0;
	return ERR_OK;
}

static enum err tls_enter(struct stream *s, struct loop *loop)
{
	struct tls *t = tls_of(s);
	enum err rc = stream_enter(t->stream.below, loop);

	if (rc != ERR_OK)
		return rc;
	t->loop = loop;
	tls_settle(t); /* what is still to be sent goes on */
	return ERR_OK;
}

static size_t tls_expect_records(struct stream *s)
{
	tls_of(s)->carries_tls = true;
	return TLS_RECORD_BYTES;
}

static const struct stream_ops tls_ops = {
	.name = "tls",
	.read = tls_read,
	.write = tls_write,
	.finish = tls_finish,
	.want = tls_want,
	.close = tls_close,
	.leave = tls_leave,
	.enter = tls_enter,
	.expect_records = tls_expect_records,
};

/* SNI is for names only (RFC 6066 3), and without the root's dot. */
static bool tls_set_server_name(SSL *ssl, const char *server_name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[256], ip[ADDR_TEXT_MAX];
	size_t n = strlen(server_name);
	const char *also;
	struct addr a;

	if (addr_from_literal(server_name, 0, &a) == ERR_OK) {
		if (a.sa.sa_family == AF_INET6)
			a.in6.sin6_scope_id = 0; /* certificates know no zones */
		return X509_VERIFY_PARAM_set1_ip_asc(param, addr_print_ip(&a, ip)) == 1;
	}
	if (n > 0 && server_name[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(name) || server_name[0] == '.')
		return false; /* with a dot in front OpenSSL takes any name below */
	memcpy(name, server_name, n);
	name[n] = '\0';
	also = tls_also_known_as(name);
	X509_VERIFY_PARAM_set_hostflags(param, TLS_HOST_FLAGS);
	return X509_VERIFY_PARAM_set1_host(param, name, n) == 1 &&
		(also == NULL || X509_VERIFY_PARAM_add1_host(param, also, 0) == 1) &&
		SSL_set_tlsext_host_name(ssl, name) == 1;
}

static enum err tls_set_role(struct tls *t, const struct tls_options *o, struct why *why)
{
	BIO *bio;

	t->ssl = SSL_new(o->context->ssl);
	bio = BIO_new(o->context->bio);
	if (t->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		return err_set(why, ERR_NOMEM, "no memory for TLS");
	}
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	if (o->is_server) {
		SSL_set_accept_state(t->ssl);
		t->owes_ticket = true;
		SSL_set_async_callback(t->ssl, tls_on_signature);
		SSL_set_async_callback_arg(t->ssl, t);
		return ERR_OK;
	}
	SSL_set_connect_state(t->ssl);
	if (o->server_name == NULL && !o->context->skip_verify)
		return err_set(why, ERR_USAGE,
			"TLS needs the name of the server to verify it");
	if (o->server_name != NULL && !tls_set_server_name(t->ssl, o->server_name))
		return err_set(why, ERR_USAGE, "not a server name: \"%.100s\"",
			o->server_name);
	tls_context_offer_session(o->context, t->ssl, o->server_name);
	return ERR_OK;
}

enum err tls_open(const struct tls_options *o, struct stream **out, struct why *why)
{
	struct tls *t = mem_new(t);
	size_t record;
	enum err rc;

	if (t == NULL)
		return err_set(why, ERR_NOMEM, "no memory for TLS");
	t->loop = o->loop;
	t->stream.ops = &tls_ops;
	t->stream.fd = -1;
	buf_init(&t->out, TLS_OUT_MAX);
	loop_deferred_init(&t->wake, tls_on_wake, t);
	loop_deferred_init(&t->sending, tls_on_sending, t);
	loop_deferred_init(&t->gone, free, t);
	rc = tls_set_role(t, o, why);
	if (rc != ERR_OK) {
		SSL_free(t->ssl);
		free(t);
		return rc;
	}
	t->context = tls_context_ref(o->context);
	t->below_hides_ends = o->below_hides_ends;
	t->stream.below = o->below;
	record = stream_expect_records(o->below);
	if (record > 0) {
		t->is_carried = true;
		SSL_set_max_send_fragment(t->ssl, (long)(record - TLS_RECORD_ADDS));
	}
	stream_set_owner(t->stream.below, tls_on_below_ready, t);
	*out = &t->stream;
	return ERR_OK;
}

/* ---- what is known of a connection ---- */

bool tls_is_resumed(const struct stream *tls)
{
	return SSL_session_reused(mem_container(tls, const struct tls, stream)->ssl) == 1;
}

enum err tls_export(const struct stream *tls, const char *label, uint8_t *out, size_t n)
{
	SSL *ssl = mem_container(tls, const struct tls, stream)->ssl;

	if (SSL_export_keying_material(ssl, out, n, label, strlen(label), NULL, 0, 0) !=
		1)
		return ERR_CRYPTO;
	return ERR_OK;
}

enum err tls_peer_chain(const struct stream *tls, struct buf *out_pem)
{
	SSL *ssl = mem_container(tls, const struct tls, stream)->ssl;
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	enum err rc = chain != NULL ? ERR_OK : ERR_NOENT;

	for (int i = 0; rc == ERR_OK && i < sk_X509_num(chain); i++)
		rc = pem_put_certificate(out_pem, sk_X509_value(chain, i));
	return rc;
}
