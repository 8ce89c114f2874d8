/*
 * Requests to the relay's API, as a data worker sees them: reverse sessions and
 * signatures (signing.c) are its own business, the rest goes to the control worker.
 * portal-protocol 2, 6.1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/host.h"
#include "relay/forwarded.h"
#include "relay/lease_route.h"
#include "relay/own_host.h"
#include "relay/relay_data.h"
#include "tunnel/portal/message.h"

#define REQUEST_TOKEN "X-Portal-Access-Token"
#define REQUEST_ADMIN_BODY_MAX ((size_t)64 * 1024)

/* ---- who asks ---- */

void request_find_client(struct relay_data *d, struct http_exchange *x, struct addr *out)
{
	*out = *http_peer(x);
	forwarded_find_client(http_request(x), &d->view->proxies, out);
}

static bool request_is_banned(struct relay_data *d, struct http_exchange *x,
	struct addr *client)
{
	request_find_client(d, x, client);
	return prefix_set_has(&d->view->banned, client);
}

/* ---- answers ---- */

#define REQUEST_HEADERS_MAX (API_HEADERS_MAX + 256)

/*
 * What goes with all answers but that which begins a session. Browsers are told to use
 * https only, but not for a local host, which other servers share.
 */
static const char *request_headers(const struct relay_data *d, const char *headers,
	char to[REQUEST_HEADERS_MAX])
{
	snprintf(to, REQUEST_HEADERS_MAX, "%sX-Content-Type-Options: nosniff\r\n%s",
		names_host_is_local(d->shared->root) ?
			"" :
			"Strict-Transport-Security: max-age=31536000\r\n",
		headers);
	return to;
}

void request_reply(struct relay_data *d, struct http_exchange *x, unsigned status,
	const char *headers, struct span body)
{
	char all[REQUEST_HEADERS_MAX];

	http_reply(x, status, request_headers(d, headers, all), body);
}

static void request_refuse_as(struct relay_data *d, struct http_exchange *x,
	unsigned status, enum message_error error, const char *headers, const char *text)
{
	struct buf body;

	buf_init(&body, 4096);
	if (message_put_refusal(error, text, &body) != ERR_OK)
		buf_reset(&body);
	request_reply(d, x, status, headers, buf_span(&body));
	buf_fini(&body);
}

void request_refuse(struct relay_data *d, struct http_exchange *x,
	enum message_error error, const char *text)
{
	request_refuse_as(d, x, message_error_status(error), error, REQUEST_JSON, text);
}

/* No code of the protocol is for this;
 * whoever registers or asks tries again (2.4, 2.6). */
static void request_refuse_busy(struct relay_data *d, struct http_exchange *x)
{
	request_refuse_as(d, x, 503, MESSAGE_INTERNAL, REQUEST_JSON,
		"this relay has too much to do: try again later");
}

/* ---- the lease that a token is of ---- */

struct route *request_find_lease(struct relay_data *d, struct http_exchange *x,
	struct access_holder *holder, enum message_error *error, struct why *why)
{
	struct access_check check = {
		.key = d->shared->token_key,
		.issuer = d->shared->issuer,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
	};
	struct route *r;

	*error = MESSAGE_UNAUTHORIZED;
	if (access_cache_verify(&d->tokens,
		    http1_head_value(http_request(x), REQUEST_TOKEN), &check, holder,
		    why) != ERR_OK)
		return NULL;
	r = route_find_by_owner(d->shared->routes, holder->identity_key);
	if (r == NULL || atomic_load(&r->until_ms) <= clock_wall_ms()) {
		*error = MESSAGE_LEASE_NOT_FOUND;
		(void)err_set(why, ERR_NOENT, "lease not found: register it anew");
	} else if (!atomic_load(&r->is_routable)) {
		*error = MESSAGE_LEASE_REJECTED;
		(void)err_set(why, ERR_DENIED, "this relay's policy rejects the lease");
	} else {
		return r;
	}
	route_unref(r);
	return NULL;
}

/* ---- reverse sessions ---- */

static void request_revive(struct relay_data *d, struct http_exchange *x);

/*
 * Sessions are of one registration: the agent that registered last has the visitors.
 * @error and @why are set unless it is that of the token.
 */
static bool request_is_of(struct route *r, const struct access_holder *holder,
	enum message_error *error, struct why *why)
{
	if (holder->registration == 0 ||
		holder->registration == lease_route_of(r)->registration)
		return true;
	if (holder->registration > lease_route_of(r)->registration) {
		*error = MESSAGE_LEASE_NOT_FOUND;
		(void)err_set(why, ERR_NOENT, "lease not found: register it anew");
	} else {
		*error = MESSAGE_HOSTNAME_CONFLICT;
		(void)err_set(why, ERR_EXISTS, API_REPLACED);
	}
	return false;
}

/* @is_again: the control worker has been asked for a lease that a restart forgot. */
static void request_connect(struct relay_data *d, struct http_exchange *x, bool is_again)
{
	struct access_holder holder;
	enum message_error error;
	struct why why = { { 0 } };
	struct stream *session;
	struct addr client;
	struct route *r;

	if (!span_is(http_request(x)->method, "GET")) {
		request_refuse_as(d, x, 405, MESSAGE_METHOD_NOT_ALLOWED,
			REQUEST_JSON "Allow: GET\r\n", "method not allowed");
		return;
	}
	if (request_is_banned(d, x, &client)) {
		request_refuse(d, x, MESSAGE_IP_BANNED,
			"request denied because source IP is banned");
		return;
	}
	if (d->state != DATA_SERVING) {
		request_refuse(d, x, MESSAGE_INTERNAL, "this relay is ending: come back");
		return;
	}
	r = request_find_lease(d, x, &holder, &error, &why);
	if (r != NULL && !request_is_of(r, &holder, &error, &why)) {
		route_unref(r);
		r = NULL;
	}
	if (r == NULL && error == MESSAGE_LEASE_NOT_FOUND && !is_again) {
		request_revive(d, x);
		return;
	}
	if (r == NULL) {
		request_refuse(d, x, error, why.text);
		return;
	}
	atomic_store(&lease_route_of(r)->seen_ms, clock_wall_ms());
	if (http_detach(x, 200, "Content-Length: 0\r\nConnection: keep-alive\r\n",
		    &session) == ERR_OK)
		relay_data_pass_session_take(d, r, session, &client);
	route_unref(r);
}

