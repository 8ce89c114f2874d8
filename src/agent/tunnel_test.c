/* Behaviour of a tunnel of a config, with time in the test's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/relay_test.h"
#include "agent/tunnel.h"
#include "store/file.h"

#define ONE "one.localhost"
#define TWO "two.localhost"
#define TUNNEL "[[tunnels]]\nid = \"web\"\ndiscovery = false\n"

struct fixture {
	struct worker worker;
	struct pool pool;
	struct test_relay one, two;
	struct log log;
	struct listener *listener; /* the target */
	uint16_t port;
	unsigned served_n, ended;
	char dir[64], identity[96];
	struct tunnel *tunnel;
};

static void on_ended(void *owner, struct tunnel *t)
{
	struct fixture *f = owner;

	assert_ptr_equal(t, f->tunnel);
	f->ended++;
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	close(fd);
	f->served_n++;
}

/* The only tunnel of a config; "@" in @text is the URL of a relay, "#" the port of the
 * target. */
static struct agent_config *config_of(struct fixture *f, const char *text)
{
	const struct config_source source = {
		.path = "/etc/config.toml",
		.names = &agent_names_adit,
		.state_dir = f->dir,
		.is_lenient = true,
	};
	struct agent_config *c;
	struct why why = { "" };
	struct buf full;

	buf_init(&full, 4096);
	buf_put_str(&full, TUNNEL);
	for (; *text != '\0'; text++) {
		if (*text == '@')
			buf_put_str(&full, f->one.url);
		else if (*text == '#')
			buf_printf(&full, "127.0.0.1:%u", f->port);
		else
			buf_put_u8(&full, (uint8_t)*text);
	}
	if (agent_config_parse(&source, buf_span(&full), &c, &why) != ERR_OK)
		fail_msg("%s", why.text);
	buf_fini(&full);
	return c;
}

static void open_tunnel(struct fixture *f, const char *text)
{
	static const struct tunnel_hooks hooks = { .on_ended = on_ended };
	struct tunnel_options o = {
		.worker = &f->worker,
		.log = &f->log,
		.dials_targets = true,
		.hooks = &hooks,
		.owner = f,
	};
	struct agent_config *c = config_of(f, text);

	assert_int_equal(tunnel_open(&o, agent_config_tunnel(c, 0), f->identity,
				 &f->tunnel),
		ERR_OK);
	agent_config_free(c);
}

