/*
 * The part of a data worker in the relay's API: it finds the client of a request, checks
 * the host, and answers those that begin reverse sessions. portal-protocol 2, 6.1.
 */
#include <stdio.h>

#include "base/clock.h"
#include "http/head.h"
#include "serve/forwarded.h"
#include "serve/lease/lease_route.h"
#include "serve/lease/lease_service.h"
#include "serve/own_host.h"

/*
 * Finds the client of a request. A request for another host is refused: it is from a
 * browser that reuses a connection for the host of a lease (RFC 9110, 15.5.20).
 */
static bool request_admit(void *context, struct api_call *call)
{
	const struct lease_service *ls = context;
	const struct data_worker *d = ls->worker;
	const struct http1_head *head = http_request(call->x);
	char host[NAMES_HOST_MAX + 1], text[NAMES_HOST_MAX + 64];

	forwarded_find_client(head, &d->snapshot->proxies, &call->client);
	call->is_banned = prefix_set_has(&d->snapshot->banned, &call->client);
	if (call->row->is_any_host ||
		(names_parse_host(http_host(head), host, NULL) == ERR_OK &&
			own_host_is(d->shared->root, host)))
		return true;
	snprintf(text, sizeof(text), "this is the API of %s: send requests to that host",
		d->shared->root);
	api_reply_json(call, 421,
		message_put_refusal(MESSAGE_INVALID_REQUEST, text, &call->answer));
	return false;
}

static void request_send(void *context, struct api_call *call)
{
	struct lease_service *ls = context;

	call->sender = ls->worker;
	ls->context->take_call(ls->context->arg, call);
}

enum err lease_api_open(struct lease_service *s)
{
	/*
	 * For all answers but that which begins a session. Browsers shall use https only,
	 * but not with a local host, which other servers share.
	 */
	const bool is_local = names_host_is_local(s->worker->shared->root);
	const struct api_options o = {
		.tables = s->context->tables,
		.envelope = &relay_envelope,
		.context = s,
		.headers = is_local ? "X-Content-Type-Options: nosniff\r\n" :
				      "Strict-Transport-Security: max-age=31536000\r\n"
				      "X-Content-Type-Options: nosniff\r\n",
		.admit = request_admit,
		.send = request_send,
	};

	return api_init(&s->api, &o, NULL);
}

/* ---- the lease of a token ---- */

bool lease_api_find_lease(struct lease_service *s, struct api_call *call,
	struct access_holder *holder, struct route **out)
{
	const struct access_check check = {
		.key = s->context->token_key,
		.issuer = s->context->issuer,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
	};
	struct why why = { "" };
	struct route *r;

	*out = NULL;
	if (call->is_banned) {
		envelope_refuse(call, MESSAGE_IP_BANNED, REQUEST_BANNED);
		return false;
	}
	if (access_cache_verify(&s->tokens,
		    http1_head_value(http_request(call->x), REQUEST_TOKEN), &check,
		    holder, &why) != ERR_OK) {
		envelope_refuse(call, MESSAGE_UNAUTHORIZED, why.text);
		return false;
	}
	r = route_find_by_owner(s->worker->shared->routes, holder->identity_key);
	if (r != NULL && atomic_load(&r->until_ms) > clock_wall_ms()) {
		if (atomic_load(&r->is_routable)) {
			*out = r;
			return true;
		}
		envelope_refuse(call, MESSAGE_LEASE_REJECTED,
			"this relay's policy rejects the lease");
	}
	route_unref(r);
	return call->status == 0;
}

void lease_api_release_lease(struct api_call *call)
{
	route_unref(call->holder);
}

/* ---- reverse sessions ---- */

/*
 * A session is of one registration: the agent that registered last gets the visitors. If
 * the lease is not known, the control worker may restore it after a restart.
 */
static bool connect_check(void *context, struct api_call *call)
{
	struct lease_service *ls = context;
	struct data_worker *d = ls->worker;
	struct access_holder holder;
	struct route *r;

	if (d->state != DATA_SERVING && !call->is_banned) {
		envelope_refuse(call, MESSAGE_INTERNAL, "shutting down, retry later");
		return false;
	}
	if (!lease_api_find_lease(ls, call, &holder, &r))
		return false;
	call->holder = r;
	if (r != NULL &&
		(holder.registration == 0 ||
			holder.registration == lease_route_of(r)->registration))
		return true;
	if (r != NULL && holder.registration < lease_route_of(r)->registration)
		envelope_refuse(call, MESSAGE_HOSTNAME_CONFLICT, ENVELOPE_REPLACED);
	else if (call->is_again)
		envelope_refuse(call, MESSAGE_LEASE_NOT_FOUND, REQUEST_NO_LEASE);
	else
		api_send(&ls->api, call, ls->context->revival,
			http1_head_value(http_request(call->x), REQUEST_TOKEN));
	route_unref(r);
	return false;
}

static void request_connect(void *context, struct api_call *call)
{
	struct lease_service *ls = context;
	struct data_worker *d = ls->worker;
	struct route *r = call->holder;
	struct stream *session;

	atomic_store(&lease_route_of(r)->seen_ms, clock_wall_ms());
	if (http_detach(call->x, 200, "Content-Length: 0\r\nConnection: keep-alive\r\n",
		    &session) == ERR_OK)
		lease_service_pass_session_take(d, r, session, &call->client);
}

void lease_api_on_answer(struct lease_service *s, struct api_call *call)
{
	struct api_call again;

	if (call->row != s->context->revival || call->status != 200) {
		api_on_answer(&s->api, call);
		return;
	}
	s->api.calls--;
	if (!api_begin(&s->api, call->x, &again))
		return;
	again.is_again = true;
	api_run(&s->api, &again);
}

static const struct api_authority connect_holder = {
	.name = "session",
	.meaning = "the access token of a lease, from an address that is not banned",
	.in = "header",
	.key = REQUEST_TOKEN,
	.check = connect_check,
	.release = lease_api_release_lease,
};

static const struct api_operation rows[] = {
	{ "GET", "/sdk/connect", &connect_holder, request_connect, .is_at_once = true,
		.takes_over = true,
		.summary = "Makes the connection a reverse session of the lease." },
};

const struct api_table relay_connect_table = API_TABLE_OF(rows);
