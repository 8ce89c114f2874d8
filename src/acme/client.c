/*
 * A client of one CA.
 *
 * Calls wait until the client is ready: it fetches the directory, then finds or makes the
 * account by a call of its own. If that fails, so do the calls that wait; the next call
 * tries again.
 */
#include "acme/client.h"

#include <stdio.h>
#include <sys/stat.h>

#include "acme/jws.h"
#include "acme/origins.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"
#include "crypto/pem.h"
#include "store/file.h"
#include "text/base64.h"

#define KEY_FILE_MAX (32 * 1024)
#define NONCES_MAX 8
#define REQUEST_MAX (512 * 1024)
#define SECRET_MAX 512 /* bytes of an external account's key */
#define ACCOUNT_TRIES 2
#define DIRECTORY_MS (24 * 3600 * 1000) /* then it is fetched again */

enum client_state {
	CLIENT_IDLE,      /* nothing is known */
	CLIENT_DIRECTORY, /* fetching it */
	CLIENT_ACCOUNT,   /* finding or making it */
	CLIENT_READY,
};

struct acme_client {
	struct acme_client_options o;
	enum client_state state;
	struct acme_origins *origins;
	EVP_PKEY *key;
	char thumbprint[JWS_THUMBPRINT_SIZE];
	uint8_t secret[SECRET_MAX];
	size_t secret_n;
	struct acme_directory directory; /* from CLIENT_ACCOUNT on */
	uint64_t fetched_ms;             /* clock_boot_ms(): the directory */
	char *kid;                       /* the account's URL; in CLIENT_READY */
	struct acme_call *account;       /* in CLIENT_ACCOUNT */
	struct http_transfer *transfer;  /* in CLIENT_DIRECTORY */
	struct list waiting;             /* struct acme_call: until it is ready */
	struct list active;              /* the others */
	unsigned nonces_n;
	char nonces[NONCES_MAX][ACME_NONCE_MAX];
};

enum call_state {
	CALL_WAITING, /* for the client */
	CALL_NONCE,   /* for a nonce */
	CALL_SENT,
};

struct acme_call {
	struct list in_client;
	struct acme_client *client; /* borrowed: closes us first */
	enum call_state state;
	enum acme_service service;
	bool is_account;
	char *url; /* NULL: that of the service */
	struct buf payload;
	size_t answer_max;
	unsigned nonce_tries, account_tries;
	struct http_transfer *transfer;
	acme_answer_fn *fn;
	void *arg; /* borrowed: the owner's */
};

static void client_begin(struct acme_client *c);
static void call_advance(struct acme_call *call);

/* ---- calls ---- */

void acme_call_close(struct acme_call *call)
{
	if (call == NULL)
		return;
	list_remove(&call->in_client);
	http_transfer_close(call->transfer);
	buf_fini(&call->payload);
	free(call->url);
	free(call);
}

static void call_end(struct acme_call *call, enum err rc,
	const struct acme_answer *answer, const struct why *why)
{
	acme_answer_fn *fn = call->fn;
	void *arg = call->arg;

	acme_call_close(call);
	fn(arg, rc, answer, why);
}

static void call_fail(struct acme_call *call, enum err rc, const struct why *why)
{
	const struct acme_answer none = { .status = 0 };

	call_end(call, rc, &none, why);
}

static enum err call_new(struct acme_client *c, const struct acme_request *r,
	struct acme_call **out)
{
	struct acme_call *call = mem_new(call);
	enum err rc = ERR_NOMEM;

	if (call == NULL)
		return rc;
	list_init(&call->in_client);
	buf_init(&call->payload, REQUEST_MAX);
	call->client = c;
	call->service = r->service;
	call->answer_max = r->answer_max != 0 ? r->answer_max : ACME_ANSWER_MAX;
	call->fn = r->fn;
	call->arg = r->arg;
	call->url = r->url != NULL ? strdup(r->url) : NULL;
	if (r->url == NULL || call->url != NULL)
		rc = buf_put_span(&call->payload, r->payload);
	if (rc == ERR_OK)
		*out = call;
	else
		acme_call_close(call);
	return rc;
}

