/*
 * TLS as a filter: a stream over a stream.
 *
 * Reading and writing are a state machine each, since either may have to wait for either
 * direction of the stream below. OpenSSL writes into a buffer of ours (tls_out.c), which
 * is sent separately. So a write is accepted or not: there is no half-written
 * record that the owner would have to offer again. The buffer holds at most one write;
 * the next write waits until the buffer is empty.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <string.h>

#include "crypto/remote_key.h"
#include "net/tls_priv.h"

/*
 * What a direction waits for before OpenSSL is called again. Each call results in one of
 * the first three; a handshake uses both directions and sets both. Both directions share
 * the states from TLS_NEEDS_KEY on, except TLS_FINISHED.
 */
enum tls_direction {
	TLS_READY,
	TLS_NEEDS_READ,  /* bytes from the stream below */
	TLS_NEEDS_WRITE, /* room in it */
	TLS_NEEDS_KEY,   /* the signature of a handshake */
	TLS_HAS_KEY,     /* the signature is there: the owner must try again */
	TLS_FINISHED,    /* writing: close_notify has been sent */
	TLS_FAILED,      /* see @failure */
	TLS_CLOSED,      /* the memory is freed at the end of the turn */
};

/* A call of the owner's on_ready that is under way. */
struct tls_call {
	bool has_left; /* the stream has left the loop: another thread may own it */
	/* the last read of @below did not fill the room: it calls when there is more */
	bool is_dry;
};

struct tls {
	struct stream stream;
	struct loop *loop;           /* borrowed: outlives us; NULL between two loops */
	struct tls_context *context; /* one reference */
	SSL *ssl;
	struct remote_key *key; /* a reference, or NULL: the context's */
	struct tls_out out;
	struct loop_deferred wake;    /* tells the owner of data in OpenSSL's memory */
	struct loop_deferred sending; /* sends held output, if the owner is TLS */
	struct loop_deferred gone;
	struct tls_call *call; /* or NULL */
	enum tls_direction reading, writing;
	unsigned wants;           /* the owner's */
	enum err below_rc;        /* what the last read below gave */
	enum err failure;         /* of TLS_FAILED */
	const char *failure_text; /* borrowed: a constant of OpenSSL's or ours */
	bool is_ticket_pending;   /* sent with the first data for the client */
	bool below_hides_ends;
};

static struct tls *tls_of(struct stream *s)
{
	return mem_container(s, struct tls, stream);
}

SSL *tls_ssl(const struct stream *tls)
{
	return mem_container(tls, const struct tls, stream)->ssl;
}

/* ---- OpenSSL's way to the stream below ---- */

static int tls_bio_read(BIO *bio, char *to, size_t room, size_t *got)
{
	struct tls *t = BIO_get_data(bio);
	struct stream *below = t->stream.below;

	BIO_clear_retry_flags(bio);
	t->below_rc = t->call != NULL && t->call->is_dry ?
		ERR_AGAIN :
		stream_read(below, to, room, got);
	if (t->below_rc == ERR_AGAIN)
		BIO_set_retry_read(bio);
	if (t->call != NULL &&
		(t->below_rc == ERR_AGAIN ||
			(t->below_rc == ERR_OK && *got < room && below->fd >= 0)))
		t->call->is_dry = true;
	return t->below_rc == ERR_OK;
}

