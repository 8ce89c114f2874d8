/* One attempt at a certificate. */
#include "acme/order.h"

#include <stdio.h>

#include "acme/dns_hook.h"
#include "acme/jws.h"
#include "base/clock.h"
#include "base/str.h"
#include "text/names.h"

#define POLL_FIRST_MS 250
#define POLL_MAX_MS 10000
#define POLL_MIN_MS 200             /* whatever Retry-After says */
#define POLL_LONGEST_MS (60 * 1000) /* likewise */
#define FINALIZE_TRIES 3
#define KEY_MAX (32 * 1024)

enum order_state {
	ORDER_CREATING,
	ORDER_AUTHORIZING, /* reading the authorization of the next name */
	ORDER_PREPARING,   /* the challenge can be validated when this is over */
	ORDER_ANSWERING,   /* telling the CA so */
	ORDER_VALIDATING,  /* polling the authorization */
	ORDER_CLEANING,    /* the challenge is not needed any more */
	ORDER_FINALIZING,  /* sending the certificate request */
	ORDER_ISSUING,     /* polling the order */
	ORDER_FETCHING,    /* the chain */
	ORDER_ENDED,
};

/* The challenge that is prepared now. */
struct order_challenge {
	enum acme_challenge_kind kind; /* ACME_OTHER: none */
	char *url;
	char token[ACME_TOKEN_MAX + 1];
	char name[NAMES_HOST_MAX + 1]; /* that is proved */
	char dns_name[NAMES_HOST_MAX + 32];
	char dns_value[ACME_DNS_VALUE_SIZE];
};

struct acme_order {
	struct acme_order_options o;
	enum order_state state;
	char *names[ACME_NAMES_MAX];
	struct field_list authorizations; /* URLs */
	unsigned next;                    /* authorization */
	char *url, *finalize, *certificate;
	struct order_challenge challenge;
	EVP_PKEY *key;
	struct acme_call *call;
	struct acme_hook *hook;
	struct loop_timer *timer; /* of the next poll, or of the next state */
	uint32_t poll_ms;         /* the last pause */
	uint64_t began_ms;        /* the state */
	unsigned finalizes;
	struct acme_failure failure; /* rc ERR_OK: none yet */
};

/* A step begins a state; the answer of the CA to its request goes to take(). */
static const struct order_rule {
	const char *name;
	const char *doing; /* for failures */
	enum err (*begin)(struct acme_order *o, struct why *why);
	void (*take)(struct acme_order *o, const struct acme_answer *answer);
} rules[ORDER_ENDED + 1];

static const struct field list_row = { .kind = FIELD_LIST };

static void order_enter(struct acme_order *o, enum order_state state);

/* ---- the end ---- */

static void order_forget_challenge(struct acme_order *o)
{
	struct order_challenge *c = &o->challenge;

	if (c->kind == ACME_HTTP_01)
		acme_challenges_remove_http(o->o.challenges, c->token);
	else if (c->kind == ACME_TLS_ALPN_01)
		acme_challenges_remove_alpn(o->o.challenges, c->name);
	free(c->url);
	memset(c, 0, sizeof(*c));
}

void acme_order_close(struct acme_order *o)
{
	if (o == NULL)
		return;
	acme_call_close(o->call);
	acme_hook_close(o->hook);
	loop_timer_close(o->timer);
	order_forget_challenge(o);
	for (unsigned i = 0; i < o->o.names_n; i++)
		free(o->names[i]);
	field_member_fini(&list_row, &o->authorizations);
	free(o->url);
	free(o->finalize);
	free(o->certificate);
	EVP_PKEY_free(o->key);
	free(o);
}

static void order_end(struct acme_order *o, struct acme_pair *pair)
{
	struct acme_failure failure = o->failure;
	const struct acme_order_options options = o->o;

	acme_order_close(o);
	options.on_ended(options.arg, pair, &failure);
}

/* The failure is set. A challenge that was prepared is cleaned up first. */
static void order_fail(struct acme_order *o)
{
	if (o->failure.rc == ERR_OK)
		o->failure.rc = ERR_PROTO;
	if (o->challenge.kind != ACME_OTHER && o->state != ORDER_CLEANING)
		order_enter(o, ORDER_CLEANING);
	else
		order_end(o, NULL);
}

static void order_fail_by(struct acme_order *o, enum err rc,
	const struct acme_answer *answer, const struct why *why)
{
	acme_failure_of_answer(&o->failure, rules[o->state].doing, o->names[0], rc,
		answer, why);
	order_fail(o);
}

