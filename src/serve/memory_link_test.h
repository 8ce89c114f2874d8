/* For tests of carriers: a link in memory, whose client hands the targets to the test. */
#ifndef SERVE_MEMORY_LINK_TEST_H
#define SERVE_MEMORY_LINK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "crypto/hostkey.h"
#include "loop/worker.h"
#include "net/addr.h"
#include "net/pipe_test.h"
#include "tunnel/chisel/session.h"

struct memory_link {
	/* Gets the client's end of each channel, which is the test's. */
	void (*on_target)(void *arg, struct stream *target);
	void *arg;
	struct chisel_session *server, *client; /* NULL: closed */
	struct hostkey *key;
	struct pipe_pair pipe;
	char asked[64]; /* the target's text */
	bool refuses;
	enum err end; /* the server's */
};

static inline bool memory_link_is_host_key_good(void *owner, struct span blob,
	struct why *why)
{
	(void)owner;
	(void)blob;
	(void)why;
	return true;
}

static inline void memory_link_on_password(void *owner, struct span user,
	struct span password)
{
	struct memory_link *l = owner;

	(void)user;
	(void)password;
	chisel_session_login(l->server, true);
}

static inline void memory_link_on_up(void *owner)
{
	struct memory_link *l = owner;

	if (l->client != NULL)
		(void)!chisel_session_configure(l->client, span_str("{}"));
}

static inline void memory_link_on_config(void *owner, struct span name, struct span data)
{
	struct memory_link *l = owner;

	(void)name;
	(void)data;
	(void)!chisel_session_answer(l->server, true, span_str(""));
}

static inline void memory_link_on_answer(void *owner, struct span refusal,
	struct span details)
{
	(void)owner;
	(void)details;
	assert_int_equal(refusal.n, 0);
}

static inline void memory_link_on_open(void *owner, struct channel *ch,
	struct span target)
{
	struct memory_link *l = owner;
	struct stream *stream;

	str_quote(l->asked, sizeof(l->asked), target);
	if (l->refuses) {
		channel_refuse(ch, SSH_CONNECT_FAILED, "no");
		return;
	}
	assert_int_equal(channel_accept(ch, &stream), ERR_OK);
	l->on_target(l->arg, stream);
}

static inline void memory_link_on_client_closed(void *owner, enum err rc,
	const struct why *why)
{
	struct memory_link *l = owner;

	(void)rc;
	(void)why;
	l->client = NULL;
}

static inline void memory_link_on_server_closed(void *owner, enum err rc,
	const struct why *why)
{
	struct memory_link *l = owner;

	(void)why;
	l->server = NULL;
	l->end = rc;
}

/* The caller runs the loop then. @on_target and @arg are set. */
static inline void memory_link_open(struct memory_link *l, struct worker *worker)
{
	static const struct chisel_tuning tuning = { .keepalive_ms = 0 };
	static const struct chisel_session_hooks client = {
		.is_host_key_good = memory_link_is_host_key_good,
		.on_up = memory_link_on_up,
		.on_answer = memory_link_on_answer,
		.on_open = memory_link_on_open,
		.on_closed = memory_link_on_client_closed,
	};
	static const struct chisel_session_hooks server = {
		.on_password = memory_link_on_password,
		.on_up = memory_link_on_up,
		.on_config = memory_link_on_config,
		.on_open = memory_link_on_open,
		.on_closed = memory_link_on_server_closed,
	};
	struct chisel_session_options o = {
		.role = SSH_SERVER,
		.worker = worker,
		.stream = &l->pipe.b.stream,
		.tuning = &tuning,
		.hooks = &server,
		.owner = l,
	};

	assert_int_equal(hostkey_from_seed("test123", &l->key), ERR_OK);
	pipe_pair_init(&l->pipe, worker->loop);
	o.key = l->key;
	assert_int_equal(chisel_session_open(&o, &l->server), ERR_OK);
	o.role = SSH_CLIENT;
	o.stream = &l->pipe.a.stream;
	o.key = NULL;
	o.user = o.password = "";
	o.hooks = &client;
	assert_int_equal(chisel_session_open(&o, &l->client), ERR_OK);
}

/* The caller runs the loop then. */
static inline void memory_link_close(struct memory_link *l)
{
	if (l->client != NULL)
		chisel_session_close(l->client, ERR_CLOSED, "the test is over");
	if (l->server != NULL)
		chisel_session_close(l->server, ERR_CLOSED, "the test is over");
}

/* Its targets are closed. */
static inline void memory_link_fini(struct memory_link *l)
{
	pipe_pair_fini(&l->pipe);
	hostkey_free(l->key);
}

/* A find of struct link_carrier_options. */
static inline struct chisel_session *memory_link_find(void *arg, struct addr *client)
{
	struct memory_link *l = arg;

	assert_int_equal(addr_from_literal("192.0.2.7", 0, client), ERR_OK);
	return l->server;
}

#endif
