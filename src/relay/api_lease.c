/*
 * Registration, renewal and end of leases. The order of the checks is that of the
 * protocol: portal-protocol 2.6.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/relay_config.h"
#include "relay/relay_priv.h"
#include "serve/own_host.h"
#include "tunnel/portal/access_token.h"
#include "tunnel/portal/envelope.h"

#define NO_HOPS "this relay does not support multi-hop routes"

/* A lease whose challenge is not signed yet. */
struct pending_lease {
	char name[NAMES_LABEL_MAX + 1], address[ADDRESS_TEXT_SIZE]; /* canonical */
	int64_t ttl_s;
	bool wants_tcp, has_ech;
	char route_hostname[MESSAGE_HOST_MAX], hostname_hash[64]; /* as received */
	struct message_metadata metadata;                         /* owned */
};

static void pending_free(void *arg)
{
	struct pending_lease *pending = arg;

	if (pending != NULL)
		field_fini(&message_metadata_fields, &pending->metadata);
	free(pending);
}

static size_t pending_bytes(const struct pending_lease *pending)
{
	const struct message_metadata *m = &pending->metadata;
	size_t n = sizeof(*pending);

	n += m->description != NULL ? strlen(m->description) : 0;
	n += m->owner != NULL ? strlen(m->owner) : 0;
	n += m->thumbnail != NULL ? strlen(m->thumbnail) : 0;
	for (size_t i = 0; i < m->tags.n; i++)
		n += strlen(m->tags.v[i]) + 2 * sizeof(void *);
	return n;
}

/* @pending is NULL if the name is not known. A canonical name needs no quotes. */
static void lease_refuse(struct relay *r, struct api_call *call,
	const struct pending_lease *pending, enum message_error error, const char *text)
{
	char client[ADDR_TEXT_MAX];
	const char *from = addr_print_ip(&call->client, client);

	if (pending != NULL)
		log_limited(LOG_INFO, &r->log, "lease %s: refused to %s from %s: %s",
			pending->name, pending->address, from, text);
	else
		log_limited(LOG_INFO, &r->log, "lease registration: refused to %s: %s",
			from, text);
	envelope_refuse(call, error, text);
}

static bool unbanned_check(void *context, struct api_call *call)
{
	if (call->is_banned)
		lease_refuse(context, call, NULL, MESSAGE_IP_BANNED, REQUEST_BANNED);
	return !call->is_banned;
}

static const struct api_authority unbanned = {
	.name = "agent",
	.meaning =
		"an address that is not banned, and the signature or token in the body",
	.check = unbanned_check,
};

/* By the settings, or for a tunnel. @host is a name of leases, or a host. */
static bool is_reserved(const struct relay *r, const char *host)
{
	return relay_config_reserves(&r->options, host) || relay_panel_has(r, host);
}

/* True: the call is refused, with a code after which stock clients do not try again. */
static bool refuse_reserved(struct relay *r, struct api_call *call,
	const struct pending_lease *pending, const char *host)
{
	char text[NAMES_LABEL_MAX + 64];

	if (!is_reserved(r, host))
		return false;
	snprintf(text, sizeof(text), "the name %.*s is reserved at this relay",
		(int)strcspn(host, "."), host);
	lease_refuse(r, call, pending, MESSAGE_HOSTNAME_CONFLICT, text);
	return true;
}

static int64_t ttl_of(int64_t requested_s)
{
	if (requested_s <= 0)
		return MESSAGE_TTL_S;
	return requested_s < LEASE_TTL_MAX_S ? requested_s : LEASE_TTL_MAX_S;
}

/* ---- challenge ---- */

/* Two bytes with the length of the rest, and the rest (RFC 9849 4). */
static bool ech_list_is_valid(const char *base64)
{
	uint8_t bytes[MESSAGE_ECH_BYTES_MAX];
	struct span rest;
	uint16_t n;
	size_t got;

	if (base64_decode(BASE64_PADDED, span_str(base64), bytes, sizeof(bytes), &got) !=
		ERR_OK)
		return false;
	rest = span_of(bytes, got);
	return span_u16(&rest, &n) && n > 0 && n == rest.n;
}

