/* The panel: one winner for each name and port, nothing half done. */
#include "serve/lease/store_test.h"

#include <sqlite3.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "panel/panel.h"
#include "panel/panel_priv.h"

#define T0_MS UINT64_C(1780315200500)

struct fixture {
	struct test_store store;
	struct log log;
	struct panel *p;
	char published[2000]; /* "+web.example.com ~..." */
	bool is_failing;      /* the next on_tunnel() */
	struct path_dns dns;
};

static enum err on_tunnel(void *owner, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why)
{
	struct fixture *f = owner;
	size_t n = strlen(f->published);

	if (f->is_failing) {
		f->is_failing = false;
		return err_set(why, ERR_SYS, "Nginx configuration failed: no nginx");
	}
	snprintf(f->published + n, sizeof(f->published) - n, "%s%s ",
		before == NULL        ? "+" :
			after == NULL ? "-" :
					"~",
		after != NULL ? after->fqdn : before->fqdn);
	return ERR_OK;
}

static bool name_is_taken(void *owner, const char *label, struct why *why)
{
	(void)owner;
	err_set(why, ERR_EXISTS, "a lease has it");
	return strcmp(label, "leased") == 0;
}

static bool port_is_taken(void *owner, uint16_t port, struct why *why)
{
	(void)owner;
	err_set(why, ERR_EXISTS, "the API listens on it");
	return port == 4017;
}

static void dns_of(void *owner, const char *host, struct path_dns *out)
{
	struct fixture *f = owner;

	(void)host;
	*out = f->dns;
}

static const struct panel_hooks hooks = {
	.on_tunnel = on_tunnel,
	.name_is_taken = name_is_taken,
	.port_is_taken = port_is_taken,
	.dns_of = dns_of,
};

static const struct panel_caller admin = { .name = "admin" };

