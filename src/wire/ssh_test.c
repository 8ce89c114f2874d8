/* A connection of two engines: from the version lines to requests, and what ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/ssh_pair_test.h"

static void test_two_engines_come_up(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	assert_string_equal(p.client.ssh->version, "SSH-chisel-v3-server");
	assert_string_equal(p.server.ssh->version, "SSH-chisel-v3-client");
	assert_true(p.client.ssh->is_strict && p.server.ssh->is_strict);
	assert_true(ssh_can_send(p.client.ssh) && ssh_can_send(p.server.ssh));
	assert_int_equal(p.client.seen[SSH_HOST_KEY], 1);
	assert_int_equal(p.server.seen[SSH_PASSWORD], 1);
	ssh_pair_fini(&p);
}

/* A whole session: up, a request, a channel with data, new keys, the end of the
 * channel. */
static void live(struct ssh_pair *p)
{
	struct ssh_channel *c, *s;

	ssh_pair_run(p);
	assert_int_equal(ssh_request(p->client.ssh, "ping", true, span_of("", 0)),
		ERR_OK);
	ssh_pair_open(p, &p->client, &c, &s);
	assert_int_equal(ssh_end_write(c, span_str("hello")), 5);
	ssh_pair_run(p);
	ssh_end_rekey(&p->server);
	ssh_pair_run(p);
	assert_int_equal(ssh_end_write(s, span_str("world!")), 6);
	assert_int_equal(ssh_channel_eof(s), ERR_OK);
	assert_int_equal(ssh_channel_close(c), ERR_OK);
	ssh_pair_run(p);

	assert_int_equal(p->client.rc, ERR_AGAIN);
	assert_int_equal(p->server.rc, ERR_AGAIN);
	assert_int_equal(p->client.seen[SSH_REPLY], 1);
	assert_int_equal(p->client.seen[SSH_REKEYED], 1);
	assert_int_equal(p->server.seen[SSH_CLOSE], 1);
	assert_true(span_is(buf_span(&p->server.data), "hello"));
	assert_int_equal(ssh_channel_count(p->client.ssh), 0);
	assert_int_equal(ssh_channel_count(p->server.ssh), 0);
}

static void test_a_session_survives_every_split(void **state)
{
	struct ssh_pair p;

	(void)state;
	for (size_t chunk = 1; chunk <= 64; chunk++) {
		ssh_pair_init(&p, 0);
		p.chunk = chunk; /* with 1, every prefix of every packet is tried */
		live(&p);
		ssh_pair_fini(&p);
	}
}

/* Changes the KEXINIT that @e has just made, in what it sends and in what it hashes. */
static void patch(struct ssh_end *e, const char *from, const char *to)
{
	struct mspan places[] = {
		buf_mspan(&e->out),
		buf_mspan(&e->ssh->exchange->kexinit[e->ssh->role]),
	};
	size_t n = strlen(from);

	assert_int_equal(n, strlen(to));
	for (size_t i = 0; i < mem_count(places); i++) {
		uint8_t *p = places[i].p, *end = p + places[i].n;

		while ((p = memmem(p, (size_t)(end - p), from, n)) != NULL)
			memcpy(p, to, n);
	}
}

static void set_followed(struct ssh_end *e)
{
	struct buf *ours = &e->ssh->exchange->kexinit[e->ssh->role];
	uint8_t *packet = memmem(e->out.p, e->out.n, ours->p, ours->n);

	packet[ours->n - 5] = 1;
	ours->p[ours->n - 5] = 1;
}

static void test_each_algorithm_carries_a_session(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "aes128-gcm", "xes128-gcm" }, /* leaves aes256-gcm */
		{ "-gcm@", "-xxx@" },           /* leaves chacha20 */
		{ "curve25519-sha256,", "xurve25519-sha256," },
		{ "curve25519", "xurve25519" }, /* leaves nistp256 */
		{ "kex-strict", "kex-strixt" }, /* sequence numbers go on */
	};
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		ssh_pair_init(&p, 0);
		patch(&p.client, rows[i].from, rows[i].to);
		live(&p);
		ssh_pair_fini(&p);
	}
}

