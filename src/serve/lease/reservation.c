/*
 * Reservations. A record has the state of a name. If its row in the store differs, the
 * record is dirty; all dirty records are written together.
 *
 * The end of a lease is a time of clock_boot_ms(), which does not change when the clock
 * is set. Only at a start the wall clock is used: for how long the lease would have
 * lasted, at most the longest time of a lease.
 */
#include "serve/lease/reservation.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "loop/loop.h"
#include "serve/lease/lease.h"
#include "store/name_store.h"

#define STORE_PAUSE_MS 1000                 /* between two transactions */
#define STORE_AGAIN_MS 55000                /* after one that failed */
#define STORE_ROWS 1000                     /* in one transaction */
#define UNTIL_STEP_MS (5 * UINT64_C(60000)) /* smaller moves of an end are not stored */

enum record_state {
	RECORD_HELD, /* by a live lease */
	RECORD_KEPT, /* its lease has ended */
	RECORD_FREE, /* its row is still to be removed */
};

struct record {
	struct map_node by_label;
	struct list in_all;   /* in the order in which leases have begun or ended */
	struct list in_dirty; /* on no list if its row is up to date */
	enum record_state state;
	char label[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	struct prefix network;
	bool is_alias, is_stored;
	uint16_t tcp_port;
	uint64_t until_ms;  /* wall clock */
	uint64_t ended_ms;  /* RECORD_KEPT: by clock_boot_ms(); may be in the future */
	uint64_t stored_ms; /* until_ms as the store has it; 0: it has no row */
};

struct reservations {
	struct reservations_options o;
	struct map by_label; /* struct record */
	struct list all, dirty;
	struct loop_timer *timer;
	uint64_t next_ms; /* no transaction before, by clock_now_ms() */
	bool is_failing;
};

/* ---- records ---- */

static struct record *record_find(const struct reservations *all, const char *label)
{
	struct map_node *node = map_find(&all->by_label, span_str(label));

	return node != NULL ? map_object(node, struct record, by_label) : NULL;
}

static void record_drop(struct reservations *all, struct record *r)
{
	map_remove(&all->by_label, &r->by_label);
	list_remove(&r->in_all);
	list_remove(&r->in_dirty);
	free(r);
}

/* At the limit, the name whose lease ended first is dropped. NULL: out of memory, or all
 * are held. */
static struct record *record_new(struct reservations *all, const char *label)
{
	struct record *r;
	struct list *it, *tmp;

	list_each(it, tmp, &all->all) {
		r = list_object(it, struct record, in_all);
		if (all->by_label.count < RESERVATIONS_MAX)
			break;
		if (r->state != RECORD_HELD)
			record_drop(all, r);
	}
	r = all->by_label.count < RESERVATIONS_MAX ? mem_new(r) : NULL;
	if (r == NULL)
		return NULL;
	list_init(&r->in_all);
	list_init(&r->in_dirty);
	str_copy(r->label, sizeof(r->label), label);
	map_add(&all->by_label, &r->by_label, span_str(r->label));
	return r;
}

/* ---- the store ---- */

static void store_plan(struct reservations *all)
{
	uint64_t now_ms = clock_now_ms();

	if (!list_is_empty(&all->dirty) && !loop_timer_is_set(all->timer))
		loop_timer_set(all->timer,
			all->next_ms > now_ms ? all->next_ms - now_ms : 0);
}

/* Marks it dirty if a relay that starts would be misled by its row. */
static void record_changed(struct reservations *all, struct record *r, bool is_other)
{
	bool has_row = r->stored_ms != 0,
	     wants_row = r->state != RECORD_FREE && r->is_stored;

	if (!list_is_empty(&r->in_dirty))
		return;
	if (has_row != wants_row ||
		(has_row && (is_other || r->until_ms > r->stored_ms + UNTIL_STEP_MS)))
		list_add(&all->dirty, &r->in_dirty);
	store_plan(all);
}

static enum err record_store(struct reservations *all, const struct record *r,
	struct why *why)
{
	const struct name_row row = {
		.label = r->label,
		.address = r->address,
		.until_ms = r->until_ms,
		.tcp_port = r->tcp_port,
	};

