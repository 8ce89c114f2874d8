/*
 * Authentication, RFC 4252 in the one way that Chisel knows: "none", which always fails,
 * and then "password". chisel-protocol 3.8.
 */
#include "base/mem.h"
#include "wire/ssh_engine.h"

#define FAILURES_MAX 6    /* the last is answered by DISCONNECT */
#define REASON_PROTOCOL 2 /* SSH_DISCONNECT_PROTOCOL_ERROR */
#define USERAUTH "ssh-userauth"
#define CONNECTION "ssh-connection"

/* RFC 4252 5. */
struct auth_request {
	struct span user, service, method;
};

static enum err again_if_ok(enum err rc)
{
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

static enum err out_of_turn(struct why *why)
{
	return err_set(why, ERR_PROTO, "authentication out of turn");
}

enum err ssh_auth_start(struct ssh *ssh)
{
	ssh_put_text(ssh_begin(ssh, SSH_MSG_SERVICE_REQUEST), USERAUTH);
	return ssh_send(ssh);
}

static struct buf *begin_request(struct ssh *ssh, const char *method)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_USERAUTH_REQUEST);

	ssh_put_text(b, ssh->options.user == NULL ? "" : ssh->options.user);
	ssh_put_text(b, CONNECTION);
	ssh_put_text(b, method);
	return b;
}

enum err ssh_on_service_request(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct span name;

	(void)out;
	if (ssh->options.role != SSH_SERVER || ssh->auth != SSH_AUTH_SERVICE)
		return out_of_turn(why);
	if (!ssh_get_string(&in, &name))
		return err_set(why, ERR_SYNTAX, "bad service request");
	if (!span_is(name, USERAUTH))
		return err_set(why, ERR_PROTO, "unknown service");
	ssh->auth = SSH_AUTH_METHOD;
	ssh_put_text(ssh_begin(ssh, SSH_MSG_SERVICE_ACCEPT), USERAUTH);
	return again_if_ok(ssh_send(ssh));
}

enum err ssh_on_service_accept(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	(void)in;
	(void)out;
	if (ssh->options.role != SSH_CLIENT || ssh->auth != SSH_AUTH_SERVICE)
		return out_of_turn(why);
	ssh->auth = SSH_AUTH_METHOD;
	(void)begin_request(ssh, "none");
	return again_if_ok(ssh_send(ssh));
}

static enum err send_password(struct ssh *ssh)
{
	struct buf *b = begin_request(ssh, "password");
	enum err rc;

	ssh_put_bool(b, false);
	ssh_put_text(b, ssh->options.password == NULL ? "" : ssh->options.password);
	rc = ssh_send(ssh);
	if (b->cap > 0)
		mem_wipe(b->p, b->cap);
	return rc;
}

enum err ssh_on_auth_failure(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct span methods;

	(void)out;
	if (ssh->options.role != SSH_CLIENT)
		return out_of_turn(why);
	if (!ssh_get_string(&in, &methods))
		return err_set(why, ERR_SYNTAX, "bad authentication failure");
	if (ssh->auth == SSH_AUTH_PASSWORD)
		return err_set(why, ERR_DENIED, "wrong user or password");
	if (ssh->auth != SSH_AUTH_METHOD)
		return out_of_turn(why);
	if (!ssh_list_has(methods, span_str("password")))
		return err_set(why, ERR_DENIED, "the server takes no passwords");
	ssh->auth = SSH_AUTH_PASSWORD;
	return again_if_ok(send_password(ssh));
}

enum err ssh_auth_report(struct ssh *ssh, struct ssh_event *out)
{
	ssh->auth = SSH_AUTH_OVER;
	ssh->phase = SSH_AT_UP;
	ssh->options.user = ssh->options.password = NULL;
	*out = (struct ssh_event){ .kind = SSH_UP };
	return ERR_OK;
}

enum err ssh_on_auth_success(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	(void)in;
	if (ssh->options.role != SSH_CLIENT ||
		(ssh->auth != SSH_AUTH_METHOD && ssh->auth != SSH_AUTH_PASSWORD))
		return out_of_turn(why);
	return ssh_auth_report(ssh, out);
}

static enum err send_disconnect(struct ssh *ssh, const char *text)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_DISCONNECT);

	(void)buf_put_u32(b, REASON_PROTOCOL);
	ssh_put_text(b, text);
	ssh_put_text(b, "");
	return ssh_send(ssh);
}

static enum err send_failure(struct ssh *ssh)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_USERAUTH_FAILURE);

	ssh->auth = SSH_AUTH_METHOD;
	ssh_put_text(b, "password");
	ssh_put_bool(b, false);
	return ssh_send(ssh);
}

/* Answers an attempt that did not authenticate; after too many it is over. */
static enum err deny(struct ssh *ssh)
{
	enum err rc;

	if (++ssh->auth_failures < FAILURES_MAX)
		return send_failure(ssh);
	rc = send_disconnect(ssh, "too many authentication failures");
	return ssh_fail(ssh, rc == ERR_OK ? ERR_DENIED : rc);
}

static enum err on_password(struct ssh *ssh, const struct auth_request *r, struct span in,
	struct ssh_event *out, struct why *why)
{
	struct span password;
	bool wants_change;

	if (!ssh_get_bool(&in, &wants_change) || !ssh_get_string(&in, &password))
		return err_set(why, ERR_SYNTAX, "bad password request");
	if (wants_change)
		return again_if_ok(deny(ssh));
	ssh->auth = SSH_AUTH_PASSWORD;
	*out = (struct ssh_event){
		.kind = SSH_PASSWORD,
		.name = r->user,
		.data = password,
	};
	return ERR_OK;
}

enum err ssh_on_auth_request(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct auth_request r;

	if (ssh->options.role != SSH_SERVER || ssh->auth != SSH_AUTH_METHOD)
		return out_of_turn(why);
	if (!ssh_get_string(&in, &r.user) || !ssh_get_string(&in, &r.service) ||
		!ssh_get_string(&in, &r.method))
		return err_set(why, ERR_SYNTAX, "bad authentication request");
	if (!span_is(r.service, CONNECTION))
		return err_set(why, ERR_PROTO, "unknown service");
	if (span_is(r.method, "password"))
		return on_password(ssh, &r, in, out, why);
	if (span_is(r.method, "none") && !ssh->auth_had_none) {
		ssh->auth_had_none =
			true; /* every client asks once; that is no failure */
		return again_if_ok(send_failure(ssh));
	}
	return again_if_ok(deny(ssh));
}

enum err ssh_auth_reply(struct ssh *ssh, bool is_ok)
{
	if (ssh->failed != ERR_OK)
		return ssh->failed;
	if (ssh->options.role != SSH_SERVER || ssh->auth != SSH_AUTH_PASSWORD)
		return ERR_USAGE;
	if (!is_ok)
		return deny(ssh);
	ssh->auth = SSH_AUTH_WELCOME;
	(void)ssh_begin(ssh, SSH_MSG_USERAUTH_SUCCESS);
	return ssh_send(ssh);
}
