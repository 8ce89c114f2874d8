/* A client of a link server. */
#include "serve/link/link_session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "serve/link/link_agents.h"
#include "text/duration.h"

#define SESSION_CHOSEN_MIN 32768 /* what the kernel chooses from, by default */

static void session_unbind(struct link_session *s)
{
	for (unsigned i = 0; s->entries != NULL && i < s->config.count; i++) {
		entry_close(s->entries[i]);
		s->entries[i] = NULL;
	}
}

/* It has authenticated, or is given up: it counts no more as pending. */
static void session_is_known(struct link_session *s)
{
	if (s->is_pending)
		s->service->pending--;
	s->is_pending = false;
}

static void session_count(struct link_session *s, uint64_t channels)
{
	struct link_server *server = s->service->server;
	uint64_t sent, received;

	chisel_session_bytes(s->session, &sent, &received);
	atomic_fetch_add(&server->sent_bytes, sent - s->counted_sent);
	atomic_fetch_add(&server->received_bytes, received - s->counted_received);
	atomic_fetch_add(&server->channels, channels - s->counted_channels);
	s->counted_sent = sent;
	s->counted_received = received;
	s->counted_channels = channels;
}

void link_sessions_count(void *service)
{
	struct link_service *ls = service;
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (s->session != NULL)
			session_count(s, chisel_session_channels(s->session));
		if (s->session != NULL && s->is_agent)
			link_agents_note_rtt(ls->server->o->agents, s->user,
				chisel_session_rtt_us(s->session));
	}
	loop_timer_set(ls->count, LINK_COUNT_MS);
}

static void session_free(struct link_session *s)
{
	session_is_known(s);
	link_session_end_agent(s);
	resolve_close(s->lookup);
	atomic_fetch_sub(&s->service->server->open, 1);
	list_remove(&s->in_service);
	exits_fini(&s->exits);
	session_unbind(s);
	free(s->entries);
	chisel_config_fini(&s->config);
	link_login_end(s);
	buf_fini(&s->key);
	link_claims_release(s); /* now that the ports are free */
	free(s->user);
	free(s);
}

/* The user in the newest users; NULL: it was removed, or there are no users. */
static const struct user *session_user(const struct link_session *s)
{
	if (link_users_of(s->service) == NULL || s->user == NULL)
		return NULL;
	return users_find(link_users_of(s->service), s->user);
}

/*
 * The one place that says what a client may reach, remotes and channels alike. Files that
 * were written for stock Chisel 1.11.5 allow SOCKS as ":", which is how it checks a
 * remote that has neither host nor port.
 */
static bool session_may_reach(const struct link_session *s, const char *access)
{
	const struct user *user = session_user(s);
	const struct link_keys *keys = s->service->server->o->keys;

	if (s->key.n > 0)
		return keys->may_reach(keys->arg, s->user, access);
	if (link_users_of(s->service) == NULL)
		return keys == NULL;
	if (user == NULL)
		return false;
	return user_may_reach(user, access) ||
		(strcmp(access, "socks") == 0 && user_may_reach(user, ":"));
}

static bool session_may_dial(void *owner, const char *access)
{
	return session_may_reach(owner, access);
}

/* ---- the handshake ---- */

static void session_on_password(void *owner, struct span name, struct span password)
{
	link_login_begin(owner, name, password);
}

static void session_on_key(void *owner, struct span name, struct span blob,
	bool is_proven)
{
	link_login_begin_key(owner, name, blob, is_proven);
}

static void session_on_up(void *owner)
{
	struct link_session *s = owner;

	session_is_known(s);
	log_debug(&s->log, "Verifying configuration");
}

static void session_answer(struct link_session *s, const char *refusal)
{
	bool is_accepted = refusal[0] == '\0';
	enum err rc = chisel_session_answer(s->session, is_accepted, span_str(refusal));

	if (!is_accepted) {
		log_limited(LOG_INFO, &s->log, "Failed: %s", refusal);
		session_unbind(s); /* it may come back before this one is gone */
	}
	if (rc != ERR_OK)
		chisel_session_close(s->session, rc, "the answer cannot be sent");
}

