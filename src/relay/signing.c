/*
 * Signatures for leases: requests to /v1/sign, and the queue of those that wait.
 * portal-protocol 8.4.
 *
 * A signature blocks the worker's thread: 0.03 ms with an ECDSA key, 0.5 ms or more with
 * RSA. So all signatures together get half of its time at most (relay/time_share.h).
 * Requests beyond that wait in a fair queue (relay/fair_queue.h), so that one lease
 * cannot starve the others. A turn of the loop spends about a millisecond on signatures,
 * then bridges are served.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "relay/lease_route.h"
#include "relay/relay_data.h"
#include "tunnel/portal/message_sign.h"

#define SIGNING_WAIT_MS 2000 /* a visitor waits for it */
#define SIGNING_TURN_US 1000
#define SIGNING_IP6_BITS 48

/* A request that is in order and waits. */
struct signing {
	struct fair_item item;
	struct http_exchange *x; /* the server's: good until it is answered */
	struct route *route;     /* a reference */
	struct addr client;
	struct sign_order order;
};

static const char banned[] = "request denied because source IP is banned";

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

static void signing_count_refusal(struct relay_data *d)
{
	atomic_fetch_add(&d->worker->figures.signatures_refused, 1);
}

/* As the signer itself says no: in no envelope. */
static void signing_refuse(struct relay_data *d, struct http_exchange *x, unsigned status,
	const char *text)
{
	const char *headers = status == 405 ? REQUEST_JSON "Allow: POST\r\n" :
					      REQUEST_JSON;
	struct buf body;

	signing_count_refusal(d);
	buf_init(&body, 4096);
	if (message_put_sign_refusal(text, &body) != ERR_OK)
		buf_reset(&body);
	request_reply(d, x, status, headers, buf_span(&body));
	buf_fini(&body);
}

/* Too many wait already, or it has waited for too long. */
static void signing_drop(struct relay_data *d, struct signing *s)
{
	signing_refuse(d, s->x, 429,
		"too many signatures are asked for at this relay: try again in a second");
	signing_free(s);
}

static void signing_sign(struct relay_data *d, struct signing *s)
{
	uint8_t signature[SIGN_SIGNATURE_MAX];
	struct why why = { { 0 } };
	struct buf body;
	size_t n;
	uint64_t begin_us = clock_now_us(), end_us;
	enum err rc = keyless_sign(d->view->keyless, &s->order, signature, &n, &why);

	end_us = clock_now_us();
	time_share_spend(&d->signing, end_us, end_us - begin_us);
	buf_init(&body, 4096);
	if (rc == ERR_OK)
		rc = message_put_signature(s->order.algorithm, span_of(signature, n),
			&body);
	if (rc == ERR_OK) {
		atomic_fetch_add(&d->worker->figures.signatures, 1);
		atomic_fetch_add(&lease_route_of(s->route)->signatures, 1);
		request_reply(d, s->x, 200, REQUEST_JSON, buf_span(&body));
	} else {
		signing_refuse(d, s->x, rc == ERR_DENIED ? 400 : 500, err_text(rc, &why));
	}
	buf_fini(&body);
}

/* Its turn has come; policy may have changed while it waited. */
static void signing_serve(struct relay_data *d, struct signing *s)
{
	if (prefix_set_has(&d->view->banned, &s->client)) {
		signing_count_refusal(d);
		request_refuse(d, s->x, MESSAGE_IP_BANNED, banned);
	} else if (route_is_live(s->route, clock_wall_ms())) {
		signing_sign(d, s);
	} else {
		signing_count_refusal(d);
		request_refuse(d, s->x, MESSAGE_LEASE_REJECTED,
			"the lease has ended, or this relay's policy rejects it");
	}
	signing_free(s);
}

/* ---- turns ---- */

static void signing_plan(struct relay_data *d)
{
	uint64_t expiry_ms = fair_queue_expiry(&d->unsigned_items),
		 now_ms = clock_now_ms(),
		 wait_ms = (time_share_wait_us(&d->signing, clock_now_us()) + 999) / 1000;

	loop_timer_stop(d->sign_timer);
	if (expiry_ms == UINT64_MAX)
		return;
	if (wait_ms == 0)
		loop_defer(data_loop(d), &d->sign_turn);
	else if (now_ms + wait_ms <= expiry_ms)
		loop_timer_set(d->sign_timer, wait_ms);
	else
		loop_timer_set(d->sign_timer,
			expiry_ms > now_ms ? expiry_ms - now_ms : 0);
}

