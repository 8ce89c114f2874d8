/* The client's hold on a lease at one relay. */
#include "tunnel/portal/registration.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/client.h"
#include "tunnel/portal/message.h"
#include "tunnel/portal/siwe.h"

#define REGISTER_PATH "/sdk/register"
#define ASK_MS 10000
#define LEAVE_MS 5000
#define CONNECTIONS_MAX 32 /* for all leases at the relay */
#define IDLE_MS 10000
#define RENEW_MARGIN_MS 30000 /* before the lease expires */
#define RENEW_AGAIN_MS 3000
#define RENEW_AGAIN_MIN_MS 200
#define RENEW_ASK_MIN_MS 1000
#define RENEW_LATE_MS 10000 /* a timer so late: the machine was suspended */
#define LEASE_MIN_MS 1000   /* whatever the relay says */
#define LEASE_MAX_MS (24 * 3600 * 1000)
#define CLOCK_OFF_MS 15000 /* half of what signing tolerates */

#define REQUEST_HEADERS \
	RELAY_USER_AGENT "Content-Type: application/json\r\nAccept: application/json\r\n"

enum registration_state {
	REG_ASKING,      /* for the relay's protocol version */
	REG_CHALLENGING, /* for a text to sign */
	REG_REGISTERING,
	REG_HELD, /* until it is time to renew */
	REG_RENEWING,
	REG_LEAVING,
	REG_ENDED,
};

struct registration {
	struct registration_options o;
	enum registration_state state;
	/* Shared with other leases at the relay, by o.relay->share. NULL: none yet. */
	struct http_client *client;
	struct tls_context *tls;        /* of the client: a reference */
	struct http_transfer *transfer; /* borrowed: until its response */
	struct loop_timer *timer;
	struct message_challenge *challenge; /* NULL but while it registers */
	char *token;                         /* the newest; NULL: none */
	int64_t relay_ahead_ms;   /* of clock_boot_ms(), which goes on during suspend */
	int64_t granted_ms;       /* at registration */
	uint64_t expires_boot_ms; /* clock_boot_ms() */
	uint64_t planned_boot_ms; /* the timer's time, likewise */
	bool is_in_trouble;       /* the last renewal failed */
	bool renews_again;        /* the metadata changed during a renewal */
	bool relay_is_adit;
	char release[MESSAGE_RELEASE_MAX];
	uint64_t rtt_us;
	enum registration_end end;
	struct why why; /* of the end, while it leaves */
};

/* A request, and what is done with its response. */
static const struct registration_rule {
	const char *name;
	const char *method, *target;
	uint32_t timeout_ms;
	enum err (*put)(const struct registration *r, struct buf *out);
	void (*take)(struct registration *r, const struct http_response *a);
} rules[REG_ENDED + 1];

static void registration_enter(struct registration *r, enum registration_state state);

static void registration_release_client(struct registration *r)
{
	if (r->client != NULL)
		relay_share_release_client(r->o.relay->share, r->client);
	r->client = NULL;
	tls_context_free(r->tls);
	r->tls = NULL;
}

/* Requests go over the connections for the relay's chain as it is now. */
static enum err registration_take_client(struct registration *r)
{
	const struct relay_peer *relay = r->o.relay;
	struct http_client_options o = {
		.loop = r->o.loop,
		.host = relay->host,
		.port = relay->port,
		.proxy = relay->proxy,
		.tls = relay->tls,
		.host_header = relay->authority,
		.connections_max = CONNECTIONS_MAX,
		.idle_ms = IDLE_MS,
	};

	if (r->client != NULL && r->tls == relay->tls)
		return ERR_OK;
	registration_release_client(r);
	if (relay->tls != NULL)
		r->tls = tls_context_ref(relay->tls);
	return relay_share_client(relay->share, &o, &r->client);
}

void registration_close(struct registration *r)
{
	if (r == NULL)
		return;
	http_transfer_close(r->transfer);
	registration_release_client(r);
	loop_timer_close(r->timer);
	free(r->challenge);
	mem_free_secret_str(r->token);
	free(r);
}

struct lease_token registration_token(const struct registration *r)
{
	return (struct lease_token){
		.text = r->token != NULL ? r->token : "",
		.relay_ahead_ms = r->relay_ahead_ms,
		.relay_is_adit = r->relay_is_adit,
	};
}

uint64_t registration_rtt_us(const struct registration *r)
{
	return r->rtt_us;
}

const char *registration_release(const struct registration *r)
{
	return r->release;
}