/* Takes the metadata of @req on success. ERR_SYNTAX, ERR_LIMIT: name or address. */
static enum err challenge_read_lease(const struct relay *r,
	struct message_challenge_request *req, struct pending_lease *pending,
	struct why *why)
{
	char host[NAMES_HOST_MAX + 1];
	enum err rc = names_parse_label(span_str(req->identity.name), pending->name, why);

	if (rc == ERR_OK)
		rc = names_lease_host(span_str(pending->name), span_str(r->options.root),
			host, why);
	if (rc == ERR_OK &&
		address_parse(names_trim(span_str(req->identity.address)),
			pending->address) != ERR_OK)
		rc = err_set(why, ERR_SYNTAX, "identity address is invalid");
	if (rc != ERR_OK)
		return rc;
	pending->ttl_s = ttl_of(req->ttl_s);
	pending->wants_tcp = req->tcp_enabled;
	pending->has_ech = req->ech_config_list[0] != '\0';
	str_copy(pending->route_hostname, sizeof(pending->route_hostname),
		req->route_hostname);
	str_copy(pending->hostname_hash, sizeof(pending->hostname_hash),
		req->hostname_hash);
	pending->metadata = req->metadata;
	req->metadata = (struct message_metadata){ .hide = false };
	return ERR_OK;
}

/* What the request needs and this relay does not have, or NULL. */
static const char *challenge_lacks(const struct relay *r,
	const struct message_challenge_request *req)
{
	if (req->hop_token[0] != '\0')
		return NO_HOPS;
	if (req->udp_enabled)
		return "this relay has no UDP ports";
	return req->tcp_enabled && !r->options.has_tcp ? "this relay has no TCP ports" :
							 NULL;
}

static void challenge_open(struct relay *r, struct api_call *call,
	struct pending_lease *pending)
{
	struct challenge_request req = {
		.domain = relay_domain(r, call),
		.address = pending->address,
		.client = &call->client,
		.payload = pending,
		.free_payload = pending_free,
		.payload_bytes = pending_bytes(pending),
	};
	struct message_challenge answer;
	struct why why = { "" };
	enum err rc = challenges_open(r->challenges, &req, &answer, &why);

	if (rc == ERR_OK) {
		api_reply(call, &answer);
		return;
	}
	lease_refuse(r, call, pending,
		rc == ERR_LIMIT         ? MESSAGE_RATE_LIMITED :
			rc == ERR_NOMEM ? MESSAGE_INTERNAL :
					  MESSAGE_INVALID_REQUEST,
		err_text(rc, &why));
	pending_free(pending);
}

static void lease_challenge(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct message_challenge_request *req = call->request;
	struct pending_lease *pending = mem_new(pending);
	const char *lacks = challenge_lacks(r, req);
	struct why why = { "" };
	enum err rc = ERR_OK;

	if (lacks != NULL)
		lease_refuse(r, call, NULL, MESSAGE_FEATURE_UNAVAILABLE, lacks);
	else if (pending == NULL)
		lease_refuse(r, call, NULL, MESSAGE_INTERNAL, "out of memory");
	else if (req->ech_config_list[0] != '\0' &&
		!ech_list_is_valid(req->ech_config_list))
		lease_refuse(r, call, NULL, MESSAGE_INVALID_REQUEST,
			"ech_config_list is invalid");
	else if ((rc = challenge_read_lease(r, req, pending, &why)) != ERR_OK)
		lease_refuse(r, call, NULL, MESSAGE_INVALID_REQUEST, err_text(rc, &why));
	else if (!refuse_reserved(r, call, pending, pending->name)) {
		challenge_open(r, call, pending);
		return;
	}
	pending_free(pending);
}

/* ---- register ---- */

/* "label.root", and the label is canonical. */
static bool route_host_parse(const struct relay *r, const char *text,
	char out[NAMES_HOST_MAX + 1])
{
	char host[NAMES_HOST_MAX + 1], label[NAMES_LABEL_MAX + 1];
	size_t n, root_n = strlen(r->options.root);

	if (names_parse_host(span_str(text), host, NULL) != ERR_OK)
		return false;
	own_host_unify(r->options.root, host);
	n = strcspn(host, ".");
	if (host[n] != '.' || strlen(host + n + 1) != root_n ||
		strcmp(host + n + 1, r->options.root) != 0 ||
		names_parse_label(span_of(host, n), label, NULL) != ERR_OK ||
		!span_is(span_of(host, n), label))
		return false;
	memcpy(out, host, sizeof(host));
	return true;
}