enum err acme_client_send(struct acme_client *c, const struct acme_request *request,
	struct acme_call **out)
{
	struct acme_call *call;
	enum err rc = call_new(c, request, &call);

	if (rc != ERR_OK)
		return rc;
	*out = call;
	list_add(&c->waiting, &call->in_client);
	acme_origins_defer(c->origins);
	return ERR_OK;
}

/* ---- nonces ---- */

/* RFC 8555 6.5.1: base64url. */
static void client_keep_nonce(struct acme_client *c, const struct http_response *a)
{
	struct span nonce = http1_head_value(a->head, "Replay-Nonce");
	char *to = c->nonces[c->nonces_n < NONCES_MAX ? c->nonces_n : NONCES_MAX - 1];

	if (nonce.n == 0 || nonce.n >= ACME_NONCE_MAX)
		return;
	for (size_t i = 0; i < nonce.n; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			   "0123456789-_",
			    nonce.p[i]) == NULL ||
			nonce.p[i] == '\0')
			return;
	memcpy(to, nonce.p, nonce.n);
	to[nonce.n] = '\0';
	if (c->nonces_n < NONCES_MAX)
		c->nonces_n++;
}

static void call_on_nonce(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct acme_call *call = arg;
	struct acme_client *c = call->client;
	struct why words;

	call->transfer = NULL;
	if (rc != ERR_OK) {
		call_fail(call, rc, why);
		return;
	}
	client_keep_nonce(c, a);
	if (c->nonces_n == 0) {
		(void)err_set(&words, ERR_PROTO,
			"%.100s: no nonce in the answer to newNonce (status %u)",
			acme_client_host(c), a->status);
		call_fail(call, ERR_PROTO, &words);
		return;
	}
	call_advance(call);
}

/* ---- answers ---- */

static bool client_lost_account(struct acme_client *c, struct acme_call *call)
{
	if (call->is_account || ++call->account_tries >= ACCOUNT_TRIES)
		return false;
	log_warn(c->o.log, "ACME: %s does not know our account any more; making one",
		acme_client_host(c));
	list_remove(&call->in_client);
	call->state = CALL_WAITING;
	list_add(&c->waiting, &call->in_client);
	if (c->state == CLIENT_READY) {
		c->state = CLIENT_IDLE;
		acme_origins_defer(c->origins);
	}
	return true;
}

/* What the CA has answered, with whatever status. */
static void call_take(struct acme_call *call, const struct acme_answer *plain)
{
	struct acme_client *c = call->client;
	struct acme_answer answer = *plain;
	struct acme_problem problem = { 0 };
	enum acme_problem_kind kind = ACME_PROBLEM_NONE;
	struct why why = { "" };

	if (answer.status / 100 == 2) {
		call_end(call, ERR_OK, &answer, &why);
		return;
	}
	if (acme_read_problem(answer.body, &problem)) {
		answer.problem = &problem;
		kind = acme_problem_kind(&problem);
	}
	if (kind == ACME_PROBLEM_BAD_NONCE && ++call->nonce_tries < ACME_NONCE_TRIES) {
		log_debug(c->o.log, "ACME: a nonce was rejected; sending again");
		call_advance(call);
	} else if (kind != ACME_PROBLEM_ACCOUNT_DOES_NOT_EXIST ||
		!client_lost_account(c, call)) {
		answer.is_of_account = call->is_account;
		(void)err_set(&why, ERR_DENIED, "%.100s answers with status %u",
			acme_client_host(c), answer.status);
		call_end(call, ERR_DENIED, &answer, &why);
	}
	field_fini(&acme_problem_fields, &problem);
}

static void call_on_response(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct acme_call *call = arg;
	struct acme_answer answer = { .status = 0 };
	char *location = NULL;
	struct span where;

	call->transfer = NULL;
	if (rc != ERR_OK) {
		call_fail(call, rc, why);
		return;
	}
	client_keep_nonce(call->client, a);
	where = http1_head_value(a->head, "Location");
	if (where.n > 0)
		location = span_dup(where);
	answer.status = a->status;
	answer.body = a->body;
	answer.location = location;
	answer.retry_after_ms = acme_read_retry_after(http1_head_value(a->head,
							      "Retry-After"),
		(int64_t)(clock_wall_ms() / 1000));
	call_take(call, &answer);
	free(location);
}