/* ---- requests and pauses ---- */

static void order_on_answer(void *arg, enum err rc, const struct acme_answer *answer,
	const struct why *why)
{
	struct acme_order *o = arg;

	o->call = NULL;
	if (rc == ERR_OK)
		rules[o->state].take(o, answer);
	else if (o->state == ORDER_FINALIZING && answer->problem != NULL &&
		acme_problem_kind(answer->problem) == ACME_PROBLEM_ORDER_NOT_READY &&
		o->finalizes < FINALIZE_TRIES)
		order_enter(o, ORDER_ISSUING);
	else
		order_fail_by(o, rc, answer, why);
}

static enum err order_ask(struct acme_order *o, enum acme_service service,
	const char *url, struct span payload, size_t answer_max)
{
	struct acme_request r = {
		.service = service,
		.url = url,
		.payload = payload,
		.answer_max = answer_max,
		.fn = order_on_answer,
		.arg = o,
	};

	return acme_client_send(o->o.client, &r, &o->call);
}

static enum err order_get(struct acme_order *o, const char *url)
{
	return order_ask(o, ACME_AT_URL, url, span_of(NULL, 0), 0);
}

/* Polls @url again later. */
static void order_poll_later(struct acme_order *o, uint32_t retry_after_ms)
{
	if (clock_now_ms() - o->began_ms > ACME_ORDER_WAIT_MS) {
		acme_failure_set(&o->failure, ERR_TIMEOUT,
			"%s for %s: the CA has not finished after %d s",
			rules[o->state].doing, o->names[0], ACME_ORDER_WAIT_MS / 1000);
		order_fail(o);
		return;
	}
	if (retry_after_ms > POLL_LONGEST_MS)
		retry_after_ms = POLL_LONGEST_MS;
	if (retry_after_ms > 0 && retry_after_ms < POLL_MIN_MS)
		retry_after_ms = POLL_MIN_MS;
	loop_timer_set(o->timer, retry_after_ms > 0 ? retry_after_ms : o->poll_ms);
	o->poll_ms = o->poll_ms * 3 / 2 < POLL_MAX_MS ? o->poll_ms * 3 / 2 : POLL_MAX_MS;
}

static enum err order_begin_polling(struct acme_order *o, struct why *why)
{
	(void)why;
	o->poll_ms = POLL_FIRST_MS;
	order_poll_later(o, 0);
	return ERR_OK;
}

static void order_on_timer(void *arg)
{
	struct acme_order *o = arg;
	const char *url = o->url;
	struct why why = { "" };
	enum err rc;

	if (o->state == ORDER_VALIDATING)
		url = o->authorizations.v[o->next];
	rc = order_get(o, url);
	if (rc != ERR_OK)
		order_fail_by(o, rc, NULL, &why);
}

/* ---- the order ---- */

static enum err text_replace(char **to, const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		return ERR_NOMEM;
	if (copy != NULL) {
		free(*to);
		*to = copy;
	}
	return ERR_OK;
}

static void order_take_list(struct field_list *to, struct field_list *from)
{
	struct field_list old = *to;

	*to = *from;
	*from = old;
}

/* The next name, or what is to be done when all have been proved. */
static void order_go_on(struct acme_order *o)
{
	order_enter(o,
		o->next < o->authorizations.n ? ORDER_AUTHORIZING : ORDER_FINALIZING);
}

static void order_take_object(struct acme_order *o, struct acme_order_object *object,
	uint32_t retry_after_ms)
{
	enum err rc = text_replace(&o->finalize, object->finalize);

	if (rc == ERR_OK)
		rc = text_replace(&o->certificate, object->certificate);
	if (rc != ERR_OK) {
		order_fail_by(o, rc, NULL, NULL);
		return;
	}
	switch (object->state) {
	case ACME_STATUS_INVALID:
		acme_failure_of_problem(&o->failure, rules[o->state].doing, o->names[0],
			&object->error);
		order_fail(o);
		break;
	case ACME_STATUS_VALID:
		order_enter(o, ORDER_FETCHING);
		break;
	case ACME_STATUS_PENDING:
		if (o->state == ORDER_CREATING)
			order_go_on(o);
		else
			order_poll_later(o, retry_after_ms);
		break;
	case ACME_STATUS_READY:
		if (o->state == ORDER_FINALIZING)
			order_enter(o, ORDER_ISSUING);
		else
			order_enter(o, ORDER_FINALIZING);
		break;
	default:
		if (o->state == ORDER_ISSUING)
			order_poll_later(o, retry_after_ms);
		else
			order_enter(o, ORDER_ISSUING);
	}
}

