/* The relay's certificate, kept up to date. */
#include "relay/certificate.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"
#include "crypto/remote_key.h"
#include "store/file.h"
#include "store/file_watch.h"
#include "text/names.h"
#include "text/timefmt.h"

#define CERTIFICATE_SETTLE_MS 500       /* two files are written one after the other */
#define CERTIFICATE_LOOK_MS (60 * 1000) /* between two checks of the validity */
#define CERTIFICATE_LOOKS_PER_WARNING (12 * 60)
#define CERTIFICATE_WARN_S (14 * 86400)
#define CERTIFICATE_FILES 2

/* Keys are freed at the end: handshakes that began with an old one may still run. */
struct certificate_key {
	struct list in_certificate;
	struct keyless *keyless;
};

struct certificate {
	struct certificate_options o;
	struct list keys;               /* the newest is the first */
	char *paths[CERTIFICATE_FILES]; /* the chain and the key */
	struct tls_context *tls;
	struct certificate_pair pair; /* in use; without its key */
	int64_t early_until_s;        /* the files are not valid before; 0: they are */
	unsigned looks;               /* since the last warning */
	struct file_watch *watch;
	struct loop_timer *look;
};

struct tls_context *certificate_tls(const struct certificate *c)
{
	return c->tls;
}

struct keyless *certificate_keyless(const struct certificate *c)
{
	return list_object(c->keys.next, struct certificate_key, in_certificate)->keyless;
}

const struct certificate_pair *certificate_current(const struct certificate *c)
{
	return &c->pair;
}

/* ---- the pair in use ---- */

static void certificate_key_free(struct certificate_key *key)
{
	keyless_unref(key->keyless);
	free(key);
}

/* The relay's own handshakes sign with the same key as those of leases, and at once. */
static void certificate_on_sign(void *arg, const struct sign_order *order,
	struct remote_signing *signing)
{
	struct certificate_key *key = arg;
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n = 0;
	enum err rc = keyless_sign(key->keyless, order, signature, &n, NULL);

	remote_signing_end(signing, rc, span_of(signature, n));
}

static enum err certificate_make_tls(struct certificate_key *key, struct span chain,
	struct tls_context **out, struct why *why)
{
	struct tls_server_options o = {
		.cert_pem = chain,
		.is_key_instant = true,
		.alpn = "http/1.1",
	};
	enum err rc = remote_key_new(chain, certificate_on_sign, key, &o.key, why);

	if (rc != ERR_OK)
		return rc;
	rc = tls_context_new_server(&o, out, why);
	remote_key_unref(o.key);
	return rc;
}

/* Takes the pair. A failure changes nothing. */
static enum err certificate_use(struct certificate *c, struct certificate_pair *pair,
	struct why *why)
{
	struct certificate_key *key = mem_new(key);
	struct tls_context *tls;
	enum err rc;