/* The hash must be of the public host; stock clients may take localhost for the root. */
static bool hash_is_right(const struct relay *r, const struct pending_lease *pending)
{
	const char *roots[] = { r->options.root, "localhost" };
	const unsigned n = own_host_is(r->options.root, "localhost") ? 2 : 1;
	char host[NAMES_HOST_MAX + 1], hash[HOSTNAME_HASH_SIZE];

	for (unsigned i = 0; i < n; i++)
		if (names_lease_host(span_str(pending->name), span_str(roots[i]), host,
			    NULL) == ERR_OK &&
			hostname_hash(span_str(host), hash, NULL) == ERR_OK &&
			strcmp(hash, pending->hostname_hash) == 0)
			return true;
	return false;
}

/* True: the route is not allowed, and the call is refused. */
static bool register_refuses_route(struct relay *r, struct api_call *call,
	const struct pending_lease *pending, char host[NAMES_HOST_MAX + 1])
{
	const char *what = NULL;

	host[0] = '\0';
	if (pending->route_hostname[0] == '\0') {
		if (pending->hostname_hash[0] != '\0')
			what = "hostname_hash requires route_hostname";
		else if (pending->has_ech)
			what = "ech_config_list requires route_hostname";
	} else if (pending->wants_tcp) {
		lease_refuse(r, call, pending, MESSAGE_TRANSPORT_MISMATCH,
			"route_hostname is for leases without ports");
		return true;
	} else if (!route_host_parse(r, pending->route_hostname, host)) {
		what = "route_hostname is not a name under this relay's host";
	} else if (pending->hostname_hash[0] != '\0' && !hash_is_right(r, pending)) {
		what = "hostname_hash is not that of the lease's host";
	}
	if (what != NULL)
		lease_refuse(r, call, pending, MESSAGE_INVALID_REQUEST, what);
	return what != NULL || refuse_reserved(r, call, pending, host);
}

/* Valid for @ttl_s from now. */
static enum err token_issue(const struct relay *r, const struct lease *lease,
	int64_t ttl_s, char out[MESSAGE_TOKEN_MAX])
{
	struct route *route = lease->route;
	struct access_token t = {
		.issued_at_s = (int64_t)(clock_wall_ms() / 1000),
		.tcp_port = route->tcp_port,
		.registration = lease_route_of(route)->registration,
	};
	struct buf text;
	enum err rc;

	t.expires_at_s = t.issued_at_s + ttl_s;
	str_copy(t.issuer, sizeof(t.issuer), r->options.url);
	random_id_make(RANDOM_ID_TOKEN, t.id);
	str_copy(t.name, sizeof(t.name), route->name);
	str_copy(t.address, sizeof(t.address), lease->address);
	if (strcmp(route->host, route->public_host) != 0)
		str_copy(t.route_host, sizeof(t.route_host), route->host);
	buf_init(&text, MESSAGE_TOKEN_MAX - 1);
	rc = access_token_print(&t, r->identity.secret, &text);
	if (rc == ERR_OK)
		snprintf(out, MESSAGE_TOKEN_MAX, "%.*s", (int)text.n,
			(const char *)buf_front(&text));
	buf_fini(&text);
	return rc;
}

/* "" unless it is an address. */
static const char *reported_ip(const char *text, char to[ADDR_TEXT_MAX])
{
	struct addr a;

	to[0] = '\0';
	return addr_from_literal(text, 0, &a) == ERR_OK ? addr_print_ip(&a, to) : to;
}

static enum message_error register_error_of(enum err rc)
{
	switch (rc) {
	case ERR_AGAIN:
		return MESSAGE_RATE_LIMITED;
	case ERR_EXISTS:
		return MESSAGE_HOSTNAME_CONFLICT;
	case ERR_LIMIT:
		return MESSAGE_TCP_PORT_CAPACITY_EXCEEDED;
	case ERR_NOENT:
		return MESSAGE_TCP_PORT_EXHAUSTED;
	default:
		return MESSAGE_INTERNAL;
	}
}