/* ---- the end ---- */

static void registration_finish(struct registration *r, enum registration_end end,
	const struct why *why)
{
	const struct registration_hooks *hooks = r->o.hooks;
	void *owner = r->o.owner;
	struct why words = *why;

	registration_close(r);
	hooks->on_ended(owner, end, &words);
}

/* Unregisters the lease before the end. */
static void registration_unregister(struct registration *r, enum registration_end end)
{
	r->end = end;
	registration_enter(r, REG_LEAVING);
}

static void take_unregistered(struct registration *r, const struct http_response *a)
{
	(void)a; /* the lease expires anyway */
	registration_finish(r, r->end, &r->why);
}

/* Until the lease expires. */
static uint64_t registration_left_ms(const struct registration *r)
{
	uint64_t now = clock_boot_ms();

	return now < r->expires_boot_ms ? r->expires_boot_ms - now : 0;
}

/* Half of @left_ms leaves time for another attempt; within two bounds. */
static uint32_t half_of(uint64_t left_ms, uint32_t min_ms, uint32_t max_ms)
{
	uint64_t half = left_ms / 2;

	if (half > max_ms)
		return max_ms;
	return half < min_ms ? min_ms : (uint32_t)half;
}

/* Holds the lease, and renews it after @wait_ms. */
static void registration_hold(struct registration *r, uint64_t wait_ms)
{
	r->state = REG_HELD;
	r->planned_boot_ms = clock_boot_ms() + wait_ms;
	loop_timer_set(r->timer, wait_ms);
}

static void renewal_failed(struct registration *r, const struct why *why)
{
	bool was_in_trouble = r->is_in_trouble;
	uint64_t left = registration_left_ms(r);
	uint32_t pause = half_of(left, RENEW_AGAIN_MIN_MS, RENEW_AGAIN_MS);

	if (left == 0) {
		registration_finish(r, REGISTRATION_LOST, why);
		return;
	}
	r->is_in_trouble = true;
	registration_hold(r, pause);
	if (!was_in_trouble)
		r->o.hooks->on_trouble(r->o.owner, why);
}

/* There was no response, or it was not valid. */
static void registration_fail(struct registration *r, const struct why *why)
{
	if (r->state == REG_RENEWING)
		renewal_failed(r, why);
	else if (r->state == REG_LEAVING)
		registration_finish(r, r->end, &r->why);
	else
		registration_finish(r, REGISTRATION_FAILED, why);
}

/* Reads a response. False: @r may be gone. 2.4 has the permanent refusals. */
static bool registration_read(struct registration *r, const struct http_response *a,
	const struct field_table *fields, void *out)
{
	struct message_refusal refusal = { 0 };
	struct why why = { "" }, words;
	bool is_renewing = r->state == REG_RENEWING;
	enum err rc = message_read_reply(a->status, a->body, fields, out, &refusal, &why);

	if (rc == ERR_OK)
		return true;
	if (rc == ERR_DENIED && is_renewing &&
		(strcmp(refusal.code, "lease_not_found") == 0 ||
			strcmp(refusal.code, "unauthorized") == 0)) {
		registration_finish(r, REGISTRATION_LOST, &why);
	} else if (rc != ERR_DENIED || is_renewing ||
		!message_error_is_final(refusal.code)) {
		registration_fail(r, &why);
	} else if (strcmp(refusal.code, "hostname_conflict") == 0) {
		err_set(&words, ERR_DENIED, "%s: the name %s is taken or reserved there",
			why.text, r->o.identity->name);
		registration_finish(r, REGISTRATION_TAKEN, &words);
	} else {
		registration_finish(r, REGISTRATION_REFUSED, &why);
	}
	return false;
}

/* ---- the relay's protocol ---- */

/*
 * A refusal in an envelope, or with a status of 5xx, is from a relay. Any other failure
 * means that the server is not a relay that we can use: it is not tried again.
 */