/* ---- the remotes it declares ---- */

/* Empty if @r is allowed; else the text of chisel-protocol 4.2. Returns @to. */
static const char *session_judge(const struct link_session *s, const struct remote *r,
	char *to, size_t size)
{
	char access[REMOTE_TEXT_MAX];

	to[0] = '\0';
	remote_print_access(r, access);
	if (!session_may_reach(s, access))
		snprintf(to, size, "server: access to '%s' denied", access);
	else if (r->is_reverse && !s->service->server->o->allows_reverse)
		snprintf(to, size,
			"server: Reverse port forwaring not enabled on server");
	return to;
}

/* @host is what the local host of the remote is here. */
static enum err session_listen(struct link_session *s, unsigned index, const char *host,
	struct why *why)
{
	struct remote here = s->config.remotes[index];
	struct entry_options o = {
		.worker = &s->service->worker->worker,
		.remote = &here,
		.log = &s->tun,
		.tuning = &s->service->server->o->tuning,
		.is_anonymous = s->user == NULL,
	};

	str_copy(here.local_host, sizeof(here.local_host), host);
	return entry_open(&o, &s->entries[index], why);
}

/* Stock's text and the reason, which is else in the server's log only. */
static enum err session_cannot_listen(struct link_session *s, enum err rc,
	const struct why *why)
{
	const char *reason = rc == ERR_EXISTS && s->is_port_ours ? CONFIG_PORT_IS_YOURS :
		rc == ERR_EXISTS                                 ? "the port is in use" :
		rc == ERR_DENIED ? "the server may not open this port" :
				   err_name(rc);
	char text[REMOTE_TEXT_MAX + 128], name[REMOTE_TEXT_MAX];

	link_session_log(s, "%s", err_text(rc, why));
	snprintf(text, sizeof(text), "server: Server cannot listen on %s: %s",
		remote_print(&s->config.remotes[s->bound], name), reason);
	session_answer(s, text);
	return rc;
}

static void session_on_host(void *arg, enum err rc, const struct addr *addrs,
	unsigned count, const struct why *why)
{
	struct link_session *s = arg;
	char text[ADDR_TEXT_MAX];
	unsigned i = 0;

	s->lookup = NULL;
	if (rc != ERR_OK || count == 0) {
		session_cannot_listen(s, rc, why);
		return;
	}
	/* A name means one address; IPv4 if it has one, as Go has it. */
	while (i + 1 < count && addrs[i].sa.sa_family != AF_INET)
		i++;
	if (addrs[i].sa.sa_family != AF_INET)
		i = 0;
	str_copy(s->host, sizeof(s->host), addr_print_ip(&addrs[i], text));
	link_session_bind(s);
}

/*
 * Finds out what to bind. The name is the client's, and the name server may be, too:
 * no other session of this worker may wait for it. ERR_AGAIN: the lookup has begun.
 */
static enum err session_find_host(struct link_session *s, const struct remote *r)
{
	struct addr addr;

	if (s->host[0] != '\0' || r->local_host[0] == '\0')
		return ERR_OK;
	if (addr_from_literal(r->local_host, 0, &addr) == ERR_OK) {
		str_copy(s->host, sizeof(s->host), r->local_host);
		return ERR_OK;
	}
	if (resolve_open(s->service->worker->worker.loop, r->local_host, 0,
		    session_on_host, s, &s->lookup) != ERR_OK)
		return session_cannot_listen(s, ERR_NOMEM, NULL);
	return ERR_AGAIN;
}

/* Only an adit client that has left a port to the server gets the ports. */
static bool session_tells_ports(const struct link_session *s)
{
	for (unsigned i = 0; i < s->config.count; i++) {
		if (s->config.remotes[i].last_port != 0)
			return s->config.run[0] != '\0';
	}
	return false;
}

