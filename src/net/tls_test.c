/* Behaviour of TLS in both roles, with certificates made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "net/bridge.h"
#include "net/socket.h"
#include "net/talker_test.h"
#include "net/tls.h"
/* ---- certificates ---- */

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char cert_file[96], key_file[96];
};

struct fixture {
	char directory[32];
	struct identity ca, other_ca, server, client, stray;
	struct loop *loop;
	struct pool pool;
	struct tls_context *server_context, *client_context;
	unsigned closed;
	enum err rc;
	bool is_trickling;
	bool hides_ends; /* what is below the servers that are opened */
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* Without @issuer it signs itself, and is a CA. */
static void identity_make(struct identity *id, const char *directory, const char *name,
	const struct identity *issuer)
{
	const struct identity *signer = issuer != NULL ? issuer : id;
	X509_NAME *subject;
	FILE *file;

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	X509_set_version(id->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), (long)(size_t)name[0]);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), 3600);
	X509_set_pubkey(id->cert, id->key);
	subject = X509_get_subject_name(id->cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(id->cert, X509_get_subject_name(signer->cert));
	if (issuer == NULL)
		add_extension(id->cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(id->cert, NID_subject_alt_name,
		"DNS:tunnel.test,IP:127.0.0.1,IP:::1");
	assert_true(X509_sign(id->cert, signer->key, EVP_sha256()) > 0);

	snprintf(id->cert_file, sizeof(id->cert_file), "%s/%s.crt", directory, name);
	snprintf(id->key_file, sizeof(id->key_file), "%s/%s.key", directory, name);
	file = fopen(id->cert_file, "we");
	PEM_write_X509(file, id->cert);
	fclose(file);
	file = fopen(id->key_file, "we");
	PEM_write_PrivateKey(file, id->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

static void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	unlink(id->cert_file);
	unlink(id->key_file);
}

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	snprintf(x->directory, sizeof(x->directory), "/tmp/adit-tls-XXXXXX");
	assert_non_null(mkdtemp(x->directory));
	identity_make(&x->ca, x->directory, "ca", NULL);
	identity_make(&x->other_ca, x->directory, "other", NULL);
	identity_make(&x->server, x->directory, "server", &x->ca);
	identity_make(&x->client, x->directory, "client", &x->ca);
	identity_make(&x->stray, x->directory, "stray", &x->other_ca);
	assert_int_equal(loop_new(&x->loop), ERR_OK);
	pool_init(&x->pool, 65536, 8);
	*state = x;
	return 0;
}

static void contexts_free(struct fixture *x)
{
	tls_context_free(x->server_context);
	tls_context_free(x->client_context);
	x->server_context = x->client_context = NULL;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	contexts_free(x);
	identity_free(&x->ca);
	identity_free(&x->other_ca);
	identity_free(&x->server);
	identity_free(&x->client);
	identity_free(&x->stray);
	rmdir(x->directory);
	pool_fini(&x->pool);
	loop_free(x->loop);
	free(x);
	return 0;
}

static void contexts_make(struct fixture *x, const char *client_ca,
	const struct identity *client)
{
	struct tls_server_options server = { .cert_file = x->server.cert_file,
		.key_file = x->server.key_file,
		.ca_path = client_ca };
	struct tls_client_options options = { .ca_file = x->ca.cert_file };
	struct why why = { .text = "" };

	contexts_free(x);
	if (client != NULL) {
		options.cert_file = client->cert_file;
		options.key_file = client->key_file;
	}
	assert_int_equal(tls_context_new_server(&server, &x->server_context, &why),
		ERR_OK);
	assert_int_equal(tls_context_new_client(&options, &x->client_context, &why),
		ERR_OK);
}

/* ---- streams ---- */

static const struct stream_ops *socket_ops;

static enum err trickle_read(struct stream *s, void *to, size_t room, size_t *got)
{
	return socket_ops->read(s, to, room > 1 ? 1 : room, got);
}

static enum err trickle_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct iovec one = { .iov_base = iov->iov_base, .iov_len = 1 };

	(void)count;
	return socket_ops->write(s, &one, 1, put);
}

static struct stream *open_socket(struct fixture *x, int fd)
{
	static struct stream_ops trickle;
	struct stream *s;

