/*
 * Authentication, RFC 4252: "none", which always fails, and then "password", as Chisel
 * has it (chisel-protocol 3.8), or "publickey" (section 7) between our own programs.
 */
#include "base/mem.h"
#include "wire/ssh_priv.h"

#define FAILURES_MAX 6    /* the last is answered by DISCONNECT */
#define QUERIES_MAX 6     /* questions about keys; more are failures */
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

/* What a signature is over: the session's name and the request up to the key. */
static enum err put_signed(const struct ssh *ssh, struct span request, struct buf *out)
{
	ssh_put_string(out, span_of(ssh->session, sizeof(ssh->session)));
	(void)buf_put_span(out, request);
	return out->failed;
}

/* Section 7, without the question whether the key would do. */
static enum err send_key(struct ssh *ssh)
{
	const struct hostkey *key = ssh->options.user_key;
	struct buf *b = begin_request(ssh, "publickey");
	char algorithm[HOSTKEY_ALGORITHM_MAX];
	struct buf data, signature;
	enum err rc;

	(void)buf_put_u8(b, 1);
	ssh_put_text(b, hostkey_best_algorithm(key, algorithm));
	ssh_put_string(b, hostkey_blob(key));
	buf_init(&data, SSH_PACKET_MAX);
	buf_init(&signature, HOSTKEY_SIGNATURE_MAX);
	rc = put_signed(ssh, buf_span(b), &data);
	if (rc == ERR_OK)
		rc = hostkey_sign(key, algorithm, buf_span(&data), &signature);
	if (rc == ERR_OK) {
		ssh_put_string(b, buf_span(&signature));
		rc = ssh_send(ssh);
	}
	buf_fini(&signature);
	buf_fini(&data);
	return rc;
}

/* The client's next attempt, if the server lists its method. */
static enum err try_next(struct ssh *ssh, struct span methods, struct why *why)
{
	const struct ssh_options *o = &ssh->options;
	bool has_key = o->user_key != NULL;
	bool has_password = !has_key || (o->password != NULL && o->password[0] != '\0');

	if (has_key && ssh->auth == SSH_AUTH_METHOD &&
		ssh_list_has(methods, span_str("publickey"))) {
		ssh->auth = SSH_AUTH_KEY;
		return send_key(ssh);
	}
	if (has_password && ssh_list_has(methods, span_str("password"))) {
		ssh->auth = SSH_AUTH_PASSWORD;
		return send_password(ssh);
	}
	return err_set(why, ERR_DENIED, "the server does not accept %s",
		ssh->auth == SSH_AUTH_KEY ? "this key" :
			has_key           ? "keys" :
					    "passwords");
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
	if (ssh->auth != SSH_AUTH_METHOD && ssh->auth != SSH_AUTH_KEY)
		return out_of_turn(m);
	return try_next(ssh, methods, m->why);
}

void ssh_auth_report(struct ssh *ssh, struct ssh_event *out)
{
	ssh->auth = SSH_AUTH_OVER;
	ssh->phase = SSH_AT_UP;
	ssh->options.user = ssh->options.password = NULL;
	ssh->options.user_key = NULL;
	*out = (struct ssh_event){ .kind = SSH_UP };
}

enum err ssh_on_auth_success(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->role != SSH_CLIENT ||
		(ssh->auth != SSH_AUTH_METHOD && ssh->auth != SSH_AUTH_PASSWORD &&
			ssh->auth != SSH_AUTH_KEY))
		return out_of_turn(m);
	ssh_auth_report(ssh, &m->event);
	return ERR_OK;
}

static enum err send_failure(struct ssh *ssh)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_USERAUTH_FAILURE);

	ssh->auth = SSH_AUTH_METHOD;
	ssh_put_text(b, ssh->options.takes_keys ? "publickey,password" : "password");
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

/* Would this key do? The answer depends on its kind alone, so that it does not reveal
 * which keys are known. */
static enum err answer_query(struct ssh *ssh, struct span algorithm, struct span blob)
{
	struct buf *b;

	if (++ssh->auth_queries > QUERIES_MAX || !hostkey_blob_can(blob, algorithm))
		return deny(ssh);
	b = ssh_begin(ssh, SSH_MSG_USERAUTH_PK_OK);
	ssh_put_string(b, algorithm);
	ssh_put_string(b, blob);
	return ssh_send(ssh);
}

static bool is_proven(const struct ssh *ssh, struct span request, struct span algorithm,
	struct span blob, struct span signature)
{
	char name[HOSTKEY_ALGORITHM_MAX];
	struct buf data;
	bool ok;

	if (!hostkey_blob_can(blob, algorithm) || algorithm.n >= sizeof(name))
		return false;
	memcpy(name, algorithm.p, algorithm.n);
	name[algorithm.n] = '\0';
	buf_init(&data, SSH_PACKET_MAX);
	ok = put_signed(ssh, request, &data) == ERR_OK &&
		hostkey_verify(blob, name, buf_span(&data), signature) == ERR_OK;
	buf_fini(&data);
	return ok;
}

/* @request is the whole payload. RFC 4252 7. */
static enum err on_key(struct ssh *ssh, struct span user, struct span request,
	struct ssh_message *m)
{
	struct span algorithm, blob, signature;
	bool is_signed;

	if (!ssh_get_bool(&m->in, &is_signed) || !ssh_get_string(&m->in, &algorithm) ||
		!ssh_get_string(&m->in, &blob))
		return err_set(m->why, ERR_SYNTAX, "malformed public key request");
	if (!is_signed)
		return answer_query(ssh, algorithm, blob);
	request.n -= m->in.n;
	if (!ssh_get_string(&m->in, &signature))
		return err_set(m->why, ERR_SYNTAX, "malformed public key request");
	ssh->auth = SSH_AUTH_KEY;
	ssh->auth_key_is_proven = is_proven(ssh, request, algorithm, blob, signature);
	m->event = (struct ssh_event){
		.kind = SSH_KEY,
		.name = user,
		.data = blob,
		.ok = ssh->auth_key_is_proven,
	};
	return ERR_OK;
}

/* RFC 4252 5. */
enum err ssh_on_auth_request(struct ssh *ssh, struct ssh_message *m)
{
	/* The number of the message is in front of what is to be read. */
	struct span request = span_of(m->in.p - 1, m->in.n + 1);
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
	if (span_is(method, "publickey") && ssh->options.takes_keys)
		return on_key(ssh, user, request, m);
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
	if (ssh->role != SSH_SERVER ||
		(ssh->auth != SSH_AUTH_PASSWORD && ssh->auth != SSH_AUTH_KEY))
		return ERR_USAGE;
	if (!is_ok || (ssh->auth == SSH_AUTH_KEY && !ssh->auth_key_is_proven))
		return deny(ssh);
	ssh->auth = SSH_AUTH_ACCEPTED;
	(void)ssh_begin(ssh, SSH_MSG_USERAUTH_SUCCESS);
	return ssh_send(ssh);
}