static void open_panel(struct fixture *f)
{
	const struct panel_options o = {
		.store = f->store.store,
		.domain = "example.com",
		.link_url = "https://tunnel.example.com",
		.state_dir = f->store.dir,
		.log = &f->log,
		.hooks = &hooks,
		.owner = f,
	};
	struct why why = { "" };

	if (panel_open(&o, &f->p, &why) != ERR_OK)
		fail_msg("%s", why.text);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	clock_freeze(T0_MS);
	log_set_level(LOG_ERROR);
	log_init(&f->log, NULL, "test");
	test_store_open(&f->store);
	open_panel(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	panel_close(f->p);
	test_store_remove(&f->store);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	panel_close(f->p);
	test_store_close(&f->store);
	test_store_open(&f->store);
	f->published[0] = '\0';
	open_panel(f);
}

/* A tunnel of that name and port; NULL: refused with rc and words. */
static const struct panel_tunnel *try(struct fixture *f, const char *name, uint16_t port,
	enum err rc, const char *words)
{
	struct panel_spec spec = { .port = 0 };
	const struct panel_request req = { .caller = &admin, .spec = &spec };
	const struct panel_tunnel *t = NULL;
	struct why why = { "" };
	enum err got;

	assert_int_equal(field_defaults(&panel_spec_fields, &spec, NULL), ERR_OK);
	str_copy(spec.subdomain, sizeof(spec.subdomain), name);
	spec.port = port;
	got = panel_create(f->p, &req, &t, &why);
	field_fini(&panel_spec_fields, &spec);
	if (got != rc || strstr(why.text, words) == NULL)
		fail_msg("%s %u: %s: %s", name, port, err_name(got), why.text);
	return t;
}

static const struct panel_tunnel *add(struct fixture *f, const char *name, uint16_t port)
{
	return try(f, name, port, ERR_OK, "");
}

static void test_a_new_tunnel_has_the_defaults_of_the_contract(void **state)
{
	struct fixture *f = *state;
	const struct panel_tunnel *t = add(f, "myapp", 3000);
	char target[PANEL_TARGET_SIZE], time[PANEL_TIME_SIZE];

	assert_string_equal(t->fqdn, "myapp.example.com");
	assert_string_equal(t->spec.access, "restricted");
	assert_string_equal(t->spec.kind, "app");
	assert_true(t->spec.is_enabled);
	assert_string_equal(panel_tunnel_target(t, target), "localhost:3000");
	assert_string_equal(panel_print_time(t->created_ms, time),
		"2026-06-01T12:00:00.500Z");
	assert_int_equal(strlen(t->id), 36);
	assert_int_equal(t->id[14], '4');
	assert_non_null(strchr("89ab", t->id[19]));
	assert_string_equal(f->published, "+myapp.example.com ");
	assert_false(panel_is_served(f->p, t));
}

static void test_names_and_ports_that_cannot_be_had(void **state)
{
	struct fixture *f = *state;

	add(f, "home", 8123);
	try(f, "panel", 3000, ERR_USAGE, "choose another name, such as my-panel");
	try(f, "api", 3000, ERR_USAGE, "reserved");
	try(f, "agent-nas", 3000, ERR_USAGE, "reserved");
	try(f, "home", 3000, ERR_EXISTS, "home is taken: it goes to localhost:8123");
	try(f, "leased", 3000, ERR_EXISTS, "leased is taken: a lease has it");
	try(f, "web", 8123, ERR_EXISTS, "used by the tunnel home");
	try(f, "web", 9090, ERR_USAGE, "used by adit");
	try(f, "web", 4017, ERR_USAGE, "the API listens on it");
	assert_int_equal(panel_count(f->p), 1);
	assert_string_equal(f->published, "+home.example.com ");
}

static void test_fifty_creations_of_one_name_or_port_have_one_winner(void **state)
{
	struct fixture *f = *state;
	char name[16];

	add(f, "one", 3000);
	for (unsigned i = 1; i < 50; i++)
		try(f, "one", (uint16_t)(3000 + i), ERR_EXISTS, "taken");
	for (unsigned i = 1; i < 50; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		try(f, name, 3000, ERR_EXISTS, "used");
	}
	assert_int_equal(panel_count(f->p), 1);
	reopen(f);
	assert_int_equal(panel_count(f->p), 1);
	assert_string_equal(f->published, "+one.example.com ");
}

static const struct panel_tunnel *change(struct fixture *f, const struct panel_tunnel *t,
	const char *name, bool is_enabled, enum err rc)
{
	struct panel_spec spec = { .port = 0 };
	const struct panel_request req = { .caller = &admin, .spec = &spec };

	assert_int_equal(panel_spec_copy(&t->spec, &spec), ERR_OK);
	str_copy(spec.subdomain, sizeof(spec.subdomain), name);
	spec.is_enabled = is_enabled;
	assert_int_equal(panel_change(f->p, t, &req, &t, NULL), rc);
	field_fini(&panel_spec_fields, &spec);
	return t;
}

static void test_a_change_keeps_the_id_and_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	const struct panel_tunnel *t = add(f, "web", 3000);
	char id[PANEL_ID_SIZE];

	strcpy(id, t->id);
	clock_advance(1000);
	t = change(f, t, "site", false, ERR_OK);
	assert_string_equal(t->id, id);
	assert_string_equal(t->paused_by, "admin");
	assert_int_equal(t->paused_ms, T0_MS + 1000);
	assert_null(panel_find_name(f->p, "web"));
	assert_ptr_equal(panel_find_name(f->p, "site"), t);
	clock_advance(1000);
	t = change(f, t, "site", false, ERR_OK);
	assert_int_equal(t->paused_ms, T0_MS + 1000);
	reopen(f);
	t = panel_find(f->p, id);
	assert_non_null(t);
	assert_string_equal(t->spec.subdomain, "site");
	assert_false(t->spec.is_enabled);
	assert_int_equal(t->created_ms, T0_MS);
	add(f, "web", 3001);
	change(f, t, "web", true, ERR_EXISTS);
	t = change(f, t, "site", true, ERR_OK);
	assert_int_equal(t->paused_ms, 0);
}

