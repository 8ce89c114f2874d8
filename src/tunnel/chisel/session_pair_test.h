/*
 * For tests: a client and a server session, joined in memory on one loop. Each owner does
 * what its fields request and counts its events; users are the ends of the channels.
 */
#ifndef TUNNEL_CHISEL_SESSION_PAIR_TEST_H
#define TUNNEL_CHISEL_SESSION_PAIR_TEST_H

#ifndef assert_true /* a fuzzer has its own */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#endif

#include "base/str.h"
#include "net/pipe_test.h"
#include "tunnel/chisel/session.h"

#define PAIR_USERS_MAX 32
#define PAIR_TURNS_MAX 20000

/* The user of a channel: reads if it may, and writes as many bytes as it has left. */
struct user {
	struct stream *stream;
	bool reads_nothing; /* reads nothing */
	bool keeps_silent;  /* sets its wants once only */
	size_t bite;   /* bytes of each read; 0: as many as come, until there are none */
	uint64_t left; /* still to write */
	bool finishes; /* after the last of it */
	bool has_finished;
	uint64_t got; /* bytes, each checked */
	uint64_t put;
	enum err end; /* of reading; ERR_OK while it goes on */
	enum err write_end;
	enum err dial_rc;
	char words[256]; /* of a refused dial */
	char target[64]; /* what was dialled */
	unsigned calls;
};

struct side {
	struct chisel_session *session;
	struct pair *pair;
	const char *refusal; /* server: what it answers; NULL: nothing yet */
	const char *reject;  /* of channels; NULL: they are accepted */
	bool distrusts, denies, hesitates, ponders;
	bool takes_keys; /* server: that of the pair, which is the client's, too */
	unsigned logins, key_logins;
	unsigned ups, configs, answers, opens, closes;
	char config[256], answer[256], details[256], target[64];
	enum err rc;
	char why[256];
	struct channel *offered; /* while it hesitates */
	struct user users[PAIR_USERS_MAX];
	unsigned user_count;
	bool accepts_unread;
};

struct pair {
	struct worker worker;
	struct hostkey *key;
	struct pipe_pair pipe;
	struct chisel_tuning tuning;
	bool half_closes; /* the client knows that the server does */
	struct side client, server;
};

/* ---- users ---- */

static inline uint8_t user_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

static inline void user_take(struct user *u, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != user_byte(u->got + i))
			u->end = ERR_SYNTAX;
	}
	u->got += n;
}

static inline void user_read(struct user *u)
{
	uint8_t bytes[4096];
	size_t got, room = u->bite != 0 ? u->bite : sizeof(bytes);
	enum err rc;

	do {
		rc = stream_read(u->stream, bytes, room, &got);
		if (rc == ERR_OK)
			user_take(u, bytes, got);
	} while (rc == ERR_OK && u->bite == 0);
	if (rc != ERR_OK && rc != ERR_AGAIN && u->end == ERR_OK)
		u->end = rc;
}

static inline void user_write(struct user *u)
{
	uint8_t bytes[4096];
	size_t put, n;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && u->left > 0) {
		n = u->left < sizeof(bytes) ? (size_t)u->left : sizeof(bytes);
		for (size_t i = 0; i < n; i++)
			bytes[i] = user_byte(u->put + i);
		rc = stream_put(u->stream, bytes, n, &put);
		if (rc != ERR_OK)
			break;
		u->left -= put;
		u->put += put;
	}
	if (rc == ERR_OK && u->finishes) {
		u->finishes = false;
		u->has_finished = true;
		rc = stream_finish(u->stream);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN)
		u->write_end = rc;
}

static inline void user_set_wants(struct user *u)
{
	unsigned wants = 0;

	if (!u->reads_nothing && u->end == ERR_OK)
		wants |= LOOP_READ;
	if ((u->left > 0 || u->finishes) && u->write_end == ERR_OK)
		wants |= LOOP_WRITE;
	stream_want(u->stream, wants);
}

static inline void user_on_ready(void *arg, unsigned ready)
{
	struct user *u = arg;

	u->calls++;
	if (ready & LOOP_READ)
		user_read(u);
	if (ready & LOOP_WRITE)
		user_write(u);
	if (!u->keeps_silent || u->end != ERR_OK)
		user_set_wants(u);
}

