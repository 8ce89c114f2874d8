/* What the SSH engine reports to a session. */
#include "base/str.h"
#include "tunnel/chisel/channel.h"
#include "tunnel/chisel/session_priv.h"

static void session_on_host_key(struct chisel_session *s, const struct ssh_event *ev)
{
	struct why why = { 0 };

	if (s->hooks->is_host_key_good(s->owner, ev->data, &why))
		ssh_accept_host_key(s->ssh);
	else
		session_fail(s, ERR_DENIED, &why);
}

void chisel_session_login(struct chisel_session *s, bool is_good)
{
	enum err rc;

	if (s->state == SESSION_CLOSED)
		return;
	rc = ssh_auth_reply(s->ssh, is_good);
	mux_pump_soon(&s->mux);
	if (rc == ERR_DENIED)
		chisel_session_close(s, rc, "too many authentication failures");
	else
		mux_check(&s->mux, rc);
}

static void session_on_request(struct chisel_session *s, const struct ssh_event *ev)
{
	struct span none = { 0 };

	if (s->role == SSH_SERVER && s->state == SESSION_CONFIGURING && ev->wants_reply) {
		session_enter(s, SESSION_DECIDING);
		s->hooks->on_config(s->owner, ev->name, ev->data);
		return;
	}
	if (!ev->wants_reply)
		return;
	/* Answers carry no name, only their order: nothing may overtake the config's. */
	if (s->state != SESSION_OPEN)
		chisel_session_close(s, ERR_PROTO, "a request out of turn");
	else if (span_is(ev->name, "ping"))
		mux_check(&s->mux, ssh_reply(s->ssh, true, span_str("pong")));
	else
		mux_check(&s->mux, ssh_reply(s->ssh, false, none));
}

static void session_on_reply(struct chisel_session *s, const struct ssh_event *ev)
{
	struct span refusal = ev->data, details = { 0 };

	if (s->state == SESSION_OPEN) {
		if (ev->data.n > 0 && !span_is(ev->data, "pong"))
			chisel_session_close(s, ERR_PROTO,
				"an answer to a ping that is none");
		else
			session_on_pong(s);
		return;
	}
	if (s->state != SESSION_CONFIGURING)
		return;
	session_note_rtt(s);
	if (!ev->ok && refusal.n == 0)
		refusal = span_str("the server refused and did not say why");
	/* Stock servers add nothing to a yes, and stock clients look for nothing else. */
	if (ev->ok && refusal.n > 0 && refusal.p[0] == '{') {
		details = refusal;
		refusal = (struct span){ 0 };
	}
	if (refusal.n == 0)
		session_enter(s, SESSION_OPEN);
	s->hooks->on_answer(s->owner, refusal, details);
}

static void session_on_open_request(struct chisel_session *s, const struct ssh_event *ev)
{
	struct channel *ch;

	if (s->state != SESSION_OPEN || (ch = channel_new(&s->mux, false)) == NULL) {
		mux_check(&s->mux,
			ssh_channel_refuse(ev->channel, SSH_RESOURCE_SHORTAGE,
				"not now"));
		return;
	}
	ch->ssh = ev->channel;
	s->hooks->on_open(s->owner, ch, ev->data);
}

static void session_on_channel_event(const struct ssh_event *ev)
{
	struct why why;
	char text[160];

	switch (ev->kind) {
	case SSH_OPENED:
		channel_on_opened(ev->owner);
		break;
	case SSH_REFUSED:
		err_set(&why, ERR_DENIED, "rejected: %s",
			str_quote(text, sizeof(text), ev->data));
		channel_on_refused(ev->owner, &why);
		break;
	case SSH_DATA:
		channel_on_data(ev->owner, ev->data);
		break;
	case SSH_WINDOW:
		channel_on_window(ev->owner);
		break;
	case SSH_EOF:
		channel_on_eof(ev->owner);
		break;
	case SSH_CLOSE:
		channel_on_close(ev->owner);
		break;
	default:
		break;
	}
}

void session_on_event(struct chisel_session *s, const struct ssh_event *ev)
{
	switch (ev->kind) {
	case SSH_HOST_KEY:
		session_on_host_key(s, ev);
		break;
	case SSH_PASSWORD:
		s->hooks->on_password(s->owner, ev->name, ev->data);
		break;
	case SSH_UP:
		session_enter(s, SESSION_CONFIGURING);
		s->hooks->on_up(s->owner);
		break;
	case SSH_REQUEST:
		session_on_request(s, ev);
		break;
	case SSH_REPLY:
		session_on_reply(s, ev);
		break;
	case SSH_OPEN:
		session_on_open_request(s, ev);
		break;
	case SSH_REKEYED:
		mux_on_rekeyed(&s->mux);
		break;
	default:
		if (ev->owner != NULL)
			session_on_channel_event(ev);
		break;
	}
}