static void register_log(struct relay *r, const struct lease *lease, const char *how)
{
	const struct route *route = lease->route;
	char port[24] = "";

	if (route->tcp_port != 0)
		snprintf(port, sizeof(port), ", TCP port %u", route->tcp_port);
	log_limited(LOG_INFO, &r->log, "lease %s: %s by %s from %s%s%s", route->name, how,
		lease->address, lease->client_ip, port,
		atomic_load(&route->is_routable) ? "" : "; not served: policy");
}

/*
 * Opens a lease with the policy for its identity, and tells its worker.
 * ERR_AGAIN: there is no room; other errors are those of lease_open().
 */
static enum err lease_grant(struct relay *r, const struct api_call *call,
	struct lease_request *req, struct lease **out, struct why *why)
{
	char client[ADDR_TEXT_MAX], key[IDENTITY_KEY_SIZE];
	const struct policy_verdict verdict = policy_judge(r->policy,
		identity_key_print(req->name, req->address, key));
	struct lease *lease;
	enum err rc;

	if (lease_table_is_full(r->table, req->name, key, &call->client))
		return err_set(why, ERR_AGAIN,
			"this relay has no room for more leases, or none for more of your "
			"network's: try again later");
	req->client_ip = addr_print_ip(&call->client, client);
	req->tcp_max_leases = policy_settings(r->policy)->tcp_max_leases;
	req->is_routable = verdict.is_routable;
	req->keeps_name = !verdict.is_denied && !verdict.is_banned;
	rc = lease_open(r->table, req, &lease, why);
	if (rc != ERR_OK)
		return rc;
	rc = relay_begin_lease(r, lease);
	if (rc == ERR_OK)
		*out = lease;
	else
		lease_end(r->table, lease, LEASE_FAILED);
	return rc;
}

static void register_open(struct relay *r, struct api_call *call,
	struct pending_lease *pending, const char *reported, const char *route_host)
{
	char ip[ADDR_TEXT_MAX];
	struct message_lease answer = { .sni_port = r->sni_port };
	struct lease_request req = {
		.name = pending->name,
		.address = pending->address,
		.route_host = route_host[0] != '\0' ? route_host : NULL,
		.metadata = &pending->metadata,
		.reported_ip = reported_ip(reported, ip),
		.wants_tcp = pending->wants_tcp,
		.now_ms = clock_wall_ms(),
	};
	struct lease *lease;
	struct why why = { "" };
	enum err rc;

	req.until_ms = req.now_ms + (uint64_t)pending->ttl_s * 1000;
	rc = lease_grant(r, call, &req, &lease, &why);
	if (rc == ERR_OK) {
		rc = token_issue(r, lease, pending->ttl_s, answer.access_token);
		if (rc != ERR_OK)
			lease_end(r->table, lease, LEASE_FAILED);
	}
	if (rc != ERR_OK) {
		lease_refuse(r, call, pending, register_error_of(rc), err_text(rc, &why));
		return;
	}
	register_log(r, lease, "registered");
	str_copy(answer.identity.name, sizeof(answer.identity.name), pending->name);
	str_copy(answer.identity.address, sizeof(answer.identity.address),
		pending->address);
	answer.expires_at.s = (int64_t)(req.until_ms / 1000);
	answer.tcp_enabled = lease->route->tcp_port != 0;
	if (answer.tcp_enabled)
		snprintf(answer.tcp_addr, sizeof(answer.tcp_addr), "%s:%u",
			r->options.root, lease->route->tcp_port);
	api_reply(call, &answer);
}

static struct pending_lease *register_redeem(struct relay *r, struct api_call *call,
	const struct message_register_request *req)
{
	struct siwe_response answer = {
		.text = span_str(req->siwe_message),
		.signature = names_trim(span_str(req->siwe_signature)),
	};
	struct challenge_outcome outcome;
	struct why why = { "" };
	enum err rc = challenges_verify(r->challenges, req->challenge_id, &answer,
		&outcome, &why);

	if (rc == ERR_OK)
		return outcome.payload;
	lease_refuse(r, call, NULL,
		rc == ERR_DENIED ? MESSAGE_UNAUTHORIZED : MESSAGE_INVALID_REQUEST,
		err_text(rc, &why));
	return NULL;
}

