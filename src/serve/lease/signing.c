/*
 * Signatures for leases: requests to /v1/sign, and the queue of waiting ones.
 * portal-protocol 8.4.
 *
 * A signature blocks the worker's thread: 0.03 ms with an ECDSA key, 0.5 ms or more with
 * RSA. All signatures together get at most half of its time (serve/lease/time_share.h).
 * Requests beyond that wait in a fair queue (serve/lease/fair_queue.h), so that one lease
 * cannot starve the others. A turn of the loop spends about a millisecond on signatures,
 * then serves bridges.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "serve/lease/keyless.h"
#include "serve/lease/lease_route.h"
#include "serve/lease/lease_service.h"
#include "tunnel/portal/message.h"

#define SIGNING_WAIT_MS 2000 /* a visitor waits meanwhile */
#define SIGNING_TURN_US 1000
#define SIGNING_IP6_BITS 48

/* A valid request that waits. */
struct signing {
	struct fair_item item;
	struct http_exchange *x; /* the server's: valid until it is answered */
	struct route *route;     /* a reference */
	struct sign_order order;
};

static void signing_free(struct signing *s)
{
	if (s == NULL)
		return;
	route_unref(s->route);
	free(s);
}

static struct signing *signing_of(struct fair_item *item)
{
	return item == NULL ? NULL : mem_container(item, struct signing, item);
}

/* ---- answers ---- */

static void signing_count_refusal(struct lease_service *ls)
{
	atomic_fetch_add(&ls->context->signatures_refused, 1);
}

/* Refusals of the signer have no envelope. */
static void signing_refuse(struct lease_service *ls, struct api_call *call,
	unsigned status, const char *text)
{
	signing_count_refusal(ls);
	api_reply_json(call, status, message_put_sign_refusal(text, &call->answer));
}

static void signing_refuse_fault(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	static const struct {
		unsigned status;
		const char *text;
	} faults[] = {
		[API_NOT_FOUND] = { 404, "not found" },
		[API_METHOD_NOT_ALLOWED] = { 405, "method not allowed" },
		[API_BODY_TOO_LONG] = { 400, "request body is too long" },
		[API_BODY_MALFORMED] = { 400, NULL },
		[API_BUSY] = { 503, "out of memory" },
		[API_NO_ROOM] = { 500, "no room for the answer" },
	};
	const char *text = faults[fault].text;

	signing_refuse(call->context, call, faults[fault].status,
		text != NULL ? text : err_text(rc, why));
}

static void signing_sign(struct lease_service *ls, const struct signing *s,
	struct api_call *call)
{
	uint8_t signature[SIGN_SIGNATURE_MAX];
	struct why why = { { 0 } };
	size_t n;
	uint64_t begin_us = clock_now_us(), end_us;
	enum err rc = keyless_sign(lease_snapshot_of(ls->worker->snapshot)->keyless,
		&s->order, signature, &n, &why);

	end_us = clock_now_us();
	time_share_spend(&ls->signing, end_us, end_us - begin_us);
	if (rc != ERR_OK) {
		signing_refuse(ls, call, rc == ERR_DENIED ? 400 : 500,
			err_text(rc, &why));
		return;
	}
	atomic_fetch_add(&ls->context->signatures, 1);
	atomic_fetch_add(&lease_route_of(s->route)->signatures, 1);
	api_reply_json(call, 200,
		message_put_signature(s->order.algorithm, span_of(signature, n),
			&call->answer));
}

/* Answers @s and frees it. Policy may have changed while it waited. */
static void signing_end(struct lease_service *ls, struct signing *s, bool is_its_turn)
{
	struct api_call call;

	if (api_begin(&ls->api, s->x, &call)) {
		if (!is_its_turn) {
			signing_refuse(ls, &call, 429,
				"too many requests for signatures at this relay: "
				"try again in a second");
		} else if (call.is_banned) {
			signing_count_refusal(ls);
			envelope_refuse(&call, MESSAGE_IP_BANNED, REQUEST_BANNED);
		} else if (route_is_live(s->route, clock_wall_ms())) {
			signing_sign(ls, s, &call);
		} else {
			signing_count_refusal(ls);
			envelope_refuse(&call, MESSAGE_LEASE_REJECTED,
				"the lease has ended, or this relay's policy rejects it");
		}
		api_end(&ls->api, &call);
	}
	signing_free(s);
}

/* ---- turns ---- */

static void signing_plan(struct lease_service *ls)
{
	uint64_t expiry_ms = fair_queue_expiry(&ls->unsigned_items),
		 now_ms = clock_now_ms(),
		 wait_ms = (time_share_wait_us(&ls->signing, clock_now_us()) + 999) /
		1000;

	loop_timer_stop(ls->sign_timer);
	if (expiry_ms == UINT64_MAX)
		return;
	if (wait_ms == 0)
		loop_defer(ls->worker->worker.loop, &ls->sign_turn);
	else if (now_ms + wait_ms <= expiry_ms)
		loop_timer_set(ls->sign_timer, wait_ms);
	else
		loop_timer_set(ls->sign_timer,
			expiry_ms > now_ms ? expiry_ms - now_ms : 0);
}

