/* Ports: their names, how long they are kept, and other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listener.h"
#include "serve/lease/ports.h"

#define RANGE 4

/* A range that is probably free on this machine. */
static uint16_t find_range(void)
{
	for (unsigned min = 21000; min < 31000; min += 37) {
		int fd[RANGE];
		unsigned n = 0;

		while (n < RANGE &&
			listener_bind_tcp("127.0.0.1", (uint16_t)(min + n), &fd[n],
				NULL) == ERR_OK)
			n++;
		for (unsigned i = 0; i < n; i++)
			close(fd[i]);
		if (n == RANGE)
			return (uint16_t)min;
	}
	fail_msg("no ports to test with");
	return 0;
}

static struct ports *ports_of(uint16_t min, unsigned count)
{
	struct ports *p;

	assert_int_equal(ports_new("127.0.0.1", min, (uint16_t)(min + count - 1), &p),
		ERR_OK);
	return p;
}

/* The port that @name gets, relative to the first, or -1. */
static int take(struct ports *p, uint16_t min, const char *name, uint64_t now_ms, int *fd)
{
	uint16_t port;
	enum err rc = ports_take(p, name, now_ms, &port, fd, NULL);

	if (rc == ERR_OK)
		return port - min;
	assert_int_equal(rc, ERR_NOENT);
	return -1;
}

static void give(struct ports *p, uint16_t min, int i, uint64_t now_ms, int fd)
{
	close(fd);
	ports_release(p, (uint16_t)(min + i), true, now_ms);
}

static void test_the_lowest_free_port_is_taken(void **state)
{
	uint16_t min = find_range();
	struct ports *p = ports_of(min, 2);
	int a, b, c;

	(void)state;
	assert_int_equal(take(p, min, "a", 1, &a), 0);
	assert_int_equal(take(p, min, "b", 1, &b), 1);
	assert_int_equal(take(p, min, "c", 1, &c), -1);
	close(a);
	close(b);
	ports_free(p);
}

static void test_a_port_is_kept_for_its_name_for_five_minutes(void **state)
{
	uint16_t min = find_range();
	struct ports *p = ports_of(min, 3);
	int a, b;

	(void)state;
	assert_int_equal(take(p, min, "a", 0, &a), 0);
	assert_int_equal(take(p, min, "b", 0, &b), 1);
	give(p, min, 0, 1000, a);
	give(p, min, 1, 1000, b);
	assert_int_equal(take(p, min, "c", 1000 + PORTS_STICKY_MS - 1, &a), 2);
	close(a);
	assert_int_equal(take(p, min, "b", 1000 + PORTS_STICKY_MS - 1, &b), 1);
	assert_int_equal(take(p, min, "d", 1000 + PORTS_STICKY_MS - 1, &a), -1);
	assert_int_equal(take(p, min, "d", 1000 + PORTS_STICKY_MS, &a), 0);
	close(a);
	close(b);
	ports_free(p);
}

static void test_a_port_in_use_is_skipped(void **state)
{
	uint16_t min = find_range();
	struct ports *p = ports_of(min, 2);
	int other, a;

	(void)state;
	assert_int_equal(listener_bind_tcp("127.0.0.1", min, &other, NULL), ERR_OK);
	assert_int_equal(take(p, min, "a", 0, &a), 1);
	close(a);
	ports_release(p, (uint16_t)(min + 1), false, 0);
	close(other);
	assert_int_equal(take(p, min, "a", 0, &a), 0);
	close(a);
	ports_free(p);
}

static void test_without_a_range_there_are_no_ports(void **state)
{
	struct ports *p;
	uint16_t port;
	int fd;

	(void)state;
	assert_int_equal(ports_new(NULL, 0, 0, &p), ERR_OK);
	assert_int_equal(ports_take(p, "a", 0, &port, &fd, NULL), ERR_NOENT);
	ports_free(p);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_the_lowest_free_port_is_taken),
		cmocka_unit_test(test_a_port_is_kept_for_its_name_for_five_minutes),
		cmocka_unit_test(test_a_port_in_use_is_skipped),
		cmocka_unit_test(test_without_a_range_there_are_no_ports),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
