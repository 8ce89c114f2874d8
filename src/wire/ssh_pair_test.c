/* Two engines joined in memory. */
#include "wire/ssh_pair_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

#define PIPE_MAX (64u << 20)

static void end_init(struct ssh_end *e, struct ssh_options options)
{
	*e = (struct ssh_end){ .rc = ERR_AGAIN, .window = PAIR_WINDOW };
	buf_init(&e->out, PIPE_MAX);
	buf_init(&e->in, PIPE_MAX);
	buf_init(&e->data, PIPE_MAX);
	buf_init(&e->text, PIPE_MAX);
	buf_sink_init(&e->sink, &e->out);
	options.out = &e->sink.sink;
	assert_int_equal(ssh_new(&options, &e->ssh), ERR_OK);
	assert_int_equal(ssh_start(e->ssh), ERR_OK);
}

static void end_fini(struct ssh_end *e)
{
	ssh_free(e->ssh);
	buf_fini(&e->out);
	buf_fini(&e->in);
	buf_fini(&e->data);
	buf_fini(&e->text);
}

void ssh_pair_init(struct ssh_pair *p, uint64_t rekey_bytes)
{
	*p = (struct ssh_pair){ 0 };
	assert_int_equal(hostkey_from_seed("test123", &p->key), ERR_OK);
	end_init(&p->client,
		(struct ssh_options){
			.role = SSH_CLIENT,
			.user = "user",
			.password = "secret",
			.rekey_bytes = rekey_bytes,
		});
	end_init(&p->server,
		(struct ssh_options){
			.role = SSH_SERVER,
			.key = p->key,
			.rekey_bytes = rekey_bytes,
		});
}

void ssh_pair_fini(struct ssh_pair *p)
{
	end_fini(&p->client);
	end_fini(&p->server);
	hostkey_free(p->key);
}

static enum err answer(struct ssh_end *e, const struct ssh_event *event)
{
	switch (event->kind) {
	case SSH_HOST_KEY:
		if (!e->distrusts)
			ssh_accept_host_key(e->ssh);
		return ERR_OK;
	case SSH_PASSWORD:
		if (e->hesitates)
			return ERR_OK;
		return ssh_auth_reply(e->ssh,
			!e->denies && span_is(event->name, "user") &&
				span_is(event->data, "secret"));
	case SSH_KEY: /* the engine checks the signature */
		return e->hesitates ? ERR_OK : ssh_auth_reply(e->ssh, !e->denies_keys);
	case SSH_REQUEST:
		if (e->hesitates || !event->wants_reply)
			return ERR_OK;
		return ssh_reply(e->ssh, span_is(event->name, "ping"), span_str("pong"));
	case SSH_OPEN:
		return e->hesitates ? ERR_OK :
				      ssh_channel_accept(event->channel, e->window, e);
	case SSH_DATA:
		assert_int_equal(buf_put_span(&e->data, event->data), ERR_OK);
		if (e->keeps_credit)
			return ERR_OK;
		return ssh_channel_credit(event->channel, (uint32_t)event->data.n);
	default:
		return ERR_OK;
	}
}

static void note(struct ssh_end *e, const struct ssh_event *event)
{
	e->seen[event->kind]++;
	e->last[event->kind] = *event;
	if (event->kind == SSH_DATA)
		return;
	buf_consume(&e->text, e->text.n);
	assert_int_equal(buf_put_span(&e->text, event->data), ERR_OK);
}

static void end_run(struct ssh_end *e)
{
	struct mspan in = buf_mspan(&e->in);
	size_t before = in.n;
	struct ssh_event event;

	e->rc = ERR_OK;
	while (e->rc == ERR_OK) {
		e->rc = ssh_next(e->ssh, &in, &event, &e->why);
		if (e->rc != ERR_OK)
			break;
		note(e, &event);
		e->rc = answer(e, &event);
	}
	buf_consume(&e->in, before - in.n);
}

static bool carry(struct ssh_end *from, struct ssh_end *to, size_t chunk)
{
	struct span bytes = buf_span(&from->out);

	if (bytes.n == 0 || to->rc != ERR_AGAIN)
		return false;
	if (chunk > 0 && bytes.n > chunk)
		bytes.n = chunk;
	assert_int_equal(buf_put_span(&to->in, bytes), ERR_OK);
	buf_consume(&from->out, bytes.n);
	end_run(to);
	return true;
}

void ssh_pair_run(struct ssh_pair *p)
{
	bool moved = true;

	while (moved) {
		moved = carry(&p->client, &p->server, p->chunk);
		moved = carry(&p->server, &p->client, p->chunk) || moved;
	}
}

void ssh_pair_up(struct ssh_pair *p, uint64_t rekey_bytes)
{
	ssh_pair_init(p, rekey_bytes);
	ssh_pair_run(p);
	assert_string_equal(p->client.why.text, "");
	assert_string_equal(p->server.why.text, "");
	assert_int_equal(p->client.seen[SSH_UP], 1);
	assert_int_equal(p->server.seen[SSH_UP], 1);
}

void ssh_pair_open(struct ssh_pair *p, struct ssh_end *from, struct ssh_channel **ours,
	struct ssh_channel **theirs)
{
	struct ssh_end *to = from == &p->client ? &p->server : &p->client;

	assert_int_equal(ssh_channel_open(from->ssh, span_str("host:80"), PAIR_WINDOW,
				 from, ours),
		ERR_OK);
	ssh_pair_run(p);
	assert_ptr_equal(from->last[SSH_OPENED].channel, *ours);
	*theirs = to->last[SSH_OPEN].channel;
}

void ssh_end_rekey(struct ssh_end *e)
{
	if (e->ssh->exchange == NULL)
		assert_int_equal(ssh_handshake_start(e->ssh), ERR_OK);
}

void ssh_end_send(struct ssh_end *e, const void *payload, size_t n)
{
	struct span rest = span_of(payload, n);
	uint8_t number = 0;
	struct buf *b;

	assert_true(span_u8(&rest, &number));
	b = ssh_begin(e->ssh, number);
	assert_int_equal(buf_put_span(b, rest), ERR_OK);
	assert_int_equal(ssh_send(e->ssh), ERR_OK);
}

size_t ssh_end_write(struct ssh_channel *ch, struct span data)
{
	size_t done = 0;
	struct mspan room;

	while (done < data.n && ssh_channel_window(ch) > 0) {
		assert_int_equal(ssh_channel_reserve(ch, data.n - done, &room), ERR_OK);
		if (room.n > data.n - done)
			room.n = data.n - done;
		memcpy(room.p, data.p + done, room.n);
		assert_int_equal(ssh_channel_commit(ch, room.n), ERR_OK);
		done += room.n;
	}
	return done;
}