static inline void user_start(struct user *u, struct stream *stream)
{
	u->stream = stream;
	stream_set_owner(stream, user_on_ready, u);
	user_set_wants(u);
}

/* Writes @n more bytes from now on. */
static inline void user_send(struct user *u, uint64_t n)
{
	u->left += n;
	user_set_wants(u);
}

static inline void user_finish(struct user *u)
{
	u->finishes = true;
	user_set_wants(u);
}

static inline void user_close(struct user *u, bool is_abort)
{
	u->stream->ops->close(u->stream, is_abort);
	u->stream = NULL;
}

/* ---- the owners of the sessions ---- */

static inline bool side_is_host_key_good(void *owner, struct span blob, struct why *why)
{
	struct side *side = owner;

	(void)blob;
	if (side->distrusts)
		err_set(why, ERR_DENIED, "Invalid fingerprint");
	return !side->distrusts;
}

static inline void side_on_password(void *owner, struct span user, struct span password)
{
	struct side *side = owner;

	side->logins++;
	if (!side->ponders)
		chisel_session_login(side->session,
			!side->denies && span_is(user, "user") &&
				span_is(password, "secret"));
}

static inline void side_on_key(void *owner, struct span user, struct span blob,
	bool is_proven)
{
	struct side *side = owner;

	side->key_logins++;
	if (!side->ponders)
		chisel_session_login(side->session,
			!side->denies && is_proven && span_is(user, "user") &&
				span_eq(blob, hostkey_blob(side->pair->key)));
}

static inline void side_on_up(void *owner)
{
	struct side *side = owner;

	side->ups++;
	if (side == &side->pair->client)
		(void)!chisel_session_configure(side->session, span_str("{}"));
}

static inline void side_on_config(void *owner, struct span name, struct span data)
{
	struct side *side = owner;

	(void)data;
	side->configs++;
	str_quote(side->config, sizeof(side->config), name);
	if (side->refusal != NULL)
		(void)!chisel_session_answer(side->session,
			side->refusal[0] == '\0' || side->refusal[0] == '{',
			span_str(side->refusal));
}

static inline void side_on_answer(void *owner, struct span refusal, struct span details)
{
	struct side *side = owner;

	side->answers++;
	str_quote(side->details, sizeof(side->details), details);
	str_quote(side->answer, sizeof(side->answer), refusal);
	if (refusal.n > 0)
		chisel_session_close(side->session, ERR_DENIED, side->answer);
}

static inline void side_on_open(void *owner, struct channel *ch, struct span target)
{
	struct side *side = owner;
	struct user *u = &side->users[side->user_count];
	struct stream *stream;

	side->opens++;
	str_quote(side->target, sizeof(side->target), target);
	if (side->hesitates) {
		side->offered = ch;
	} else if (side->reject != NULL) {
		channel_refuse(ch, SSH_CONNECT_FAILED, side->reject);
	} else if (side->user_count == PAIR_USERS_MAX) {
		channel_refuse(ch, SSH_RESOURCE_SHORTAGE, "too many");
	} else if (channel_accept(ch, &stream) == ERR_OK) {
		side->user_count++;
		u->reads_nothing = side->accepts_unread;
		str_copy(u->target, sizeof(u->target), side->target);
		user_start(u, stream);
	}
}

static inline void side_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct side *side = owner;

	side->closes++;
	side->session = NULL;
	side->rc = rc;
	str_copy(side->why, sizeof(side->why), why->text);
}

static inline void side_open(struct side *side, struct pair *p, enum ssh_role role)
{
	static const struct chisel_session_hooks hooks = {
		.is_host_key_good = side_is_host_key_good,
		.on_password = side_on_password,
		.on_key = side_on_key,
		.on_up = side_on_up,
		.on_config = side_on_config,
		.on_answer = side_on_answer,
		.on_open = side_on_open,
		.on_closed = side_on_closed,
	};
	struct chisel_session_options o = {
		.role = role,
		.worker = &p->worker,
		.stream = role == SSH_CLIENT ? &p->pipe.a.stream : &p->pipe.b.stream,
		.tuning = &p->tuning,
		.key = p->key,
		.user = "user",
		.password = "secret",
		.peer_half_closes = role == SSH_CLIENT && p->half_closes,
		.user_key = role == SSH_CLIENT && side->takes_keys ? p->key : NULL,
		.takes_keys = role == SSH_SERVER && side->takes_keys,
		.hooks = &hooks,
		.owner = side,
	};

	assert_int_equal(chisel_session_open(&o, &side->session), ERR_OK);
}

