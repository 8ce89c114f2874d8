/*
 * Authentication, RFC 4252 in the one way that Chisel knows: "none", which always fails,
 * and then "password". chisel-protocol 3.8.
 */
#include "base/mem.h"
#include "wire/ssh_priv.h"

#define FAILURES_MAX 6    /* the last is answered by DISCONNECT */
#define REASON_PROTOCOL 2 /* SSH_DISCONNECT_PROTOCOL_ERROR */
#define USERAUTH "ssh-userauth"
#define CONNECTION "ssh-connection"

static enum err out_of_turn(const struct ssh_message *m)
{
	return err_set(m->why, ERR_PROTO, "unexpected authentication message");
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

enum err ssh_on_service_request(struct ssh *ssh, struct ssh_message *m)
{
	struct span name;

	if (ssh->role != SSH_SERVER || ssh->auth != SSH_AUTH_SERVICE)
		return out_of_turn(m);
	if (!ssh_get_string(&m->in, &name))
		return err_set(m->why, ERR_SYNTAX, "malformed service request");
	if (!span_is(name, USERAUTH))
		return err_set(m->why, ERR_PROTO, "unknown service");
	ssh->auth = SSH_AUTH_METHOD;
	ssh_put_text(ssh_begin(ssh, SSH_MSG_SERVICE_ACCEPT), USERAUTH);
	return ssh_send(ssh);
}

enum err ssh_on_service_accept(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->role != SSH_CLIENT || ssh->auth != SSH_AUTH_SERVICE)
		return out_of_turn(m);
	ssh->auth = SSH_AUTH_METHOD;
	(void)begin_request(ssh, "none");
	return ssh_send(ssh);
}

static enum err send_password(struct ssh *ssh)
{
	struct buf *b = begin_request(ssh, "password");
	enum err rc;

	(void)buf_put_u8(b, 0);
	ssh_put_text(b, ssh->options.password == NULL ? "" : ssh->options.password);
	rc = ssh_send(ssh);
	mem_wipe(b->p, b->cap);
	return rc;
}

enum err ssh_on_auth_failure(struct ssh *ssh, struct ssh_message *m)
{
	struct span methods;

	if (ssh->role != SSH_CLIENT)
		return out_of_turn(m);
	if (!ssh_get_string(&m->in, &methods))
		return err_set(m->why, ERR_SYNTAX, "malformed authentication failure");
	if (ssh->auth == SSH_AUTH_PASSWORD)
		return err_set(m->why, ERR_DENIED, "wrong user or password");
	if (ssh->auth != SSH_AUTH_METHOD)
		return out_of_turn(m);
	if (!ssh_list_has(methods, span_str("password")))
		return err_set(m->why, ERR_DENIED,
			"the server does not accept passwords");
	ssh->auth = SSH_AUTH_PASSWORD;
	return send_password(ssh);
}

void ssh_auth_report(struct ssh *ssh, struct ssh_event *out)
{
	ssh->auth = SSH_AUTH_OVER;
	ssh->phase = SSH_AT_UP;
	ssh->options.user = ssh->options.password = NULL;
	*out = (struct ssh_event){ .kind = SSH_UP };
}

enum err ssh_on_auth_success(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->role != SSH_CLIENT ||
		(ssh->auth != SSH_AUTH_METHOD && ssh->auth != SSH_AUTH_PASSWORD))
		return out_of_turn(m);
	ssh_auth_report(ssh, &m->event);
	return ERR_OK;
}

static enum err send_failure(struct ssh *ssh)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_USERAUTH_FAILURE);

	ssh->auth = SSH_AUTH_METHOD;
	ssh_put_text(b, "password");
	(void)buf_put_u8(b, 0);
	return ssh_send(ssh);
}

/* Answers an attempt that did not authenticate; too many end the connection. */
static enum err deny(struct ssh *ssh)
{
	struct buf *b;
	enum err rc;

	if (++ssh->auth_failures < FAILURES_MAX)
		return send_failure(ssh);
	b = ssh_begin(ssh, SSH_MSG_DISCONNECT);
	(void)buf_put_u32(b, REASON_PROTOCOL);
	ssh_put_text(b, "too many authentication failures");
	ssh_put_text(b, "");
	rc = ssh_send(ssh);
	return ssh_fail(ssh, rc == ERR_OK ? ERR_DENIED : rc);
}

static enum err on_password(struct ssh *ssh, struct span user, struct ssh_message *m)
{
	struct span password;
	bool wants_change;

	if (!ssh_get_bool(&m->in, &wants_change) || !ssh_get_string(&m->in, &password))
		return err_set(m->why, ERR_SYNTAX, "malformed password request");
	if (wants_change)
		return deny(ssh);
	ssh->auth = SSH_AUTH_PASSWORD;
	m->event = (struct ssh_event){
		.kind = SSH_PASSWORD,
		.name = user,
		.data = password,
	};
	return ERR_OK;
}

/* RFC 4252 5. */
enum err ssh_on_auth_request(struct ssh *ssh, struct ssh_message *m)
{
	struct span user, service, method;

	if (ssh->role != SSH_SERVER || ssh->auth != SSH_AUTH_METHOD)
		return out_of_turn(m);
	if (!ssh_get_string(&m->in, &user) || !ssh_get_string(&m->in, &service) ||
		!ssh_get_string(&m->in, &method))
		return err_set(m->why, ERR_SYNTAX, "malformed authentication request");
	if (!span_is(service, CONNECTION))
		return err_set(m->why, ERR_PROTO, "unknown service");
	if (span_is(method, "password"))
		return on_password(ssh, user, m);
	if (span_is(method, "none") && !ssh->auth_had_none) {
		ssh->auth_had_none = true; /* every client tries it once: no failure */
		return send_failure(ssh);
	}
	return deny(ssh);
}

enum err ssh_auth_reply(struct ssh *ssh, bool is_ok)
{
	if (ssh->failed != ERR_OK)
		return ssh->failed;
	if (ssh->role != SSH_SERVER || ssh->auth != SSH_AUTH_PASSWORD)
		return ERR_USAGE;
	if (!is_ok)
		return deny(ssh);
	ssh->auth = SSH_AUTH_ACCEPTED;
	(void)ssh_begin(ssh, SSH_MSG_USERAUTH_SUCCESS);
	return ssh_send(ssh);
}
