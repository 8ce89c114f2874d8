/* Keys exchanged again, by either side and both, while data flows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/ssh_pair_test.h"

#define DATA_BYTES 3000000

/* Bytes whose order shows. */
static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

static uint8_t up[DATA_BYTES], down[DATA_BYTES];

/* Sends @up and @down at once, calling @meddle (if any) between the pieces. */
static void transfer(struct ssh_pair *p,
	void (*meddle)(struct ssh_pair *p, unsigned turn))
{
	struct ssh_channel *c, *s;
	size_t up_n = 0, down_n = 0;

	fill(up, sizeof(up), 1);
	fill(down, sizeof(down), 2);
	ssh_pair_open(p, &p->client, &c, &s);
	for (unsigned turn = 0; up_n < sizeof(up) || down_n < sizeof(down); turn++) {
		up_n += ssh_end_write(c, span_of(up + up_n, sizeof(up) - up_n));
		down_n += ssh_end_write(s, span_of(down + down_n, sizeof(down) - down_n));
		if (meddle != NULL)
			meddle(p, turn);
		ssh_pair_run(p);
		assert_int_equal(p->client.rc, ERR_AGAIN);
		assert_int_equal(p->server.rc, ERR_AGAIN);
	}
	ssh_pair_run(p);
	assert_true(span_eq(buf_span(&p->server.data), span_of(up, sizeof(up))));
	assert_true(span_eq(buf_span(&p->client.data), span_of(down, sizeof(down))));
	assert_int_equal(p->client.seen[SSH_REKEYED], p->server.seen[SSH_REKEYED]);
}

static void by_client(struct ssh_pair *p, unsigned turn)
{
	(void)turn;
	ssh_end_rekey(&p->client);
}

static void by_server(struct ssh_pair *p, unsigned turn)
{
	(void)turn;
	ssh_end_rekey(&p->server);
}

static void by_both(struct ssh_pair *p, unsigned turn)
{
	by_client(p, turn);
	by_server(p, turn);
}

static void test_data_flows_over_new_keys(void **state)
{
	void (*const meddlers[])(struct ssh_pair *, unsigned) = { by_client, by_server,
		by_both };
	static const size_t chunks[] = { 0, 1000, 70001 };
	struct ssh_pair p;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++) {
			ssh_pair_up(&p, 0);
			p.chunk = chunks[k];
			transfer(&p, meddlers[i]);
			assert_true(p.client.seen[SSH_REKEYED] > 1);
			ssh_pair_fini(&p);
		}
	}
}

static void test_a_low_limit_changes_keys_often(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 100000);
	transfer(&p, NULL);
	assert_true(p.client.seen[SSH_REKEYED] > DATA_BYTES / 300000);
	assert_int_equal(p.client.ssh->has_session, true);
	ssh_pair_fini(&p);
}

static void test_the_session_keeps_its_name(void **state)
{
	uint8_t session[HASH_SHA256_BYTES];
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	memcpy(session, p.client.ssh->session, sizeof(session));
	by_server(&p, 0);
	ssh_pair_run(&p);
	assert_memory_equal(session, p.client.ssh->session, sizeof(session));
	assert_memory_equal(session, p.server.ssh->session, sizeof(session));
	ssh_pair_fini(&p);
}

