/* The agents that a relay knows. */
#include "serve/link/link_agents.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

struct link_agent {
	struct map_node by_label, by_key;
	char label[MANAGED_LABEL_MAX];
	struct buf key;   /* SSH's format */
	struct buf list;  /* JSON; empty: none yet */
	uint64_t version; /* of the list: t->changes when it was set; 0: none yet */
	uint64_t session; /* the number of its newest one; 0: none */
	struct link_agent_status status;
};

struct link_agents {
	struct link_agents_options o;
	struct link_keys keys;
	pthread_rwlock_t lock;
	struct map labels, blobs;
	atomic_uint_fast64_t changes;
};

static struct link_agent *find(const struct link_agents *t, const char *label)
{
	struct map_node *node = map_find(&t->labels, span_str(label));

	return node != NULL ? map_object(node, struct link_agent, by_label) : NULL;
}

/* ---- keys ---- */

static bool find_key(void *arg, struct span blob, char name[LINK_KEY_NAME_MAX])
{
	struct link_agents *t = arg;
	struct map_node *node;

	pthread_rwlock_rdlock(&t->lock);
	node = map_find(&t->blobs, blob);
	if (node != NULL)
		str_copy(name, LINK_KEY_NAME_MAX,
			map_object(node, struct link_agent, by_key)->label);
	pthread_rwlock_unlock(&t->lock);
	return node != NULL;
}

/* An agent opens nothing: the relay opens channels to it. */
static bool may_reach(void *arg, const char *name, const char *access)
{
	(void)arg;
	(void)name;
	(void)access;
	return false;
}

const struct link_keys *link_agents_keys(const struct link_agents *t)
{
	return &t->keys;
}

unsigned link_agents_worker(const struct link_agents *t, const char *label)
{
	return (unsigned)(str_digest(label) % t->o.workers);
}

/* ---- the control worker's ---- */

static void agent_free(struct link_agent *a)
{
	buf_fini(&a->key);
	buf_fini(&a->list);
	free(a);
}

static void drop(struct link_agents *t, struct link_agent *a)
{
	map_remove(&t->labels, &a->by_label);
	map_remove(&t->blobs, &a->by_key);
	agent_free(a);
}

enum err link_agents_put(struct link_agents *t, const char *label, struct span blob)
{
	struct link_agent *a = mem_new(a), *was;
	enum err rc;

	if (a == NULL)
		return ERR_NOMEM;
	buf_init(&a->key, HOSTKEY_BLOB_MAX);
	buf_init(&a->list, MANAGED_LIST_MAX);
	rc = buf_put_span(&a->key, blob);
	if (rc == ERR_OK && !str_copy(a->label, sizeof(a->label), label))
		rc = ERR_LIMIT;
	if (rc != ERR_OK) {
		agent_free(a);
		return rc;
	}
	pthread_rwlock_wrlock(&t->lock);
	was = find(t, label);
	if (was != NULL) {
		a->status = was->status;
		a->session = was->session;
		a->list = was->list;
		a->version = was->version;
		buf_init(&was->list, MANAGED_LIST_MAX);
		drop(t, was);
	}
	map_add(&t->labels, &a->by_label, span_str(a->label));
	map_add(&t->blobs, &a->by_key, buf_span(&a->key));
	pthread_rwlock_unlock(&t->lock);
	return ERR_OK;
}

void link_agents_remove(struct link_agents *t, const char *label)
{
	struct link_agent *a;

	pthread_rwlock_wrlock(&t->lock);
	a = find(t, label);
	if (a != NULL)
		drop(t, a);
	pthread_rwlock_unlock(&t->lock);
}

enum err link_agents_set_list(struct link_agents *t, const char *label, struct span json)
{
	struct link_agent *a;
	enum err rc = ERR_NOENT;

	pthread_rwlock_wrlock(&t->lock);
	a = find(t, label);
	if (a != NULL) {
		buf_reset(&a->list);
		rc = buf_put_span(&a->list, json);
		a->version = atomic_fetch_add(&t->changes, 1) + 1;
	}
	pthread_rwlock_unlock(&t->lock);
	return rc;
}

/* ---- any thread ---- */

bool link_agents_status(struct link_agents *t, const char *label,
	struct link_agent_status *out)
{
	const struct link_agent *a;

	pthread_rwlock_rdlock(&t->lock);
	a = find(t, label);
	if (a != NULL)
		*out = a->status;
	pthread_rwlock_unlock(&t->lock);
	return a != NULL;
}

uint64_t link_agents_changes(const struct link_agents *t)
{
	return atomic_load(&t->changes);
}

bool link_agents_read_list(struct link_agents *t, const char *label, uint64_t *version,
	struct buf *out)
{
	const struct link_agent *a;
	bool is_new;

	pthread_rwlock_rdlock(&t->lock);
	a = find(t, label);
	is_new = a != NULL && a->version != *version;
	if (is_new) {
		(void)!buf_put_span(out, buf_span(&a->list)); /* it sticks in @out */
		*version = a->version;
	}
	pthread_rwlock_unlock(&t->lock);
	return is_new;
}

static void changed(struct link_agents *t, const char *label)
{
	if (t->o.on_change != NULL)
		t->o.on_change(t->o.arg, label);
}

void link_agents_attach(struct link_agents *t, const char *label, uint64_t session,
	const struct addr *client, const char *version)
{
	struct link_agent *a;

	pthread_rwlock_wrlock(&t->lock);
	a = find(t, label);
	if (a != NULL) {
		a->session = session;
		a->status = (struct link_agent_status){
			.is_connected = true,
			.since_ms = clock_wall_ms(),
			.client = *client,
		};
		str_copy(a->status.version, sizeof(a->status.version), version);
	}
	pthread_rwlock_unlock(&t->lock);
	changed(t, label);
}

void link_agents_note_rtt(struct link_agents *t, const char *label, uint64_t rtt_us)
{
	struct link_agent *a;

	pthread_rwlock_wrlock(&t->lock);
	a = find(t, label);
	if (a != NULL)
		a->status.rtt_us = rtt_us;
	pthread_rwlock_unlock(&t->lock);
}

void link_agents_detach(struct link_agents *t, const char *label, uint64_t session)
{
	struct link_agent *a;

	pthread_rwlock_wrlock(&t->lock);
	a = find(t, label);
	if (a != NULL && a->session == session) {
		a->session = 0;
		a->status.is_connected = false;
		a->status.since_ms = clock_wall_ms();
	}
	pthread_rwlock_unlock(&t->lock);
	changed(t, label);
}

/* ---- the table ---- */

enum err link_agents_new(const struct link_agents_options *o, struct link_agents **out)
{
	struct link_agents *t = mem_new(t);

	if (t == NULL)
		return ERR_NOMEM;
	t->o = *o;
	t->keys = (struct link_keys){
		.find = find_key,
		.may_reach = may_reach,
		.arg = t,
	};
	pthread_rwlock_init(&t->lock, NULL);
	map_init(&t->labels);
	map_init(&t->blobs);
	*out = t;
	return ERR_OK;
}

void link_agents_free(struct link_agents *t)
{
	struct map_node *it, *tmp;

	if (t == NULL)
		return;
	map_each(it, tmp, &t->labels)
		drop(t, map_object(it, struct link_agent, by_label));
	map_fini(&t->labels);
	map_fini(&t->blobs);
	pthread_rwlock_destroy(&t->lock);
	free(t);
}