static void order_take(struct acme_order *o, const struct acme_answer *answer)
{
	struct acme_order_object object;
	struct why why = { "" };
	enum err rc = acme_read_order(answer->body, &object, &why);

	if (rc == ERR_OK && o->state == ORDER_CREATING) {
		order_take_list(&o->authorizations, &object.authorizations);
		rc = answer->location != NULL ?
			text_replace(&o->url, answer->location) :
			err_set(&why, ERR_PROTO, "the CA's answer has no order URL");
	}
	if (rc == ERR_OK)
		order_take_object(o, &object, answer->retry_after_ms);
	else
		order_fail_by(o, rc, NULL, &why);
	field_fini(&acme_order_fields, &object);
}

static enum err order_begin_creating(struct acme_order *o, struct why *why)
{
	struct buf payload;
	enum err rc;

	(void)why;
	buf_init(&payload, ACME_ANSWER_MAX);
	acme_put_new_order((const char *const *)o->names, o->o.names_n, o->o.replaces,
		&payload);
	rc = payload.failed;
	if (rc == ERR_OK)
		rc = order_ask(o, ACME_NEW_ORDER, NULL, buf_span(&payload), 0);
	buf_fini(&payload);
	return rc;
}

/* ---- authorizations and challenges ---- */

static enum err order_begin_authorizing(struct acme_order *o, struct why *why)
{
	(void)why;
	return order_get(o, o->authorizations.v[o->next]);
}

/* The first in this order that the CA offers and we can do. A hook has been set up by
 * the operator for that; the others may be blocked. */
static const struct acme_challenge *order_choose(const struct acme_order *o,
	const struct acme_authorization *a)
{
	static const enum acme_challenge_kind kinds[] = { ACME_DNS_01, ACME_TLS_ALPN_01,
		ACME_HTTP_01 };
	const struct acme_challenge *found = NULL;

	for (size_t i = 0; i < mem_count(kinds) && found == NULL; i++)
		if ((o->o.kinds & kinds[i]) != 0)
			found = acme_find_challenge(a, kinds[i]);
	return found;
}

static enum err order_set_challenge(struct acme_order *o,
	const struct acme_challenge *chosen, const char *name)
{
	struct order_challenge *c = &o->challenge;
	char authorization[ACME_KEY_AUTHORIZATION_MAX];
	enum err rc = text_replace(&c->url, chosen->url);

	c->kind = chosen->kind;
	(void)str_copy(c->token, sizeof(c->token), chosen->token);
	(void)str_copy(c->name, sizeof(c->name), name);
	(void)snprintf(c->dns_name, sizeof(c->dns_name), "_acme-challenge.%s", name);
	acme_key_authorization(c->token, acme_client_thumbprint(o->o.client),
		authorization);
	if (rc == ERR_OK)
		rc = acme_dns_value(authorization, c->dns_value);
	if (rc == ERR_OK && c->kind == ACME_HTTP_01)
		rc = acme_challenges_add_http(o->o.challenges, c->token, authorization);
	if (rc == ERR_OK && c->kind == ACME_TLS_ALPN_01)
		rc = acme_challenges_add_alpn(o->o.challenges, c->name, authorization);
	return rc;
}

static void order_fail_without_challenge(struct acme_order *o,
	const struct acme_authorization *a)
{
	const char *name = a->identifier.value;

	if (a->wildcard || o->names[0][0] == '*')
		acme_failure_set(&o->failure, ERR_USAGE,
			"*.%s: a certificate for a wildcard needs DNS-01: give a hook program "
			"that sets TXT records",
			name);
	else
		acme_failure_set(&o->failure, ERR_DENIED,
			"%s: the CA offers no challenge that can be answered here", name);
	o->failure.is_unanswerable = true;
	order_fail(o);
}

