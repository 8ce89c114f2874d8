/*
 * Keeps certificates for names. One timer looks at all of them; times are of the wall
 * clock, as certificates are, so the timer looks again at least once a minute: the clock
 * may have been set, or the machine may have slept.
 */
#include "acme/certificates.h"

#include <stdio.h>
#include <unistd.h>

#include "acme/certificate_priv.h"
#include "acme/dns_hook.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "store/file.h"
#include "text/duration.h"

#define LOOK_MS 60000
#define ASK_DEFAULT_S (6 * 3600) /* between two requests for renewal info */
#define ASK_MIN_S 60
#define DAY_S 86400
#define WINDOW_PAUSE_S (12 * 3600) /* between two renewals that the CA wants early */
#define PAUSE_REFUSED_S 300 /* after the first failure of a validation; it doubles */
#define PAUSE_LIMITED_S 3600
#define PAUSE_OTHER_S 30
#define PAUSE_OTHER_MAX_S 3600 /* a way to the CA that is broken may be repaired soon */
#define PAUSE_MAX_S (6 * 3600)
#define ISSUED_PAUSE_S 3600 /* at most: before a certificate that was issued is renewed */

static int64_t now_s(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

static void certificates_look_soon(struct acme_certificates *c)
{
	loop_timer_set(c->timer, 1);
}

/* The owner is told at the end of the turn, when it may remove names. */
static void certificate_changed(struct certificate *x)
{
	x->is_changed = x->owner->o.on_change != NULL;
	if (x->is_changed)
		loop_defer(x->owner->o.loop, &x->owner->changed);
}

static struct certificate *certificates_next_changed(const struct acme_certificates *c)
{
	struct map_node *it, *tmp;

	map_each(it, tmp, &c->by_name) if (map_object(it, struct certificate, by_name)
						   ->is_changed) return map_object(it,
		struct certificate, by_name);
	return NULL;
}

static void certificates_on_changed(void *arg)
{
	struct acme_certificates *c = arg;
	struct certificate *x;

	while ((x = certificates_next_changed(c)) != NULL) {
		x->is_changed = false;
		c->o.on_change(c->o.arg, x->name);
	}
}

/* ---- when ---- */

static bool certificate_is_wanted(const struct certificate *x, int64_t now)
{
	return !x->has_pair || x->renew_s <= now;
}

/* The time of the next thing to do; it may have passed. */
static int64_t certificate_next_s(const struct certificate *x)
{
	int64_t renew = x->has_pair ? x->renew_s : 0;

	if (renew < x->retry_s)
		renew = x->retry_s;
	return x->has_pair && x->ask_s < renew ? x->ask_s : renew;
}

/* Two thirds of the lifetime, less a random part of it: many do not come at once. */
static int64_t certificate_default_renewal(const struct certificate *x)
{
	int64_t life = x->pair.ends_s - x->pair.begins_s;

	if (life < 0 || life > UINT32_MAX)
		life = 0;
	if (x->pair.ca != NULL && strcmp(x->pair.ca, x->owner->o.url) != 0)
		return 0; /* it is of another CA */
	return x->pair.ends_s - life / 3 - (int64_t)rand_below((uint32_t)(life / 30));
}

/* A random time in the CA's window (RFC 9773 4.2), before the certificate expires. */
static void certificate_use_window(struct certificate *x,
	const struct acme_renewal_info *info)
{
	int64_t start = info->window.start.s, length = info->window.end.s - start;
	int64_t last = x->pair.ends_s - (x->pair.ends_s - x->pair.begins_s) / 10;

	if (x->window_start_s == start && x->window_end_s == info->window.end.s)
		return;
	x->window_start_s = start;
	x->window_end_s = info->window.end.s;
	if (length > UINT32_MAX)
		length = UINT32_MAX;
	x->renew_s = start + (int64_t)rand_below((uint32_t)length);
	if (x->renew_s > last)
		x->renew_s = last;
	if (x->renew_s < x->window_floor_s)
		x->renew_s = x->window_floor_s;
	if (info->explanation_url != NULL && x->renew_s <= now_s())
		log_warn(x->owner->o.log,
			"certificate of %s: the CA wants it to be renewed now: %.200s",
			x->name, info->explanation_url);
}

/* ---- certificates in use ---- */

static enum err certificate_serve(struct certificate *x, struct why *why)
{
	const struct tls_certificate_options o = {
		.chain_pem = buf_span(&x->pair.chain),
		.key_pem = buf_span(&x->pair.key),
		.like = x->owner->newest,
	};
	struct tls_certificate *served;
	enum err rc;

	if (x->owner->o.served == NULL)
		return ERR_OK;
	rc = tls_certificate_new(&o, &served, why);
	if (rc != ERR_OK)
		return rc;
	rc = tls_names_set(x->owner->o.served, x->name, served);
	tls_certificate_unref(x->owner->newest);
	x->owner->newest = served;
	return rc;
}

/* Takes the pair. */
static enum err certificate_use(struct certificate *x, struct acme_pair *pair,
	struct why *why)
{
	acme_pair_wipe(&x->pair);
	x->pair = *pair;
	x->has_pair = true;
	x->renew_s = certificate_default_renewal(x);
	x->window_start_s = x->window_end_s = 0;
	x->ask_s = 0;
	return certificate_serve(x, why);
}

/* What is stored and served is not kept here, too: there may be thousands. */
static void certificate_forget_texts(struct certificate *x)
{
	buf_wipe(&x->pair.key);
	buf_fini(&x->pair.chain);
}

static void certificate_load(struct certificate *x)
{
	struct acme_pair pair;
	struct why why = { "" };
	char text[TIMEFMT_TEXT_MAX];
	enum err rc = certificate_file_read(x, &pair, &why);

	if (rc == ERR_OK)
		rc = certificate_use(x, &pair, &why);
	certificate_forget_texts(x);
	if (rc == ERR_OK)
		log_info(x->owner->o.log, "certificate of %s: loaded, valid until %s",
			x->name,
			timefmt_print((struct timestamp){ .s = x->pair.ends_s }, text));
	else if (rc != ERR_NOENT)
		log_warn(x->owner->o.log,
			"certificate of %s: the stored one cannot be used, getting another: %s",
			x->name, err_text(rc, &why));
}

/* ---- failures ---- */

/* The first pause after a failure of that kind. */
static int64_t failure_pause_s(const struct acme_failure *f)
{
	if (f->is_rate_limited)
		return f->retry_after_ms > 0 ? 1 : PAUSE_LIMITED_S;
	return f->rc == ERR_DENIED || f->rc == ERR_USAGE ? PAUSE_REFUSED_S :
							   PAUSE_OTHER_S;
}

static int64_t certificate_pause_s(const struct certificate *x,
	const struct acme_failure *f)
{
	int64_t pause = failure_pause_s(f), wanted = f->retry_after_ms / 1000;
	const int64_t max = pause == PAUSE_OTHER_S ? PAUSE_OTHER_MAX_S : PAUSE_MAX_S;

	for (unsigned i = 1; i < x->failures && pause < max; i++)
		pause *= 2;
	if (pause > max)
		pause = max;
	pause += (int64_t)rand_below((uint32_t)(pause / 4));
	return pause > wanted ? pause : wanted + 1;
}

static void certificate_set_error(struct certificate *x, const char *text)
{
	free(x->error);
	x->error = text != NULL ? strdup(text) : NULL;
}

static const char *certificate_error(const struct certificate *x)
{
	return x->error != NULL ? x->error : "";
}

static void certificate_log_failure(const struct certificate *x, int64_t pause_s)
{
	bool is_usable = x->has_pair && x->pair.ends_s > now_s();
	char pause[DURATION_TEXT_MAX];

	log_at(is_usable ? LOG_WARN : LOG_ERROR, x->owner->o.log,
		"certificate of %s: %s; %strying again in %s", x->name,
		certificate_error(x), is_usable ? "the previous one stays in use; " : "",
		duration_print((uint64_t)pause_s * 1000000, pause));
}

/* True: another order may succeed at once. */
static bool certificate_has_another_way(struct certificate *x,
	const struct acme_failure *f)
{
	unsigned left;

	if (f->is_of_replaces && !x->hides_previous) {
		x->hides_previous = true;
		return true;
	}
	x->tried |= f->tried;
	left = certificate_kinds(x) & ~x->tried;
	if (f->tried == ACME_OTHER || left == 0 || f->is_rate_limited)
		return false;
	log_info(x->owner->o.log, "certificate of %s: %s; trying another challenge",
		x->name, f->text);
	return true;
}

static void certificate_fail(struct certificate *x, const struct acme_failure *f)
{
	int64_t pause;

	/* After a validation failed, the reason is not that no other can be tried. */
	if (!f->is_unanswerable || x->tried == 0)
		certificate_set_error(x, f->text);
	x->retry_s = 0;
	if (certificate_has_another_way(x, f))
		return;
	x->failures++;
	x->tried = 0;
	pause = certificate_pause_s(x, f);
	x->retry_s = now_s() + pause;
	x->ca_retry_s = now_s() + f->retry_after_ms / 1000;
	certificate_log_failure(x, pause);
	certificate_changed(x);
}

/* ---- orders ---- */

/* Whatever the certificate and the CA say, the next order has to wait. */
static void certificate_hold(struct certificate *x)
{
	int64_t now = now_s(), tenth = (x->pair.ends_s - x->pair.begins_s) / 10;
	char begins[TIMEFMT_TEXT_MAX], ends[TIMEFMT_TEXT_MAX];

	x->retry_s = now + (tenth > 0 && tenth < ISSUED_PAUSE_S ? tenth : ISSUED_PAUSE_S);
	if (x->renews_by_window)
		x->window_floor_s = now +
			(tenth > 0 && tenth < WINDOW_PAUSE_S ? tenth : WINDOW_PAUSE_S);
	if (x->pair.begins_s <= now && x->pair.ends_s > now)
		return;
	log_error(x->owner->o.log,
		"certificate of %s: a new one is valid from %s until %s, which is not now by "
		"the clock of this machine: set the clock",
		x->name,
		timefmt_print((struct timestamp){ .s = x->pair.begins_s }, begins),
		timefmt_print((struct timestamp){ .s = x->pair.ends_s }, ends));
}

static void certificate_take(struct certificate *x, struct acme_pair *pair)
{
	struct why why = { "" };
	char text[TIMEFMT_TEXT_MAX];
	enum err rc = certificate_use(x, pair, &why);

	if (rc != ERR_OK)
		log_error(x->owner->o.log, "certificate of %s: it cannot be used: %s",
			x->name, err_text(rc, &why));
	rc = certificate_file_write(x, &why);
	if (rc != ERR_OK)
		log_error(x->owner->o.log,
			"certificate of %s: it is in use, but will be lost at the end of this "
			"program: %s",
			x->name, err_text(rc, &why));
	certificate_forget_texts(x);
	x->failures = 0;
	x->tried = 0;
	x->ca_retry_s = 0;
	certificate_hold(x);
	x->hides_previous = false;
	x->renews_by_window = false;
	certificate_set_error(x, NULL);
	log_info(x->owner->o.log, "certificate of %s: issued, valid until %s", x->name,
		timefmt_print((struct timestamp){ .s = x->pair.ends_s }, text));
	certificate_changed(x);
}

static void certificate_on_ended(void *arg, struct acme_pair *pair,
	const struct acme_failure *failure)
{
	struct certificate *x = arg;

	x->order = NULL;
	x->state = CERTIFICATE_IDLE;
	x->owner->orders--;
	if (pair != NULL)
		certificate_take(x, pair);
	else
		certificate_fail(x, failure);
	certificates_look_soon(x->owner);
}

static void certificate_order(struct certificate *x)
{
	const char *name = x->name;
	const struct acme_certificates_options *o = &x->owner->o;
	struct acme_order_options order = {
		.loop = o->loop,
		.log = o->log,
		.client = x->owner->client,
		.challenges = o->challenges,
		.ca = o->url,
		.names = &name,
		.names_n = 1,
		.kinds = certificate_kinds(x) & ~x->tried,
		.hooks = x->owner->hooks,
		.on_ended = certificate_on_ended,
		.arg = x,
	};
	struct acme_failure failure = { .rc = ERR_OK };
	struct why why = { "" };
	enum err rc;

	x->renews_by_window = x->has_pair && x->window_end_s != 0;
	/* Only a certificate of the same CA can be replaced there. */
	if (x->renews_by_window && !x->hides_previous && x->pair.ca != NULL &&
		strcmp(x->pair.ca, o->url) == 0)
		order.replaces = x->pair.id;
	rc = acme_order_open(&order, &x->order, &why);
	if (rc != ERR_OK) {
		acme_failure_set(&failure, rc, "%s", err_text(rc, &why));
		certificate_fail(x, &failure);
		return;
	}
	x->state = CERTIFICATE_ORDERING;
	x->owner->orders++;
}

/* ---- renewal info ---- */

static void certificate_on_info(void *arg, enum err rc, const struct acme_answer *answer,
	const struct why *why)
{
	struct certificate *x = arg;
	struct acme_renewal_info info;
	struct why words = *why;
	int64_t pause = answer->retry_after_ms / 1000;

	x->call = NULL;
	x->state = CERTIFICATE_IDLE;
	if (pause == 0)
		pause = rc == ERR_NOENT ? DAY_S : ASK_DEFAULT_S;
	if (pause < ASK_MIN_S)
		pause = ASK_MIN_S;
	x->ask_s = now_s() + pause;
	if (rc == ERR_OK) {
		rc = acme_read_renewal_info(answer->body, &info, &words);
		if (rc == ERR_OK)
			certificate_use_window(x, &info);
		field_fini(&acme_renewal_info_fields, &info);
	}
	if (rc != ERR_OK && rc != ERR_NOENT)
		log_debug(x->owner->o.log, "certificate of %s: no renewal info: %s",
			x->name, err_text(rc, &words));
	certificates_look_soon(x->owner);
}

static void certificate_ask(struct certificate *x)
{
	const struct acme_request r = {
		.service = ACME_RENEWAL_INFO,
		.url = x->pair.id,
		.fn = certificate_on_info,
		.arg = x,
	};

	x->ask_s = now_s() + ASK_DEFAULT_S;
	if (x->pair.id[0] != '\0' &&
		acme_client_send(x->owner->client, &r, &x->call) == ERR_OK)
		x->state = CERTIFICATE_ASKING;
}

/* ---- the timer ---- */

static void certificate_look(struct certificate *x, int64_t now)
{
	if (x->state != CERTIFICATE_IDLE || certificate_next_s(x) > now)
		return;
	if (x->has_pair && x->ask_s <= now && x->renew_s > now)
		certificate_ask(x);
	else if (certificate_is_wanted(x, now) && x->retry_s <= now &&
		x->owner->orders < ACME_ORDERS_MAX)
		certificate_order(x);
}

static void certificates_on_timer(void *arg)
{
	struct acme_certificates *c = arg;
	int64_t now = now_s(), first = now + LOOK_MS / 1000;
	struct map_node *it, *tmp;

	map_each(it, tmp, &c->by_name)
	{
		struct certificate *x = map_object(it, struct certificate, by_name);

		certificate_look(x, now);
		if (x->state == CERTIFICATE_IDLE && certificate_next_s(x) > now &&
			certificate_next_s(x) < first)
			first = certificate_next_s(x);
	}
	loop_timer_set(c->timer, (uint64_t)(first - now) * 1000);
}

void acme_certificates_retry(struct acme_certificates *c)
{
	struct map_node *it, *tmp;

	map_each(it, tmp, &c->by_name)
	{
		struct certificate *x = map_object(it, struct certificate, by_name);

		x->retry_s = x->ca_retry_s;
		x->ask_s = 0;
	}
	certificates_look_soon(c);
}

/* ---- names ---- */

static struct certificate *certificates_find(const struct acme_certificates *c,
	const char *name)
{
	struct map_node *node = map_find(&c->by_name, span_str(name));

	return node != NULL ? map_object(node, struct certificate, by_name) : NULL;
}

static void certificate_free(struct certificate *x)
{
	if (x == NULL)
		return;
	acme_order_close(x->order);
	acme_call_close(x->call);
	acme_pair_wipe(&x->pair);
	free(x->error);
	free(x->path);
	free(x);
}

enum err acme_certificates_add(struct acme_certificates *c, const char *name,
	struct why *why)
{
	struct certificate *x;
	enum err rc;

	if (certificates_find(c, name) != NULL)
		return ERR_OK;
	x = mem_new(x);
	if (x == NULL || !str_copy(x->name, sizeof(x->name), name)) {
		free(x);
		return err_set(why, ERR_NOMEM, "no memory for a certificate");
	}
	x->owner = c;
	rc = certificate_file_name(x, why);
	if (rc == ERR_OK && certificate_kinds(x) == 0)
		rc = err_set(why, ERR_USAGE,
			x->name[0] == '*' ?
				"%.100s: a wildcard needs DNS-01: give a DNS hook, a program "
				"that sets TXT records" :
				"%.100s: no challenge of the CA can be answered here",
			name);
	if (rc != ERR_OK) {
		certificate_free(x);
		return rc;
	}
	map_add(&c->by_name, &x->by_name, span_str(x->name));
	certificate_load(x);
	certificates_look_soon(c);
	return ERR_OK;
}

void acme_certificates_remove(struct acme_certificates *c, const char *name)
{
	struct certificate *x = certificates_find(c, name);

	if (x == NULL)
		return;
	if (c->o.served != NULL)
		(void)!tls_names_set(c->o.served, name, NULL);
	if (x->path != NULL)
		(void)unlink(x->path);
	c->orders -= x->state == CERTIFICATE_ORDERING;
	(void)map_remove(&c->by_name, &x->by_name);
	certificate_free(x);
	certificates_look_soon(c);
}

void acme_certificates_sweep(struct acme_certificates *c)
{
	certificate_files_sweep(c, now_s());
}

enum err acme_certificates_status(const struct acme_certificates *c, const char *name,
	struct acme_certificate_status *out)
{
	const struct certificate *x = certificates_find(c, name);

	if (x == NULL)
		return ERR_NOENT;
	*out = (struct acme_certificate_status){
		.has_certificate = x->has_pair,
		.begins_s = x->pair.begins_s,
		.ends_s = x->pair.ends_s,
		.next_s = x->state == CERTIFICATE_ORDERING ? 0 : certificate_next_s(x),
		.failures = x->failures,
		.error = certificate_error(x),
		.path = x->path,
	};
	return ERR_OK;
}

/* ---- open and close ---- */

static enum err certificates_begin(struct acme_certificates *c, struct why *why)
{
	struct acme_client_options client = {
		.loop = c->o.loop,
		.log = c->o.log,
		.url = c->o.url,
		.ca_file = c->o.ca_file,
		.email = c->o.email,
		.eab_kid = c->o.eab_kid,
		.eab_key = c->o.eab_key,
	};
	enum err rc = ERR_OK;

	if (c->o.directory != NULL) {
		rc = file_make_private_directory(c->o.directory,
			"the directory of certificates", why);
		c->account_file = str_printf("%s/" ACME_ACCOUNT_FILE, c->o.directory);
		if (rc == ERR_OK && c->account_file == NULL)
			rc = ERR_NOMEM;
		client.key_file = c->account_file;
	}
	if (rc == ERR_OK)
		rc = loop_timer_open(c->o.loop, certificates_on_timer, c, &c->timer);
	if (rc == ERR_OK && c->o.dns_hook != NULL)
		rc = acme_hooks_new(c->o.loop, c->o.dns_hook, c->o.log, &c->hooks);
	return rc == ERR_OK ? acme_client_new(&client, &c->client, why) : rc;
}

enum err acme_certificates_open(const struct acme_certificates_options *o,
	struct acme_certificates **out, struct why *why)
{
	struct acme_certificates *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "no memory for certificates");
	c->o = *o;
	if (c->o.url == NULL)
		c->o.url = ACME_LETS_ENCRYPT;
	map_init(&c->by_name);
	loop_deferred_init(&c->changed, certificates_on_changed, c);
	rc = certificates_begin(c, why);
	if (rc != ERR_OK) {
		acme_certificates_close(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void acme_certificates_close(struct acme_certificates *c)
{
	struct map_node *it, *tmp;

	if (c == NULL)
		return;
	loop_timer_close(c->timer);
	loop_undefer(&c->changed);
	map_each(it, tmp, &c->by_name)
		certificate_free(map_object(it, struct certificate, by_name));
	map_fini(&c->by_name);
	acme_hooks_free(c->hooks);
	acme_client_free(c->client);
	tls_certificate_unref(c->newest);
	free(c->account_file);
	free(c);
}
