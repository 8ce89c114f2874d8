/*
 * Logins. The password or key is checked on the session's worker; the control worker,
 * which is told of all logins, decides how long the answer waits
 * (serve/link/login_guard.h).
 */
#include "serve/link/link_session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

/* A login on its way to the control worker, and its verdict on the way back. */
struct login_mail {
	struct link_server *server; /* borrowed: outlives all mail */
	unsigned home;              /* the session's worker */
	uint64_t number;            /* of the session */
	struct prefix client;
	bool is_good;
	struct login_verdict verdict;
};

/* ---- the answer ---- */

/* True if @key is known as that of @user. */
static bool key_is_of(const struct link_session *s, const struct buf *key,
	const char *user)
{
	const struct link_keys *keys = s->service->server->o->keys;
	char name[LINK_KEY_NAME_MAX];

	return keys->find(keys->arg, buf_span(key), name) && strcmp(name, user) == 0;
}

bool link_login_key_is_good(const struct link_session *s)
{
	return key_is_of(s, &s->key, s->user);
}

/* Users and keys may have changed while the answer waited. */
static bool login_is_good(const struct link_session *s)
{
	const struct users *users = link_users_of(s->service);
	const struct user *user;

	if (s->login.user == NULL)
		return false;
	if (s->login.key.n > 0)
		return key_is_of(s, &s->login.key, s->login.user);
	user = users != NULL ? users_find(users, s->login.user) : NULL;
	return user != NULL &&
		span_eq(user_login(user), span_of(s->login.digest, USER_LOGIN_BYTES));
}

/* The one form of these lines, which packaging/fail2ban matches. The name is last,
 * because the client chooses it. */
static void login_log_failure(const struct link_session *s,
	const struct login_verdict *verdict)
{
	char more[40] = "", ip[ADDR_TEXT_MAX];

	if (verdict->unlogged > 0)
		snprintf(more, sizeof(more), " (and %u times before)", verdict->unlogged);
	log_limited(verdict->is_logged ? LOG_INFO : LOG_DEBUG, &s->log,
		"Login failed from %s for user \"%s\"%s", addr_print_ip(&s->client, ip),
		s->login.name, more);
}

static void login_answer(struct link_session *s)
{
	bool is_good = login_is_good(s);

	if (is_good) {
		free(s->user);
		s->user = s->login.user;
		s->login.user = NULL;
		buf_fini(&s->key);
		s->key = s->login.key;
		buf_init(&s->login.key, HOSTKEY_BLOB_MAX);
		memcpy(s->digest, s->login.digest, sizeof(s->digest));
	}
	chisel_session_login(s->session, is_good);
}

static void login_on_timer(void *arg)
{
	login_answer(arg);
}

static void login_take_verdict(struct link_session *s,
	const struct login_verdict *verdict)
{
	if (s->login.user == NULL)
		login_log_failure(s, verdict);
	if (verdict->is_refused) {
		chisel_session_close(s->session, ERR_LIMIT,
			"too many failed logins from this address");
		return;
	}
	if (verdict->wait_ms == 0) {
		login_answer(s);
		return;
	}
	if (s->login.timer == NULL &&
		loop_timer_open(s->service->worker->worker.loop, login_on_timer, s,
			&s->login.timer) != ERR_OK)
		chisel_session_close(s->session, ERR_NOMEM, NULL);
	else
		loop_timer_set(s->login.timer, verdict->wait_ms);
}

/* ---- mail ---- */

static void login_on_home(struct worker *worker, void *body)
{
	struct link_service *ls = link_service_of(worker);
	struct login_mail *m = body;
	struct link_session *s = link_session_find(ls, m->number);

	if (s != NULL && s->session != NULL)
		login_take_verdict(s, &m->verdict);
}

static void login_on_control(struct worker *control, void *body)
{
	struct login_mail *m = body;
	struct link_server *server = m->server;

	(void)control;
	if (server->shared->workers == NULL)
		return; /* when the server goes down, the workers go first */
	m->verdict = login_guard_try(server->guard, &m->client, m->is_good,
		clock_now_ms());
	if (!worker_send(&server->shared->workers[m->home].worker, login_on_home, m,
		    sizeof(*m)))
		log_error(&server->log, "out of memory: a login is not answered");
}

static bool login_ask(struct link_session *s, const struct prefix *client)
{
	struct login_mail m = {
		.server = s->service->server,
		.home = s->service->worker->worker.index,
		.number = s->number,
		.client = *client,
		.is_good = s->login.user != NULL,
	};

	return worker_send(m.server->control, login_on_control, &m, sizeof(m));
}

/* ---- the login ---- */

/* Loopback is a proxy that does not name the client: such logins are not delayed. */
static bool login_has_client(const struct link_session *s, struct prefix *client)
{
	return !addr_is_loopback(&s->client) &&
		prefix_of_client(&s->client, LOGIN_GUARD_IP6_BITS, client);
}

/* @user: NULL if the password or key is wrong. */
static void login_begin(struct link_session *s, struct span name, const char *user)
{
	struct prefix client;

	str_quote(s->login.name, sizeof(s->login.name), name);
	free(s->login.user);
	s->login.user = user != NULL ? strdup(user) : NULL;
	if (s->login.user == NULL)
		atomic_fetch_add(&s->service->server->failed_logins, 1);
	if (!login_has_client(s, &client)) {
		if (s->login.user == NULL)
			log_limited(LOG_INFO, &s->log, "Login failed for user \"%s\"",
				s->login.name);
		login_answer(s);
	} else if (!login_ask(s, &client)) {
		chisel_session_close(s->session, ERR_NOMEM, NULL);
	}
}

void link_login_begin(struct link_session *s, struct span name, struct span password)
{
	struct users *users = link_users_of(s->service);
	const struct user *user;

	if (users == NULL && s->service->server->o->keys == NULL) {
		chisel_session_login(s->session, true);
		return;
	}
	buf_reset(&s->login.key);
	user = users != NULL ? users_check(users, name, password) : NULL;
	if (user != NULL)
		memcpy(s->login.digest, user_login(user).p, sizeof(s->login.digest));
	login_begin(s, name, user != NULL ? user_name(user) : NULL);
}

void link_login_begin_key(struct link_session *s, struct span name, struct span blob,
	bool is_proven)
{
	const struct link_keys *keys = s->service->server->o->keys;
	char user[LINK_KEY_NAME_MAX];
	bool is_good = is_proven && keys->find(keys->arg, blob, user);

	buf_reset(&s->login.key);
	if (buf_put_span(&s->login.key, blob) != ERR_OK)
		is_good = false;
	login_begin(s, name, is_good ? user : NULL);
}

void link_login_end(struct link_session *s)
{
	buf_fini(&s->login.key);
	loop_timer_close(s->login.timer);
	free(s->login.user);
}