static void test_non_strict_sessions_exchange_keys_with_any_cipher(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	patch(&p.client, "kex-strict", "kex-strixt");
	patch(&p.client, "-gcm@", "-xxx@"); /* chacha20 uses the sequence numbers */
	live(&p);
	assert_false(p.client.ssh->is_strict);
	assert_true(p.client.ssh->out.seq > 10);
	ssh_pair_fini(&p);
}

static void test_strict_sequence_numbers_start_again_with_the_keys(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_rekey(&p.client);
	ssh_pair_run(&p);
	assert_int_equal(p.client.ssh->out.seq, 0);
	assert_int_equal(p.client.ssh->in.seq, 0);
	assert_int_equal(p.server.ssh->out.seq, 0);
	assert_int_equal(p.server.ssh->in.seq, 0);
	ssh_pair_fini(&p);
}

static void test_strict_peers_may_send_nothing_else_before_keys(void **state)
{
	static const char ignore[] = { SSH_MSG_IGNORE, 0, 0, 0, 0 };
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	ssh_end_send(&p.client, ignore, sizeof(ignore));
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);

	ssh_pair_init(&p, 0);
	patch(&p.client, "kex-strict", "kex-strixt");
	ssh_end_send(&p.client, ignore, sizeof(ignore));
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_UP], 1);
	ssh_pair_fini(&p);
}

static void test_strict_peers_begin_with_kexinit(void **state)
{
	static const char ignore[] = "SSH-x\r\n\0\0\0\x0c\x06\x02\0\0\0\0\0\0\0\0\0\0";
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	assert_int_equal(buf_put(&p.server.in, ignore, sizeof(ignore) - 1), ERR_OK);
	buf_consume(&p.client.out, 22); /* its own version line */
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	assert_string_equal(p.server.why.text, "a packet before KEXINIT");
	ssh_pair_fini(&p);
}

static void test_a_wrong_guess_is_ignored(void **state)
{
	static const char guess[] = { SSH_MSG_ECDH_INIT, 0, 0, 0, 1, 'x' };
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	patch(&p.client, "curve25519-sha256,", "xurve25519-sha256,");
	set_followed(&p.client);
	ssh_end_send(&p.client, guess, sizeof(guess));
	live(&p);
	ssh_pair_fini(&p);
}

static void test_a_right_guess_counts(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	set_followed(&p.client);
	live(&p);
	ssh_pair_fini(&p);
}

static void test_no_common_algorithm_ends_the_connection(void **state)
{
	static const char *const lists[][2] = {
		{ "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256",
			"xurve25519-sha256,xurve25519-sha256@libssh.org,xcdh-sha2-nistp256" },
		{ "ecdsa-sha2-nistp256,", "xcdsa-sha2-nistp256," },
		{ "@openssh.com", "@openxxx.com" },
		{ "none", "zlib" },
	};
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(lists); i++) {
		ssh_pair_init(&p, 0);
		patch(&p.client, lists[i][0], lists[i][1]);
		ssh_pair_run(&p);
		assert_int_equal(p.server.rc, ERR_PROTO);
		ssh_pair_fini(&p);
	}
}

/* What the server makes of @bytes alone: the client neither receives nor sends. */
static void feed_server(struct ssh_pair *p, const void *bytes, size_t n, size_t chunk)
{
	ssh_pair_init(p, 0);
	p->client.rc = ERR_CLOSED;
	p->chunk = chunk;
	buf_consume(&p->client.out, p->client.out.n);
	assert_int_equal(buf_put(&p->client.out, bytes, n), ERR_OK);
	ssh_pair_run(p);
}