/* ---- requests ---- */

static const char *call_url(const struct acme_call *call)
{
	const struct acme_directory *d = &call->client->directory;

	if (call->is_account)
		return d->new_account;
	switch (call->service) {
	case ACME_NEW_ORDER:
		return d->new_order;
	case ACME_REVOKE:
		return d->revoke_cert;
	case ACME_RENEWAL_INFO:
		return d->renewal_info;
	case ACME_AT_URL:
		break;
	}
	return call->url;
}

static enum err call_send_signed(struct acme_call *call, const char *url, struct why *why)
{
	struct acme_client *c = call->client;
	struct jws_request jws = {
		.key = c->key,
		.kid = call->is_account ? NULL : c->kid,
		.nonce = c->nonces[--c->nonces_n],
		.url = url,
		.payload = buf_span(&call->payload),
	};
	struct buf body;
	enum err rc;

	buf_init(&body, 2 * REQUEST_MAX);
	rc = jws_put(&jws, &body);
	if (rc == ERR_OK) {
		struct acme_fetch f = {
			.method = "POST",
			.url = url,
			.body = buf_span(&body),
			.answer_max = call->answer_max,
			.fn = call_on_response,
			.arg = call,
		};

		rc = acme_origins_fetch(c->origins, &f, &call->transfer, why);
	}
	buf_fini(&body);
	return rc;
}

static enum err call_fetch(struct acme_call *call, const char *method, const char *url,
	http_response_fn *fn, struct why *why)
{
	struct acme_fetch f = {
		.method = method,
		.url = url,
		.answer_max = call->answer_max,
		.fn = fn,
		.arg = call,
	};

	return acme_origins_fetch(call->client->origins, &f, &call->transfer, why);
}

static enum err call_ask_renewal(struct acme_call *call, const char *url, struct why *why)
{
	char *full = str_printf("%s/%s", url, call->url);
	enum err rc = ERR_NOMEM;

	if (full != NULL)
		rc = call_fetch(call, "GET", full, call_on_response, why);
	free(full);
	return rc;
}

/* Takes the next step of an active call. It may be gone afterwards. */
static void call_advance(struct acme_call *call)
{
	struct acme_client *c = call->client;
	const char *url = call_url(call);
	struct why why = { "" };
	enum err rc;

	if (url == NULL) {
		rc = err_set(&why, ERR_NOENT, "%.100s does not offer that",
			acme_client_host(c));
	} else if (call->service == ACME_RENEWAL_INFO) {
		call->state = CALL_SENT;
		rc = call_ask_renewal(call, url, &why);
	} else if (c->nonces_n == 0) {
		call->state = CALL_NONCE;
		rc = call_fetch(call, "HEAD", c->directory.new_nonce, call_on_nonce,
			&why);
	} else {
		call->state = CALL_SENT;
		rc = call_send_signed(call, url, &why);
	}
	if (rc != ERR_OK)
		call_fail(call, rc, &why);
}

/* ---- getting ready ---- */

static void client_fail(struct acme_client *c, enum err rc,
	const struct acme_answer *answer, const struct why *why)
{
	struct list failing;
	struct acme_call *call;

	c->state = CLIENT_IDLE;
	list_init(&failing);
	list_move_all(&failing, &c->waiting);
	while ((call = list_first(&failing, struct acme_call, in_client)) != NULL)
		call_end(call, rc, answer, why);
}

static void client_fail_alone(struct acme_client *c, enum err rc, const struct why *why)
{
	const struct acme_answer none = { .status = 0 };

	client_fail(c, rc, &none, why);
}

/* Calls that begin meanwhile wait for the next turn. */
static void client_run_waiting(struct acme_client *c)
{
	struct list ready;
	struct acme_call *call;

	list_init(&ready);
	list_move_all(&ready, &c->waiting);
	while ((call = list_first(&ready, struct acme_call, in_client)) != NULL) {
		list_remove(&call->in_client);
		list_add(&c->active, &call->in_client);
		call_advance(call);
	}
}

