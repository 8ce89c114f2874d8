/*
 * Remote keys.
 *
 * They have a library context of their own with nothing in it but our provider, so that
 * our algorithms never compete with OpenSSL's: only a key that was made here leads to
 * them. The context costs 15 KB, so all keys of the process share it while there are any.
 */
#include "crypto/remote_key.h"

#include <openssl/async.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/remote_provider.h"
#include "crypto/sign_key.h"

struct remote_key {
	atomic_uint refs;
	EVP_PKEY *public; /* what is in the certificate */
	EVP_PKEY *pkey;   /* what OpenSSL uses as the private key */
	bool has_context; /* a share of it */
	remote_sign_fn *fn;
	void *arg; /* borrowed: outlives the handshakes */
};

static struct {
	pthread_mutex_t lock;
	unsigned keys;
	OSSL_LIB_CTX *context; /* NULL: there are no keys */
	OSSL_PROVIDER *provider;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct remote_signing {
	bool is_over;
	enum err rc;
	uint8_t signature[SIGN_SIGNATURE_MAX];
	size_t n;
	void (*on_cancel)(void *arg);
	void *cancel_arg;
	ASYNC_callback_fn wake; /* NULL: no handshake waits */
	void *wake_arg;
};

/* ---- one signature ---- */

void remote_signing_end(struct remote_signing *s, enum err rc, struct span signature)
{
	s->rc = rc;
	if (rc == ERR_OK && signature.n <= sizeof(s->signature)) {
		memcpy(s->signature, signature.p, signature.n);
		s->n = signature.n;
	} else if (rc == ERR_OK) {
		s->rc = ERR_LIMIT;
	}
	s->is_over = true;
	if (s->wake != NULL)
		s->wake(s->wake_arg);
}

void remote_signing_on_cancel(struct remote_signing *s, void (*fn)(void *arg), void *arg)
{
	s->on_cancel = fn;
	s->cancel_arg = arg;
}

/*
 * Pauses the handshake until it is over. False: it cannot be paused, or was given up.
 *
 * OpenSSL goes from stack to stack with longjmp(). AddressSanitizer takes that for frames
 * that are left for good: it says once that it does not know the stack, does nothing
 * about it, and sweeps what it keeps of frames (detect_stack_use_after_return) that lie
 * below the thread's stack, as those here do. So no function of ours that is stopped,
 * from signature_final() down to this, has a variable whose address is taken: then it
 * keeps nothing of them. All they need is in memory from malloc().
 */
static bool signing_wait(struct remote_signing *s)
{
	ASYNC_JOB *job = ASYNC_get_current_job();

	if (s->is_over)
		return true;
	if (job == NULL ||
		ASYNC_WAIT_CTX_get_callback(ASYNC_get_wait_ctx(job), &s->wake,
			&s->wake_arg) != 1)
		return false;
	return ASYNC_pause_job() == 1 && s->is_over;
}

enum err remote_key_sign(struct remote_key *key, const struct sign_order *order,
	uint8_t *to, size_t room, size_t *n)
{
	struct remote_signing *s = mem_new(s);
	enum err rc = ERR_CLOSED;

	if (s == NULL)
		return ERR_NOMEM;
	key->fn(key->arg, order, s);
	if (signing_wait(s)) {
		rc = s->rc == ERR_OK && s->n > room ? ERR_LIMIT : s->rc;
		if (rc == ERR_OK) {
			memcpy(to, s->signature, s->n);
			*n = s->n;
		}
	} else if (s->on_cancel != NULL) {
		s->on_cancel(s->cancel_arg);
	}
	free(s);
	return rc;
}

/* ---- keys ---- */

EVP_PKEY *remote_key_public(struct remote_key *key)
{
	return key->public;
}

EVP_PKEY *remote_key_pkey(struct remote_key *key)
{
	return key->pkey;
}

/* The provider gets the key by a parameter that is its address. */
static EVP_PKEY *make_pkey(struct remote_key *key)
{
	const char *type = EVP_PKEY_is_a(key->public, "EC") ? "EC" : "RSA";
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(shared.context, type, NULL);
	void *address = key;
	OSSL_PARAM params[] = {
		OSSL_PARAM_octet_string(REMOTE_KEY_PARAM, &address, sizeof(address)),
		OSSL_PARAM_END,
	};
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* Under the lock. */
static void context_close(void)
{
	if (shared.provider != NULL)
		OSSL_PROVIDER_unload(shared.provider);
	OSSL_LIB_CTX_free(shared.context);
	shared.provider = NULL;
	shared.context = NULL;
}

/* Likewise. */
static enum err context_open(void)
{
	shared.context = OSSL_LIB_CTX_new();
	if (shared.context == NULL)
		return ERR_NOMEM;
	if (OSSL_PROVIDER_add_builtin(shared.context, "remote", remote_provider_init) ==
		1)
		shared.provider = OSSL_PROVIDER_load(shared.context, "remote");
	if (shared.provider != NULL)
		return ERR_OK;
	context_close();
	return ERR_CRYPTO;
}

static enum err take_context(struct remote_key *key)
{
	enum err rc;

	pthread_mutex_lock(&shared.lock);
	rc = shared.keys > 0 ? ERR_OK : context_open();
	shared.keys += rc == ERR_OK;
	key->has_context = rc == ERR_OK;
	pthread_mutex_unlock(&shared.lock);
	return rc;
}

static void give_context_back(struct remote_key *key)
{
	pthread_mutex_lock(&shared.lock);
	if (key->has_context && --shared.keys == 0)
		context_close();
	pthread_mutex_unlock(&shared.lock);
}

static enum err load_key(struct remote_key *key)
{
	enum err rc = take_context(key);

	if (rc != ERR_OK)
		return rc;
	key->pkey = make_pkey(key);
	return key->pkey != NULL ? ERR_OK : ERR_CRYPTO;
}

enum err remote_key_new(struct span cert_pem, remote_sign_fn *fn, void *arg,
	struct remote_key **out, struct why *why)
{
	EVP_PKEY *public = sign_key_of_certificate(cert_pem);
	enum err rc = remote_key_new_of(public, fn, arg, out, why);

	EVP_PKEY_free(public);
	return rc;
}

enum err remote_key_new_of(EVP_PKEY *public, remote_sign_fn *fn, void *arg,
	struct remote_key **out, struct why *why)
{
	struct remote_key *key;
	enum err rc;

	if (public == NULL ||
		!(EVP_PKEY_is_a(public, "EC") || EVP_PKEY_is_a(public, "RSA")))
		return err_set(why, ERR_SYNTAX,
			"there is no certificate with an EC or RSA key");
	key = mem_new(key);
	if (key == NULL || EVP_PKEY_up_ref(public) != 1) {
		free(key);
		return err_set(why, ERR_NOMEM, "no memory for a key");
	}
	atomic_init(&key->refs, 1);
	key->fn = fn;
	key->arg = arg;
	key->public = public;
	rc = load_key(key);
	if (rc != ERR_OK) {
		remote_key_unref(key);
		return err_set(why, rc, "OpenSSL does not accept a remote key");
	}
	*out = key;
	return ERR_OK;
}

struct remote_key *remote_key_ref(struct remote_key *key)
{
	atomic_fetch_add(&key->refs, 1);
	return key;
}

void remote_key_unref(struct remote_key *key)
{
	if (key == NULL || atomic_fetch_sub(&key->refs, 1) > 1)
		return;
	EVP_PKEY_free(key->pkey);
	EVP_PKEY_free(key->public);
	give_context_back(key);
	free(key);
}