static bool change(struct fixture *f, const char *text)
{
	struct agent_config *c = config_of(f, text);
	bool done = tunnel_change_take(f->tunnel, agent_config_tunnel(c, 0), f->identity);

	agent_config_free(c);
	return done;
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);
	struct buf text;
	struct addr at;

	time_begin(1700000000000);
	assert_int_equal(worker_init(&f->worker, 0), ERR_OK);
	pool_init(&f->pool, 66560, 16);
	test_relay_init(&f->one, f->worker.loop, &f->pool, ONE, "DNS:" ONE ",DNS:*." ONE);
	test_relay_init(&f->two, f->worker.loop, &f->pool, TWO, "DNS:" TWO ",DNS:*." TWO);
	log_init(&f->log, NULL, "test");
	assert_int_equal(listener_open(f->worker.loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	f->port = addr_port(&at);
	strcpy(f->dir, "/tmp/adit-tunnel-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->identity, sizeof(f->identity), "%s/identity.json", f->dir);
	buf_init(&text, IDENTITY_FILE_MAX);
	buf_put_str(&text, VECTOR_FILE);
	assert_int_equal(file_replace(f->identity, 0600, buf_span(&text), NULL), ERR_OK);
	buf_fini(&text);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tunnel_close(f->tunnel);
	listener_close(f->listener);
	test_relay_fini(&f->one);
	test_relay_fini(&f->two);
	loop_turn(f->worker.loop);
	worker_fini(&f->worker);
	pool_fini(&f->pool);
	(void)unlink(f->identity);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct tunnel_status status(const struct fixture *f)
{
	return tunnel_status(f->tunnel);
}

static void wait_state(struct fixture *f, enum agent_state wanted)
{
	for (unsigned i = 0; i < 50000 && status(f).state != wanted; i++) {
		time_turn(f->worker.loop);
		usleep(100);
	}
	if (status(f).state != wanted)
		fail_msg("%s in place of %s: %s", agent_state_word(status(f).state),
			agent_state_word(wanted), status(f).error);
}

static void wait_target(struct fixture *f, enum target_state wanted)
{
	for (unsigned i = 0; i < 50000 && status(f).target.state != wanted; i++) {
		time_turn(f->worker.loop);
		usleep(100);
	}
	assert_int_equal(status(f).target.state, wanted);
}

#define USUAL "name = \"" VECTOR_NAME "\"\nrelays = [\"@\"]\ntarget = \"#\"\n"

static int set_up_running(void **state)
{
	struct fixture *f;

	set_up(state);
	f = *state;
	open_tunnel(f, USUAL);
	assert_int_equal(status(f).state, AGENT_STATE_STARTING);
	wait_state(f, AGENT_STATE_RUNNING);
	wait_target(f, TARGET_OK);
	return 0;
}

/* ---- states ---- */

static void test_a_published_tunnel_runs(void **state)
{
	struct fixture *f = *state;
	struct expose_relay r;

	assert_int_equal(status(f).health, AGENT_HEALTH_OK);
	assert_string_equal(status(f).error, "");
	assert_string_equal(status(f).name, VECTOR_NAME);
	assert_string_equal(status(f).address, VECTOR_ADDRESS);
	assert_int_equal(status(f).since_ms, clock_now_ms());
	assert_true(tunnel_relay(f->tunnel, 0, &r) && r.is_open);
	assert_string_equal(r.session.url, "https://" VECTOR_NAME "." ONE);
	assert_true(r.statistics.certificate_end_s > 0);
	assert_false(tunnel_relay(f->tunnel, 1, &r));
}

static void test_a_relay_that_is_away_is_an_error_with_its_reason(void **state)
{
	struct fixture *f = *state;

	test_relay_kill(&f->one);
	wait_state(f, AGENT_STATE_ERROR);
	assert_int_equal(status(f).health, AGENT_HEALTH_DOWN);
	assert_string_not_equal(status(f).error, "");
	time_pass(f->worker.loop, 600000); /* however long it is away */
	assert_int_equal(status(f).state, AGENT_STATE_ERROR);
	test_relay_start(&f->one);
	time_pass(f->worker.loop, 5000);
	wait_state(f, AGENT_STATE_RUNNING);
	assert_string_equal(status(f).error, "");
}

static void test_a_relay_that_is_away_at_the_start_is_waited_for(void **state)
{
	struct fixture *f = *state;

	test_relay_kill(&f->one);
	open_tunnel(f, USUAL);
	wait_state(f, AGENT_STATE_ERROR);
	time_pass(f->worker.loop, 60000);
	test_relay_start(&f->one);
	time_pass(f->worker.loop, 5000);
	wait_state(f, AGENT_STATE_RUNNING);
}

static void test_a_refusal_is_tried_again(void **state)
{
	struct fixture *f = *state;

	f->one.answers[ASKED_REGISTER] = (struct test_answer){ .status = 409,
		.code = "hostname_conflict" };
	open_tunnel(f, USUAL);
	wait_state(f, AGENT_STATE_ERROR);
	assert_non_null(strstr(status(f).error, "taken or reserved"));
	time_pass(f->worker.loop, 300000);
	assert_true(f->one.asked[ASKED_REGISTER] >= 9);
	assert_true(f->one.asked[ASKED_REGISTER] <= 40);
	f->one.answers[ASKED_REGISTER].status = 0;
	time_pass(f->worker.loop, 31000);
	wait_state(f, AGENT_STATE_RUNNING);
}

static void test_some_relays_are_degraded_health(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tunnel_connect(f->tunnel, "https://dead.localhost:1", NULL),
		ERR_OK);
	time_settle(f->worker.loop);
	assert_int_equal(status(f).state, AGENT_STATE_RUNNING);
	assert_int_equal(status(f).health, AGENT_HEALTH_DEGRADED);
	assert_int_equal(tunnel_disconnect(f->tunnel, "dead.localhost:1", NULL), ERR_OK);
	time_settle(f->worker.loop);
	assert_int_equal(status(f).health, AGENT_HEALTH_OK);
}

static void test_a_target_that_is_down_is_degraded_health(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	time_pass(f->worker.loop, 70000);
	wait_target(f, TARGET_DOWN);
	assert_int_equal(status(f).state, AGENT_STATE_RUNNING);
	assert_int_equal(status(f).health, AGENT_HEALTH_DEGRADED);
	assert_non_null(strstr(status(f).target.error, "refused"));
}

static void test_what_cannot_run_says_why(void **state)
{
	struct fixture *f = *state;

	open_tunnel(f, USUAL "udp = true\n");
	assert_int_equal(status(f).state, AGENT_STATE_ERROR);
	assert_string_equal(status(f).error, "UDP through a relay is not supported yet");
	time_pass(f->worker.loop, 60000);
	assert_int_equal(f->one.accepted, 0);
}

static void test_an_identity_that_cannot_be_read_is_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(file_replace(f->identity, 0600, span_str("{"), NULL), ERR_OK);
	open_tunnel(f, USUAL);
	assert_int_equal(status(f).state, AGENT_STATE_ERROR);
	assert_true(status(f).next_ms >= clock_now_ms());
	time_pass(f->worker.loop, 60000);
	assert_int_equal(file_replace(f->identity, 0600, span_str(VECTOR_FILE), NULL),
		ERR_OK);
	time_pass(f->worker.loop, 5000);
	wait_state(f, AGENT_STATE_RUNNING);
}

/* ---- changes ---- */

static void test_another_target_needs_no_other_lease(void **state)
{
	struct fixture *f = *state;
	unsigned served = f->served_n;

	assert_true(change(f,
		"name = \"" VECTOR_NAME "\"\nrelays = [\"@\"]\ntarget = \"http://#\"\n"));
	time_settle(f->worker.loop);
	wait_target(f, TARGET_OK);
	assert_int_equal(f->served_n, served + 1); /* it was dialled at once */
	assert_int_equal(f->one.asked[ASKED_REGISTER], 1);
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 0);
}