static int tls_bio_write(BIO *bio, const char *p, size_t n, size_t *put)
{
	struct tls *t = BIO_get_data(bio);
	enum err rc = tls_out_put(&t->out, p, n, SSL_is_init_finished(t->ssl));

	BIO_clear_retry_flags(bio);
	if (rc == ERR_OK) {
		*put = n;
		return 1;
	}
	t->below_rc = rc;
	if (rc == ERR_LIMIT && t->out.records.n > 0)
		BIO_set_retry_write(bio); /* the peer reads none of our replies */
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

/* ---- states ---- */

static void tls_enter_both(struct tls *t, enum tls_direction d)
{
	t->reading = t->writing = d;
}

static bool tls_is_open(const struct tls *t)
{
	return t->writing < TLS_FINISHED;
}

static enum err tls_fail(struct tls *t, enum err rc, const char *text)
{
	if (t->reading != TLS_FAILED) {
		tls_enter_both(t, TLS_FAILED);
		t->failure = rc;
		t->failure_text = text;
	}
	return t->failure;
}

static enum err tls_fail_by_openssl(struct tls *t)
{
	long verdict = SSL_get_verify_result(t->ssl);

	/* Without verification there is a verdict, too, but it is not the failure. */
	if (verdict != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		return tls_fail(t, ERR_CRYPTO, X509_verify_cert_error_string(verdict));
	return tls_fail(t, ERR_PROTO, tls_reason());
}

const char *tls_failure(const struct stream *tls)
{
	const struct tls *t = mem_container(tls, const struct tls, stream);

	return t->reading == TLS_FAILED ? t->failure_text : NULL;
}

/* Before each call that may continue a handshake. False: it waits for a signature. */
static bool tls_begin_call(struct tls *t)
{
	if (t->reading == TLS_NEEDS_KEY)
		return false;
	if (t->reading == TLS_HAS_KEY)
		tls_enter_both(t, TLS_READY);
	ERR_clear_error();
	return true;
}

/* After each such call: applies its result to the direction @d. */
static enum err tls_end_call(struct tls *t, int result, enum tls_direction *d)
{
	bool has_key = t->reading == TLS_HAS_KEY; /* it came in the call */

	/* After the handshake no separate stack is needed. */
	if ((SSL_get_mode(t->ssl) & SSL_MODE_ASYNC) != 0 && SSL_is_init_finished(t->ssl))
		SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
	if (SSL_is_init_finished(t->ssl) && tls_proven_protocol(t->ssl) != NULL)
		return tls_fail(t, ERR_CLOSED, "the handshake was all");
	*d = TLS_READY;
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_NONE:
		return ERR_OK;
	case SSL_ERROR_WANT_ASYNC:
		tls_enter_both(t, has_key ? TLS_HAS_KEY : TLS_NEEDS_KEY);
		return ERR_AGAIN;
	case SSL_ERROR_WANT_ASYNC_JOB:
		return tls_fail(t, ERR_LIMIT, "too many handshakes at once");
	case SSL_ERROR_WANT_READ:
		*d = TLS_NEEDS_READ;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*d = TLS_NEEDS_WRITE;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_EOF;
	case SSL_ERROR_SYSCALL:
		break;
	default:
		return tls_fail_by_openssl(t);
	}
	if (t->below_rc == ERR_EOF && SSL_is_init_finished(t->ssl))
		return ERR_EOF; /* no close_notify: the data has its own end */
	if (t->below_rc == ERR_EOF)
		return tls_fail(t, ERR_RESET, "the peer closed the connection");
	if (t->below_rc == ERR_OK || t->below_rc == ERR_AGAIN)
		return tls_fail_by_openssl(t);
	return tls_fail(t, t->below_rc, err_name(t->below_rc));
}

static enum err tls_flush(struct tls *t)
{
	enum err rc = tls_out_flush(&t->out);

	return rc == ERR_OK || rc == ERR_AGAIN ? rc : tls_fail(t, rc, err_name(rc));
}

/* ---- waiting ---- */

/* The readiness of the stream below that a direction waits for; @usual: its own. */
static unsigned tls_needs(enum tls_direction d, unsigned usual)
{
	switch (d) {
	case TLS_NEEDS_READ:
		return LOOP_READ;
	case TLS_NEEDS_WRITE:
		return LOOP_WRITE;
	case TLS_NEEDS_KEY:
	case TLS_HAS_KEY:
		return 0;
	default:
		return usual;
	}
}

/*
 * Readiness that does not depend on the stream below: data or an end in OpenSSL's memory,
 * a failure, a signature. Also the first flight of a handshake: a client that waited for
 * the server's first would wait for ever.
 */
static unsigned tls_ready_now(const struct tls *t)
{
	bool has_input = SSL_has_pending(t->ssl) ||
		(SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;

	if (t->reading == TLS_FAILED)
		return t->wants;
	if (t->reading == TLS_HAS_KEY || SSL_in_before(t->ssl))
		return t->wants & (LOOP_READ | LOOP_WRITE);
	return t->reading == TLS_READY && has_input ? t->wants & LOOP_READ : 0;
}

static bool tls_holds_output(const struct tls *t)
{
	return tls_out_is_small(&t->out) && tls_is_open(t) &&
		(t->call != NULL || t->out.carries_tls);
}

/* After every call: sends its output, and waits for what is wanted now. */
static void tls_settle(struct tls *t)
{
	unsigned below = 0;

	if (!tls_holds_output(t))
		(void)tls_flush(t);
	else if (t->call == NULL)
		loop_defer(t->loop, &t->sending);
	if (t->out.is_blocked)
		below |= LOOP_WRITE;
	else if ((t->wants & LOOP_WRITE) != 0)
		below |= tls_needs(t->writing, LOOP_WRITE);
	if ((t->wants & LOOP_READ) != 0)
		below |= tls_needs(t->reading, LOOP_READ);
	if (below == 0)
		below = t->wants & LOOP_HANGUP;
	if (tls_ready_now(t) != 0)
		loop_defer(t->loop, &t->wake);
	stream_want(t->stream.below, t->reading == TLS_FAILED ? 0 : below);
}

/* The signature is there. It may be called at any point, so the owner is told later. */
static int tls_on_signature(SSL *ssl, void *arg)
{
	struct tls *t = arg;

	(void)ssl;
	if (t->reading < TLS_FINISHED)
		tls_enter_both(t, TLS_HAS_KEY);
	if (t->loop != NULL)
		loop_defer(t->loop, &t->wake);
	return 1;
}

static void tls_on_sending(void *arg)
{
	struct tls *t = arg;

	(void)tls_flush(t);
	tls_settle(t);
}

static void tls_tell_owner(struct tls *t, unsigned ready)
{
	struct tls_call call = { .has_left = false };

	if (ready != 0) {
		t->call = &call;
		t->stream.on_ready(t->stream.arg, ready);
		if (call.has_left)
			return;
		t->call = NULL;
	}
	if (t->reading != TLS_CLOSED)
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
	if ((ready & tls_needs(t->reading, LOOP_READ)) != 0)
		owner |= LOOP_READ;
	if (t->out.records.n == 0 && (ready & tls_needs(t->writing, LOOP_WRITE)) != 0)
		owner |= LOOP_WRITE;
	if (ready == LOOP_HANGUP)
		owner |= LOOP_HANGUP;
	tls_tell_owner(t, (owner & t->wants) | tls_ready_now(t));
}

static void tls_want(struct stream *s, unsigned wants)
{
	struct tls *t = tls_of(s);

	t->wants = wants;
	tls_settle(t);
}

/* ---- reading and writing ---- */

/*
 * Records that have already arrived are read together: one copy, and one write to the
 * next stream. During a readiness callback of the stream below, its records are, too.
 */
static enum err tls_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct tls *t = tls_of(s);
	size_t have = 0;
	enum err rc = ERR_OK;

	if (t->reading == TLS_FAILED)
		return t->failure;
	while (rc == ERR_OK && have < room) {
		size_t n = 0;

		if (have > 0 && !SSL_has_pending(t->ssl) &&
			(t->call == NULL || t->call->is_dry))
			break;
		if (!tls_begin_call(t))
			rc = ERR_AGAIN;
		else
			rc = tls_end_call(t,
				SSL_read_ex(t->ssl, (uint8_t *)to + have, room - have,
					&n),
				&t->reading);
		if (rc == ERR_OK)
			have += n;
	}
	if (!SSL_has_pending(t->ssl))
		(void)SSL_free_buffers(t->ssl); /* OpenSSL allocates some for a ticket */
	tls_settle(t);
	if (have == 0)
		return rc;
	*got = have;
	return ERR_OK;
}

/*
 * A ticket of TLS 1.3 is sent with the first data for the client: alone it would cost a
 * send here, and at each hop on its way. OpenSSL sends it with the next write. For a
 * ticket OpenSSL also allocates a read buffer, and keeps it until the next read.
 */
static int tls_write_with_ticket(struct tls *t, struct span record, size_t *put)
{
	int result;

	t->is_ticket_pending = false;
	if (SSL_new_session_ticket(t->ssl) != 1) /* TLS 1.2 has sent it */
		return SSL_write_ex(t->ssl, record.p, record.n, put);
	result = SSL_write_ex(t->ssl, record.p, record.n, put);
	if (!SSL_has_pending(t->ssl))
		(void)SSL_free_buffers(t->ssl);
	return result;
}

static enum err tls_write_record(struct tls *t, struct tls_pieces *pieces, size_t *put)
{
	uint8_t room[TLS_RECORD_BYTES];
	struct span record = tls_pieces_for_record(*pieces, room);
	int result;
	enum err rc;

	if (!tls_begin_call(t))
		return ERR_AGAIN;
	if (t->is_ticket_pending && SSL_is_init_finished(t->ssl))
		result = tls_write_with_ticket(t, record, put);
	else
		result = SSL_write_ex(t->ssl, record.p, record.n, put);
	rc = tls_end_call(t, result, &t->writing);
	if (rc == ERR_OK)
		tls_pieces_skip(pieces, *put);
	return rc;
}

static enum err tls_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct tls *t = tls_of(s);
	struct tls_pieces pieces = { .iov = iov, .count = count };
	size_t have = 0, n;
	enum err rc;

	if (!tls_is_open(t))
		return t->writing == TLS_FAILED ? t->failure : ERR_CLOSED;
	tls_out_reserve(&t->out, count > 0 ? iov->iov_len : 0);
	rc = tls_holds_output(t) ? ERR_OK : tls_flush(t);
	tls_pieces_skip(&pieces, 0); /* skips empty ones at the front */
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
	enum err rc;

	if (t->reading == TLS_FAILED)
		return t->failure;
	if (!tls_begin_call(t))
		return ERR_AGAIN;
	rc = tls_end_call(t, SSL_do_handshake(t->ssl), &t->reading);
	if (rc == ERR_EOF)
		rc = tls_fail(t, ERR_RESET, "the peer closed the connection");
	if (tls_is_open(t))
		t->writing = t->reading;
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

	return t->reading == TLS_NEEDS_WRITE ? LOOP_WRITE : LOOP_READ;
}

