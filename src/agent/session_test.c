/* Behaviour of sessions of both tunnels in one process, with time in the test's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/lease_session.h"
#include "agent/link.h"
#include "agent/relay_test.h"
#include "http/websocket.h"

#define COUNT 3

/* ---- a server for links, which takes all ---- */

struct link_server_test {
	struct worker *worker;
	struct hostkey *key;
	struct http_server *http;
	struct listener *listener;
	struct chisel_tuning tuning;
	char url[64];
	unsigned sessions; /* now */
};

struct server_session {
	struct link_server_test *server;
	struct chisel_session *session;
};

static void server_on_password(void *owner, struct span user, struct span password)
{
	struct server_session *s = owner;

	(void)user;
	(void)password;
	chisel_session_login(s->session, true);
}

static void server_on_up(void *owner)
{
	(void)owner;
}

static void server_on_config(void *owner, struct span name, struct span data)
{
	struct server_session *s = owner;

	(void)name;
	(void)data;
	assert_int_equal(chisel_session_answer(s->session, true, span_str("")), ERR_OK);
}

static void server_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct server_session *s = owner;

	(void)rc;
	(void)why;
	s->server->sessions--;
	free(s);
}

static const struct chisel_session_hooks server_hooks = {
	.on_password = server_on_password,
	.on_up = server_on_up,
	.on_config = server_on_config,
	.on_closed = server_on_closed,
};

static void server_on_request(void *arg, struct http_exchange *x)
{
	struct link_server_test *server = arg;
	struct server_session *s = mem_new(s);
	struct chisel_session_options o = { .role = SSH_SERVER,
		.worker = server->worker,
		.tuning = &server->tuning,
		.key = server->key,
		.hooks = &server_hooks,
		.owner = s };
	char answer[WEBSOCKET_ANSWER_MAX];

	s->server = server;
	assert_int_equal(http_upgrade(x, websocket_print_answer(http_request(x), answer),
				 &o.stream),
		ERR_OK);
	assert_int_equal(chisel_session_open(&o, &s->session), ERR_OK);
	server->sessions++;
}

static void server_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct link_server_test *server = arg;
	struct stream *stream;

	assert_int_equal(socket_open_take(server->worker->loop, fd, &stream), ERR_OK);
	http_server_serve_take(server->http, stream, peer);
}

static void server_open(struct link_server_test *server, struct worker *worker)
{
	struct http_server_options o = { .loop = worker->loop,
		.pool = &worker->blocks,
		.on_request = server_on_request,
		.arg = server };
	struct addr at;

	server->worker = worker;
	assert_int_equal(hostkey_generate(&server->key), ERR_OK);
	assert_int_equal(http_server_new(&o, &server->http), ERR_OK);
	assert_int_equal(listener_open(worker->loop, "127.0.0.1", 0, server_on_accept,
				 server, &server->listener, NULL),
		ERR_OK);
	listener_addr(server->listener, &at);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", addr_port(&at));
}

static void server_close(struct link_server_test *server)
{
	listener_close(server->listener);
	http_server_free(server->http);
	hostkey_free(server->key);
}

/* ---- sessions of both kinds ---- */

struct fixture;

struct member {
	struct fixture *f;
	struct agent_session *session;
	unsigned opened, closed;
	enum err rc;
};

struct fixture {
	struct worker worker;
	struct pool pool;
	struct log log;
	struct link_server_test server;
	struct test_relay relays[COUNT];
	struct identity identity;
	struct message_metadata metadata;
	struct link_client_options client;
	struct member members[2 * COUNT]; /* links, then leases */
};

static void on_change(void *owner, struct agent_session *s)
{
	struct member *m = owner;

	assert_ptr_equal(s, m->session);
	m->opened += agent_session_status(s).state == AGENT_OPEN;
}

static void on_closed(void *owner, struct agent_session *s, enum err rc)
{
	struct member *m = owner;

	assert_ptr_equal(s, m->session);
	assert_int_equal(agent_session_status(s).state, AGENT_CLOSED);
	m->closed++;
	m->rc = rc;
}

static void on_visitor(void *owner, struct agent_session *s,
	const struct lease_visitor *visitor)
{
	(void)owner;
	(void)s;
	stream_abort(visitor->stream);
}

static const struct agent_session_hooks hooks = { on_change, on_closed };

static void open_link(struct member *m)
{
	struct link_options o = { .worker = &m->f->worker,
		.client = &m->f->client,
		.log = &m->f->log,
		.hooks = &hooks,
		.owner = m };

	assert_int_equal(link_open(&o, &m->session, NULL), ERR_OK);
}