static void order_take_authorization(struct acme_order *o,
	const struct acme_authorization *a, uint32_t retry_after_ms)
{
	const struct acme_challenge *chosen;
	enum err rc;

	if (a->state == ACME_STATUS_VALID && o->state == ORDER_VALIDATING) {
		order_enter(o, ORDER_CLEANING);
	} else if (a->state == ACME_STATUS_VALID) { /* by an earlier order */
		o->next++;
		order_go_on(o);
	} else if (a->state == ACME_STATUS_INVALID) {
		acme_failure_of_validation(&o->failure, a->identifier.value,
			o->challenge.kind, acme_find_failure(a));
		order_fail(o);
	} else if (o->state == ORDER_VALIDATING) {
		order_poll_later(o, retry_after_ms);
	} else {
		chosen = order_choose(o, a);
		if (chosen == NULL) {
			order_fail_without_challenge(o, a);
			return;
		}
		rc = order_set_challenge(o, chosen, a->identifier.value);
		if (rc == ERR_OK)
			order_enter(o, ORDER_PREPARING);
		else
			order_fail_by(o, rc, NULL, NULL);
	}
}

/* A CA cannot have us prove other names. */
static bool order_has(const struct acme_order *o, const struct acme_authorization *a)
{
	bool found = false;

	for (unsigned i = 0; i < o->o.names_n && !found; i++) {
		const char *name = o->names[i];

		if (str_has_prefix(name, "*."))
			found = a->wildcard && strcmp(name + 2, a->identifier.value) == 0;
		else
			found = !a->wildcard && strcmp(name, a->identifier.value) == 0;
	}
	return found;
}

static void order_take_authorized(struct acme_order *o, const struct acme_answer *answer)
{
	struct acme_authorization a;
	struct why why = { "" };
	enum err rc = acme_read_authorization(answer->body, &a, &why);

	if (rc == ERR_OK && !order_has(o, &a))
		rc = err_set(&why, ERR_PROTO, "the CA wants %.100s to be proved, too",
			a.identifier.value);
	if (rc == ERR_OK)
		order_take_authorization(o, &a, answer->retry_after_ms);
	else
		order_fail_by(o, rc, NULL, &why);
	field_fini(&acme_authorization_fields, &a);
}

static void order_on_hook(void *arg, enum err rc, const struct why *why)
{
	struct acme_order *o = arg;

	o->hook = NULL;
	if (o->state == ORDER_CLEANING) {
		if (rc != ERR_OK)
			log_warn(o->o.log, "ACME: %s: %s: a TXT record may be left",
				o->challenge.dns_name, err_text(rc, why));
		order_forget_challenge(o);
		o->next++;
		if (o->failure.rc != ERR_OK)
			order_end(o, NULL);
		else
			order_go_on(o);
	} else if (rc == ERR_OK) {
		order_enter(o, ORDER_ANSWERING);
	} else {
		o->failure.tried = ACME_DNS_01;
		order_fail_by(o, rc, NULL, why);
	}
}

static enum err order_run_hook(struct acme_order *o, bool is_cleanup)
{
	const struct acme_hook_options hook = {
		.is_cleanup = is_cleanup,
		.name = o->challenge.dns_name,
		.value = o->challenge.dns_value,
		.fn = order_on_hook,
		.arg = o,
	};

	return acme_hook_open(o->o.hooks, &hook, &o->hook);
}

static enum err order_begin_preparing(struct acme_order *o, struct why *why)
{
	(void)why;
	log_debug(o->o.log, "ACME: %s: %s", o->challenge.name,
		acme_challenge_name(o->challenge.kind));
	if (o->challenge.kind == ACME_DNS_01)
		return order_run_hook(o, false);
	order_enter(o, ORDER_ANSWERING);
	return ERR_OK;
}

/* RFC 8555 7.5.1: an empty object says that the challenge can be validated. */
static enum err order_begin_answering(struct acme_order *o, struct why *why)
{
	(void)why;
	return order_ask(o, ACME_AT_URL, o->challenge.url, span_str("{}"), 0);
}

static void order_take_answered(struct acme_order *o, const struct acme_answer *answer)
{
	(void)answer; /* the authorization says how it goes on */
	order_enter(o, ORDER_VALIDATING);
}

static enum err order_begin_cleaning(struct acme_order *o, struct why *why)
{
	const struct why words = { "out of memory" };

	(void)why;
	if (o->challenge.kind != ACME_DNS_01)
		order_on_hook(o, ERR_OK, &words);
	else if (order_run_hook(o, true) != ERR_OK)
		order_on_hook(o, ERR_NOMEM, &words);
	return ERR_OK;
}

/* ---- the certificate ---- */

static enum err order_begin_finalizing(struct acme_order *o, struct why *why)
{
	struct buf csr, payload;
	enum err rc;