static void session_accept(struct link_session *s)
{
	uint16_t *ports = calloc(s->config.count + 1, sizeof(*ports));
	struct buf details;
	enum err rc = ports != NULL ? ERR_OK : ERR_NOMEM;

	buf_init(&details, CONFIG_BYTES_MAX);
	for (unsigned i = 0; i < s->config.count && rc == ERR_OK; i++)
		ports[i] = s->entries[i] != NULL ? entry_port(s->entries[i]) : 0;
	if (rc == ERR_OK)
		rc = chisel_ports_print(ports, s->config.count, &details);
	if (rc == ERR_OK)
		rc = chisel_session_answer(s->session, true, buf_span(&details));
	if (rc != ERR_OK)
		chisel_session_close(s->session, rc, "the answer cannot be sent");
	buf_fini(&details);
	free(ports);
}

/* "R:3000=>localhost:3000, 80=>80", as far as there is room. */
static const char *session_print_remotes(const struct link_session *s, char *to,
	size_t size)
{
	char name[REMOTE_TEXT_MAX];
	size_t n = 0;

	str_copy(to, size, "no remotes");
	for (unsigned i = 0; i < s->config.count; i++) {
		remote_print(&s->config.remotes[i], name);
		if (n + strlen(name) + sizeof(", and 1024 more") >= size) {
			snprintf(to + n, size - n, ", and %u more", s->config.count - i);
			break;
		}
		n += (size_t)snprintf(to + n, size - n, "%s%s", i > 0 ? ", " : "", name);
	}
	return to;
}

static void session_log_opened(const struct link_session *s)
{
	char address[ADDR_TEXT_MAX], version[LINK_TEXT_MAX], user[LINK_TEXT_MAX];
	char remotes[600];

	link_session_log(s, "opened: %s%s%s%s, %s %s: %s",
		s->user != NULL ? "user \"" : "",
		s->user != NULL ? str_quote(user, sizeof(user), span_str(s->user)) : "",
		s->user != NULL ? "\" from " : "from ",
		addr_port(&s->client) != 0 ? addr_print(&s->client, address) :
					     addr_print_ip(&s->client, address),
		s->config.client[0] != '\0' ? "adit" : "version",
		str_quote(version, sizeof(version), span_str(s->config.version)),
		session_print_remotes(s, remotes, sizeof(remotes)));
}

static void session_log_closed(const struct link_session *s, const char *reason)
{
	char text[DURATION_TEXT_MAX];
	uint64_t sent, received;

	if (!s->is_bound) {
		log_debug(&s->log, "Closed connection: %s", reason);
		return;
	}
	chisel_session_bytes(s->session, &sent, &received);
	link_session_log(s, "closed: %s; sent %llu bytes, received %llu, open for %s",
		reason, (unsigned long long)sent, (unsigned long long)received,
		duration_print((clock_now_ms() - s->opened_ms) / 1000 * 1000000, text));
}

static void session_on_bound(struct link_session *s)
{
	if (session_tells_ports(s))
		session_accept(s);
	else
		session_answer(s, "");
	s->is_bound = true;
	s->opened_ms = clock_now_ms();
	session_log_opened(s);
	log_debug(&s->tun, "Bound proxies");
	for (unsigned i = 0; i < s->config.count; i++) {
		if (s->entries[i] != NULL)
			entry_attach(s->entries[i], s->session);
	}
	if (s->service->server->o->agents != NULL)
		link_session_begin_agent(s);
}

/* ERR_AGAIN: a lookup or a claim has begun. */
static enum err session_bind_one(struct link_session *s, struct remote *r)
{
	bool chooses = strcmp(r->local_port, "0") == 0;
	char text[REMOTE_TEXT_MAX + 64];
	struct why why = { "" };
	enum err rc;

	if (session_judge(s, r, text, sizeof(text))[0] != '\0') {
		session_answer(s, text);
		return ERR_DENIED;
	}
	if (!r->is_reverse)
		return ERR_OK;
	rc = session_find_host(s, r);
	if (rc != ERR_OK)
		return rc;
	/* A user of port 0 may ask again for a port that the kernel could have chosen. */
	if (!chooses || r->last_port < SESSION_CHOSEN_MIN)
		r->last_port = 0;
	rc = session_listen(s, s->bound, s->host, &why);
	if (rc == ERR_EXISTS && !s->has_claimed &&
		link_claim_send(s,
			chooses ? r->last_port : remote_port_number(r->local_port),
			r->is_udp) == ERR_OK) {
		s->has_claimed = true;
		return ERR_AGAIN;
	}
	if (rc != ERR_OK && r->last_port != 0) {
		r->last_port = 0; /* another one then */
		rc = session_listen(s, s->bound, s->host, &why);
	}
	if (rc != ERR_OK)
		return session_cannot_listen(s, rc, &why);
	r->last_port = chooses ? entry_port(s->entries[s->bound]) : 0;
	return ERR_OK;
}