static void lease_register(void *context, struct api_call *call)
{
	struct relay *r = context;
	const struct message_register_request *req = call->request;
	char route_host[NAMES_HOST_MAX + 1];
	struct pending_lease *pending = register_redeem(r, call, req);

	if (pending == NULL || register_refuses_route(r, call, pending, route_host)) {
		/* answered */
	} else if (pending->wants_tcp && !policy_settings(r->policy)->tcp_enabled) {
		lease_refuse(r, call, pending, MESSAGE_TCP_PORT_DISABLED,
			"TCP ports are switched off on this relay");
	} else {
		register_open(r, call, pending, req->reported_ip, route_host);
	}
	pending_free(pending);
}

/* ---- access tokens ---- */

/* False: it is not valid, and the call is refused. */
static bool token_read(struct relay *r, struct api_call *call, struct span text,
	struct access_token *out)
{
	struct access_check check = {
		.key = &r->identity.key,
		.issuer = r->options.url,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
	};
	struct why why = { "" };
	enum err rc = access_token_verify(text, &check, out, &why);

	if (rc != ERR_OK)
		envelope_refuse(call, MESSAGE_UNAUTHORIZED, err_text(rc, &why));
	return rc == ERR_OK;
}

/* Another agent with the same identity has registered since it was issued. */
static bool token_is_outdated(const struct access_token *t, const struct lease *lease)
{
	return t->registration != 0 &&
		t->registration < lease_route_of(lease->route)->registration;
}

/* NULL: there is no such lease, or the token is not valid; the call is refused. */
static struct lease *lease_of_token(struct relay *r, struct api_call *call,
	const char *text, struct access_token *token)
{
	char key[IDENTITY_KEY_SIZE];
	struct lease *lease;

	if (!token_read(r, call, span_str(text), token))
		return NULL;
	lease = lease_find(r->table,
		identity_key_print(token->name, token->address, key));
	if (lease == NULL)
		envelope_refuse(call, MESSAGE_LEASE_NOT_FOUND, "lease not found");
	return lease;
}

/* ---- leases from before a restart ---- */

/* False: another identity has the name now, or there is no room. */
static bool revival_open(struct relay *r, struct api_call *call,
	const struct access_token *t)
{
	struct message_metadata metadata = { .hide = false };
	char host[NAMES_HOST_MAX + 1] = "";
	struct lease_request req = {
		.name = t->name,
		.address = t->address,
		.metadata = &metadata,
		.reported_ip = "",
		.wants_tcp = t->tcp_port != 0 && policy_settings(r->policy)->tcp_enabled,
		.now_ms = clock_wall_ms(),
		.until_ms = (uint64_t)t->expires_at_s * 1000,
		.registration = t->registration,
	};
	const uint64_t most_ms = req.now_ms + LEASE_TTL_MAX_S * UINT64_C(1000);
	struct lease *lease;

	/* An earlier version, or another program with this key, may have issued it. */
	if (req.until_ms > most_ms)
		req.until_ms = most_ms;
	if (t->route_host[0] != '\0' && route_host_parse(r, t->route_host, host))
		req.route_host = host;
	if (req.wants_tcp)
		lease_table_remember_port(r->table, t->name, t->tcp_port, req.now_ms);
	if (is_reserved(r, t->name) || is_reserved(r, host) ||
		lease_grant(r, call, &req, &lease, NULL) != ERR_OK)
		return false;
	register_log(r, lease, "restored after a restart; held");
	return true;
}

/*
 * A reverse session has a valid token, and there is no lease, or an older one. If the
 * token was issued before a restart, the lease is granted again until the token expires:
 * stock clients do not register again before they renew. If it was issued since, its
 * lease has ended.
 */
static void lease_revive(void *context, struct api_call *call)
{
	struct relay *r = context;
	char key[IDENTITY_KEY_SIZE];
	struct access_token t;
	struct lease *lease;

	if (!token_read(r, call, buf_span(&call->body), &t))
		return;
	lease = lease_find(r->table, identity_key_print(t.name, t.address, key));
	if ((lease == NULL ||
		    lease_route_of(lease->route)->registration < t.registration) &&
		(lease_table_has_issued(r->table, t.registration) ||
			!revival_open(r, call, &t)))
		envelope_refuse(call, MESSAGE_LEASE_NOT_FOUND, REQUEST_NO_LEASE);
	else
		call->status = 200;
}