/* All that is asked for meanwhile is sent afterwards, in its order. */
static void test_nothing_but_keys_goes_during_an_exchange(void **state)
{
	struct ssh_channel *c, *s, *other;
	struct mspan room;
	struct ssh_pair p;
	size_t n;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_pair_open(&p, &p.client, &c, &s);
	ssh_end_rekey(&p.client);
	n = p.client.out.n;
	assert_null(memmem(p.client.out.p, n, "curve25519", 10)); /* it is sealed */

	assert_false(ssh_can_send(p.client.ssh));
	assert_int_equal(ssh_channel_window(c), 0);
	assert_int_equal(ssh_channel_reserve(c, 10, &room), ERR_AGAIN);
	assert_int_equal(ssh_request(p.client.ssh, "ping", true, span_of("", 0)), ERR_OK);
	assert_int_equal(ssh_channel_eof(c), ERR_OK);
	assert_int_equal(ssh_channel_open(p.client.ssh, span_str("x:1"), 1000, NULL,
				 &other),
		ERR_OK);
	assert_int_equal(p.client.out.n, n);

	/* The server does not know of it yet: what it sends is taken as always. */
	assert_int_equal(ssh_end_write(s, span_str("meanwhile")), 9);
	assert_int_equal(ssh_request(p.server.ssh, "ping", true, span_of("", 0)), ERR_OK);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.client.data), "meanwhile"));
	assert_int_equal(p.server.seen[SSH_EOF], 1);
	assert_int_equal(p.client.seen[SSH_OPENED], 2);
	assert_int_equal(p.client.seen[SSH_REPLY], 1);
	assert_int_equal(p.server.seen[SSH_REPLY], 1);
	assert_true(ssh_can_send(p.client.ssh));
	assert_int_equal(p.client.ssh->held.cap, 0);
	ssh_pair_fini(&p);
}

static void test_the_peer_is_silent_after_its_kexinit(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_rekey(&p.client);
	p.client.ssh->kex_out = SSH_OUT_FREE; /* a defective engine */
	ssh_end_send(&p.client, "\x50\0\0\0\x01x\0", 7);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

static void test_what_is_held_is_bounded(void **state)
{
	static uint8_t data[100000];
	struct ssh_pair p;
	enum err rc = ERR_OK;
	size_t n = 0;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_end_rekey(&p.client);
	for (; rc == ERR_OK && n < 20; n++)
		rc = ssh_request(p.client.ssh, "x", false, span_of(data, sizeof(data)));
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(n, SSH_HELD_BYTES_MAX / sizeof(data) + 1);
	ssh_pair_fini(&p);
}

static void test_the_host_key_may_not_change(void **state)
{
	struct hostkey *other;
	struct ssh_pair p;

	(void)state;
	assert_int_equal(hostkey_from_seed("foobar", &other), ERR_OK);
	ssh_pair_up(&p, 0);
	p.server.ssh->options.key = other;
	ssh_end_rekey(&p.client);
	ssh_pair_run(&p);
	assert_int_equal(p.client.rc, ERR_CRYPTO);
	assert_string_equal(p.client.why.text, "the server's key has changed");
	ssh_pair_fini(&p);
	hostkey_free(other);
}

/* They cost more than to ask for them; traffic earns the right to more. */
static void test_a_flood_of_exchanges_ends(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_up(&p, 0);
	p.server.ssh->kex_left = 3;
	p.server.ssh->kex_earned = 0;
	for (unsigned i = 0; i < 3; i++) {
		by_client(&p, i);
		ssh_pair_run(&p);
		assert_int_equal(p.server.rc, ERR_AGAIN);
	}
	for (unsigned i = 0; i < 64; i++)
		ssh_end_send(&p.client, "\x02\0\0\0\0", 5);
	by_client(&p, 0);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_AGAIN);
	by_client(&p, 0);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_LIMIT);
	ssh_pair_fini(&p);
}

static void test_keys_are_exchanged_once_before_authentication(void **state)
{
	struct ssh_pair p;

	(void)state;
	ssh_pair_init(&p, 0);
	p.server.denies = true;
	ssh_pair_run(&p);
	assert_int_equal(p.server.ssh->phase, SSH_AT_AUTH);
	p.client.ssh->failed = ERR_OK;
	assert_int_equal(ssh_handshake_start(p.client.ssh), ERR_OK);
	ssh_pair_run(&p);
	assert_int_equal(p.server.rc, ERR_PROTO);
	ssh_pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_flows_over_new_keys),
		cmocka_unit_test(test_a_low_limit_changes_keys_often),
		cmocka_unit_test(test_the_session_keeps_its_name),
		cmocka_unit_test(test_nothing_but_keys_goes_during_an_exchange),
		cmocka_unit_test(test_the_peer_is_silent_after_its_kexinit),
		cmocka_unit_test(test_what_is_held_is_bounded),
		cmocka_unit_test(test_the_host_key_may_not_change),
		cmocka_unit_test(test_a_flood_of_exchanges_ends),
		cmocka_unit_test(test_keys_are_exchanged_once_before_authentication),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