static void take_domain(struct registration *r, const struct http_response *a)
{
	struct message_domain domain = { 0 };
	struct message_refusal refusal = { 0 };
	struct why why = { "" };
	char shown[40];
	enum err rc = message_read_reply(a->status, a->body, &message_domain_fields,
		&domain, &refusal, &why);
	bool is_of_relay = rc == ERR_DENIED &&
		(refusal.code[0] != '\0' || a->status >= 500);

	if (!is_of_relay && (rc != ERR_OK || domain.protocol_version[0] == '\0'))
		rc = err_set(&why, ERR_PROTO,
			"the server there is not a relay (status %u for /sdk/domain)",
			a->status);
	else if (rc == ERR_OK && strcmp(domain.protocol_version, MESSAGE_PROTOCOL) != 0)
		rc = err_set(&why, ERR_PROTO,
			"the relay uses version %s of the protocol, adit uses"
			" " MESSAGE_PROTOCOL,
			str_quote(shown, sizeof(shown),
				span_str(domain.protocol_version)));
	if (rc != ERR_OK) {
		registration_finish(r,
			a->status >= 500 ? REGISTRATION_FAILED : REGISTRATION_REFUSED,
			&why);
		return;
	}
	r->relay_is_adit = str_has_prefix(domain.release_version, MESSAGE_RELEASE_ADIT);
	str_quote(r->release, sizeof(r->release), span_str(domain.release_version));
	registration_enter(r, REG_CHALLENGING);
}

/* ---- signing in ---- */

static enum err put_challenge(const struct registration *r, struct buf *out)
{
	struct message_challenge_request m = {
		.metadata = *r->o.metadata, /* borrowed: only printed */
		.ttl_s = MESSAGE_TTL_S,
		.tcp_enabled = r->o.wants_tcp,
	};

	str_copy(m.identity.name, sizeof(m.identity.name), r->o.identity->name);
	str_copy(m.identity.address, sizeof(m.identity.address), r->o.identity->address);
	return message_put_request(&message_challenge_request_fields, &m, out);
}

/* The relay wrote the text: without a check it could be a sign-in to another site. */
static enum err check_siwe(const struct registration *r, struct siwe *out,
	struct why *why)
{
	const struct relay_peer *relay = r->o.relay;
	char uri[URL_TEXT_MAX];
	enum err rc = siwe_parse(span_str(r->challenge->siwe_message), out, why);

	if (rc != ERR_OK)
		return rc;
	snprintf(uri, sizeof(uri), "https://%s" REGISTER_PATH, relay->authority);
	if (!span_is_nocase(out->domain, relay->authority) &&
		!span_is_nocase(out->domain, relay->host))
		return err_set(why, ERR_DENIED,
			"the relay asks for a signature for another site");
	if (!span_is_nocase(out->uri, uri)) {
		snprintf(uri, sizeof(uri), "https://%s" REGISTER_PATH, relay->host);
		if (!span_is_nocase(out->uri, uri))
			return err_set(why, ERR_DENIED,
				"the relay asks for a signature for something other"
				" than registering");
	}
	if (strcmp(out->address, r->o.identity->address) != 0)
		return err_set(why, ERR_DENIED,
			"the relay asks for a signature of another identity");
	return ERR_OK;
}

static void take_challenge(struct registration *r, const struct http_response *a)
{
	struct siwe siwe;
	struct why why = { "" };

	r->challenge = mem_new(r->challenge);
	if (r->challenge == NULL) {
		err_set(&why, ERR_NOMEM, "out of memory");
		registration_finish(r, REGISTRATION_FAILED, &why);
		return;
	}
	if (!registration_read(r, a, &message_challenge_fields, r->challenge))
		return;
	if (check_siwe(r, &siwe, &why) != ERR_OK) {
		registration_finish(r, REGISTRATION_FAILED, &why);
		return;
	}
	r->relay_ahead_ms = siwe.issued_at.s * 1000 - (int64_t)clock_boot_ms();
	registration_enter(r, REG_REGISTERING);
}

/* ---- registering ---- */

static enum err put_register(const struct registration *r, struct buf *out)
{
	struct message_register_request m = { 0 };
	char signature[SIWE_SIGNATURE_SIZE];
	enum err rc = siwe_sign(span_str(r->challenge->siwe_message),
		r->o.identity->secret, signature);

	if (rc != ERR_OK)
		return rc;
	str_copy(m.challenge_id, sizeof(m.challenge_id), r->challenge->challenge_id);
	str_copy(m.siwe_message, sizeof(m.siwe_message), r->challenge->siwe_message);
	str_copy(m.siwe_signature, sizeof(m.siwe_signature), signature);
	return message_put_request(&message_register_request_fields, &m, out);
}

/* Tokens are put into headers, and addresses shown in a terminal, as they are. */
static bool word_is_good(const char *word)
{
	const char *c;

	for (c = word; *c > ' ' && *c < 0x7f; c++)
		;
	return c > word && *c == '\0';
}

static enum err check_lease(const struct registration *r, const struct message_lease *l,
	struct why *why)
{
	const struct identity *id = r->o.identity;

