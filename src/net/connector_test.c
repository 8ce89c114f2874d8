/* Behaviour of a connector: TCP, Unix sockets, and what is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/connector.h"

struct fixture {
	struct loop *loop;
	char path[64];
	int listener;
	uint16_t port;
	struct connector *connector;
	bool is_over;
	enum err rc;
	struct stream *stream;
	char words[256];
};

static void on_connected(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct fixture *f = arg;

	f->connector = NULL;
	f->is_over = true;
	f->rc = rc;
	f->stream = stream;
	snprintf(f->words, sizeof(f->words), "%s", err_text(rc, why));
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	snprintf(f->path, sizeof(f->path), "/tmp/adit-connector-%d", getpid());
	unlink(f->path);
	f->listener = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	connector_close(f->connector);
	stream_close(f->stream);
	if (f->listener >= 0)
		close(f->listener);
	unlink(f->path);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void listen_unix(struct fixture *f, int backlog)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, backlog), 0);
}

static void listen_tcp(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);

	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, 4), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &n), 0);
	f->port = ntohs(at.sin_port);
}

static void run_connector(struct fixture *f, struct connector_options o)
{
	o.loop = f->loop;
	o.timeout_ms = o.timeout_ms != 0 ? o.timeout_ms : 20000;
	o.fn = on_connected;
	o.arg = f;
	assert_int_equal(connector_open(&o, &f->connector), ERR_OK);
	assert_false(f->is_over);
}

static void wait(struct fixture *f)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 10000 && !f->is_over; i++) {
		loop_turn(f->loop);
		nanosleep(&ms, NULL);
	}
	assert_true(f->is_over);
}

static void test_a_port_is_connected_to(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f);
	run_connector(f,
		(struct connector_options){ .host = "127.0.0.1", .port = f->port });
	wait(f);
	assert_int_equal(f->rc, ERR_OK);
	assert_non_null(f->stream);
}

/* The listener is the proxy. Its texts may go once the connector is open. */
static void test_a_port_is_connected_to_through_a_proxy(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
	static const char wanted[] = "CONNECT nowhere.example:443 HTTP/1.1\r\n";
	struct fixture *f = *state;
	char host[] = "127.0.0.1", head[512] = "";
	struct dial_proxy proxy = { .host = host };
	size_t n = 0;
	int fd;

	listen_tcp(f);
	proxy.port = f->port;
	run_connector(f,
		(struct connector_options){ .host = "nowhere.example",
			.port = 443,
			.proxy = &proxy });
	memset(host, 'x', sizeof(host) - 1);
	loop_turn(f->loop);
	fd = accept(f->listener, NULL, NULL);
	assert_true(fd >= 0);
	while (strstr(head, "\r\n\r\n") == NULL) {
		ssize_t more = recv(fd, head + n, sizeof(head) - 1 - n, MSG_DONTWAIT);

		n += more > 0 ? (size_t)more : 0;
		loop_turn(f->loop);
	}
	assert_memory_equal(head, wanted, sizeof(wanted) - 1);
	assert_int_equal(send(fd, answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
	wait(f);
	assert_int_equal(f->rc, ERR_OK);
	assert_non_null(f->stream);
	close(fd);
}

static void test_a_unix_socket_is_connected_to(void **state)
{
	struct fixture *f = *state;

	listen_unix(f, 4);
	run_connector(f, (struct connector_options){ .unix_path = f->path });
	wait(f);
	assert_int_equal(f->rc, ERR_OK);
	assert_non_null(f->stream);
}

static void test_a_full_queue_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timespec ms = { .tv_nsec = 1000000 };
	int fds[8], n = 0;

	listen_unix(f, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
	do {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fds[n++], (struct sockaddr *)&at, sizeof(at)) == 0 && n < 8);
	run_connector(f, (struct connector_options){ .unix_path = f->path });
	for (int i = 0; i < 5; i++) {
		loop_turn(f->loop);
		nanosleep(&ms, NULL);
	}
	assert_false(f->is_over);
	for (int i = 0; i < n; i++) {
		int fd = i + 1 < n ? accept(f->listener, NULL, NULL) : -1;

		close(fds[i]);
		if (fd >= 0)
			close(fd);
	}
	wait(f);
	assert_int_equal(f->rc, ERR_OK);
}

static void test_an_absent_target_is_named(void **state)
{
	struct fixture *f = *state;

	run_connector(f, (struct connector_options){ .unix_path = f->path });
	wait(f);
	assert_int_equal(f->rc, ERR_SYS);
	assert_non_null(strstr(f->words, f->path));
	f->is_over = false;
	listen_tcp(f);
	close(f->listener);
	f->listener = -1;
	run_connector(f,
		(struct connector_options){ .host = "127.0.0.1", .port = f->port });
	wait(f);
	assert_int_equal(f->rc, ERR_SYS);
	assert_non_null(strstr(f->words, "127.0.0.1"));
}

static void test_an_unanswered_handshake_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct tls_client_options client = { .skip_verify = true };
	struct tls_context *tls;

	assert_int_equal(tls_context_new_client(&client, &tls, NULL), ERR_OK);
	listen_tcp(f);
	run_connector(f,
		(struct connector_options){ .host = "127.0.0.1",
			.port = f->port,
			.tls = tls,
			.timeout_ms = 50 });
	tls_context_free(tls);
	wait(f);
	assert_int_equal(f->rc, ERR_TIMEOUT);
	assert_non_null(strstr(f->words, "handshake"));
}

static void test_a_connector_may_be_closed_at_any_time(void **state)
{
	struct fixture *f = *state;

	listen_tcp(f);
	for (int turns = 0; turns < 4; turns++) {
		run_connector(f,
			(struct connector_options){ .host = "127.0.0.1",
				.port = f->port });
		for (int i = 0; i < turns && !f->is_over; i++)
			loop_turn(f->loop);
		connector_close(f->connector);
		f->connector = NULL;
		stream_close(f->stream);
		f->stream = NULL;
		f->is_over = false;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_port_is_connected_to, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_port_is_connected_to_through_a_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_unix_socket_is_connected_to, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue_is_waited_for, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_an_absent_target_is_named, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_an_unanswered_handshake_is_given_up,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_connector_may_be_closed_at_any_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