/* ---- the pair ---- */

static inline int pair_setup(void **state)
{
	struct pair *p = mem_new(p);

	assert_non_null(p);
	assert_int_equal(worker_init(&p->worker, 0), ERR_OK);
	assert_int_equal(hostkey_from_seed("test123", &p->key), ERR_OK);
	pipe_pair_init(&p->pipe, p->worker.loop);
	p->client.pair = p->server.pair = p;
	p->server.refusal = "";
	*state = p;
	return 0;
}

static inline void side_end(struct side *side)
{
	if (side->session != NULL)
		chisel_session_close(side->session, ERR_CLOSED, "the test is over");
	loop_turn(side->pair->worker.loop);
	for (unsigned i = 0; i < PAIR_USERS_MAX; i++) {
		if (side->users[i].stream != NULL)
			user_close(&side->users[i], true);
	}
	if (side->offered != NULL)
		channel_refuse(side->offered, SSH_PROHIBITED, "over");
}

static inline int pair_teardown(void **state)
{
	struct pair *p = *state;

	side_end(&p->client);
	side_end(&p->server);
	worker_fini(&p->worker);
	pipe_pair_fini(&p->pipe);
	hostkey_free(p->key);
	free(p);
	return 0;
}

/* Turns of the loop until @is_done; fails the test if that takes too many. */
#define pair_run_until(p, is_done) \
	do { \
		bool has_come = false; \
\
		for (int i_ = 0; !has_come && i_ < PAIR_TURNS_MAX; i_++) { \
			loop_turn((p)->worker.loop); \
			has_come = (is_done); \
		} \
		assert_true(has_come); \
	} while (0)

/* Enough turns for everything that is not waiting for time to pass. */
static inline void pair_settle(struct pair *p)
{
	for (int i = 0; i < 200; i++)
		loop_turn(p->worker.loop);
}

static inline void pair_open(struct pair *p)
{
	side_open(&p->client, p, SSH_CLIENT);
	side_open(&p->server, p, SSH_SERVER);
}

/* Up to the answer to the config. */
static inline void pair_up(struct pair *p)
{
	pair_open(p);
	pair_run_until(p, p->client.answers > 0);
	pair_settle(p);
	assert_int_equal(p->client.closes + p->server.closes, 0);
}

static inline void user_on_dialled(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct user *u = arg;

	u->dial_rc = rc;
	u->calls++;
	if (rc == ERR_OK)
		user_start(u, stream);
	else
		str_copy(u->words, sizeof(u->words), why->text);
}

/* Both sessions are over: forgets that, and joins two others. */
static inline void pair_up_again(struct pair *p)
{
	p->client.closes = p->server.closes = 0;
	p->client.answers = 0;
	pipe_pair_fini(&p->pipe);
	pipe_pair_init(&p->pipe, p->worker.loop);
	pair_up(p);
}

/* A channel from @from to the other side: its user there is the returned one's pair. */
static inline struct user *pair_dial(struct side *from, struct channel **out)
{
	struct user *u = &from->users[from->user_count++];

	u->dial_rc = ERR_AGAIN;
	assert_int_equal(chisel_session_dial(from->session, "host:80", user_on_dialled, u,
				 out),
		ERR_OK);
	return u;
}

static inline struct user *pair_dial_up(struct side *from, struct side *to,
	struct user **there)
{
	struct channel *ch;
	struct user *u = pair_dial(from, &ch);
	unsigned before = to->user_count;

	pair_run_until(from->pair, u->dial_rc != ERR_AGAIN);
	assert_int_equal(u->dial_rc, ERR_OK);
	*there = &to->users[before];
	return u;
}

#endif