	return r->state != RECORD_FREE && r->is_stored ?
		name_store_put(all->o.store, &row, why) :
		name_store_remove(all->o.store, r->label, why);
}

static enum err store_rows(struct reservations *all, struct why *why)
{
	enum err rc = store_begin(all->o.store, false, why);
	struct list *it, *tmp;
	unsigned n = 0;

	if (rc != ERR_OK)
		return rc;
	list_each(it, tmp, &all->dirty) {
		if (rc == ERR_OK && n++ < STORE_ROWS)
			rc = record_store(all, list_object(it, struct record, in_dirty),
				why);
	}
	return store_end(all->o.store, rc, why);
}

/* The rows of the first STORE_ROWS are up to date. */
static void store_rows_done(struct reservations *all)
{
	for (unsigned n = 0; n < STORE_ROWS && !list_is_empty(&all->dirty); n++) {
		struct record *r = list_first(&all->dirty, struct record, in_dirty);

		list_remove(&r->in_dirty);
		r->stored_ms = r->is_stored ? r->until_ms : 0;
		if (r->state == RECORD_FREE)
			record_drop(all, r);
	}
}

static void store_flush(void *arg)
{
	struct reservations *all = arg;
	struct why why = { "" };
	enum err rc = store_rows(all, &why);

	if (rc == ERR_OK) {
		store_rows_done(all);
		if (all->is_failing)
			log_info(all->o.log, "names: stored again");
	} else if (!all->is_failing) {
		log_error(all->o.log, "names: not stored: %s; a restart would lose them",
			why.text);
	}
	all->is_failing = rc != ERR_OK;
	all->next_ms = clock_now_ms() + (rc == ERR_OK ? STORE_PAUSE_MS : STORE_AGAIN_MS);
	store_plan(all);
}

/* ---- names ---- */

static void record_free_name(struct reservations *all, struct record *r)
{
	r->state = RECORD_FREE;
	record_changed(all, r, false);
	if (list_is_empty(&r->in_dirty)) /* there was never a row */
		record_drop(all, r);
}

static bool record_is_over(const struct reservations *all, const struct record *r)
{
	return r->state == RECORD_KEPT &&
		r->ended_ms + all->o.grace_ms <= clock_boot_ms();
}

const char *reservations_holder(struct reservations *all, const char *label)
{
	const struct record *r = record_find(all, label);

	return r == NULL || r->state == RECORD_FREE || record_is_over(all, r) ?
		NULL :
		r->address;
}

void reservations_hold(struct reservations *all, const struct reservation *is)
{
	struct record *r = record_find(all, is->label);
	bool is_other;

	if (r == NULL)
		r = record_new(all, is->label);
	if (r == NULL)
		return;
	is_other = strcmp(r->address, is->address) != 0 || r->tcp_port != is->tcp_port;
	list_remove(&r->in_all);
	list_add(&all->all, &r->in_all);
	r->state = RECORD_HELD;
	str_copy(r->address, sizeof(r->address), is->address);
	r->network = is->network;
	r->is_alias = is->is_alias;
	r->is_stored = is->is_stored;
	r->tcp_port = is->tcp_port;
	r->until_ms = is->until_ms;
	record_changed(all, r, is_other);
}

void reservations_release(struct reservations *all, const char *label,
	const char *address, bool is_kept)
{
	struct record *r = record_find(all, label);

	if (r == NULL || r->state == RECORD_FREE || strcmp(r->address, address) != 0)
		return;
	list_remove(&r->in_all);
	list_add(&all->all, &r->in_all);
	if (!is_kept || all->o.grace_ms == 0) {
		record_free_name(all, r);
		return;
	}
	r->state = RECORD_KEPT;
	r->ended_ms = clock_boot_ms();
}

unsigned reservations_count(const struct reservations *all, const struct prefix *network,
	const char *label)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &all->all) {
		const struct record *r = list_object(it, struct record, in_all);

		n += r->state != RECORD_FREE && !r->is_alias &&
			prefix_eq(&r->network, network) && strcmp(r->label, label) != 0;
	}
	return n;
}