	assert_int_equal(socket_open_take(x->loop, fd, &s), ERR_OK);
	if (x->is_trickling) {
		socket_ops = s->ops;
		trickle = *s->ops;
		trickle.read = trickle_read;
		trickle.write = trickle_write;
		s->ops = &trickle;
	}
	return s;
}

static struct stream *open_tls(struct fixture *x, struct stream *below, bool is_server,
	const char *server_name)
{
	struct tls_options options = { .context = is_server ? x->server_context :
							      x->client_context,
		.loop = x->loop,
		.below = below,
		.is_server = is_server,
		.server_name = server_name,
		.below_hides_ends = is_server && x->hides_ends };
	struct stream *s;
	struct why why = { .text = "" };

	assert_int_equal(tls_open(&options, &s, &why), ERR_OK);
	return s;
}

/* ---- handshakes ---- */

struct hand {
	struct stream *tls;
	enum err rc;
	struct why why;
};

static void hand_on_ready(void *arg, unsigned ready)
{
	struct hand *hand = arg;

	(void)ready;
	hand->rc = tls_handshake(hand->tls, &hand->why);
	stream_want(hand->tls, hand->rc == ERR_AGAIN ? tls_wants(hand->tls) : 0);
}

/* Shakes until both know how it went, or neither can go on. */
static void shake(struct fixture *x, struct hand *client, struct hand *server,
	const char *name)
{
	int ends[2];

	unix_pair(ends);
	*client = (struct hand){ .tls = open_tls(x, open_socket(x, ends[0]), false,
					 name) };
	*server = (struct hand){ .tls = open_tls(x, open_socket(x, ends[1]), true,
					 NULL) };
	stream_set_owner(client->tls, hand_on_ready, client);
	stream_set_owner(server->tls, hand_on_ready, server);
	hand_on_ready(client, 0);
	hand_on_ready(server, 0);
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
}

static void part(struct fixture *x, struct hand *client, struct hand *server)
{
	stream_close(client->tls);
	stream_close(server->tls);
	loop_turn(x->loop);
}

static void test_both_ends_agree(void **state)
{
	static const char *const names[] = { "tunnel.test", "tunnel.test.", "127.0.0.1",
		"[::1]", "::1" };
	struct fixture *x = *state;
	struct hand client, server;

	contexts_make(x, NULL, NULL);
	for (size_t i = 0; i < mem_count(names); i++) {
		shake(x, &client, &server, names[i]);
		assert_int_equal(client.rc, ERR_OK);
		assert_int_equal(server.rc, ERR_OK);
		part(x, &client, &server);
	}
}

static void test_another_name_is_not_accepted(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	char detail[TLS_DETAIL_MAX];

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "other.test");
	assert_int_equal(client.rc, ERR_CRYPTO);
	assert_string_equal(client.why.text,
		"certificate verify failed: hostname mismatch");
	assert_int_equal(server.rc, ERR_PROTO);
	assert_int_equal(tls_handshake(client.tls, &client.why), ERR_CRYPTO);
	assert_int_equal(tls_find_trouble(client.tls, detail), TLS_TROUBLE_WRONG_NAME);
	assert_non_null(strstr(detail, "tunnel.test"));
	assert_non_null(strstr(detail, "127.0.0.1"));
	part(x, &client, &server);
	shake(x, &client, &server, "127.0.0.2");
	assert_int_equal(client.rc, ERR_CRYPTO);
	assert_string_equal(client.why.text,
		"certificate verify failed: IP address mismatch");
	assert_int_equal(tls_find_trouble(client.tls, detail), TLS_TROUBLE_WRONG_NAME);
	part(x, &client, &server);
}

static void use_client_options(struct fixture *x,
	const struct tls_client_options *options)
{
	tls_context_free(x->client_context);
	x->client_context = NULL;
	assert_int_equal(tls_context_new_client(options, &x->client_context, NULL),
		ERR_OK);
}

static void test_an_unknown_issuer_is_trusted_only_with_skip_verify(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct tls_client_options options = { .ca_file = x->other_ca.cert_file };
	char detail[TLS_DETAIL_MAX];

	contexts_make(x, NULL, NULL);
	use_client_options(x, &options);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_CRYPTO);
	assert_string_equal(client.why.text,
		"certificate verify failed: unable to get local issuer certificate");
	assert_int_equal(tls_find_trouble(client.tls, detail), TLS_TROUBLE_UNKNOWN_CA);
	assert_string_equal(detail, "");
	part(x, &client, &server);

	options = (struct tls_client_options){ .ca_file = NULL }; /* the system's */
	use_client_options(x, &options);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_CRYPTO);
	part(x, &client, &server);

	options = (struct tls_client_options){ .skip_verify = true,
		.ca_file = "/no/such/file" };
	use_client_options(x, &options);
	shake(x, &client, &server, "other.test");
	assert_int_equal(client.rc, ERR_OK);
	part(x, &client, &server);
}