void link_session_bind(struct link_session *s)
{
	while (s->bound < s->config.count) {
		if (session_bind_one(s, &s->config.remotes[s->bound]) != ERR_OK)
			return;
		s->bound++;
		s->has_claimed = s->is_port_ours = false;
		s->host[0] = '\0';
	}
	session_on_bound(s);
}

static void session_compare_versions(struct link_session *s)
{
	const char *theirs = s->config.version, *ours = ADIT_VERSION;
	bool is_ours = s->config.client[0] != '\0';
	char text[LINK_TEXT_MAX];

	if (theirs[0] == 'v')
		theirs++;
	/* The numbers of other programs say nothing beside ours. */
	if (is_ours && strcmp(theirs, ours) != 0)
		link_session_log(s,
			"Client version (%s) differs from server version (%s)",
			str_quote(text, sizeof(text), span_str(theirs)), ours);
	/* Releases of the stock client from 1.12 on carry half-close, and so do we. */
	if (is_ours || str_has_prefix(theirs, "1.12."))
		chisel_session_trust_half_close(s->session);
}

static void session_on_config(void *owner, struct span name, struct span data)
{
	struct link_session *s = owner;
	const char *refusal;

	if (!span_is(name, "config")) {
		session_answer(s, "server: expecting config request");
		return;
	}
	if (chisel_config_parse(data, &s->config) != ERR_OK) {
		session_answer(s, "server: invalid config");
		return;
	}
	session_compare_versions(s);
	refusal = link_session_judge_agent(s);
	if (refusal != NULL) {
		session_answer(s, refusal);
		return;
	}
	s->entries = calloc(s->config.count + 1, sizeof(struct entry *));
	if (s->entries == NULL)
		session_answer(s, "server: out of memory");
	else
		link_session_bind(s);
}

/* ---- the channels it opens ---- */

static void session_on_open(void *owner, struct channel *ch, struct span text)
{
	struct link_session *s = owner;
	struct remote_target target;
	char quoted[LINK_TEXT_MAX];

	if (remote_target_parse(text, &target) != ERR_OK) {
		channel_refuse(ch, SSH_CONNECT_FAILED, "invalid request");
	} else if (!session_may_reach(s, target.access)) {
		log_debug(&s->tun, "Denied connection to \"%s\" (ACL)",
			str_quote(quoted, sizeof(quoted), text));
		channel_refuse(ch, SSH_PROHIBITED, "access denied");
	} else if (target.is_socks && !s->service->server->o->allows_socks) {
		log_debug(&s->tun, "Denied socks request, please enable socks");
		channel_refuse(ch, SSH_PROHIBITED, "SOCKS5 is not enabled");
	} else {
		exits_add(&s->exits, ch, &target);
	}
}

/* ---- its beginning and end ---- */

static void session_on_closed(void *owner, enum err rc, const struct why *why)
{
	struct link_session *s = owner;

	session_log_closed(s, err_text(rc, why));
	session_count(s, 0);
	s->session = NULL;
	session_free(s);
}

static const struct chisel_session_hooks session_hooks = {
	.on_password = session_on_password,
	.on_key = session_on_key,
	.on_up = session_on_up,
	.on_config = session_on_config,
	.on_open = session_on_open,
	.on_closed = session_on_closed,
};

