/* The panel's API on data workers: requests go to the control worker and back by mail. */
#include "relay/relay_front.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "panel/panel_api.h"
#include "relay/relay_edge.h"
#include "relay/relay_priv.h"
#include "serve/forwarded.h"
#include "serve/link/link_server.h"

struct front {
	struct data_worker *worker; /* borrowed: it owns this */
	struct relay *relay;        /* borrowed: const for us but for its mailbox */
	struct api api;
};

static bool front_admit(void *context, struct api_call *call)
{
	const struct front *f = context;

	forwarded_find_client(http_request(call->x), &f->worker->snapshot->proxies,
		&call->client);
	return true;
}

static void front_on_answer(void *receiver, struct mail *mail)
{
	struct data_worker *d = data_worker_of(receiver);
	struct api_call *call = mem_container(mail, struct api_call, mail);
	struct front *f = data_worker_state(d, &relay_front_service);

	if (f != NULL && data_worker_http(d, &link_data_service) != NULL)
		api_on_answer(&f->api, call);
	api_call_free(call);
}

/* On the control worker. */
static void front_on_call(void *receiver, struct mail *mail)
{
	struct relay *r = receiver;
	struct api_call *call = mem_container(mail, struct api_call, mail);
	struct data_worker *from = call->sender;

	if (r->state == RELAY_ENDED) {
		api_call_free(call);
		return;
	}
	api_answer(relay_edge_operations(r), call);
	call->mail.fn = front_on_answer;
	if (!mailbox_post(from->worker.mailbox, &call->mail))
		api_call_free(call);
}

static void front_send(void *context, struct api_call *call)
{
	struct front *f = context;

	call->sender = f->worker;
	call->mail.fn = front_on_call;
	if (!mailbox_post(f->relay->mailbox, &call->mail))
		api_call_free(call);
}

static enum err front_open(struct data_worker *d, void **state)
{
	struct front *f = mem_new(f);
	const struct api_options o = {
		.tables = panel_tables,
		.envelope = &panel_envelope,
		.context = f,
		.headers = "X-Content-Type-Options: nosniff\r\n"
			   "Cache-Control: no-store\r\n",
		.admit = front_admit,
		.send = front_send,
	};
	enum err rc = f != NULL ? api_init(&f->api, &o, NULL) : ERR_NOMEM;

	if (rc != ERR_OK) {
		free(f);
		return rc;
	}
	f->worker = d;
	f->relay = data_worker_context(d, &relay_front_service);
	*state = f;
	return ERR_OK;
}

static void front_close(void *state)
{
	(void)state; /* its exchanges go with the HTTP server */
}

const struct data_service relay_front_service = {
	.open = front_open,
	.close = front_close,
	.free = free,
};

bool relay_front_on_request(void *arg, struct data_worker *d, struct http_exchange *x)
{
	struct front *f = data_worker_state(d, &relay_front_service);
	static const char start[] = "/api/";
	struct span target = http_request(x)->target;

	(void)arg;
	if (f == NULL || target.n < sizeof(start) - 1 ||
		memcmp(target.p, start, sizeof(start) - 1) != 0)
		return false;
	api_on_request(&f->api, x);
	return true;
}
