/* A fetch: GET after GET over one connection, for as long as the server keeps it. */
#include "cli/demo_fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/client.h"

#define FETCH_ANSWER_MAX ((size_t)4 << 20)

struct demo_fetch {
	struct demo_fetch_options o;
	struct loop_timer *patience;
	struct http_client *client;
	unsigned answered;
};

static enum err fetch_ask(struct demo_fetch *f);

/* The last thing that is done: the owner may close us in it. */
static void fetch_end(struct demo_fetch *f, enum err rc, const struct why *why)
{
	loop_timer_stop(f->patience);
	f->o.on_end(f->o.arg, rc, why);
}

static void fetch_on_patience_end(void *arg)
{
	struct demo_fetch *f = arg;
	struct why why;

	http_client_free(f->client);
	f->client = NULL;
	err_set(&why, ERR_TIMEOUT, "no whole answer came within %u s",
		f->o.timeout_ms / 1000);
	fetch_end(f, ERR_TIMEOUT, &why);
}

/* Without memory for it, less of the body is shown; it is counted all the same. */
static void fetch_tell(struct demo_fetch *f, const struct http_answer *a)
{
	struct demo_answer answer = {
		.status = a->status,
		.bytes = a->body.n,
		.first_us = a->first_us,
		.is_reused = a->is_reused,
	};

	str_quote(answer.reason, sizeof(answer.reason), a->head->reason);
	str_quote(answer.type, sizeof(answer.type),
		http1_head_value(a->head, "Content-Type"));
	buf_init(&answer.body, DEMO_BODY_MAX);
	(void)buf_put(&answer.body, a->body.p,
		a->body.n < DEMO_BODY_MAX ? a->body.n : DEMO_BODY_MAX);
	f->o.on_answer(f->o.arg, &answer);
	buf_fini(&answer.body);
}

static void fetch_on_answer(void *arg, enum err rc, const struct http_answer *a,
	const struct why *why)
{
	struct demo_fetch *f = arg;

	if (rc == ERR_OK) {
		fetch_tell(f, a);
		f->answered++;
	}
	if (rc != ERR_OK || f->answered == f->o.count) {
		fetch_end(f, rc, why);
		return;
	}
	rc = fetch_ask(f);
	if (rc != ERR_OK)
		fetch_end(f, rc, NULL);
}

static enum err fetch_ask(struct demo_fetch *f)
{
	struct http_question q = {
		.method = "GET",
		.target = "/",
		.headers = "Accept: */*\r\n",
		.answer_max = FETCH_ANSWER_MAX,
		.timeout_ms = 2 * f->o.timeout_ms, /* our own patience ends first */
		.fn = fetch_on_answer,
		.arg = f,
	};

	return http_client_ask(f->client, &q, NULL);
}

static enum err fetch_begin(struct demo_fetch *f)
{
	char authority[320];
	struct http_client_options o = {
		.loop = f->o.loop,
		.host = f->o.host,
		.port = f->o.port,
		.tls = f->o.tls,
		.server_name = f->o.name,
		.host_header = authority,
		.connections_max = 1,
		.connect_ms = 2 * f->o.timeout_ms,
	};
	enum err rc;

	snprintf(authority, sizeof(authority), "%s:%u", f->o.name,
		f->o.name_port != 0 ? f->o.name_port : f->o.port);
	rc = http_client_new(&o, &f->client);
	return rc == ERR_OK ? fetch_ask(f) : rc;
}

enum err demo_fetch_open(const struct demo_fetch_options *o, struct demo_fetch **out)
{
	struct demo_fetch *f = mem_new(f);
	enum err rc;

	if (f == NULL)
		return ERR_NOMEM;
	f->o = *o;
	rc = loop_timer_open(o->loop, fetch_on_patience_end, f, &f->patience);
	if (rc == ERR_OK)
		rc = fetch_begin(f);
	if (rc != ERR_OK) {
		demo_fetch_close(f);
		return rc;
	}
	loop_timer_set(f->patience, o->timeout_ms);
	*out = f;
	return ERR_OK;
}

void demo_fetch_close(struct demo_fetch *f)
{
	if (f == NULL)
		return;
	loop_timer_close(f->patience);
	http_client_free(f->client);
	free(f);
}