static enum err tls_finish(struct stream *s)
{
	struct tls *t = tls_of(s);
	enum err rc = ERR_OK;

	if (tls_is_open(t) && !SSL_is_init_finished(t->ssl))
		rc = tls_shake_hands(t);
	if (rc == ERR_OK && tls_is_open(t)) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl); /* puts close_notify into the buffer */
		t->writing = TLS_FINISHED;
	}
	if (rc == ERR_OK)
		rc = t->writing == TLS_FAILED ? t->failure : tls_flush(t);
	if (rc == ERR_OK && t->below_hides_ends)
		rc = stream_finish(t->stream.below);
	tls_settle(t);
	return rc;
}

/*
 * A waiting handshake is run to its end without a signature, because its stack must be
 * freed.
 */
static void tls_cancel_signature(struct tls *t)
{
	if (!SSL_waiting_for_async(t->ssl))
		return;
	ERR_clear_error();
	(void)SSL_do_handshake(t->ssl);
	tls_enter_both(t, TLS_FAILED);
}

/*
 * A peer that would otherwise wait for ever gets a record that it cannot decrypt, or
 * during the handshake a fatal alert. After close_notify truncated data would look
 * complete. OpenSSL has no call that sends an alert.
 */
static void tls_put_error(struct tls *t)
{
	static const uint8_t alert[] = { 0x15, 3, 3, 0, 2, 2, 80 /* internal_error */ };
	static const uint8_t undecryptable[5 + 32] = { 0x17, 3, 3, 0, 32 };

	if (tls_is_open(t) && SSL_is_init_finished(t->ssl))
		(void)buf_put(&t->out.records, undecryptable, sizeof(undecryptable));
	else if (tls_is_open(t))
		(void)buf_put(&t->out.records, alert, sizeof(alert));
}