static void test_version_lines_are_read(void **state)
{
	static const struct {
		const char *line;
		enum err rc;
		const char *version;
	} rows[] = {
		{ "SSH-chisel-v3-client\r\n", ERR_AGAIN, "SSH-chisel-v3-client" },
		{ "SSH-2.0-OpenSSH_9.2 comment\n", ERR_AGAIN,
			"SSH-2.0-OpenSSH_9.2 comment" },
		{ "hello\r\n\r\nSSH-\r\n", ERR_AGAIN, "SSH-" },
		{ "SSH-not yet", ERR_AGAIN, "" },
		{ "ssh-2.0-lower\n", ERR_AGAIN, "" },
	};
	char longest[SSH_VERSION_MAX + 4];
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		feed_server(&p, rows[i].line, strlen(rows[i].line), 1);
		assert_int_equal(p.server.rc, rows[i].rc);
		assert_string_equal(p.server.ssh->version, rows[i].version);
		ssh_pair_fini(&p);
	}

	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "SSH-", 4);
	for (size_t n = SSH_VERSION_MAX; n <= SSH_VERSION_MAX + 2; n++) {
		longest[n] = '\n';
		feed_server(&p, longest, n + 1, 0);
		assert_int_equal(p.server.rc,
			n == SSH_VERSION_MAX ? ERR_AGAIN : ERR_LIMIT);
		longest[n] = 'x';
		ssh_pair_fini(&p);
	}
}

static void test_a_distrusted_key_ends_the_client(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.client.distrusts = true;
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_DENIED);
	assert_int_equal(p.server.seen[SSH_PASSWORD], 0);
	ssh_pair_fini(&p);
}

static void test_a_changed_bit_ends_the_key_exchange(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.client.out.p[40] ^= 1; /* in the cookie of the client's KEXINIT */
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_CRYPTO);
	assert_int_equal(p.client.seen[SSH_HOST_KEY], 0);
	ssh_pair_fini(&p);
}

static void test_a_client_gives_up_after_one_password(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_DENIED);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	ssh_pair_fini(&p);
}

/* Lets an engine go on after an error that it ought to end on. */
static void revive(struct ssh_end *e)
{
	e->ssh->failed = ERR_OK;
	e->rc = ERR_AGAIN;
}

#define AUTH_REQUEST "\x32\0\0\0\x01u\0\0\0\x0essh-connection"

static void test_the_sixth_failure_disconnects(void **state)
{
	static const char password[] = AUTH_REQUEST "\0\0\0\x08password\0\0\0\0\x01x";
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	for (unsigned i = 2; i <= 6; i++) {
		assert_int_equal(p.server.rc, ERR_AGAIN);
		revive(&p.client);
		ssh_end_send(&p.client, password, sizeof(password) - 1);
		ssh_pair_run(&p);
		assert_int_equal(p.client.rc, i < 6 ? ERR_DENIED : ERR_CLOSED);
	}
	assert_int_equal(p.server.rc, ERR_DENIED);
	assert_non_null(strstr(p.client.why.text, "too many authentication failures"));
	ssh_pair_fini(&p);
}

/* The first "none" is free, and so came from the client itself; others count. */
static void test_other_methods_are_failures_too(void **state)
{
	static const char publickey[] = AUTH_REQUEST "\0\0\0\x09publickey\0";
	static const char none[] = AUTH_REQUEST "\0\0\0\x04none";
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	for (unsigned i = 2; i <= 6; i++) {
		revive(&p.client);
		if (i % 2 == 0)
			ssh_end_send(&p.client, publickey, sizeof(publickey) - 1);
		else
			ssh_end_send(&p.client, none, sizeof(none) - 1);
		ssh_pair_run(&p);
	}
	assert_int_equal(p.server.rc, ERR_DENIED);
	assert_int_equal(p.server.seen[SSH_PASSWORD], 1);
	ssh_pair_fini(&p);
}

static void test_a_client_takes_ext_info_before_it_is_up(void **state)
{
	static const char ext_info[] = { SSH_MSG_EXT_INFO, 0, 0, 0, 0 };
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	revive(&p.client);
	ssh_end_send(&p.server, ext_info, sizeof(ext_info));
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_AGAIN);
	ssh_pair_fini(&p);
}

