/*
 * A claim for a port travels from data worker to data worker, to the session that holds
 * the port. If that is of the same user (or, where there are no users, of the same
 * client), its peer is probed, and the session ends if there is no answer. If both
 * sessions are of one run of a client, the holder ends at once: the client has given it
 * up. So the newest session wins over a dead one, and never over a live one.
 */
#include "serve/link/link_session.h"

#include <stdlib.h>

#include "base/str.h"

#define CLAIM_PROBE_MS 2500 /* so that all is done within 3 s */

struct link_claim {
	struct mail mail;           /* first */
	struct list in_session;     /* of the holder, while its peer is probed */
	struct link_server *server; /* borrowed: outlives all mail */
	unsigned home;              /* the worker of the session that claims */
	unsigned at;                /* the worker that has it now */
	uint64_t number;            /* of that session */
	uint16_t port;              /* that it wants */
	bool is_udp;
	bool is_held; /* by a session of the same client, which lives */
	char *user;
	char client[CONFIG_CLIENT_MAX];
	char run[CONFIG_RUN_MAX];
};

static void claim_on_mail(void *receiver, struct mail *mail);

static void claim_free(struct link_claim *c)
{
	free(c->user);
	free(c);
}

/* When the server goes down, mailboxes close one after the other, and then are no
 * more. */
static void claim_post(struct link_claim *c, unsigned to,
	void (*fn)(void *receiver, struct mail *mail))
{
	struct mailbox *box = c->server->shared->workers[to].worker.mailbox;

	c->mail.fn = fn;
	if (box == NULL || !mailbox_post(box, &c->mail))
		claim_free(c);
}

static void claim_visit(struct link_claim *c, unsigned worker)
{
	c->at = worker;
	claim_post(c, worker, claim_on_mail);
}

static void claim_on_home(void *receiver, struct mail *mail)
{
	struct link_claim *c = mem_container(mail, struct link_claim, mail);
	struct link_service *ls = link_service_of(receiver);
	struct link_session *s = link_session_find(ls, c->number);

	if (s != NULL)
		s->is_port_ours = c->is_held;
	claim_free(c);
	if (s != NULL)
		link_session_bind(s);
}

static void claim_send_home(struct link_claim *c)
{
	claim_post(c, c->home, claim_on_home);
}

static bool claim_is_of(const struct link_claim *c, const struct link_session *s)
{
	if (s->user != NULL)
		return c->user != NULL && strcmp(c->user, s->user) == 0;
	return c->user == NULL && c->client[0] != '\0' &&
		strcmp(c->client, s->config.client) == 0;
}

/* Of any address: two addresses of one port may be in each other's way. */
static bool session_holds(const struct link_session *s, uint16_t port, bool is_udp)
{
	for (unsigned i = 0; i < s->bound; i++) {
		if (s->entries[i] != NULL && entry_port(s->entries[i]) == port &&
			s->config.remotes[i].is_udp == is_udp)
			return true;
	}
	return false;
}

static struct link_session *claim_find_holder(const struct link_claim *c,
	struct link_service *ls)
{
	struct list *it, *next;

	list_each(it, next, &ls->sessions) {
		struct link_session *s = list_object(it, struct link_session, in_service);

		if (s->number != c->number && session_holds(s, c->port, c->is_udp) &&
			claim_is_of(c, s))
			return s;
	}
	return NULL;
}

static void claims_release(struct link_session *s, bool is_held)
{
	struct link_claim *c;

	while ((c = list_first(&s->claims, struct link_claim, in_session)) != NULL) {
		list_remove(&c->in_session);
		c->is_held = is_held;
		claim_send_home(c);
	}
}

/* Its claims are released when it has gone. */
static void claim_end_holder(struct link_session *s, const char *reason)
{
	link_session_log(s, "%s: a newer session takes over the ports", reason);
	chisel_session_close(s->session, ERR_TIMEOUT, "replaced by a newer session");
}

static void claim_on_probed(void *arg, bool is_alive)
{
	struct link_session *s = arg;

	if (is_alive)
		claims_release(s, true); /* it stays, and the newer session is refused */
	else
		claim_end_holder(s, "The client does not answer");
}

static void claim_on_mail(void *receiver, struct mail *mail)
{
	struct link_claim *c = mem_container(mail, struct link_claim, mail);
	struct link_service *ls = link_service_of(receiver);
	struct link_session *holder = claim_find_holder(c, ls);
	enum err rc;

	if (holder == NULL || holder->session == NULL) {
		if (c->at + 1 < c->server->shared->count)
			claim_visit(c, c->at + 1);
		else
			claim_send_home(c);
		return;
	}
	list_add(&holder->claims, &c->in_session);
	if (c->run[0] != '\0' && strcmp(c->run, holder->config.run) == 0) {
		claim_end_holder(holder, "The client has come back");
		return;
	}
	rc = chisel_session_probe(holder->session, CLAIM_PROBE_MS, claim_on_probed,
		holder);
	if (rc != ERR_OK && rc != ERR_EXISTS && rc != ERR_CLOSED)
		link_claims_release(holder); /* else its probe or its end releases them */
}

void link_claims_release(struct link_session *s)
{
	claims_release(s, false);
}

enum err link_claim_send(struct link_session *s, uint16_t port, bool is_udp)
{
	struct link_claim *c;

	if (s->user == NULL && s->config.client[0] == '\0')
		return ERR_DENIED;
	c = mem_new(c);
	if (c == NULL)
		return ERR_NOMEM;
	list_init(&c->in_session);
	c->server = s->service->server;
	c->home = s->service->worker->worker.index;
	c->number = s->number;
	c->port = port;
	c->is_udp = is_udp;
	c->user = s->user != NULL ? strdup(s->user) : NULL;
	str_copy(c->client, sizeof(c->client), s->config.client);
	str_copy(c->run, sizeof(c->run), s->config.run);
	if (s->user != NULL && c->user == NULL) {
		claim_free(c);
		return ERR_NOMEM;
	}
	claim_visit(c, 0);
	return ERR_OK;
}