static void tls_close(struct stream *s, bool is_abort)
{
	struct tls *t = tls_of(s);

	loop_undefer(&t->wake);
	loop_undefer(&t->sending);
	tls_cancel_signature(t);
	if (is_abort && t->below_hides_ends && t->writing != TLS_FINISHED) {
		tls_put_error(t);
		is_abort = false;
	} else if (!is_abort && tls_is_open(t) && SSL_is_init_finished(t->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(t->ssl);
	}
	if (!is_abort || tls_holds_output(t))
		(void)tls_flush(t);

	/*
	 * OpenSSL discards a session if its connection ends without close_notify. That
	 * was a rule of TLS 1.0. The next connection must be resumable even if the peer
	 * disconnects without close_notify.
	 */
	if (t->failure != ERR_PROTO && t->failure != ERR_CRYPTO)
		SSL_set_shutdown(t->ssl, SSL_get_shutdown(t->ssl) | SSL_SENT_SHUTDOWN);
	t->stream.below->ops->close(t->stream.below, is_abort);
	SSL_free(t->ssl);
	remote_key_unref(t->key);
	buf_fini(&t->out.records);
	tls_context_free(t->context);
	tls_enter_both(t, TLS_CLOSED);
	if (t->loop != NULL)
		loop_defer(t->loop, &t->gone);
	else
		free(t); /* no callback runs between two loops */
}

static enum err tls_leave(struct stream *s)
{
	struct tls *t = tls_of(s);
	enum err rc;

	loop_undefer(&t->wake);
	loop_undefer(&t->sending);
	(void)tls_flush(t); /* held output does not wait for the move */
	rc = stream_leave(t->stream.below);
	if (rc != ERR_OK)
		return rc;
	if (t->call != NULL)
		t->call->has_left = true;
	t->call = NULL;
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
	tls_settle(t); /* continues to send */
	return ERR_OK;
}

static size_t tls_expect_records(struct stream *s)
{
	tls_of(s)->out.carries_tls = true;
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
	if (o->key != NULL && SSL_use_PrivateKey(t->ssl, remote_key_pkey(o->key)) != 1)
		return err_set(why, ERR_CRYPTO, "the key is of another certificate");
	if (o->is_server) {
		SSL_set_accept_state(t->ssl);
		t->is_ticket_pending = true;
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
	tls_out_init(&t->out, o->below);
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
	if (o->key != NULL)
		t->key = remote_key_ref(o->key);
	t->below_hides_ends = o->below_hides_ends;
	t->stream.below = o->below;
	record = stream_expect_records(o->below);
	if (record > 0) {
		t->out.is_carried = true;
		SSL_set_max_send_fragment(t->ssl, (long)(record - TLS_RECORD_ADDS));
	}
	stream_set_owner(t->stream.below, tls_on_below_ready, t);
	*out = &t->stream;
	return ERR_OK;
}
