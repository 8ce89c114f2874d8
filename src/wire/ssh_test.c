/* A connection of two engines: from the version lines to requests, and keys exchanged again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/ssh_pair.h"

static void test_two_engines_come_up(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	assert_true(span_is(ssh_peer_version(p.client.ssh), "SSH-chisel-v3-server"));
	assert_true(span_is(ssh_peer_version(p.server.ssh), "SSH-chisel-v3-client"));
	assert_true(p.client.ssh->is_strict);
	assert_true(ssh_can_send(p.client.ssh) && ssh_can_send(p.server.ssh));
	assert_int_equal(p.client.seen[SSH_HOST_KEY], 1);
	assert_int_equal(p.server.seen[SSH_PASSWORD], 1);
	ssh_pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_engines_come_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