static void test_a_client_certificate_is_required_and_verified(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;

	contexts_make(x, x->ca.cert_file, &x->client);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(server.rc, ERR_OK);
	part(x, &client, &server);

	contexts_make(x, x->ca.cert_file, NULL);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(server.rc, ERR_PROTO);
	assert_string_equal(server.why.text, "TLS: peer did not return a certificate");
	part(x, &client, &server);

	contexts_make(x, x->ca.cert_file, &x->stray);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(server.rc, ERR_CRYPTO);
	part(x, &client, &server);
}

static void test_without_verification_no_certificate_is_blamed(void **state)
{
	struct tls_client_options options = { .skip_verify = true };
	struct fixture *x = *state;
	struct hand client, server;
	uint8_t byte;
	size_t got;

	contexts_make(x, x->ca.cert_file, NULL);
	use_client_options(x, &options);
	shake(x, &client, &server, "other.test");
	assert_int_equal(client.rc, ERR_OK);
	assert_int_equal(server.rc, ERR_PROTO); /* it wants a certificate */
	assert_int_equal(stream_read(client.tls, &byte, 1, &got), ERR_PROTO);
	part(x, &client, &server);
}

static void test_all_files_of_a_directory_are_roots(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	char directory[64], path[96];
	struct tls_server_options options = { .cert_file = x->server.cert_file,
		.key_file = x->server.key_file,
		.ca_path = directory };
	struct why why;

	contexts_make(x, NULL, &x->stray);
	snprintf(directory, sizeof(directory), "%s/roots", x->directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(tls_context_new_server(&options, &x->server_context, &why),
		ERR_SYNTAX);
	assert_non_null(strstr(why.text, directory));

	snprintf(path, sizeof(path), "%s/any-name", directory);
	assert_int_equal(link(x->other_ca.cert_file, path), 0);
	tls_context_free(x->server_context);
	assert_int_equal(tls_context_new_server(&options, &x->server_context, &why),
		ERR_OK);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(server.rc, ERR_OK);
	part(x, &client, &server);
	unlink(path);
	rmdir(directory);
}

static void use_alpn(struct fixture *x, const char *server_alpn, const char *client_alpn)
{
	struct tls_server_options server = { .cert_file = x->server.cert_file,
		.key_file = x->server.key_file,
		.alpn = server_alpn };
	struct tls_client_options client = { .ca_file = x->ca.cert_file,
		.alpn = client_alpn };

	contexts_free(x);
	assert_int_equal(tls_context_new_server(&server, &x->server_context, NULL),
		ERR_OK);
	assert_int_equal(tls_context_new_client(&client, &x->client_context, NULL),
		ERR_OK);
}

static void test_protocols_must_overlap_if_both_name_some(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;

	use_alpn(x, "http/1.1", "http/1.1");
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_OK);
	part(x, &client, &server);
	use_alpn(x, "http/1.1", "h2");
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_PROTO);
	part(x, &client, &server);
	use_alpn(x, "http/1.1", NULL);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_OK);
	part(x, &client, &server);
}

static void test_a_client_without_a_name_to_verify_is_refused(void **state)
{
	struct fixture *x = *state;
	struct tls_options options = { .loop = x->loop };
	struct stream *s;
	int ends[2];

	contexts_make(x, NULL, NULL);
	unix_pair(ends);
	options.context = x->client_context;
	options.below = open_socket(x, ends[0]);
	assert_int_equal(tls_open(&options, &s, NULL), ERR_USAGE);
	stream_close(options.below);
	close(ends[1]);
}

static void shake_with_stranger(struct fixture *x, struct hand *server, const char *says)
{
	int ends[2];

	unix_pair(ends);
	*server = (struct hand){ .tls = open_tls(x, open_socket(x, ends[0]), true,
					 NULL) };
	stream_set_owner(server->tls, hand_on_ready, server);
	assert_int_equal(write(ends[1], says, strlen(says)), (ssize_t)strlen(says));
	close(ends[1]);
	hand_on_ready(server, 0);
	for (int i = 0; i < 5; i++)
		loop_turn(x->loop);
	stream_close(server->tls);
	loop_turn(x->loop);
}