unsigned reservations_total(const struct reservations *all)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &all->all)
		n += list_object(it, struct record, in_all)->state != RECORD_FREE;
	return n;
}

void reservations_each_port(const struct reservations *all,
	void (*fn)(void *arg, const char *label, uint16_t port), void *arg)
{
	struct list *it, *tmp;

	list_each(it, tmp, &all->all) {
		const struct record *r = list_object(it, struct record, in_all);

		if (r->tcp_port != 0)
			fn(arg, r->label, r->tcp_port);
	}
}

void reservations_sweep(struct reservations *all)
{
	struct list *it, *tmp;

	list_each(it, tmp, &all->all) {
		struct record *r = list_object(it, struct record, in_all);

		if (record_is_over(all, r))
			record_free_name(all, r);
	}
}

void reservations_set_grace(struct reservations *all, uint32_t grace_ms)
{
	all->o.grace_ms = grace_ms;
}

/* ---- the beginning and the end ---- */

/* How long the lease would have lasted; its last renewal may not be in the row. */
static uint64_t row_lease_left(const struct name_row *row)
{
	uint64_t now_ms = clock_wall_ms(), most = LEASE_TTL_MAX_S * UINT64_C(1000);
	uint64_t until_ms = row->until_ms + UNTIL_STEP_MS;

	if (until_ms <= now_ms)
		return 0;
	return until_ms - now_ms < most ? until_ms - now_ms : most;
}

static enum err read_row(void *arg, const struct name_row *row)
{
	struct reservations *all = arg;
	char label[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE];
	struct record *r;

	if (names_parse_label(span_str(row->label), label, NULL) != ERR_OK ||
		address_parse(span_str(row->address), address) != ERR_OK)
		return ERR_OK; /* not written by us: it is ignored */
	r = record_new(all, label);
	if (r == NULL)
		return ERR_NOMEM;
	list_add(&all->all, &r->in_all);
	r->state = RECORD_KEPT;
	str_copy(r->address, sizeof(r->address), address);
	r->is_stored = true;
	r->tcp_port = row->tcp_port;
	r->until_ms = row->until_ms;
	r->stored_ms = row->until_ms > 0 ? row->until_ms : 1;
	r->ended_ms = clock_boot_ms() + row_lease_left(row);
	return ERR_OK;
}

static enum err store_trim(struct store *s, struct why *why)
{
	enum err rc = store_begin(s, false, why);

	return rc == ERR_OK ?
		store_end(s, name_store_trim(s, RESERVATIONS_MAX / 2, why), why) :
		rc;
}

enum err reservations_open(const struct reservations_options *o,
	struct reservations **out, struct why *why)
{
	struct reservations *all = mem_new(all);
	struct why detail = { "" };
	enum err rc;

	if (all == NULL)
		return err_set(why, ERR_NOMEM, "no memory for names");
	all->o = *o;
	map_init(&all->by_label);
	list_init(&all->all);
	list_init(&all->dirty);
	rc = loop_timer_open(o->loop, store_flush, all, &all->timer);
	if (rc != ERR_OK)
		err_set(why, rc, "no memory for names");
	/* The relay serves also when the disk is full. */
	if (rc == ERR_OK && store_trim(o->store, &detail) != ERR_OK)
		log_warn(o->log, "names: cannot remove old ones: %s", detail.text);
	if (rc == ERR_OK)
		rc = name_store_read(o->store, read_row, all, why);
	if (rc == ERR_OK)
		*out = all;
	else
		reservations_close(all);
	return rc;
}

void reservations_close(struct reservations *all)
{
	struct record *r;

	if (all == NULL)
		return;
	while (!list_is_empty(&all->dirty) && !all->is_failing)
		store_flush(all);
	while ((r = list_first(&all->all, struct record, in_all)) != NULL)
		record_drop(all, r);
	map_fini(&all->by_label);
	loop_timer_close(all->timer);
	free(all);
}
