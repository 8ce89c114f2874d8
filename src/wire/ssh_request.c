/* Global requests, RFC 4254 4: replies carry no number, so they go in order. */
#include "base/mem.h"
#include "wire/ssh_priv.h"

enum err ssh_request(struct ssh *ssh, const char *name, bool wants_reply,
	struct span data)
{
	struct buf *b;
	enum err rc;

	if (ssh->phase != SSH_AT_UP)
		return ERR_USAGE;
	b = ssh_begin(ssh, SSH_MSG_GLOBAL_REQUEST);
	ssh_put_text(b, name);
	(void)buf_put_u8(b, wants_reply);
	(void)buf_put_span(b, data);
	rc = ssh_send(ssh);
	if (rc == ERR_OK && wants_reply)
		ssh->replies_wanted++;
	return rc;
}

enum err ssh_reply(struct ssh *ssh, bool is_ok, struct span data)
{
	if (ssh->replies_owed == 0)
		return ERR_USAGE; /* an unwanted reply would block a stock peer */
	ssh->replies_owed--;
	(void)buf_put_span(ssh_begin(ssh,
				   is_ok ? SSH_MSG_REQUEST_SUCCESS :
					   SSH_MSG_REQUEST_FAILURE),
		data);
	return ssh_send(ssh);
}

enum err ssh_on_global_request(struct ssh *ssh, struct ssh_message *m)
{
	struct ssh_event event = { .kind = SSH_REQUEST };

	if (!ssh_get_string(&m->in, &event.name) ||
		!ssh_get_bool(&m->in, &event.wants_reply))
		return err_set(m->why, ERR_SYNTAX, "malformed global request");
	event.data = m->in;
	if (event.wants_reply)
		ssh->replies_owed++;
	m->event = event;
	return ERR_OK;
}

enum err ssh_on_reply(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->replies_wanted == 0)
		return err_set(m->why, ERR_PROTO, "a reply without a request");
	ssh->replies_wanted--;
	m->event = (struct ssh_event){
		.kind = SSH_REPLY,
		.data = m->in,
		.ok = m->number == SSH_MSG_REQUEST_SUCCESS,
	};
	return ERR_OK;
}