/* Both wait in the middle of authentication; one gets a message that it should not. */
static void test_authentication_keeps_its_order(void **state)
{
	static const struct {
		bool is_to_client;
		const char *payload;
		size_t n;
		enum err rc;
	} rows[] = {
		{ false, "\x05\0\0\0\x0cssh-userauth", 17, ERR_PROTO }, /* again */
		{ false, "\x06", 1, ERR_PROTO },
		{ false, "\x32\0\0\0\1", 5, ERR_SYNTAX },
		{ false, "\x32\0\0\0\1u\0\0\0\1x\0\0\0\4none", 19, ERR_PROTO },
		{ false, AUTH_REQUEST "\0\0\0\x08password", 36, ERR_SYNTAX },
		{ false, AUTH_REQUEST "\0\0\0\x08password\1\0\0\0\0", 41, ERR_AGAIN },
		{ false, "\x33\0\0\0\0\0", 6, ERR_PROTO },
		{ false, "\x34", 1, ERR_PROTO },
		{ true, "\x05\0\0\0\x0cssh-userauth", 17, ERR_PROTO },
		{ true, "\x06\0\0\0\x0cssh-userauth", 17, ERR_PROTO },
		{ true, "\x32\0\0\0\0", 5, ERR_PROTO },
		{ true, "\x33\0\0\0\1", 5, ERR_SYNTAX },
		{ true, "\x35\0\0\0\2hi\0\0\0\0", 11, ERR_AGAIN }, /* a banner */
		{ true, "\x34", 1, ERR_AGAIN },
	};
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct ssh_end *to = rows[i].is_to_client ? &p.client : &p.server;

		ssh_pair_init(&p, 0);
		p.server.denies = true;
		ssh_pair_run(&p);
		revive(&p.client); /* its password is unanswered, for all it knows */
		ssh_end_send(rows[i].is_to_client ? &p.server : &p.client,
			rows[i].payload, rows[i].n);
		ssh_pair_run(&p);
		assert_int_equal(to->rc, rows[i].rc);
		ssh_pair_fini(&p);
	}
}

static void test_a_client_needs_a_server_that_takes_passwords(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	revive(&p.client);
	p.client.ssh->auth = SSH_AUTH_METHOD;
	ssh_end_send(&p.server, "\x33\0\0\0\x09publickey\0", 15);
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_DENIED);
	assert_string_equal(p.client.why.text, "the server does not accept passwords");
	ssh_pair_fini(&p);
}

static void test_a_password_may_be_judged_later(void **state)
{
	static const char again[] = AUTH_REQUEST "\0\0\0\x08password\0\0\0\0\0";
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.hesitates = true;
	ssh_pair_run(&p);
	assert_int_equal(p.server.seen[SSH_PASSWORD], 1);
	assert_int_equal(p.server.seen[SSH_UP], 0);
	assert_int_equal(ssh_auth_reply(p.client.ssh, true), ERR_USAGE);
	assert_int_equal(ssh_auth_reply(p.server.ssh, true), ERR_OK);
	assert_int_equal(ssh_auth_reply(p.server.ssh, true), ERR_USAGE);
	ssh_pair_run(&p);
	assert_int_equal(p.client.seen[SSH_UP], 1);
	ssh_pair_fini(&p);

	/* A second password before the reply is refused. */
	ssh_pair_init(&p, 0);
	p.server.hesitates = true;
	ssh_pair_run(&p);
	ssh_end_send(&p.client, again, sizeof(again) - 1);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

static void test_requests_are_answered_in_order(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	assert_int_equal(ssh_request(p.client.ssh, "config", true, span_str("{\"x\":1}")),
		ERR_OK);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.server.text), "{\"x\":1}"));
	assert_false(p.client.last[SSH_REPLY].ok);
	assert_int_equal(ssh_request(p.client.ssh, "ping", true, span_of("", 0)), ERR_OK);
	assert_int_equal(ssh_request(p.server.ssh, "ping", true, span_of("", 0)), ERR_OK);
	assert_int_equal(ssh_request(p.client.ssh, "note", false, span_of("", 0)),
		ERR_OK);
	ssh_pair_run(&p);
	assert_true(p.client.last[SSH_REPLY].ok);
	assert_int_equal(p.client.seen[SSH_REPLY], 2);
	assert_int_equal(p.server.seen[SSH_REPLY], 1);
	assert_int_equal(p.server.seen[SSH_REQUEST], 3);
	assert_true(span_is(buf_span(&p.client.text), "pong"));
	assert_int_equal(ssh_reply(p.server.ssh, true, span_of("", 0)), ERR_USAGE);
	ssh_pair_fini(&p);
}