/* ---- calls ---- */

static struct api_call *request_new_call(struct relay_data *d, struct http_exchange *x,
	struct span body)
{
	const struct http1_head *head = http_request(x);
	struct api_call *call = mem_new(call);

	if (call == NULL)
		return NULL;
	call->worker = d->worker;
	call->x = x;
	call->method = span_dup(head->method);
	call->target = span_dup(head->target);
	call->host = span_dup(http1_head_value(head, "Host"));
	call->cookie = span_dup(http1_head_value(head, "Cookie"));
	call->origin = span_dup(http1_head_value(head, "Origin"));
	buf_init(&call->body, MESSAGE_BODY_MAX);
	buf_init(&call->answer, SIZE_MAX);
	request_find_client(d, x, &call->client);
	call->is_banned = prefix_set_has(&d->view->banned, &call->client);
	if (call->method == NULL || call->target == NULL || call->host == NULL ||
		call->cookie == NULL || call->origin == NULL ||
		buf_put_span(&call->body, body) != ERR_OK) {
		api_call_free(call);
		return NULL;
	}
	return call;
}

/* To the control worker; relay_request_on_answer() brings it back. */
static void request_send_call(struct relay_data *d, struct http_exchange *x,
	struct span body, bool is_revival)
{
	struct api_call *call = d->calls < DATA_CALLS_MAX ? request_new_call(d, x, body) :
							    NULL;

	if (call == NULL) {
		request_refuse_busy(d, x);
		return;
	}
	call->is_revival = is_revival;
	d->calls++;
	d->shared->take_call(d->shared->arg, call);
}

static void request_on_call_body(void *arg, struct http_exchange *x, enum err rc,
	struct span body)
{
	struct relay_data *d = arg;

	if (rc == ERR_LIMIT) {
		request_refuse_as(d, x, 413, MESSAGE_INVALID_REQUEST, REQUEST_JSON,
			"request body is too long");
		return;
	}
	if (rc == ERR_OK)
		request_send_call(d, x, body, false);
	else
		request_refuse_busy(d, x);
}

/* A call whose body is the token. */
static void request_revive(struct relay_data *d, struct http_exchange *x)
{
	request_send_call(d, x, http1_head_value(http_request(x), REQUEST_TOKEN), true);
}

static void request_on_text_out(void *text)
{
	api_text_unref(text);
}

static void request_answer(struct relay_data *d, struct api_call *call)
{
	struct http_shared body = { .release = request_on_text_out, .arg = call->text };
	char headers[REQUEST_HEADERS_MAX];

	(void)request_headers(d, call->headers, headers);
	if (call->text == NULL) {
		http_reply(call->x, call->status, headers, buf_span(&call->answer));
		return;
	}
	body.bytes = buf_span(&call->text->text);
	call->text = NULL; /* the answer has the reference now */
	http_reply_shared(call->x, call->status, headers, &body);
}

void relay_request_on_answer(struct relay_data *d, struct api_call *call)
{
	d->calls--;
	if (call->is_revival && call->status == 200)
		request_connect(d, call->x, true);
	else
		request_answer(d, call);
}

static bool request_is_admin(struct span path)
{
	struct span admin = span_str("/admin");

	if (path.n < admin.n || memcmp(path.p, admin.p, admin.n) != 0)
		return false;
	return path.n == admin.n || path.p[admin.n] == '/';
}

/*
 * A request under another name is not for this API, whatever brought it here: a browser
 * that was led astray believes that it talks to a tenant (RFC 9110, 15.5.20).
 */
static bool request_is_for_us(struct relay_data *d, struct http_exchange *x)
{
	char host[NAMES_HOST_MAX + 1];

	return names_parse_host(http_host(http_request(x)), host, NULL) == ERR_OK &&
		own_host_is(d->shared->root, host);
}

static void request_refuse_host(struct relay_data *d, struct http_exchange *x)
{
	char text[NAMES_HOST_MAX + 64];

	snprintf(text, sizeof(text), "this is the API of %s: ask for that host",
		d->shared->root);
	request_refuse_as(d, x, 421, MESSAGE_INVALID_REQUEST, REQUEST_JSON, text);
}

void relay_request_on(void *arg, struct http_exchange *x)
{
	struct relay_data *d = arg;
	struct span path = http1_path(http_request(x));

	if (!span_is(path, "/healthz") && !request_is_for_us(d, x))
		request_refuse_host(d, x);
	else if (span_is(path, "/sdk/connect"))
		request_connect(d, x, false);
	else if (span_is(path, "/v1/sign"))
		http_collect(x, MESSAGE_SIGN_BODY_MAX, signing_on_body, d);
	else
		http_collect(x,
			request_is_admin(path) ? REQUEST_ADMIN_BODY_MAX :
						 MESSAGE_BODY_MAX,
			request_on_call_body, d);
}