void signing_on_turn(void *service)
{
	struct lease_service *ls = service;
	uint64_t begin_us = clock_now_us(), now_us = begin_us;
	struct signing *s;

	while ((s = signing_of(fair_queue_expire(&ls->unsigned_items, clock_now_ms()))) !=
		NULL)
		signing_end(ls, s, false);
	while (now_us - begin_us < SIGNING_TURN_US &&
		time_share_has_room(&ls->signing, now_us) &&
		(s = signing_of(fair_queue_next(&ls->unsigned_items))) != NULL) {
		signing_end(ls, s, true);
		now_us = clock_now_us();
	}
	signing_plan(ls);
}

/* ---- requests ---- */

static void signing_wait(struct lease_service *ls, struct api_call *call,
	const struct sign_order *order)
{
	struct signing *s = mem_new(s);
	struct route *r = call->holder;
	struct fair_item *dropped = NULL;
	struct prefix network = { .bits = 0 };
	const struct fair_place place = {
		.network = &network,
		.identity_key = r->owner,
	};
	enum err rc = ERR_NOMEM;

	if (s != NULL) {
		s->x = call->x;
		s->route = route_ref(r);
		s->order = *order;
		if (!prefix_of_client(&call->client, SIGNING_IP6_BITS, &network))
			network.bits = 0;
		rc = fair_queue_add(&ls->unsigned_items, &place,
			clock_now_ms() + SIGNING_WAIT_MS, &s->item, &dropped);
	}
	if (rc != ERR_OK) {
		signing_refuse(ls, call, 503, "out of memory");
		signing_free(s);
		return;
	}
	if (dropped != NULL)
		signing_end(ls, signing_of(dropped), false);
	signing_plan(ls);
}

static bool signing_check_type(void *context, struct api_call *call)
{
	struct span type = http1_head_value(http_request(call->x), "Content-Type");
	struct span json = span_str("application/json");

	if (type.n > json.n)
		type.n = json.n;
	if (type.n == 0 || span_is_nocase(type, "application/json"))
		return true;
	signing_refuse(context, call, 415, "content type must be application/json");
	return false;
}

static void signing_take(void *context, struct api_call *call)
{
	struct lease_service *ls = context;
	struct sign_order order;
	struct why why = { { 0 } };
	enum err rc = message_sign_request_check(call->request,
		(int64_t)(clock_wall_ms() / 1000), &order, &why);

	if (rc != ERR_OK)
		signing_refuse(ls, call, rc == ERR_NOENT ? 403 : 400, err_text(rc, &why));
	else if (!lease_route_may_sign(lease_route_of(call->holder),
			 lease_snapshot_of(ls->worker->snapshot)->sign_per_s,
			 clock_now_us()))
		signing_refuse(ls, call, 429,
			"too many signatures for this lease: try again in a second");
	else
		signing_wait(ls, call, &order);
}

static bool signing_check(void *context, struct api_call *call)
{
	struct lease_service *ls = context;
	struct access_holder holder;
	struct route *r;

	if (lease_api_find_lease(ls, call, &holder, &r) && r == NULL)
		envelope_refuse(call, MESSAGE_LEASE_NOT_FOUND, REQUEST_NO_LEASE);
	call->holder = r;
	if (r == NULL)
		signing_count_refusal(ls);
	return r != NULL;
}

static const struct api_authority signing_holder = {
	.name = "signature",
	.meaning = "the access token of a lease, from an address that is not banned",
	.in = "header",
	.key = REQUEST_TOKEN,
	.check = signing_check,
	.release = lease_api_release_lease,
};

static const struct api_envelope signing_envelope = {
	.refuse = signing_refuse_fault,
};

#define SIGNING \
	.path = "/v1/sign", .authority = &signing_holder, .envelope = &signing_envelope, \
	.is_at_once = true

static const struct api_operation rows[] = {
	{
		SIGNING,
		.method = "POST",
		.check = signing_check_type,
		.fn = signing_take,
		.request = &message_sign_request_fields,
		.response = &message_signature_fields,
		.body_max = MESSAGE_SIGN_BODY_MAX,
		.summary = "Signs the digest of a visitor's handshake.",
	},
	{ SIGNING, .fn = api_refuse_unknown },
};

const struct api_table signing_table = API_TABLE_OF(rows);

void signing_close(struct lease_service *s)
{
	struct fair_item *item;

	loop_undefer(&s->sign_turn);
	while ((item = fair_queue_next(&s->unsigned_items)) != NULL)
		signing_free(signing_of(item));
}