static void test_metadata_reaches_the_relay_at_once(void **state)
{
	struct fixture *f = *state;

	assert_true(change(f, USUAL "description = \"new\"\n"));
	assert_true(time_wait(f->worker.loop, &f->one.asked[ASKED_RENEW], 1));
	time_settle(f->worker.loop);
	assert_non_null(strstr(f->one.body, "\"description\":\"new\""));
	assert_int_equal(f->one.asked[ASKED_REGISTER], 1);
}

static void test_what_has_not_changed_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_true(change(f, USUAL));
	time_settle(f->worker.loop);
	assert_int_equal(f->one.asked[ASKED_REGISTER] + f->one.asked[ASKED_RENEW], 1);
}

static void test_another_lease_is_another_tunnel(void **state)
{
	struct fixture *f = *state;

	assert_false(change(f, "name = \"other\"\nrelays = [\"@\"]\ntarget = \"#\"\n"));
	assert_false(change(f, USUAL "tcp = true\n"));
	assert_false(change(f, USUAL "ban_mitm = false\n"));
	assert_false(change(f, USUAL "udp = true\n"));
	time_settle(f->worker.loop);
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 0); /* nothing has changed */
	assert_int_equal(status(f).state, AGENT_STATE_RUNNING);
}

/* ---- relays at run time ---- */

static void test_relays_are_connected_and_disconnected(void **state)
{
	struct fixture *f = *state;
	struct why why;

	assert_int_equal(tunnel_connect(f->tunnel, f->two.url, NULL), ERR_OK);
	assert_true(time_wait(f->worker.loop, &f->two.sessions_n, 1));
	assert_int_equal(tunnel_disconnect(f->tunnel, f->one.url, NULL), ERR_OK);
	assert_true(time_wait(f->worker.loop, &f->one.asked[ASKED_UNREGISTER], 1));
	assert_int_equal(tunnel_disconnect(f->tunnel, f->one.url, &why), ERR_NOENT);
	assert_non_null(strstr(why.text, "is not one of this tunnel's"));
	assert_int_equal(tunnel_connect(f->tunnel, "http://a.example", &why), ERR_SYNTAX);
	/* The last one leaves the tunnel without a relay, until there is one again. */
	assert_int_equal(tunnel_disconnect(f->tunnel, f->two.url, NULL), ERR_OK);
	wait_state(f, AGENT_STATE_ERROR);
	assert_string_equal(status(f).error, "no relay is left: connect one");
	assert_int_equal(tunnel_connect(f->tunnel, f->one.url, NULL), ERR_OK);
	wait_state(f, AGENT_STATE_RUNNING);
}

/* ---- the end ---- */

static void test_leaving_unregisters(void **state)
{
	struct fixture *f = *state;

	tunnel_leave(f->tunnel);
	assert_int_equal(status(f).state, AGENT_STATE_STOPPED);
	assert_int_equal(f->ended, 0);
	assert_true(time_wait(f->worker.loop, &f->ended, 1));
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 1);
}

static void test_leaving_without_a_relay_is_over_at_once(void **state)
{
	struct fixture *f = *state;

	open_tunnel(f, USUAL "udp = true\n");
	tunnel_leave(f->tunnel);
	assert_true(time_wait(f->worker.loop, &f->ended, 1));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define TEST_RUNNING(fn) cmocka_unit_test_setup_teardown(fn, set_up_running, tear_down)
	const struct CMUnitTest tests[] = {
		TEST_RUNNING(test_a_published_tunnel_runs),
		TEST_RUNNING(test_a_relay_that_is_away_is_an_error_with_its_reason),
		TEST(test_a_relay_that_is_away_at_the_start_is_waited_for),
		TEST(test_a_refusal_is_tried_again),
		TEST_RUNNING(test_some_relays_are_degraded_health),
		TEST_RUNNING(test_a_target_that_is_down_is_degraded_health),
		TEST(test_what_cannot_run_says_why),
		TEST(test_an_identity_that_cannot_be_read_is_tried_again),
		TEST_RUNNING(test_another_target_needs_no_other_lease),
		TEST_RUNNING(test_metadata_reaches_the_relay_at_once),
		TEST_RUNNING(test_what_has_not_changed_is_left_alone),
		TEST_RUNNING(test_another_lease_is_another_tunnel),
		TEST_RUNNING(test_relays_are_connected_and_disconnected),
		TEST_RUNNING(test_leaving_unregisters),
		TEST(test_leaving_without_a_relay_is_over_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