static void test_a_peer_without_tls_is_recognised(void **state)
{
	struct fixture *x = *state;
	struct hand server;

	contexts_make(x, NULL, NULL);
	shake_with_stranger(x, &server, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(server.rc, ERR_PROTO);
	assert_string_equal(server.why.text, "TLS: http request");
	shake_with_stranger(x, &server, "");
	assert_int_equal(server.rc, ERR_RESET);
	assert_string_equal(server.why.text, "TLS: the peer closed the connection");
}

/* ---- bytes ---- */

static void test_an_eof_without_close_notify_is_an_end(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	char text[8];
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	contexts_free(x); /* the streams go on with it */

	/* Session tickets left unread would make it a reset. */
	assert_int_equal(stream_read(client.tls, text, sizeof(text), &n), ERR_AGAIN);
	assert_int_equal(stream_put(client.tls, "hello", 5, &n), ERR_OK);
	stream_abort(client.tls);
	assert_int_equal(stream_read(server.tls, text, sizeof(text), &n), ERR_OK);
	assert_int_equal(n, 5);
	assert_int_equal(stream_read(server.tls, text, sizeof(text), &n), ERR_EOF);
	assert_int_equal(stream_read(server.tls, text, sizeof(text), &n), ERR_EOF);
	stream_close(server.tls);
}

static void test_many_pieces_are_one_write(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	static uint8_t big[20000], got[40100];
	char ab[] = "ab", cd[] = "cd", ef[] = "ef";
	struct iovec pieces[] = { { ab, 2 }, { NULL, 0 }, { cd, 2 }, { big, sizeof(big) },
		{ ef, 2 } };
	size_t n, have = 0;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	memset(big, 'x', sizeof(big));
	assert_int_equal(stream_write(client.tls, pieces, 5, &n), ERR_OK);
	assert_int_equal(n, sizeof(big) + 6);
	while (have < n) {
		size_t more;

		assert_int_equal(stream_read(server.tls, got + have, sizeof(got) - have,
					 &more),
			ERR_OK);
		have += more;
	}
	assert_memory_equal(got, "abcdxx", 6);
	assert_memory_equal(got + n - 3, "xef", 3);
	part(x, &client, &server);
}

struct reader {
	struct stream *tls;
	unsigned calls;
	char text[16];
	size_t n;
	bool has_ended;
};

static void read_one_byte(void *arg, unsigned ready)
{
	struct reader *r = arg;
	size_t n;

	assert_int_equal(ready, LOOP_READ);
	r->calls++;
	if (stream_read(r->tls, r->text + r->n, 1, &n) == ERR_OK)
		r->n += n;
}

static void test_bytes_inside_wake_the_owner_too(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct reader reader = { .calls = 0 };
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	reader.tls = server.tls;
	stream_set_owner(server.tls, read_one_byte, &reader);
	stream_want(server.tls, LOOP_READ);
	assert_int_equal(stream_put(client.tls, "several", 7, &n), ERR_OK);
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
	assert_string_equal(reader.text, "several");
	assert_true(reader.calls <= 8);
	part(x, &client, &server);
}

static void read_once(void *arg, unsigned ready)
{
	struct reader *r = arg;
	size_t n;
	enum err rc = stream_read(r->tls, r->text + r->n, sizeof(r->text) - r->n, &n);

	assert_int_equal(ready, LOOP_READ);
	r->calls++;
	if (rc == ERR_OK)
		r->n += n;
	r->has_ended = rc == ERR_EOF;
	if (r->has_ended)
		stream_want(r->tls, 0);
}

/* One read takes both and tells of the bytes; nothing more will come from below. */
static void test_an_end_that_came_with_bytes_wakes_the_owner(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct reader reader = { .calls = 0 };
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	reader.tls = server.tls;
	stream_set_owner(server.tls, read_once, &reader);
	assert_int_equal(stream_put(client.tls, "several", 7, &n), ERR_OK);
	assert_int_equal(stream_finish(client.tls), ERR_OK);
	stream_want(server.tls, LOOP_READ);
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
	assert_string_equal(reader.text, "several");
	assert_true(reader.has_ended);
	assert_int_equal(reader.calls, 2);
	part(x, &client, &server);
}

/* What comes after a server's close_notify, on the wire; the client may still write. */
static void test_an_end_may_be_an_end_below_too(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct reader reader;
	uint8_t wire[256];
	size_t n;

	contexts_make(x, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		x->hides_ends = i == 1;
		shake(x, &client, &server, "tunnel.test");
		reader = (struct reader){ .tls = server.tls };
		stream_set_owner(server.tls, read_once, &reader);
		assert_int_equal(stream_finish(server.tls), ERR_OK);
		assert_int_equal(stream_finish(server.tls), ERR_OK);
		assert_true(recv(stream_socket(client.tls), wire, sizeof(wire),
				    MSG_DONTWAIT) > 0);
		assert_int_equal(recv(stream_socket(client.tls), wire, 1, MSG_DONTWAIT),
			x->hides_ends ? 0 : -1);
		assert_int_equal(stream_put(client.tls, "more", 4, &n), ERR_OK);
		stream_want(server.tls, LOOP_READ);
		for (int j = 0; j < 10; j++)
			loop_turn(x->loop);
		assert_string_equal(reader.text, "more");
		assert_false(reader.has_ended);
		part(x, &client, &server);
	}
	x->hides_ends = false;
}

/* Below, only the end of a connection in order reaches the other side, as with a stock
 * relay. */
static void test_an_abort_may_be_sent_as_a_record(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	uint8_t bytes[256];
	size_t n;

	contexts_make(x, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		x->hides_ends = i == 1;
		shake(x, &client, &server, "tunnel.test");
		assert_int_equal(stream_put(server.tls, "a part", 6, &n), ERR_OK);
		stream_abort(server.tls);
		loop_turn(x->loop);
		assert_int_equal(stream_read(client.tls, bytes, 6, &n), ERR_OK);
		assert_memory_equal(bytes, "a part", 6);
		/* No close_notify, so that it is not taken for the whole. */
		assert_int_equal(stream_read(client.tls, bytes, 1, &n),
			x->hides_ends ? ERR_PROTO : ERR_EOF);
		stream_abort(client.tls);
		loop_turn(x->loop);
	}
	x->hides_ends = false;
}

static void test_an_abort_of_a_handshake_may_be_sent_as_an_alert(void **state)
{
	struct fixture *x = *state;
	struct hand client = { .rc = ERR_AGAIN };
	struct stream *server;
	int ends[2];

	contexts_make(x, NULL, NULL);
	unix_pair(ends);
	x->hides_ends = true;
	client.tls = open_tls(x, open_socket(x, ends[0]), false, "tunnel.test");
	server = open_tls(x, open_socket(x, ends[1]), true, NULL);
	x->hides_ends = false;
	stream_set_owner(client.tls, hand_on_ready, &client);
	hand_on_ready(&client, 0);
	assert_int_equal(client.rc, ERR_AGAIN);
	stream_abort(server);
	for (int i = 0; i < 5; i++)
		loop_turn(x->loop);
	assert_int_equal(client.rc, ERR_PROTO);
	assert_non_null(strstr(client.why.text, "internal error"));
	stream_abort(client.tls);
}

static void test_a_client_that_only_listens_begins_the_handshake(void **state)
{
	struct fixture *x = *state;
	struct reader reader = { .calls = 0 };
	struct hand server;
	int ends[2];
	size_t n;

	contexts_make(x, NULL, NULL);
	unix_pair(ends);
	reader.tls = open_tls(x, open_socket(x, ends[0]), false, "tunnel.test");
	server = (struct hand){ .tls = open_tls(x, open_socket(x, ends[1]), true, NULL) };
	stream_set_owner(reader.tls, read_one_byte, &reader);
	stream_set_owner(server.tls, hand_on_ready, &server);
	stream_want(reader.tls, LOOP_READ);
	stream_want(server.tls, LOOP_READ);
	for (int i = 0; i < 10; i++)
		loop_turn(x->loop);
	assert_int_equal(server.rc, ERR_OK);
	assert_int_equal(stream_put(server.tls, "hi", 2, &n), ERR_OK);
	for (int i = 0; i < 10; i++)
		loop_turn(x->loop);
	assert_string_equal(reader.text, "hi");
	stream_close(reader.tls);
	stream_close(server.tls);
}

/* ---- what is known of a connection ---- */

static void test_a_leaf_alone_can_be_trusted(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct tls_client_options options = { .skip_verify = true };
	uint8_t ours[32], theirs[32];
	struct buf chain;

	buf_init(&chain, 65536);
	contexts_make(x, NULL, NULL);
	use_client_options(x, &options);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(tls_peer_chain(client.tls, &chain), ERR_OK);
	part(x, &client, &server);
	assert_true(tls_pem_covers(buf_span(&chain), "tunnel.test"));
	assert_false(tls_pem_covers(buf_span(&chain), "other.test"));
	assert_false(tls_pem_covers(span_str("rubbish"), "tunnel.test"));

	options = (struct tls_client_options){ .ca_pem = buf_span(&chain),
		.min_version = TLS_VERSION_1_3 };
	use_client_options(x, &options);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(client.rc, ERR_OK);
	assert_int_equal(tls_export(client.tls, "label", ours, 32), ERR_OK);
	assert_int_equal(tls_export(server.tls, "label", theirs, 32), ERR_OK);
	assert_memory_equal(ours, theirs, 32);
	part(x, &client, &server);
	shake(x, &client, &server, "other.test");
	assert_int_equal(client.rc, ERR_CRYPTO);
	part(x, &client, &server);
	buf_fini(&chain);
}

/* The server's first bytes bring the ticket. */
static bool shake_and_read(struct fixture *x, const char *name, bool is_aborted)
{
	struct hand client, server;
	char text[8];
	bool is_resumed;
	size_t n;

	shake(x, &client, &server, name);
	assert_int_equal(client.rc, ERR_OK);
	assert_int_equal(stream_put(server.tls, "x", 1, &n), ERR_OK);
	assert_int_equal(stream_read(client.tls, text, sizeof(text), &n), ERR_OK);
	is_resumed = tls_is_resumed(client.tls);
	assert_int_equal(tls_is_resumed(server.tls), is_resumed);
	if (is_aborted) {
		stream_abort(client.tls);
		stream_abort(server.tls);
		loop_turn(x->loop);
	} else {
		part(x, &client, &server);
	}
	return is_resumed;
}

static void test_a_session_is_resumed_with_the_same_server_only(void **state)
{
	struct fixture *x = *state;
	struct tls_client_options options = { .ca_file = x->ca.cert_file };

	contexts_make(x, NULL, NULL);
	assert_false(shake_and_read(x, "tunnel.test", false));
	assert_false(shake_and_read(x, "tunnel.test", false)); /* nothing was kept */
	options.keeps_session = true;
	use_client_options(x, &options);
	assert_false(shake_and_read(x, "tunnel.test", false));
	assert_true(shake_and_read(x, "tunnel.test", false));
	assert_true(shake_and_read(x, "tunnel.test", false));
	assert_false(shake_and_read(x, "127.0.0.1", false));
}

/* Who hangs up costs the next connection nothing. */
static void test_a_session_outlives_a_broken_connection(void **state)
{
	struct fixture *x = *state;
	struct tls_client_options options = { .ca_file = x->ca.cert_file,
		.keeps_session = true };

	contexts_make(x, NULL, NULL);
	use_client_options(x, &options);
	assert_false(shake_and_read(x, "tunnel.test", true));
	assert_true(shake_and_read(x, "tunnel.test", true));
	assert_true(shake_and_read(x, "tunnel.test", false));
}

/* ---- moving to another worker ---- */

struct mover {
	struct loop *loop; /* the new one */
	struct stream *tls;
	char heard[16];
	size_t n;
	bool has_left;
};

/* Takes one byte of a record and goes, in the midst of the loop's call. */
static void move_on_ready(void *arg, unsigned ready)
{
	struct mover *m = arg;

	(void)ready;
	assert_int_equal(stream_read(m->tls, m->heard, 1, &m->n), ERR_OK);
	assert_int_equal(stream_leave(m->tls), ERR_OK);
	m->has_left = true;
}

static void answer_on_ready(void *arg, unsigned ready)
{
	struct mover *m = arg;
	size_t n;
	enum err rc = stream_read(m->tls, m->heard + m->n, sizeof(m->heard) - m->n, &n);

	(void)ready;
	if (rc == ERR_AGAIN)
		return;
	if (rc == ERR_OK)
		m->n += n;
	if (rc == ERR_OK && m->n < 10)
		return;
	assert_int_equal(stream_put(m->tls, "answer", 6, &n), ERR_OK);
	stream_close(m->tls);
	loop_stop(m->loop);
}

static void *answer_on_another_loop(void *arg)
{
	struct mover *m = arg;

	assert_int_equal(stream_enter(m->tls, m->loop), ERR_OK);
	stream_set_owner(m->tls, answer_on_ready, m);
	stream_want(m->tls, LOOP_READ);
	loop_run(m->loop);
	return NULL;
}

static void test_a_conversation_goes_on_after_moving(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct mover m = { .n = 0 };
	char text[16] = "";
	pthread_t thread;
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(stream_read(client.tls, text, sizeof(text), &n), ERR_AGAIN);
	assert_int_equal(loop_new(&m.loop), ERR_OK);
	m.tls = server.tls;
	stream_set_owner(m.tls, move_on_ready, &m);
	stream_want(m.tls, LOOP_READ);
	assert_int_equal(stream_put(client.tls, "hello", 5, &n), ERR_OK);
	for (int i = 0; i < 20 && !m.has_left; i++)
		loop_turn(x->loop);
	assert_true(m.has_left);

	/* The rest of the record is in OpenSSL's memory: it wakes the new owner. */
	pthread_create(&thread, NULL, answer_on_another_loop, &m);
	assert_int_equal(stream_put(client.tls, "again", 5, &n), ERR_OK);
	pthread_join(thread, NULL);
	assert_memory_equal(m.heard, "helloagain", 10);
	assert_int_equal(stream_read(client.tls, text, sizeof(text), &n), ERR_OK);
	assert_string_equal(text, "answer");
	stream_close(client.tls);
	loop_free(m.loop);
}

static void test_buffered_bytes_wake_the_new_owner(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	struct reader reader = { .calls = 0 };
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(stream_put(client.tls, "several", 7, &n), ERR_OK);
	assert_int_equal(stream_read(server.tls, reader.text, 1, &reader.n), ERR_OK);
	stream_want(server.tls, LOOP_READ); /* it would be woken here */
	assert_int_equal(stream_leave(server.tls), ERR_OK);
	assert_int_equal(stream_enter(server.tls, x->loop), ERR_OK);
	reader.tls = server.tls;
	stream_set_owner(server.tls, read_one_byte, &reader);
	for (int i = 0; i < 5; i++)
		loop_turn(x->loop);
	assert_int_equal(reader.calls, 0); /* it wants nothing yet */
	stream_want(server.tls, LOOP_READ);
	for (int i = 0; i < 20; i++)
		loop_turn(x->loop);
	assert_string_equal(reader.text, "several");
	part(x, &client, &server);
}

static void test_it_may_be_closed_between_two_loops(void **state)
{
	struct fixture *x = *state;
	struct hand client, server;
	char text[16];
	size_t n;

	contexts_make(x, NULL, NULL);
	shake(x, &client, &server, "tunnel.test");
	assert_int_equal(stream_leave(server.tls), ERR_OK);
	stream_close(server.tls);
	assert_int_equal(stream_read(client.tls, text, sizeof(text), &n), ERR_EOF);
	stream_close(client.tls);
}

static void on_bridge_closed(void *arg, const struct bridge_end *end)
{
	struct fixture *x = arg;

	if (end->rc != ERR_OK)
		x->rc = end->rc;
	if (++x->closed == 2)
		loop_stop(x->loop);
}

static void bridge(struct fixture *x, struct stream *a, struct stream *b)
{
	struct bridge_options options = { .loop = x->loop,
		.pool = &x->pool,
		.a = a,
		.b = b,
		.on_closed = on_bridge_closed,
		.arg = x };
	struct bridge *unused;

	assert_int_equal(bridge_open(&options, &unused), ERR_OK);
}

/* Plain text, TLS @depth deep over a pair of sockets, plain text again. */
static void carry(struct fixture *x, int depth, size_t n)
{
	int a[2], middle[2], b[2];
	struct stream *left, *right;
	struct talk talk;

	unix_pair(a);
	tcp_pair(middle);
	unix_pair(b);
	left = open_socket(x, middle[0]);
	right = open_socket(x, middle[1]);
	for (int i = 0; i < depth; i++) {
		left = open_tls(x, left, false, "tunnel.test");
		right = open_tls(x, right, true, NULL);
	}
	x->closed = 0;
	x->rc = ERR_OK;
	talk_begin(&talk, a[0], b[0], n);
	bridge(x, open_socket(x, a[1]), left);
	bridge(x, right, open_socket(x, b[1]));
	loop_run(x->loop);
	assert_true(talk_end(&talk));
	assert_int_equal(x->rc, ERR_OK);
	close(a[0]);
	close(b[0]);
}

static void test_every_byte_comes_through_also_nested(void **state)
{
	struct fixture *x = *state;

	contexts_make(x, x->ca.cert_file, &x->client);
	carry(x, 1, 30 * 1000 * 1000);
	carry(x, 2, 10 * 1000 * 1000);
	carry(x, 1, 0);
	x->is_trickling = true;
	carry(x, 1, 6000);
	carry(x, 2, 2000);
}

/* ---- settings ---- */

static void test_what_cannot_be_applied_names_its_file(void **state)
{
	struct fixture *x = *state;
	char empty[64];
	struct tls_server_options cases[] = {
		{ .cert_file = "/no/such/cert", .key_file = x->server.key_file },
		{ .cert_file = x->server.cert_file, .key_file = "/no/such/key" },
		{ .cert_file = x->server.key_file, .key_file = x->server.key_file },
		{ .cert_file = x->server.cert_file, .key_file = x->server.cert_file },
		{ .cert_file = x->server.cert_file, .key_file = x->client.key_file },
		{ .cert_file = x->server.cert_file,
			.key_file = x->server.key_file,
			.ca_path = "/no/such/ca" },
		{ .cert_file = x->server.cert_file,
			.key_file = x->server.key_file,
			.ca_path = empty },
		{ .cert_file = x->server.cert_file,
			.key_file = x->server.key_file,
			.alpn = "" },
	};
	const char *const words[] = { "certificate /no/such/cert: No such file",
		"key /no/such/key", "has no usable certificate", "has no usable key",
		"does not belong to the certificate", "CA file /no/such/ca: No such file",
		"empty has no certificate", "ALPN: \"\"" };
	struct tls_context *ctx;
	struct why why;

	snprintf(empty, sizeof(empty), "%s/empty", x->directory);
	fclose(fopen(empty, "we"));
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_not_equal(tls_context_new_server(&cases[i], &ctx, &why),
			ERR_OK);
		if (strstr(why.text, words[i]) == NULL)
			fail_msg("%s", why.text);
	}
	unlink(empty);
}

