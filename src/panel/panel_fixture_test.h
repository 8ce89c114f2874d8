/* For tests: a panel with a store, and its API. */
#ifndef PANEL_PANEL_FIXTURE_TEST_H
#define PANEL_PANEL_FIXTURE_TEST_H

#include "serve/lease/store_test.h"

#include "base/clock.h"
#include "base/str.h"
#include "panel/panel_api_priv.h"
#include "panel/panel_priv.h"

#define T0_MS UINT64_C(1780315200500)

struct fixture {
	struct test_store store;
	struct log log;
	struct panel *p;
	struct api api;
	struct api_call *call;
	/* Of calls: a certificate's; NULL: local. */
	const char *name, *serial, *client;
	unsigned agents_changed;
	bool is_failing; /* the next on_tunnel() */
	struct path_agent agent;
};

static enum err fixture_on_tunnel(void *owner, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why)
{
	struct fixture *f = owner;

	(void)before;
	(void)after;
	if (!f->is_failing)
		return ERR_OK;
	f->is_failing = false;
	return err_set(why, ERR_SYS, "Nginx configuration failed: no nginx");
}

static void fixture_on_agents(void *owner)
{
	((struct fixture *)owner)->agents_changed++;
}

static void fixture_agent_of(void *owner, const char *label, struct path_agent *out)
{
	(void)label;
	*out = ((struct fixture *)owner)->agent;
}

static const struct panel_hooks fixture_hooks = {
	.on_tunnel = fixture_on_tunnel,
	.on_agents = fixture_on_agents,
	.agent_of = fixture_agent_of,
};

static inline void fixture_open_panel(struct fixture *f)
{
	const struct panel_options o = {
		.store = f->store.store,
		.domain = "example.com",
		.link_url = "https://tunnel.example.com",
		.state_dir = f->store.dir,
		.log = &f->log,
		.hooks = &fixture_hooks,
		.owner = f,
	};
	struct why why = { "" };
	struct api_options api = {
		.tables = panel_tables,
		.envelope = &panel_envelope,
	};

	if (panel_open(&o, &f->p, &why) != ERR_OK)
		fail_msg("%s", why.text);
	api.context = f->p;
	assert_int_equal(api_init(&f->api, &api, NULL), ERR_OK);
}

static inline int set_up(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	clock_freeze(T0_MS);
	log_set_level(LOG_ERROR);
	log_init(&f->log, NULL, "test");
	test_store_open(&f->store);
	fixture_open_panel(f);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	static const char *const files[] = { "pki/ca.crt", "pki/ca.key" };
	struct fixture *f = *state;
	char path[96];

	api_call_free(f->call);
	panel_close(f->p);
	for (size_t i = 0; i < mem_count(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->store.dir, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/pki", f->store.dir);
	rmdir(path);
	test_store_remove(&f->store);
	free(f);
	return 0;
}

static inline const struct api_call *ask(struct fixture *f, const char *method,
	const char *target, const char *body)
{
	struct api_call *call = mem_new(call);

	assert_non_null(call);
	api_call_free(f->call);
	f->call = call;
	call->method = strdup(method);
	call->target = strdup(target);
	call->host = strdup("panel.example.com");
	call->cookie = strdup("");
	call->origin = strdup("");
	call->is_local = f->name == NULL;
	if (f->name != NULL) {
		str_copy(call->client_name, sizeof(call->client_name), f->name);
		str_copy(call->client_serial, sizeof(call->client_serial), f->serial);
	}
	assert_int_equal(addr_from_literal(f->client != NULL ? f->client : "192.0.2.1",
				 999, &call->client),
		ERR_OK);
	buf_init(&call->body, API_BODY_MAX);
	buf_put_str(&call->body, body);
	api_answer(&f->api, call);
	return call;
}

/* The answer of the last call as text; good until the next. */
static inline const char *answer(struct fixture *f)
{
	buf_put_u8(&f->call->answer, '\0');
	return (const char *)buf_front(&f->call->answer);
}

static inline void says(const struct api_call *call, unsigned status, const char *text)
{
	struct span s = buf_span(&call->answer);

	if (call->status != status || memmem(s.p, s.n, text, strlen(text)) == NULL)
		fail_msg("%s %s: %u %.*s", call->method, call->target, call->status,
			(int)s.n, (const char *)s.p);
}

#endif