void link_session_open_take(struct link_service *ls, struct stream *stream,
	const struct addr *client)
{
	char ip[ADDR_TEXT_MAX];

	struct link_session *s = mem_new(s);
	struct chisel_session_options o = {
		.role = SSH_SERVER,
		.worker = &ls->worker->worker,
		.stream = stream,
		.tuning = &ls->server->o->tuning,
		.key = ls->server->key,
		.takes_keys = ls->server->o->keys != NULL,
		.hooks = &session_hooks,
		.owner = s,
	};

	if (s == NULL) {
		stream_abort(stream);
		return;
	}
	s->service = ls;
	s->client = *client;
	s->number = atomic_fetch_add(&ls->server->numbers, 1) + 1;
	atomic_fetch_add(&ls->server->open, 1);
	log_init(&s->log, &ls->server->log, "session#%llu",
		(unsigned long long)s->number);
	log_init(&s->tun, &s->log, "tun");
	buf_init(&s->key, HOSTKEY_BLOB_MAX);
	buf_init(&s->login.key, HOSTKEY_BLOB_MAX);
	list_init(&s->claims);
	list_init(&s->in_service);
	list_add(&ls->sessions, &s->in_service);
	s->is_pending = true;
	ls->pending++;
	exits_init(&s->exits, &ls->worker->worker, &s->tun, &ls->server->o->tuning);
	if (ls->server->o->checks_socks)
		s->exits.may_reach = session_may_dial;
	s->exits.owner = s;
	if (chisel_session_open(&o, &s->session) == ERR_OK) {
		log_debug(&s->log, "Handshaking with %s...", addr_print(client, ip));
		return;
	}
	stream_abort(stream);
	session_free(s);
}

struct link_session *link_session_find(struct link_service *ls, uint64_t number)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (s->number == number)
			return s;
	}
	return NULL;
}

void link_sessions_close(struct link_service *ls)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions)
		chisel_session_close(list_object(it, struct link_session, in_service)
					     ->session,
			ERR_CLOSED, "going away");
}

void link_sessions_drop_oldest(struct link_service *ls)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (!s->is_pending)
			continue;
		session_is_known(s);
		chisel_session_close(s->session, ERR_LIMIT,
			"too many have not authenticated");
		return;
	}
}

/* Ports that the user's list does not allow close, and open again when it does. */
static void session_check_ports(struct link_session *s)
{
	char text[REMOTE_TEXT_MAX + 64], name[REMOTE_TEXT_MAX];
	struct why why = { "" };
	struct addr addr;
	enum err rc;

	for (unsigned i = 0; i < s->bound; i++) {
		const struct remote *r = &s->config.remotes[i];
		bool is_allowed = session_judge(s, r, text, sizeof(text))[0] == '\0';

		if (!r->is_reverse || is_allowed == (s->entries[i] != NULL))
			continue;
		if (!is_allowed) {
			log_info(&s->tun, "proxy#%s: closed: %s", remote_print(r, name),
				text + strlen("server: "));
			entry_close(s->entries[i]);
			s->entries[i] = NULL;
		} else if (s->is_bound &&
			addr_from_literal(r->local_host, 0, &addr) == ERR_OK) {
			rc = session_listen(s, i, r->local_host, &why);
			if (rc == ERR_OK)
				entry_attach(s->entries[i], s->session);
			else
				log_info(&s->tun, "%s", err_text(rc, &why));
		}
	}
}

/* Why the login of @s is not good any more; NULL: it is. */
static const char *session_find_fault(const struct link_session *s)
{
	const struct user *user = session_user(s);

	if (s->key.n > 0)
		return link_login_key_is_good(s) ? NULL : "the key was revoked";
	if (user == NULL)
		return "the user was removed from the users file";
	if (!span_eq(user_login(user), span_of(s->digest, sizeof(s->digest))))
		return "the user's password was changed";
	return NULL;
}

static void session_check_login(struct link_session *s)
{
	const char *reason;

	if (s->user == NULL || s->session == NULL)
		return;
	reason = session_find_fault(s);
	if (reason != NULL) {
		log_info(&s->log, "closing: %s", reason);
		chisel_session_close(s->session, ERR_DENIED, reason);
		return;
	}
	exits_check(&s->exits, session_may_dial);
	session_check_ports(s);
}

void link_sessions_check_users(struct link_service *ls)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (s->key.n == 0)
			session_check_login(s);
	}
}

void link_sessions_check_keys(struct link_service *ls)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (s->key.n > 0)
			session_check_login(s);
	}
}