/* The text of a ping has no length before it on the wire, as stock peers want it. */
static void test_request_data_has_no_length(void **state)
{
	static const char config[] = "\x50\0\0\0\x06"
				     "config\x01{}";
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_send(&p.client, config, sizeof(config) - 1);
	p.server.hesitates = true;
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.server.text), "{}"));
	assert_true(p.server.last[SSH_REQUEST].wants_reply);
	ssh_pair_fini(&p);
}

/* What a peer that is up may not send, and how it ends us. */
static void test_bad_messages_end_the_connection(void **state)
{
	static const struct {
		const char *payload;
		size_t n;
		enum err rc;
	} rows[] = {
		{ "\x03\0\0\0\x01", 5, ERR_PROTO }, /* UNIMPLEMENTED */
		{ "\x05\0\0\0\x0cssh-userauth", 17, ERR_PROTO },
		{ "\x07\0\0\0\0", 5, ERR_PROTO },
		{ "\x15", 1, ERR_PROTO }, /* NEWKEYS from nowhere */
		{ "\x1e\0\0\0\0", 5, ERR_PROTO }, { "\x1f\0\0\0\0", 5, ERR_PROTO },
		{ "\x14", 1, ERR_SYNTAX }, /* a KEXINIT cut short */
		{ "\x32\0\0\0\0", 5, ERR_PROTO }, { "\x50\0\0\0\x09", 5, ERR_SYNTAX },
		{ "\x51", 1, ERR_PROTO }, /* a reply to nothing */
		{ "\x52", 1, ERR_PROTO },
		{ "\x5a\0\0\0\x06"
		  "chisel\0\0",
			13, ERR_SYNTAX },
		{ "\x5e\0\0", 3, ERR_SYNTAX },
		{ "\x5e\0\0\0\x07\0\0\0\x01x", 10, ERR_PROTO }, /* no such channel */
		{ "\x63\0\0\0\0", 5, ERR_PROTO }, { "\xc0\0", 2, ERR_SYNTAX },
		{ "\xc1\0\0\0\0", 5, ERR_PROTO }, { "\xff", 1, ERR_PROTO },
		{ "\0", 1, ERR_PROTO },
		{ "\x01\0\0\0\x0b\0\0\0\x03"
		  "bye\0\0\0\0",
			16, ERR_CLOSED },
		{ "\x01", 1, ERR_CLOSED }, { "\x02", 1, ERR_AGAIN }, /* IGNORE is */
		{ "\x04\x01\0\0\0\0\0\0\0\0", 10, ERR_AGAIN },       /* DEBUG too */
	};
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		ssh_pair_up(&p, 0);
		ssh_end_send(&p.client, rows[i].payload, rows[i].n);
		ssh_pair_run(&p);
		assert_int_equal(p.server.rc, rows[i].rc);
		ssh_pair_fini(&p);
	}
}

static void test_after_an_error_every_call_fails(void **state)
{
	struct ssh_event event;
	struct ssh_pair p;
	struct mspan in = { NULL, 0 };

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_send(&p.client, "\xff", 1);
	ssh_pair_run(&p);
	assert_int_equal(ssh_next(p.server.ssh, &in, &event, NULL), ERR_PROTO);
	assert_int_equal(ssh_request(p.server.ssh, "x", false, span_of("", 0)),
		ERR_PROTO);
	assert_false(ssh_can_send(p.server.ssh));
	ssh_pair_fini(&p);
}

/* The answer to ping@openssh.com; our own engine, which never asks, is surprised by
 * it. */
static void test_a_transport_ping_is_answered(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_send(&p.client, "\xc0\0\0\0\x02hi", 7);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	assert_string_equal(p.client.why.text, "unexpected message 193");
	ssh_pair_fini(&p);
}

static void test_nothing_of_a_session_goes_before_authentication(void **state)
{
	struct ssh_channel *ch;
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	revive(&p.client);
	assert_int_equal(ssh_request(p.client.ssh, "x", false, span_of("", 0)),
		ERR_USAGE);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_of("", 0), 1, NULL, &ch),
		ERR_USAGE);
	ssh_end_send(&p.client, "\x50\0\0\0\x01x\0", 7);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