static void test_half_a_client_certificate_is_an_error(void **state)
{
	struct fixture *x = *state;
	struct tls_client_options options = { .cert_file = x->client.cert_file };
	struct tls_context *ctx;
	struct why why;

	assert_int_equal(tls_context_new_client(&options, &ctx, &why), ERR_USAGE);
	assert_non_null(strstr(why.text, x->client.cert_file));
}

#define tls_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tls_test(test_both_ends_agree),
		tls_test(test_another_name_is_not_accepted),
		tls_test(test_an_unknown_issuer_is_trusted_only_with_skip_verify),
		tls_test(test_a_client_certificate_is_required_and_verified),
		tls_test(test_without_verification_no_certificate_is_blamed),
		tls_test(test_all_files_of_a_directory_are_roots),
		tls_test(test_protocols_must_overlap_if_both_name_some),
		tls_test(test_a_client_without_a_name_to_verify_is_refused),
		tls_test(test_a_peer_without_tls_is_recognised),
		tls_test(test_an_eof_without_close_notify_is_an_end),
		tls_test(test_many_pieces_are_one_write),
		tls_test(test_bytes_inside_wake_the_owner_too),
		tls_test(test_an_end_that_came_with_bytes_wakes_the_owner),
		tls_test(test_an_end_may_be_an_end_below_too),
		tls_test(test_an_abort_may_be_sent_as_a_record),
		tls_test(test_an_abort_of_a_handshake_may_be_sent_as_an_alert),
		tls_test(test_a_client_that_only_listens_begins_the_handshake),
		tls_test(test_a_leaf_alone_can_be_trusted),
		tls_test(test_a_session_is_resumed_with_the_same_server_only),
		tls_test(test_a_session_outlives_a_broken_connection),
		tls_test(test_a_conversation_goes_on_after_moving),
		tls_test(test_buffered_bytes_wake_the_new_owner),
		tls_test(test_it_may_be_closed_between_two_loops),
		tls_test(test_every_byte_comes_through_also_nested),
		tls_test(test_what_cannot_be_applied_names_its_file),
		tls_test(test_half_a_client_certificate_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
