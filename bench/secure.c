/* A visitor's TLS. */
#include "secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

/* One program, one kind of visitor: what all of them share. */
static SSL_CTX *context;
static const char *server_name;
static SSL_SESSION *newest;

static int keep_newest(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(newest);
	newest = session;
	return 1;
}

void secure_init(const char *name, bool resumes)
{
	static const unsigned char http[] = "\x08http/1.1";

	server_name = name;
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL ||
		SSL_CTX_set_alpn_protos(context, http, sizeof(http) - 1) != 0)
		load_die("TLS");
	SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context,
		resumes ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL :
			  SSL_SESS_CACHE_OFF);
	if (resumes)
		SSL_CTX_sess_set_new_cb(context, keep_newest);
}

void secure_open(struct secure *s, int fd)
{
	*s = (struct secure){ .fd = fd };
	if (context == NULL)
		return;
	s->ssl = SSL_new(context);
	if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1 ||
		SSL_set_tlsext_host_name(s->ssl, server_name) != 1)
		load_die("TLS");
	if (newest != NULL)
		SSL_set_session(s->ssl, newest);
	SSL_set_connect_state(s->ssl);
}

void secure_close(struct secure *s)
{
	if (s->ssl != NULL) {
		SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN); /* or its session is void */
		SSL_free(s->ssl);
	}
	close(s->fd);
	*s = (struct secure){ .fd = -1 };
}

int secure_greet(struct secure *s, bool *is_writing)
{
	int rc;

	*is_writing = false;
	if (s->ssl == NULL)
		return 1;
	ERR_clear_error();
	rc = SSL_do_handshake(s->ssl);
	if (rc == 1)
		return 1;
	rc = SSL_get_error(s->ssl, rc);
	*is_writing = rc == SSL_ERROR_WANT_WRITE;
	return *is_writing || rc == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t result(struct secure *s, int rc)
{
	if (rc > 0)
		return rc;
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

ssize_t secure_send(struct secure *s, const void *p, size_t n)
{
	if (s->ssl == NULL)
		return send(s->fd, p, n, MSG_NOSIGNAL);
	ERR_clear_error();
	return result(s, SSL_write(s->ssl, p, (int)n));
}

ssize_t secure_recv(struct secure *s, void *p, size_t n)
{
	if (s->ssl == NULL)
		return recv(s->fd, p, n, 0);
	ERR_clear_error();
	return result(s, SSL_read(s->ssl, p, (int)n));
}

bool secure_has_more(const struct secure *s)
{
	return s->ssl != NULL && SSL_pending(s->ssl) > 0;
}

bool secure_is_resumed(const struct secure *s)
{
	return s->ssl != NULL && SSL_session_reused(s->ssl);
}