/* @length is the length field of a plain packet after the version line. */
static enum err try_length(uint32_t length, uint8_t padding)
{
	uint8_t bytes[] = { 'S', 'S', 'H', '-', '\n', (uint8_t)(length >> 24),
		(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, padding,
		SSH_MSG_IGNORE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct ssh_pair p;
	enum err rc;

	feed_server(&p, bytes, sizeof(bytes), 0);
	rc = p.server.rc;
	ssh_pair_fini(&p);
	return rc;
}

static void test_lengths_are_checked_before_they_are_waited_for(void **state)
{
	(void)state;
	assert_int_equal(try_length(12, 10), ERR_AGAIN);
	assert_int_equal(try_length(12, 11), ERR_SYNTAX); /* nothing but padding */
	assert_int_equal(try_length(12, 255), ERR_SYNTAX);
	assert_int_equal(try_length(12, 3), ERR_SYNTAX);
	assert_int_equal(try_length(0, 4), ERR_SYNTAX);
	assert_int_equal(try_length(4, 4), ERR_SYNTAX);
	assert_int_equal(try_length(13, 4), ERR_SYNTAX);
	assert_int_equal(try_length(34996, 4),
		ERR_AGAIN); /* a multiple of 8, with its length */
	assert_int_equal(try_length(35004, 4), ERR_LIMIT);
	assert_int_equal(try_length(UINT32_MAX, 4), ERR_LIMIT);
}

static void test_large_packets_need_authentication(void **state)
{
	static uint8_t large[SSH_PACKET_MAX] = { SSH_MSG_IGNORE };
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_send(&p.client, large, SSH_PACKET_MAX - SSH_PACKET_OVERHEAD);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);

	/* One that is too large is refused by its length alone. */
	assert_int_equal(buf_put(&p.client.out, "\0\x04\0\x10", 4), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_LIMIT);
	ssh_pair_fini(&p);
}

static void test_a_full_sink_ends_the_connection(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	p.client.out.max = 40;
	assert_int_equal(ssh_request(p.client.ssh, "config", true, span_of("", 0)),
		ERR_LIMIT);
	p.client.out.max = 1000;
	assert_int_equal(ssh_request(p.client.ssh, "config", true, span_of("", 0)),
		ERR_LIMIT);
	ssh_pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_engines_come_up),
		cmocka_unit_test(test_a_session_survives_every_split),
		cmocka_unit_test(test_each_algorithm_carries_a_session),
		cmocka_unit_test(test_non_strict_sessions_exchange_keys_with_any_cipher),
		cmocka_unit_test(test_strict_sequence_numbers_start_again_with_the_keys),
		cmocka_unit_test(test_strict_peers_may_send_nothing_else_before_keys),
		cmocka_unit_test(test_strict_peers_begin_with_kexinit),
		cmocka_unit_test(test_a_wrong_guess_is_ignored),
		cmocka_unit_test(test_a_right_guess_counts),
		cmocka_unit_test(test_no_common_algorithm_ends_the_connection),
		cmocka_unit_test(test_version_lines_are_read),
		cmocka_unit_test(test_a_distrusted_key_ends_the_client),
		cmocka_unit_test(test_a_changed_bit_ends_the_key_exchange),
		cmocka_unit_test(test_a_client_gives_up_after_one_password),
		cmocka_unit_test(test_the_sixth_failure_disconnects),
		cmocka_unit_test(test_other_methods_are_failures_too),
		cmocka_unit_test(test_a_client_takes_ext_info_before_it_is_up),
		cmocka_unit_test(test_authentication_keeps_its_order),
		cmocka_unit_test(test_a_client_needs_a_server_that_takes_passwords),
		cmocka_unit_test(test_a_password_may_be_judged_later),
		cmocka_unit_test(test_requests_are_answered_in_order),
		cmocka_unit_test(test_request_data_has_no_length),
		cmocka_unit_test(test_bad_messages_end_the_connection),
		cmocka_unit_test(test_after_an_error_every_call_fails),
		cmocka_unit_test(test_a_transport_ping_is_answered),
		cmocka_unit_test(test_nothing_of_a_session_goes_before_authentication),
		cmocka_unit_test(test_lengths_are_checked_before_they_are_waited_for),
		cmocka_unit_test(test_large_packets_need_authentication),
		cmocka_unit_test(test_a_full_sink_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