	if (!word_is_good(r->token))
		return err_set(why, ERR_PROTO, "the relay sent no access token");
	if (strcasecmp(l->identity.name, id->name) != 0 ||
		strcasecmp(l->identity.address, id->address) != 0)
		return err_set(why, ERR_PROTO, "the relay registered another identity");
	if (l->tcp_addr[0] != '\0' && !word_is_good(l->tcp_addr))
		return err_set(why, ERR_PROTO, "the relay sent an invalid TCP address");
	if (r->o.wants_tcp && (!l->tcp_enabled || l->tcp_addr[0] == '\0'))
		return err_set(why, ERR_PROTO, "the relay did not assign a TCP port");
	return ERR_OK;
}

/* By the relay's clock, as it was in the text of the challenge. */
static int64_t registration_granted_ms(const struct registration *r,
	struct timestamp expires_at)
{
	return expires_at.s * 1000 + expires_at.ns / 1000000 - r->relay_ahead_ms -
		(int64_t)clock_boot_ms();
}

static void registration_plan(struct registration *r, struct timestamp expires_at)
{
	int64_t left = registration_granted_ms(r, expires_at);
	uint64_t wait;

	if (left < LEASE_MIN_MS)
		left = LEASE_MIN_MS;
	if (left > LEASE_MAX_MS)
		left = LEASE_MAX_MS;
	wait = left > 2 * RENEW_MARGIN_MS ? (uint64_t)left - RENEW_MARGIN_MS :
					    (uint64_t)left / 2;
	r->is_in_trouble = false;
	r->expires_boot_ms = clock_boot_ms() + (uint64_t)left;
	registration_hold(r, r->renews_again ? 0 : wait);
	r->renews_again = false;
}

static void take_lease(struct registration *r, const struct http_response *a)
{
	struct message_lease lease = { 0 };
	bool is_kept;

	if (!registration_read(r, a, &message_lease_fields, &lease))
		return;
	free(r->challenge);
	r->challenge = NULL;
	is_kept = str_replace(&r->token, lease.access_token);
	mem_wipe(lease.access_token, sizeof(lease.access_token));
	if (!is_kept) {
		err_set(&r->why, ERR_NOMEM, "out of memory");
		registration_finish(r, REGISTRATION_FAILED, &r->why);
	} else if (check_lease(r, &lease, &r->why) != ERR_OK) {
		registration_unregister(r, REGISTRATION_FAILED);
	} else {
		r->granted_ms = registration_granted_ms(r, lease.expires_at);
		registration_plan(r, lease.expires_at);
		r->o.hooks->on_held(r->o.owner, &lease);
	}
}

/* ---- renewing ---- */

static enum err put_renew(const struct registration *r, struct buf *out)
{
	struct message_renew_request m = {
		.ttl_s = MESSAGE_TTL_S,
		.metadata = *r->o.metadata,
	};

	str_copy(m.access_token, sizeof(m.access_token), r->token);
	return message_put_request(&message_renew_request_fields, &m, out);
}

/*
 * A renewal grants as much time as the registration did. If not, the relay's clock has
 * changed; the new offset is only known after registering again.
 */
static void take_renewal(struct registration *r, const struct http_response *a)
{
	struct message_renewal renewal = { 0 };
	struct why why;
	int64_t granted;

	if (!registration_read(r, a, &message_renewal_fields, &renewal))
		return;
	if (!word_is_good(renewal.access_token)) {
		err_set(&why, ERR_PROTO,
			"the relay renewed the lease without an access token");
		renewal_failed(r, &why);
		return;
	}
	granted = registration_granted_ms(r, renewal.expires_at);
	if (granted <= 0 || llabs(granted - r->granted_ms) > CLOCK_OFF_MS) {
		err_set(&why, ERR_PROTO, "the relay's clock has changed");
		registration_finish(r, REGISTRATION_LOST, &why);
		return;
	}
	(void)!str_replace(&r->token,
		renewal.access_token); /* else the old one, for now */
	registration_plan(r, renewal.expires_at);
	r->o.hooks->on_renewed(r->o.owner, a->stream);
}

void registration_renew(struct registration *r)
{
	if (r->state == REG_HELD)
		registration_hold(r, 0);
	else
		r->renews_again = r->state == REG_RENEWING || r->state == REG_REGISTERING;
}