	(void)why;
	o->finalizes++;
	buf_init(&csr, ACME_ANSWER_MAX);
	buf_init(&payload, 2 * ACME_ANSWER_MAX);
	rc = acme_csr_put(o->key, (const char *const *)o->names, o->o.names_n, &csr);
	if (rc == ERR_OK) {
		acme_put_finalize(buf_span(&csr), &payload);
		rc = payload.failed;
	}
	if (rc == ERR_OK)
		rc = order_ask(o, ACME_AT_URL, o->finalize, buf_span(&payload), 0);
	buf_fini(&csr);
	buf_fini(&payload);
	return rc;
}

static enum err order_begin_fetching(struct acme_order *o, struct why *why)
{
	if (o->certificate == NULL)
		return err_set(why, ERR_PROTO,
			"the order is valid, and has no certificate URL");
	return order_ask(o, ACME_AT_URL, o->certificate, span_of(NULL, 0),
		ACME_CHAIN_MAX);
}

static void order_take_chain(struct acme_order *o, const struct acme_answer *answer)
{
	struct acme_pair pair;
	struct why why = { "" };
	struct buf text;
	enum err rc;

	buf_init(&text, ACME_PAIR_MAX);
	rc = jws_key_put(o->key, &text);
	if (rc == ERR_OK)
		rc = buf_put_span(&text, answer->body);
	for (unsigned i = 0; i < o->o.names_n && rc == ERR_OK; i++) {
		if (i > 0)
			acme_pair_wipe(&pair);
		rc = acme_pair_read(buf_span(&text), o->names[i], &pair, &why);
	}
	buf_wipe(&text);
	if (rc != ERR_OK) {
		order_fail_by(o, rc, NULL, &why);
		return;
	}
	pair.ca = strdup(o->o.ca); /* without memory it is not known */
	order_end(o, &pair);
}

/* ---- states ---- */

static const struct order_rule rules[ORDER_ENDED + 1] = {
	[ORDER_CREATING] = { "creating", "an order", order_begin_creating, order_take },
	[ORDER_AUTHORIZING] = { "authorizing", "an authorization",
		order_begin_authorizing, order_take_authorized },
	[ORDER_PREPARING] = { "preparing", "a challenge", order_begin_preparing, NULL },
	[ORDER_ANSWERING] = { "answering", "a challenge", order_begin_answering,
		order_take_answered },
	[ORDER_VALIDATING] = { "validating", "a validation", order_begin_polling,
		order_take_authorized },
	[ORDER_CLEANING] = { "cleaning up", "cleaning up", order_begin_cleaning, NULL },
	[ORDER_FINALIZING] = { "finalizing", "a certificate request",
		order_begin_finalizing, order_take },
	[ORDER_ISSUING] = { "issuing", "a certificate", order_begin_polling, order_take },
	[ORDER_FETCHING] = { "fetching", "a certificate chain", order_begin_fetching,
		order_take_chain },
	[ORDER_ENDED] = { "ended", "", NULL, NULL },
};

static void order_enter(struct acme_order *o, enum order_state state)
{
	struct why why = { "" };
	enum err rc;

	log_debug(o->o.log, "ACME: %s: %s", o->names[0], rules[state].name);
	o->state = state;
	o->began_ms = clock_now_ms();
	rc = rules[state].begin(o, &why);
	if (rc != ERR_OK)
		order_fail_by(o, rc, NULL, &why);
}

enum err acme_order_open(const struct acme_order_options *options,
	struct acme_order **out, struct why *why)
{
	struct acme_order *o = mem_new(o);
	enum err rc;

	if (o == NULL)
		return err_set(why, ERR_NOMEM, "no memory for an order");
	o->o = *options;
	rc = loop_timer_open(options->loop, order_on_timer, o, &o->timer);
	o->key = jws_key_new();
	if (rc == ERR_OK && o->key == NULL)
		rc = err_set(why, ERR_CRYPTO, "cannot make a key for a certificate");
	for (unsigned i = 0; i < options->names_n && rc == ERR_OK; i++) {
		o->names[i] = strdup(options->names[i]);
		rc = o->names[i] != NULL ? ERR_OK : ERR_NOMEM;
	}
	if (rc == ERR_OK)
		rc = order_begin_creating(o, why);
	if (rc != ERR_OK) {
		acme_order_close(o);
		return rc;
	}
	*out = o;
	return ERR_OK;
}
