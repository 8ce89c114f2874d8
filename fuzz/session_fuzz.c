/*
 * Sessions against strangers and against bad luck.
 *
 * The first byte chooses. Odd: the rest are bytes from a stranger, to a server's session.
 * Even: two sessions are joined, and the rest says what their users and the wire between
 * them do, in pairs of a byte for what and one for whom and how much. Whatever it is,
 * nobody may get a wrong byte; and when the wire is good again and all listen, all that
 * was sent arrives.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"

#define assert_true(is_so) ((is_so) ? (void)0 : abort())
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))

#include "tunnel/chisel/session_pair_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void turns(struct pair *p, unsigned n)
{
	while (n-- > 0)
		loop_turn(p->worker.loop);
}

static void dial(struct side *from)
{
	struct channel *ch;
	struct user *u = &from->users[from->user_count];

	if (from->user_count == PAIR_USERS_MAX || from->session == NULL)
		return;
	snprintf(u->target, sizeof(u->target), "%s:%u",
		from == &from->pair->client ? "server" : "client", from->user_count + 1);
	u->dial_rc = ERR_AGAIN;
	if (chisel_session_dial(from->session, u->target, user_on_dialled, u, &ch) ==
		ERR_OK)
		from->user_count++;
}

static void probe_ignore(void *arg, bool is_alive)
{
	(void)arg;
	(void)is_alive;
}

enum action {
	DO_DIAL,
	DO_SEND,
	DO_SEND_MUCH,
	DO_FINISH,
	DO_CLOSE,
	DO_ABORT,
	DO_HEAR,
	DO_NARROW_WIRE,
	DO_WIDEN_WIRE,
	DO_TURNS,
	DO_WAIT,
	DO_PROBE,
	DO_REJECT,
	DO_END,
	ACTIONS,
};

static void act_on_user(struct user *u, enum action action, unsigned n)
{
	bool may_send = !u->finishes && !u->has_finished;

	if (u->stream == NULL)
		return;
	if (action == DO_SEND && may_send)
		user_send(u, n + 1);
	else if (action == DO_SEND_MUCH && may_send)
		user_send(u, (n + 1) * 5000);
	else if (action == DO_FINISH && may_send)
		user_finish(u);
	else if (action == DO_HEAR) {
		u->reads_nothing = !u->reads_nothing;
		user_set_wants(u);
	} else if (action == DO_CLOSE || action == DO_ABORT)
		user_close(u, action == DO_ABORT);
}

static void act(struct pair *p, uint8_t what, uint8_t who)
{
	struct side *side = who & 1 ? &p->client : &p->server;
	struct pipe_end *wire = who & 1 ? &p->pipe.a : &p->pipe.b;
	unsigned n = who >> 1;

	switch (what % ACTIONS) {
	case DO_DIAL:
		dial(side);
		break;
	case DO_NARROW_WIRE:
		wire->room = n * 100;
		break;
	case DO_WIDEN_WIRE:
		wire->room = PIPE_ROOM;
		wire->step = n;
		pipe_check(wire->peer);
		break;
	case DO_TURNS:
		turns(p, n);
		break;
	case DO_WAIT:
		clock_advance(n * 100);
		break;
	case DO_PROBE:
		if (side->session != NULL)
			(void)!chisel_session_probe(side->session, 1000, probe_ignore,
				NULL);
		break;
	case DO_REJECT:
		side->reject = side->reject == NULL ? "no" : NULL;
		break;
	case DO_END:
		if (n == 64 && side->session != NULL)
			chisel_session_close(side->session, ERR_CLOSED, "enough");
		break;
	default:
		act_on_user(&side->users[n % PAIR_USERS_MAX], what % ACTIONS, n);
		break;
	}
}

static struct user *find_peer(struct side *there, const struct user *u)
{
	for (unsigned i = 0; i < there->user_count; i++) {
		if (strcmp(there->users[i].target, u->target) == 0)
			return &there->users[i];
	}
	return NULL;
}

/* All listen to what is still open, and the wire is good: is all there that was sent? */
static void check_arrived(struct side *here, struct side *there)
{
	for (unsigned i = 0; i < here->user_count; i++) {
		struct user *u = &here->users[i], *peer = find_peer(there, u);

		assert_true(u->end != ERR_SYNTAX);
		if (u->stream == NULL || peer == NULL || peer->stream == NULL)
			continue;
		assert_true(u->left == 0 || u->write_end != ERR_OK);
		assert_int_equal(peer->got, u->put);
	}
}

static void listen_all(struct side *side)
{
	for (unsigned i = 0; i < side->user_count; i++) {
		side->users[i].reads_nothing = false;
		if (side->users[i].stream != NULL)
			user_set_wants(&side->users[i]);
	}
}

static void make_good(struct pair *p)
{
	uint64_t before;

	p->pipe.a.room = p->pipe.b.room = PIPE_ROOM;
	p->pipe.a.step = p->pipe.b.step = 0;
	pipe_check(&p->pipe.a);
	pipe_check(&p->pipe.b);
	listen_all(&p->client);
	listen_all(&p->server);
	do {
		before = p->pipe.a.written + p->pipe.b.written;
		turns(p, 20);
	} while (p->pipe.a.written + p->pipe.b.written != before);
}

static void play(struct pair *p, const uint8_t *data, size_t size)
{
	p->tuning.rekey_bytes = (uint64_t)data[0] * 4000;
	p->half_closes = data[0] & 2;
	pair_up(p);
	if (p->half_closes)
		chisel_session_trust_half_close(p->server.session);
	for (size_t i = 1; i + 1 < size; i += 2)
		act(p, data[i], data[i + 1]);
	make_good(p);
	if (p->client.closes + p->server.closes > 0)
		return;
	check_arrived(&p->client, &p->server);
	check_arrived(&p->server, &p->client);
}

static void meet_stranger(struct pair *p, const uint8_t *data, size_t size)
{
	size_t put;

	side_open(&p->server, p, SSH_SERVER);
	p->pipe.b.step = data[0] >> 1;
	if (size > 1)
		assert_int_equal(stream_put(&p->pipe.a.stream, data + 1, size - 1, &put),
			ERR_OK);
	turns(p, data[0] > 1 ? (unsigned)size + 50 : 50);
	assert_int_equal(p->server.ups, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *state;

	if (size == 0 || size > 4096)
		return 0;
	rand_seed_for_tests(1);
	clock_freeze(1000000);
	(void)pair_setup(&state);
	if (data[0] & 1)
		meet_stranger(state, data, size);
	else
		play(state, data, size);
	(void)pair_teardown(&state);
	return 0;
}