/* ---- renewal and the end ---- */

static void renew_answer(struct relay *r, struct api_call *call, struct lease *lease,
	struct message_renew_request *req)
{
	struct message_renewal answer = { .expires_at.s = 0 };
	char client[ADDR_TEXT_MAX], ip[ADDR_TEXT_MAX];
	int64_t ttl_s = ttl_of(req->ttl_s);
	struct lease_renewal renewal = {
		.metadata = &req->metadata,
		.client_ip = addr_print_ip(&call->client, client),
		.reported_ip = reported_ip(req->reported_ip, ip),
		.now_ms = clock_wall_ms(),
	};

	if (token_issue(r, lease, ttl_s, answer.access_token) != ERR_OK) {
		envelope_refuse(call, MESSAGE_INTERNAL, "cannot issue a token");
		return;
	}
	renewal.until_ms = renewal.now_ms + (uint64_t)ttl_s * 1000;
	lease_renew(r->table, lease, &renewal);
	answer.expires_at = timefmt_of_ms(renewal.until_ms);
	api_reply(call, &answer);
}

/* True: its name was reserved after it was registered, and the call is refused. */
static bool renewal_is_refused(struct relay *r, struct api_call *call,
	const struct lease *lease)
{
	const struct route *route = lease->route;
	struct pending_lease pending = { .ttl_s = 0 };

	str_copy(pending.name, sizeof(pending.name), route->name);
	str_copy(pending.address, sizeof(pending.address), lease->address);
	return refuse_reserved(r, call, &pending, route->name) ||
		refuse_reserved(r, call, &pending, route->host);
}

static void lease_renew_call(void *context, struct api_call *call)
{
	struct relay *r = context;
	struct message_renew_request *req = call->request;
	struct access_token t;
	struct lease *lease = lease_of_token(r, call, req->access_token, &t);

	if (lease != NULL && renewal_is_refused(r, call, lease))
		lease_end(r->table, lease, LEASE_RESERVED);
	else if (lease != NULL && token_is_outdated(&t, lease))
		envelope_refuse(call, MESSAGE_HOSTNAME_CONFLICT, ENVELOPE_REPLACED);
	else if (lease != NULL)
		renew_answer(r, call, lease, req);
}

static void lease_unregister(void *context, struct api_call *call)
{
	struct relay *r = context;
	const struct message_unregister_request *req = call->request;
	struct access_token t;
	struct lease *lease = lease_of_token(r, call, req->access_token, &t);

	if (lease == NULL)
		return;
	if (!token_is_outdated(&t, lease)) /* or it has ended already */
		lease_end(r->table, lease, LEASE_UNREGISTERED);
	api_reply(call, NULL);
}

static void lease_hop(void *context, struct api_call *call)
{
	(void)context;
	envelope_refuse(call, MESSAGE_FEATURE_UNAVAILABLE, NO_HOPS);
}

/* The worker that sends it has verified the token. */
const struct api_operation lease_revival = {
	.path = "/sdk/connect",
	.authority = &api_anyone,
	.fn = lease_revive,
};

static const struct api_operation rows[] = {
	{ "POST", "/sdk/register/challenge", &unbanned, lease_challenge,
		.request = &message_challenge_request_fields,
		.response = &message_challenge_fields, .status = 201,
		.summary = "Returns the text that is to be signed for a lease." },
	{ "POST", "/sdk/register", &unbanned, lease_register,
		.request = &message_register_request_fields,
		.response = &message_lease_fields, .status = 201,
		.summary = "Registers a lease." },
	{ "POST", "/sdk/renew", &unbanned, lease_renew_call,
		.request = &message_renew_request_fields,
		.response = &message_renewal_fields, .summary = "Renews a lease." },
	{ "POST", "/sdk/unregister", &unbanned, lease_unregister,
		.request = &message_unregister_request_fields,
		.summary = "Ends a lease." },
	{ "POST", "/sdk/hop", &unbanned, lease_hop, .request = NULL },
	{ "DELETE", "/sdk/hop", &unbanned, lease_hop, .request = NULL },
};

const struct api_table api_lease_table = API_TABLE_OF(rows);