static void registration_on_timer(void *arg)
{
	struct registration *r = arg;
	struct why why;

	if (clock_boot_ms() < r->planned_boot_ms + RENEW_LATE_MS) {
		registration_enter(r, REG_RENEWING);
		return;
	}
	err_set(&why, ERR_TIMEOUT, "this machine was suspended until the lease expired");
	registration_finish(r, REGISTRATION_LOST, &why);
}

/* ---- leaving ---- */

static enum err put_unregister(const struct registration *r, struct buf *out)
{
	struct message_unregister_request m = { 0 };

	str_copy(m.access_token, sizeof(m.access_token), r->token);
	return message_put_request(&message_unregister_request_fields, &m, out);
}

bool registration_leave(struct registration *r)
{
	if (r->token == NULL || r->state == REG_LEAVING)
		return r->state == REG_LEAVING;
	http_transfer_close(r->transfer);
	r->transfer = NULL;
	loop_timer_stop(r->timer);
	registration_unregister(r, REGISTRATION_LEFT);
	return true;
}

/* ---- requests ---- */

static const struct registration_rule rules[REG_ENDED + 1] = {
	[REG_ASKING] = { "asking the relay for its version", "GET", "/sdk/domain", ASK_MS,
		NULL, take_domain },
	[REG_CHALLENGING] = { "asking to register", "POST", "/sdk/register/challenge",
		ASK_MS, put_challenge, take_challenge },
	[REG_REGISTERING] = { "registering", "POST", REGISTER_PATH, ASK_MS, put_register,
		take_lease },
	[REG_HELD] = { "held", NULL, NULL, 0, NULL, NULL },
	[REG_RENEWING] = { "renewing", "POST", "/sdk/renew", ASK_MS, put_renew,
		take_renewal },
	[REG_LEAVING] = { "unregistering", "POST", "/sdk/unregister", LEAVE_MS,
		put_unregister, take_unregistered },
};

static void registration_on_answer(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct registration *r = arg;
	struct why words;

	r->transfer = NULL;
	if (rc == ERR_OK && a->is_reused && (r->rtt_us == 0 || a->first_us < r->rtt_us))
		r->rtt_us = a->first_us;
	if (rc == ERR_OK) {
		rules[r->state].take(r, a);
		return;
	}
	err_set(&words, rc, "%s: %s", rules[r->state].name, err_text(rc, why));
	relay_share_reconnect(r->o.relay->share, r->client);
	registration_fail(r, &words);
}

static enum err registration_ask(struct registration *r)
{
	const struct registration_rule *rule = &rules[r->state];
	struct http_client_request q = {
		.method = rule->method,
		.target = rule->target,
		.headers = rule->put != NULL ? REQUEST_HEADERS : RELAY_USER_AGENT,
		.response_max = MESSAGE_BODY_MAX,
		.timeout_ms = rule->timeout_ms,
		.fn = registration_on_answer,
		.arg = r,
	};
	struct buf body;
	enum err rc = registration_take_client(r);

	if (r->state == REG_RENEWING)
		q.timeout_ms = half_of(registration_left_ms(r), RENEW_ASK_MIN_MS, ASK_MS);
	buf_init(&body, MESSAGE_BODY_MAX);
	if (rc == ERR_OK && rule->put != NULL)
		rc = rule->put(r, &body);
	q.body = buf_span(&body);
	if (rc == ERR_OK)
		rc = http_client_send(r->client, &q, &r->transfer);
	mem_wipe(buf_front(&body), body.n);
	buf_fini(&body);
	return rc;
}

/* Fails only if memory is out. */
static void registration_enter(struct registration *r, enum registration_state state)
{
	struct why why;
	enum err rc;

	r->state = state;
	rc = registration_ask(r);
	if (rc == ERR_OK)
		return;
	err_set(&why, rc, "%s: %s", rules[state].name, err_name(rc));
	registration_fail(r, &why);
}

enum err registration_open(const struct registration_options *o,
	struct registration **out, struct why *why)
{
	struct registration *r = mem_new(r);
	enum err rc;

	if (r == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	r->o = *o;
	r->state = REG_ASKING;
	rc = loop_timer_open(o->loop, registration_on_timer, r, &r->timer);
	if (rc == ERR_OK)
		rc = registration_take_client(r);
	if (rc == ERR_OK) {
		/* The path may have changed since the last lease at this relay. */
		relay_share_reconnect(o->relay->share, r->client);
		rc = registration_ask(r);
	}
	if (rc != ERR_OK) {
		registration_close(r);
		return err_set(why, rc, "registering: %s", err_name(rc));
	}
	*out = r;
	return ERR_OK;
}
