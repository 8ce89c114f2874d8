/* Global requests, RFC 4254 4: replies carry no number, so they go in order. */
#include "base/mem.h"
#include "wire/ssh_engine.h"

enum err ssh_request(struct ssh *ssh, const char *name, bool wants_reply,
	struct span data)
{
	struct buf *b;
	enum err rc;

	if (ssh->phase != SSH_AT_UP)
		return ERR_USAGE;
	b = ssh_begin(ssh, SSH_MSG_GLOBAL_REQUEST);
	ssh_put_text(b, name);
	ssh_put_bool(b, wants_reply);
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

enum err ssh_on_global_request(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_event event = { .kind = SSH_REQUEST };

	if (!ssh_get_string(&in, &event.name) || !ssh_get_bool(&in, &event.wants_reply))
		return err_set(why, ERR_SYNTAX, "bad request");
	event.data = in;
	if (event.wants_reply)
		ssh->replies_owed++;
	*out = event;
	return ERR_OK;
}

static enum err on_reply(struct ssh *ssh, struct span in, bool is_ok,
	struct ssh_event *out, struct why *why)
{
	if (ssh->replies_wanted == 0)
		return err_set(why, ERR_PROTO, "a reply to nothing");
	ssh->replies_wanted--;
	*out = (struct ssh_event){ .kind = SSH_REPLY, .data = in, .ok = is_ok };
	return ERR_OK;
}

enum err ssh_on_request_success(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	return on_reply(ssh, in, true, out, why);
}

enum err ssh_on_request_failure(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	return on_reply(ssh, in, false, out, why);
}