void signing_on_turn(void *arg)
{
	struct relay_data *d = arg;
	uint64_t begin_us = clock_now_us(), now_us = begin_us;
	struct signing *s;

	while ((s = signing_of(fair_queue_expire(&d->unsigned_items, clock_now_ms()))) !=
		NULL)
		signing_drop(d, s);
	while (now_us - begin_us < SIGNING_TURN_US &&
		time_share_has_room(&d->signing, now_us) &&
		(s = signing_of(fair_queue_next(&d->unsigned_items))) != NULL) {
		signing_serve(d, s);
		now_us = clock_now_us();
	}
	signing_plan(d);
}

static void signing_wait(struct relay_data *d, struct http_exchange *x, struct route *r,
	const struct addr *client, const struct sign_order *order)
{
	struct signing *s = mem_new(s);
	struct fair_item *dropped = NULL;
	struct prefix network = { .bits = 0 };
	const struct fair_place place = {
		.network = &network,
		.identity_key = r->owner,
	};
	enum err rc = ERR_NOMEM;

	if (s != NULL) {
		s->x = x;
		s->route = route_ref(r);
		s->order = *order;
		s->client = *client;
		if (!prefix_of_client(&s->client, SIGNING_IP6_BITS, &network))
			network.bits = 0;
		rc = fair_queue_add(&d->unsigned_items, &place,
			clock_now_ms() + SIGNING_WAIT_MS, &s->item, &dropped);
	}
	if (rc != ERR_OK) {
		signing_refuse(d, x, 503, "out of memory");
		signing_free(s);
		return;
	}
	if (dropped != NULL)
		signing_drop(d, signing_of(dropped));
	signing_plan(d);
}

/* ---- requests ---- */

/* Of a lease that may have a signature: what is to be signed. */
static void signing_judge(struct relay_data *d, struct http_exchange *x, struct route *r,
	const struct addr *client, struct span body)
{
	struct message_sign_request request;
	struct sign_order order;
	struct why why = { { 0 } };
	enum err rc = message_read_request(&message_sign_request_fields, body, &request,
		&why);

	if (rc == ERR_OK)
		rc = message_sign_request_check(&request,
			(int64_t)(clock_wall_ms() / 1000), &order, &why);
	if (rc != ERR_OK)
		signing_refuse(d, x, rc == ERR_NOENT ? 403 : 400, err_text(rc, &why));
	else if (!lease_route_may_sign(lease_route_of(r), d->view->sign_per_s,
			 clock_now_us()))
		signing_refuse(d, x, 429,
			"too many signatures for this lease: try again in a second");
	else
		signing_wait(d, x, r, client, &order);
}

void signing_on_body(void *arg, struct http_exchange *x, enum err rc, struct span body)
{
	struct relay_data *d = arg;
	struct why why = { { 0 } };
	struct access_holder holder;
	enum message_error error;
	struct addr client;
	struct route *r = request_find_lease(d, x, &holder, &error, &why);
	struct span type = http1_head_value(http_request(x), "Content-Type");
	struct span json = span_str("application/json");

	if (type.n > json.n)
		type.n = json.n;
	request_find_client(d, x, &client);
	if (prefix_set_has(&d->view->banned, &client)) {
		signing_count_refusal(d);
		request_refuse(d, x, MESSAGE_IP_BANNED, banned);
	} else if (r == NULL) {
		signing_count_refusal(d);
		request_refuse(d, x, error, why.text);
	} else if (!span_is(http_request(x)->method, "POST")) {
		signing_refuse(d, x, 405, "method not allowed");
	} else if (type.n > 0 && !span_is_nocase(type, "application/json")) {
		signing_refuse(d, x, 415, "content type must be application/json");
	} else if (rc != ERR_OK) {
		signing_refuse(d, x, rc == ERR_LIMIT ? 400 : 503,
			rc == ERR_LIMIT ? "request body is too long" : "out of memory");
	} else {
		signing_judge(d, x, r, &client, body);
	}
	route_unref(r);
}

void signing_close(struct relay_data *d)
{
	struct fair_item *item;

	loop_undefer(&d->sign_turn);
	while ((item = fair_queue_next(&d->unsigned_items)) != NULL)
		signing_free(signing_of(item));
}
