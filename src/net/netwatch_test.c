/* Behaviour of the netwatch: in a network of our own, and with a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/netwatch.h"
#include "net/system_priv.h"

struct fixture {
	struct loop *loop;
	struct netwatch *watch;
	const char *reason;
};

static void on_change(void *arg, const char *reason)
{
	struct fixture *x = arg;

	x->reason = reason;
	netwatch_close(x->watch);
	loop_stop(x->loop);
}

static void watch_begin(struct fixture *x)
{
	*x = (struct fixture){ .reason = "" };
	assert_int_equal(loop_new(&x->loop), ERR_OK);
	assert_int_equal(netwatch_open(x->loop, on_change, x, &x->watch), ERR_OK);
}

static void test_a_gap_in_time_is_noticed(void **state)
{
	struct fixture x;

	(void)state;
	clock_freeze(1000);
	watch_begin(&x);
	clock_advance(60000);
	loop_run(x.loop);
	assert_string_equal(x.reason, "this process was stopped for a while");
	loop_free(x.loop);
}

static void test_a_change_of_the_network_is_noticed_once(void **state)
{
	struct ifreq request = { .ifr_name = "lo" };
	struct fixture x;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		skip(); /* not allowed here */
	watch_begin(&x);
	fd = system_open_network_news();
	if (fd < 0) {
		netwatch_close(x.watch);
		loop_free(x.loop);
		skip();
	}
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	loop_run(x.loop);
	assert_string_equal(x.reason, "the network has changed");
	loop_free(x.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gap_in_time_is_noticed),
		cmocka_unit_test(test_a_change_of_the_network_is_noticed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