static void open_lease(struct member *m, const struct test_relay *relay)
{
	struct lease_session_options o = { .loop = m->f->worker.loop,
		.url = relay->url,
		.identity = &m->f->identity,
		.metadata = &m->f->metadata,
		.log = &m->f->log,
		.hooks = &hooks,
		.on_visitor = on_visitor,
		.owner = m };

	assert_int_equal(lease_session_open(&o, &m->session, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	time_begin(1700000000000);
	assert_int_equal(worker_init(&f->worker, 0), ERR_OK);
	pool_init(&f->pool, 66560, 16);
	log_init(&f->log, NULL, "test");
	server_open(&f->server, &f->worker);
	f->client = (struct link_client_options){ .server = f->server.url,
		.max_retry_count = -1 };
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE),
				 &f->identity, NULL),
		ERR_OK);
	for (unsigned i = 0; i < 2 * COUNT; i++)
		f->members[i].f = f;
	for (unsigned i = 0; i < COUNT; i++) {
		static const char *const roots[COUNT] = { "a.localhost", "b.localhost",
			"c.localhost" };
		char names[64];

		snprintf(names, sizeof(names), "DNS:%s,DNS:*.%s", roots[i], roots[i]);
		test_relay_init(&f->relays[i], f->worker.loop, &f->pool, roots[i], names);
		open_link(&f->members[i]);
		open_lease(&f->members[COUNT + i], &f->relays[i]);
	}
	for (unsigned i = 0; i < 2 * COUNT; i++)
		assert_true(time_wait(f->worker.loop, &f->members[i].opened, 1));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2 * COUNT; i++)
		agent_session_close(f->members[i].session);
	time_settle(f->worker.loop);
	assert_int_equal(f->server.sessions, 0);
	server_close(&f->server);
	for (unsigned i = 0; i < COUNT; i++)
		test_relay_fini(&f->relays[i]);
	loop_turn(f->worker.loop);
	worker_fini(&f->worker);
	pool_fini(&f->pool);
	identity_wipe(&f->identity);
	free(f);
	return 0;
}

static unsigned count_open(const struct fixture *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * COUNT; i++)
		n += f->members[i].session != NULL &&
			agent_session_status(f->members[i].session).state == AGENT_OPEN;
	return n;
}

static void test_sessions_end_independently(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->server.sessions, COUNT);
	for (unsigned i = 0; i < 2 * COUNT; i++) {
		struct member *m = &f->members[(i % 2) * COUNT + i / 2]; /* in turns */

		assert_int_equal(count_open(f), 2 * COUNT - i);
		agent_session_leave(m->session);
		assert_int_equal(m->closed, 0); /* not from inside the call */
		assert_true(time_wait(f->worker.loop, &m->closed, 1));
		assert_int_equal(m->rc, ERR_CLOSED);
		agent_session_close(m->session);
		m->session = NULL;
		time_settle(f->worker.loop);
		assert_int_equal(f->server.sessions, COUNT - 1 - i / 2);
	}
	for (unsigned i = 0; i < 2 * COUNT; i++)
		assert_int_equal(f->members[i].closed, 1);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(f->relays[i].asked[ASKED_UNREGISTER], 1);
}

static void test_a_retry_affects_one_session_only(void **state)
{
	struct fixture *f = *state;

	time_pass(f->worker.loop, 2000);
	agent_session_retry_now(f->members[0].session, "a test", true);
	agent_session_retry_now(f->members[COUNT].session, "a test", true);
	assert_true(time_wait(f->worker.loop, &f->members[0].opened, 2));
	assert_true(time_wait(f->worker.loop, &f->members[COUNT].opened, 2));
	time_settle(f->worker.loop);
	for (unsigned i = 0; i < 2 * COUNT; i++)
		assert_int_equal(f->members[i].opened, i % COUNT == 0 ? 2 : 1);
	assert_int_equal(count_open(f), 2 * COUNT);
}

static void test_a_status_has_the_peer_and_the_time(void **state)
{
	struct fixture *f = *state;
	struct agent_session_status link = agent_session_status(f->members[0].session);
	struct agent_session_status lease = agent_session_status(
		f->members[COUNT].session);

	assert_non_null(strstr(link.peer, strchr(f->server.url, ':')));
	assert_string_equal(link.url, "");
	assert_string_equal(link.error, "");
	assert_string_equal(lease.peer, f->relays[0].url);
	assert_string_equal(lease.url, "https://" VECTOR_NAME ".a.localhost");
	assert_string_equal(lease.peer_version, f->relays[0].release);
	assert_true(link.since_ms == clock_now_ms() && lease.since_ms == link.since_ms);

	test_relay_kill(&f->relays[0]);
	time_pass(f->worker.loop, 20000);
	agent_session_retry_now(f->members[COUNT].session, "a test", false);
	time_settle(f->worker.loop);
	lease = agent_session_status(f->members[COUNT].session);
	assert_int_not_equal(lease.state, AGENT_OPEN);
	assert_string_not_equal(lease.error, "");
	assert_true(lease.attempts > 0);
	assert_int_equal(count_open(f), 2 * COUNT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sessions_end_independently, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_retry_affects_one_session_only,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_status_has_the_peer_and_the_time,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