static void client_on_account(void *arg, enum err rc, const struct acme_answer *answer,
	const struct why *why)
{
	struct acme_client *c = arg;
	struct why words;

	c->account = NULL;
	if (rc != ERR_OK) {
		client_fail(c, rc, answer, why);
		return;
	}
	if (answer->location == NULL) {
		(void)err_set(&words, ERR_PROTO,
			"%.100s: no account URL in the answer to newAccount",
			acme_client_host(c));
		client_fail_alone(c, ERR_PROTO, &words);
		return;
	}
	free(c->kid);
	c->kid = strdup(answer->location);
	if (c->kid == NULL) {
		client_fail_alone(c, ERR_NOMEM, why);
		return;
	}
	if (answer->status == 201 && c->directory.meta.terms_of_service != NULL)
		log_info(c->o.log,
			"ACME: created an account at %s, accepting its terms: %s",
			acme_client_host(c), c->directory.meta.terms_of_service);
	else
		log_info(c->o.log, "ACME: %s account at %s",
			answer->status == 201 ? "created an" : "using the",
			acme_client_host(c));
	c->state = CLIENT_READY;
	client_run_waiting(c);
}

static enum err client_put_account(struct acme_client *c, struct buf *out)
{
	struct buf binding;
	enum err rc = ERR_OK;

	buf_init(&binding, KEY_FILE_MAX);
	if (c->o.eab_kid != NULL)
		rc = jws_put_binding(c->key, c->o.eab_kid,
			span_of(c->secret, c->secret_n), c->directory.new_account,
			&binding);
	acme_put_new_account(c->o.email, buf_span(&binding), out);
	buf_fini(&binding);
	return rc == ERR_OK ? out->failed : rc;
}

/* A key that the CA knows finds its account, any other makes one (7.3). */
static void client_ask_account(struct acme_client *c)
{
	struct acme_request r = { .fn = client_on_account, .arg = c };
	struct why why = { "" };
	struct buf payload;
	enum err rc;

	buf_init(&payload, KEY_FILE_MAX);
	c->state = CLIENT_ACCOUNT;
	rc = client_put_account(c, &payload);
	r.payload = buf_span(&payload);
	if (rc == ERR_OK)
		rc = call_new(c, &r, &c->account);
	buf_fini(&payload);
	if (rc != ERR_OK) {
		client_fail_alone(c, rc, &why);
		return;
	}
	c->account->is_account = true;
	list_add(&c->active, &c->account->in_client);
	call_advance(c->account);
}

static enum err client_take_directory(struct acme_client *c,
	const struct http_response *a, struct why *why)
{
	struct acme_directory next;
	enum err rc;

	if (a->status != 200)
		return err_set(why, ERR_PROTO,
			"%.150s is not the directory of an ACME server (status %u)",
			c->o.url, a->status);
	rc = acme_read_directory(a->body, &next, why);
	if (rc == ERR_OK && next.meta.external_account_required && c->o.eab_kid == NULL)
		rc = err_set(why, ERR_DENIED,
			"%.100s wants an external account: get a key id and an HMAC key "
			"from it, and set both",
			acme_client_host(c));
	if (rc != ERR_OK) {
		field_fini(&acme_directory_fields, &next);
		return rc;
	}
	field_fini(&acme_directory_fields, &c->directory);
	c->directory = next;
	c->fetched_ms = clock_boot_ms();
	return ERR_OK;
}

static void client_on_directory(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct acme_client *c = arg;
	struct why words = { "" };

	c->transfer = NULL;
	if (rc != ERR_OK) {
		client_fail_alone(c, rc, why);
		return;
	}
	rc = client_take_directory(c, a, &words);
	if (rc == ERR_OK)
		client_ask_account(c);
	else
		client_fail_alone(c, rc, &words);
}