static void test_a_hook_that_fails_undoes_everything(void **state)
{
	struct fixture *f = *state;
	const struct panel_tunnel *t;

	f->is_failing = true;
	try(f, "web", 3000, ERR_SYS, "Nginx configuration failed");
	assert_int_equal(panel_count(f->p), 0);
	t = add(f, "web", 3000);
	f->is_failing = true;
	change(f, t, "site", true, ERR_SYS);
	assert_non_null(panel_find_name(f->p, "web"));
	f->is_failing = true;
	assert_int_equal(panel_remove(f->p, t, &admin, NULL), ERR_SYS);
	assert_ptr_equal(panel_find_name(f->p, "web"), t);
	reopen(f);
	assert_non_null(panel_find_name(f->p, "web"));
	assert_null(panel_find_name(f->p, "site"));
}

static void test_a_store_that_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct panel_tunnel *t = add(f, "web", 3000);
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/" STORE_FILE, f->store.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
		SQLITE_OK);
	try(f, "other", 3001, ERR_SYS, "State persistence failed");
	assert_int_equal(panel_remove(f->p, t, &admin, NULL), ERR_SYS);
	sqlite3_close(db);
	assert_int_equal(panel_count(f->p), 1);
	assert_string_equal(f->published, "+web.example.com ");
	assert_int_equal(panel_remove(f->p, t, &admin, NULL), ERR_OK);
	assert_string_equal(f->published, "+web.example.com -web.example.com ");
	assert_int_equal(panel_count(f->p), 0);
}

static void test_wrong_dns_is_refused_unless_it_is_wanted_anyway(void **state)
{
	struct fixture *f = *state;
	struct panel_spec spec = { .port = 0 };
	const struct panel_request req = {
		.caller = &admin,
		.spec = &spec,
		.is_anyway = true,
	};
	const struct panel_tunnel *t;

	f->dns = (struct path_dns){
		.state = PATH_DNS_WRONG,
		.found = "198.51.100.7",
		.expected = "203.0.113.42",
	};
	try(f, "web", 3000, ERR_PROTO,
		"DNS of web.example.com is 198.51.100.7, this machine is 203.0.113.42");
	assert_int_equal(panel_count(f->p), 0);
	assert_int_equal(field_defaults(&panel_spec_fields, &spec, NULL), ERR_OK);
	strcpy(spec.subdomain, "web");
	spec.port = 3000;
	assert_int_equal(panel_create(f->p, &req, &t, NULL), ERR_OK);
}

static void test_an_agent_has_its_own_tunnels_only(void **state)
{
	struct panel_agent agent = { .label = "nas" };
	const struct panel_caller nas = { .name = "agent nas", .agent = &agent };
	struct panel_spec spec = { .port = 3001 };
	const struct panel_request req = { .caller = &nas, .spec = &spec };
	struct fixture *f = *state;
	const struct panel_tunnel *t = add(f, "web", 3000), *made = NULL;
	struct panel_tunnel other = { .spec.agent = "laptop" };

	assert_true(panel_may(&nas, t));
	assert_false(panel_may(&nas, &other));
	strcpy(spec.subdomain, "own");
	strcpy(spec.kind, "app");
	strcpy(spec.access, "public");
	assert_int_equal(panel_create(f->p, &req, &made, NULL), ERR_DENIED);
	strcpy(spec.access, "restricted");
	strcpy(spec.agent, "laptop");
	assert_int_equal(panel_create(f->p, &req, &made, NULL), ERR_DENIED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_tunnel_has_the_defaults_of_the_contract),
		TEST(test_names_and_ports_that_cannot_be_had),
		TEST(test_fifty_creations_of_one_name_or_port_have_one_winner),
		TEST(test_a_change_keeps_the_id_and_survives_a_restart),
		TEST(test_a_hook_that_fails_undoes_everything),
		TEST(test_a_store_that_fails_changes_nothing),
		TEST(test_wrong_dns_is_refused_unless_it_is_wanted_anyway),
		TEST(test_an_agent_has_its_own_tunnels_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