	if (key == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a certificate");
	rc = keyless_new(buf_span(&pair->key), &key->keyless, why);
	if (rc == ERR_OK)
		rc = certificate_make_tls(key, buf_span(&pair->chain), &tls, why);
	if (rc != ERR_OK) {
		certificate_key_free(key);
		return rc;
	}
	tls_context_free(c->tls);
	list_add_front(&c->keys, &key->in_certificate);
	c->tls = tls;
	buf_wipe(&pair->key);
	certificate_pair_wipe(&c->pair);
	c->pair = *pair;
	*pair = (struct certificate_pair){ .begins_s = 0 };
	return ERR_OK;
}

static int64_t now_s(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

static const char *time_print(int64_t at_s, char to[TIMEFMT_TEXT_MAX])
{
	return timefmt_print((struct timestamp){ .s = at_s }, to);
}

static void certificate_warn_of_time(const struct certificate *c)
{
	const char *path = c->paths[0];
	char text[TIMEFMT_TEXT_MAX];

	if (c->pair.ends_s <= now_s())
		log_error(c->o.log,
			"certificate %s: expired on %s: clients that verify it cannot connect",
			path, time_print(c->pair.ends_s, text));
	else if (c->pair.begins_s > now_s())
		log_error(c->o.log,
			"certificate %s: not valid before %s: until then clients that verify "
			"it cannot connect",
			path, time_print(c->pair.begins_s, text));
	else if (c->pair.ends_s <= now_s() + CERTIFICATE_WARN_S)
		log_warn(c->o.log, "certificate %s: expires on %s: renew it", path,
			time_print(c->pair.ends_s, text));
}

static void certificate_warn_of_mode(const struct certificate *c)
{
	if (file_is_open_to_others(c->paths[1]))
		log_warn(c->o.log,
			"certificate key %s: readable by other users: chmod 600 it",
			c->paths[1]);
}

/* ---- reload ---- */

/* A pair that has expired, or is not valid yet, does not replace the previous one. */
static enum err certificate_check_time(struct certificate *c,
	const struct certificate_pair *pair, struct why *why)
{
	char text[TIMEFMT_TEXT_MAX];

	if (pair->ends_s <= now_s())
		return err_set(why, ERR_DENIED, "%.150s has expired", c->paths[0]);
	if (pair->begins_s <= now_s())
		return ERR_OK;
	c->early_until_s = pair->begins_s;
	return err_set(why, ERR_DENIED, "%.150s is valid from %s and will be loaded then",
		c->paths[0], time_print(pair->begins_s, text));
}

static enum err certificate_reload(struct certificate *c, bool *is_new, struct why *why)
{
	struct certificate_pair pair;
	enum err rc = certificate_pair_load(c->o.directory, c->o.root, &pair, why);

	*is_new = false;
	c->early_until_s = 0;
	if (rc != ERR_OK)
		return rc;
	if (!span_eq(buf_span(&pair.chain), buf_span(&c->pair.chain))) {
		rc = certificate_check_time(c, &pair, why);
		if (rc == ERR_OK)
			rc = certificate_use(c, &pair, why);
		*is_new = rc == ERR_OK;
	}
	certificate_pair_wipe(&pair);
	return rc;
}

void certificate_check(void *certificate)
{
	struct certificate *c = certificate;
	struct why why = { "" };
	bool is_new;
	enum err rc;

	file_watch_note(c->watch);
	rc = certificate_reload(c, &is_new, &why);
	if (rc != ERR_OK)
		log_error(c->o.log,
			"certificate: not reloaded, keeping the previous one: %s",
			err_text(rc, &why));
	else if (is_new)
		log_info(c->o.log, "certificate %s: reloaded", c->paths[0]);
	certificate_warn_of_time(c);
	if (is_new) {
		certificate_warn_of_mode(c);
		c->o.on_change(c->o.arg);
	}
}

static void certificate_on_look(void *arg)
{
	struct certificate *c = arg;

	loop_timer_set(c->look, CERTIFICATE_LOOK_MS);
	if (c->early_until_s != 0 && c->early_until_s <= now_s()) {
		certificate_check(c);
	} else if (++c->looks >= CERTIFICATE_LOOKS_PER_WARNING) {
		c->looks = 0;
		certificate_warn_of_time(c);
	}
}

/* ---- open and close ---- */

/* The state of the files is noted before they are read: later writes are changes. */
static enum err certificate_load_or_make(struct certificate *c,
	struct certificate_pair *pair, struct why *why)
{
	const char *directory = c->o.directory, *root = c->o.root;
	enum err rc;

	file_watch_note(c->watch);
	rc = certificate_pair_load(directory, root, pair, why);
	if (rc != ERR_NOENT)
		return rc;
	if (!names_host_is_local(root))
		return err_set(why, ERR_NOENT,
			"there is no certificate: put one for %.60s and *.%.60s into "
			"%.80s, as " CERTIFICATE_CHAIN_FILE " and " CERTIFICATE_KEY_FILE,
			root, root, directory);
	rc = certificate_pair_make(directory, root, why);
	if (rc != ERR_OK)
		return rc;
	log_info(c->o.log,
		"certificate %s: created a self-signed development certificate: distribute "
		"this file to clients that must trust it",
		c->paths[0]);
	file_watch_note(c->watch);
	return certificate_pair_load(directory, root, pair, why);
}

enum err certificate_open(const struct certificate_options *o, struct certificate **out,
	struct why *why)
{
	struct certificate *c = mem_new(c);
	struct file_watch_options watch = {
		.loop = o->loop,
		.settle_ms = CERTIFICATE_SETTLE_MS,
		.on_change = certificate_check,
		.arg = c,
	};
	struct certificate_pair pair;
	enum err rc = ERR_NOMEM;

	if (c == NULL)
		return ERR_NOMEM;
	c->o = *o;
	list_init(&c->keys);
	watch.paths[0] = c->paths[0] = str_printf("%s/%s", o->directory,
		CERTIFICATE_CHAIN_FILE);
	watch.paths[1] = c->paths[1] = str_printf("%s/%s", o->directory,
		CERTIFICATE_KEY_FILE);
	if (c->paths[0] != NULL && c->paths[1] != NULL)
		rc = loop_timer_open(o->loop, certificate_on_look, c, &c->look);
	if (rc == ERR_OK)
		rc = file_watch_open(&watch, &c->watch);
	if (rc == ERR_OK)
		rc = certificate_load_or_make(c, &pair, why);
	if (rc == ERR_OK) {
		rc = certificate_use(c, &pair, why);
		certificate_pair_wipe(&pair);
	}
	if (rc != ERR_OK) {
		certificate_close(c);
		return rc;
	}
	loop_timer_set(c->look, CERTIFICATE_LOOK_MS);
	certificate_warn_of_time(c);
	certificate_warn_of_mode(c);
	*out = c;
	return ERR_OK;
}

void certificate_close(struct certificate *c)
{
	struct list *it, *tmp;

	if (c == NULL)
		return;
	file_watch_close(c->watch);
	loop_timer_close(c->look);
	tls_context_free(c->tls);
	list_each(it, tmp, &c->keys)
		certificate_key_free(
			list_object(it, struct certificate_key, in_certificate));
	certificate_pair_wipe(&c->pair);
	free(c->paths[0]);
	free(c->paths[1]);
	free(c);
}