static void client_begin(struct acme_client *c)
{
	struct acme_fetch f = {
		.method = "GET",
		.url = c->o.url,
		.answer_max = ACME_ANSWER_MAX,
		.fn = client_on_directory,
		.arg = c,
	};
	struct why why = { "" };
	enum err rc;

	c->state = CLIENT_DIRECTORY;
	rc = acme_origins_fetch(c->origins, &f, &c->transfer, &why);
	if (rc != ERR_OK)
		client_fail_alone(c, rc, &why);
}

/* At the end of the turn in which a call began to wait. */
static void client_on_deferred(void *arg)
{
	struct acme_client *c = arg;

	if (list_is_empty(&c->waiting))
		return;
	if (c->state == CLIENT_READY && list_is_empty(&c->active) &&
		clock_boot_ms() - c->fetched_ms > DIRECTORY_MS)
		c->state = CLIENT_IDLE;
	if (c->state == CLIENT_READY)
		client_run_waiting(c);
	else if (c->state == CLIENT_IDLE)
		client_begin(c);
}

/* ---- the account's key ---- */

static enum err client_read_key(struct acme_client *c, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, KEY_FILE_MAX);
	rc = file_read(c->o.key_file, &text, why);
	if (rc == ERR_OK) {
		c->key = pem_read_key(buf_span(&text), NULL);
		if (c->key == NULL || jws_thumbprint(c->key, c->thumbprint) != ERR_OK)
			rc = err_set(why, ERR_SYNTAX,
				"%.150s has no P-256 key (PEM): remove the file, and a "
				"new account is made",
				c->o.key_file);
	}
	buf_wipe(&text);
	return rc;
}

static enum err client_make_key(struct acme_client *c, struct why *why)
{
	struct buf text;
	enum err rc = ERR_OK;

	buf_init(&text, KEY_FILE_MAX);
	c->key = jws_key_new();
	if (c->key == NULL || jws_thumbprint(c->key, c->thumbprint) != ERR_OK ||
		jws_key_put(c->key, &text) != ERR_OK)
		rc = err_set(why, ERR_CRYPTO, "cannot make a key for an ACME account");
	if (rc == ERR_OK && c->o.key_file != NULL)
		rc = file_replace(c->o.key_file, 0600, buf_span(&text), why);
	buf_wipe(&text);
	return rc;
}

static enum err client_load(struct acme_client *c, struct why *why)
{
	enum err rc = c->o.key_file != NULL ? client_read_key(c, why) : ERR_NOENT;

	if (rc == ERR_NOENT)
		rc = client_make_key(c, why);
	if (rc == ERR_OK && c->o.eab_kid != NULL &&
		base64_decode(BASE64_URL, span_str(c->o.eab_key), c->secret, SECRET_MAX,
			&c->secret_n) != ERR_OK)
		rc = err_set(why, ERR_USAGE,
			"the HMAC key of the external account is not base64url: copy it "
			"as the CA shows it, without = at its end");
	return rc;
}

/* ---- open and close ---- */

enum err acme_client_new(const struct acme_client_options *o, struct acme_client **out,
	struct why *why)
{
	struct acme_client *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "no memory for an ACME client");
	c->o = *o;
	list_init(&c->waiting);
	list_init(&c->active);
	rc = acme_origins_new(o->loop, o->url, o->ca_file, client_on_deferred, c,
		&c->origins, why);
	if (rc == ERR_OK)
		rc = client_load(c, why);
	if (rc != ERR_OK) {
		acme_client_free(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void acme_client_free(struct acme_client *c)
{
	struct list *it, *tmp;

	if (c == NULL)
		return;
	list_each(it, tmp, &c->waiting)
		acme_call_close(list_object(it, struct acme_call, in_client));
	list_each(it, tmp, &c->active)
		acme_call_close(list_object(it, struct acme_call, in_client));
	http_transfer_close(c->transfer);
	acme_origins_free(c->origins);
	field_fini(&acme_directory_fields, &c->directory);
	EVP_PKEY_free(c->key);
	mem_wipe(c->secret, sizeof(c->secret));
	free(c->kid);
	free(c);
}

const char *acme_client_thumbprint(const struct acme_client *c)
{
	return c->thumbprint;
}

const char *acme_client_host(const struct acme_client *c)
{
	return acme_origins_host(c->origins);
}
