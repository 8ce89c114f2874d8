/* Behaviour of what the service manager is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/notify.h"

static const struct log log_here = { .name = "test" };

/* A service manager that listens at @address, as NOTIFY_SOCKET has it. */
static int manager_open(const char *address)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(at.sun_path, address, strlen(address));
	if (address[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					 strlen(address))),
		0);
	setenv("NOTIFY_SOCKET", address, 1);
	return fd;
}

/* The next datagram; "" if there is none. */
static const char *hear(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_without_a_manager_nothing_is_sent(void **state)
{
	struct loop *loop;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(loop_new(&loop), ERR_OK);
	assert_null(notify_open(loop, &log_here));
	notify_ready(NULL);
	notify_reloading(NULL);
	notify_stopping(NULL);
	notify_status(NULL, "nothing");
	notify_close(NULL);
	loop_free(loop);
}

static void see_states(const char *address)
{
	int fd = manager_open(address);
	unsigned long long before = clock_now_us(), at;
	struct notify *n;
	struct loop *loop;

	assert_int_equal(loop_new(&loop), ERR_OK);
	n = notify_open(loop, &log_here);
	assert_non_null(n);
	notify_ready(n);
	assert_string_equal(hear(fd), "READY=1");
	notify_status(n, "serving %s\nMAINPID=1", "relay.example.com");
	assert_string_equal(hear(fd), "STATUS=serving relay.example.com");
	notify_status(n, "serving relay.example.com");
	assert_string_equal(hear(fd), "");
	notify_reloading(n);
	assert_int_equal(sscanf(hear(fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &at), 1);
	assert_in_range(at, before, clock_now_us());
	notify_ready(n);
	assert_string_equal(hear(fd), "READY=1");
	notify_stopping(n);
	assert_string_equal(hear(fd), "STOPPING=1");
	assert_string_equal(hear(fd), "");
	notify_close(n);
	loop_free(loop);
	close(fd);
}

static void test_each_state_is_sent_as_one_datagram(void **state)
{
	char directory[] = "/tmp/notify-test-XXXXXX", address[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address, sizeof(address), "%s/socket", directory);
	see_states(address);
	unlink(address);
	rmdir(directory);
	snprintf(address, sizeof(address), "@adit-notify-test-%d", (int)getpid());
	see_states(address);
}

static void test_the_watchdog_is_notified_twice_per_interval(void **state)
{
	char address[64], pid[16];
	struct notify *n;
	struct loop *loop;
	int fd;

	(void)state;
	snprintf(address, sizeof(address), "@adit-notify-pulse-%d", (int)getpid());
	fd = manager_open(address);
	setenv("WATCHDOG_USEC", "20000", 1);
	assert_int_equal(loop_new(&loop), ERR_OK);
	for (int i = 0; i < 2; i++) {
		uint64_t end = clock_now_ms() + 2000;
		const char *heard = "";

		snprintf(pid, sizeof(pid), "%d", (int)getpid() + i);
		setenv("WATCHDOG_PID", pid, 1);
		n = notify_open(loop, &log_here);
		while (heard[0] == '\0' && clock_now_ms() < (i == 0 ? end : end - 1950)) {
			loop_turn(loop);
			heard = hear(fd);
		}
		assert_string_equal(heard, i == 0 ? "WATCHDOG=1" : "");
		notify_close(n);
	}
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	loop_free(loop);
	close(fd);
}

/* It does not wait while the manager is slow; the last state arrives. */
static void test_a_full_queue_delays_notifications(void **state)
{
	char address[64];
	uint64_t end = clock_now_ms() + 5000;
	const char *heard = "";
	struct notify *n;
	struct loop *loop;
	int fd;

	(void)state;
	snprintf(address, sizeof(address), "@adit-notify-full-%d", (int)getpid());
	fd = manager_open(address);
	assert_int_equal(loop_new(&loop), ERR_OK);
	n = notify_open(loop, &log_here);
	for (int i = 0; i < 5000; i++)
		notify_status(n, "number %d", i);
	notify_ready(n);
	while (strcmp(heard, "READY=1") != 0 && clock_now_ms() < end) {
		heard = hear(fd);
		loop_turn(loop);
	}
	assert_string_equal(heard, "READY=1");
	notify_close(n);
	loop_free(loop);
	close(fd);
}

static void test_an_address_that_makes_no_sense_is_left_alone(void **state)
{
	char longer[200];
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop), ERR_OK);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longer, 1);
	assert_null(notify_open(loop, &log_here));
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	assert_null(notify_open(loop, &log_here));
	unsetenv("NOTIFY_SOCKET");
	loop_turn(loop);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_manager_nothing_is_sent),
		cmocka_unit_test(test_each_state_is_sent_as_one_datagram),
		cmocka_unit_test(test_the_watchdog_is_notified_twice_per_interval),
		cmocka_unit_test(test_a_full_queue_delays_notifications),
		cmocka_unit_test(test_an_address_that_makes_no_sense_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
