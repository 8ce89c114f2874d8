/*
 * The messages of a key exchange and their order; the first exchange and all later ones.
 *
 * Either side may begin one at any time. From our KEXINIT to our NEWKEYS everything else
 * that we send is held; what arrives is taken as always until the peer's KEXINIT.
 */
#include "base/mem.h"
#include "wire/ssh_priv.h"

#define REKEY_PACKETS (UINT64_C(1) << 31)

/*
 * A key exchange costs us some hundred microseconds, and a peer nothing. So a peer may
 * begin SSH_KEX_LEFT_MAX, and one more for each KEX_EARN_PACKETS that it sends: a busy
 * connection never runs out, and neither does one that exchanges keys every hour for a
 * month.
 */
#define KEX_EARN_PACKETS 64

void ssh_exchange_free(struct ssh_exchange *x)
{
	if (x == NULL)
		return;
	buf_fini(&x->kexinit[SSH_CLIENT]);
	buf_fini(&x->kexinit[SSH_SERVER]);
	kex_fini(&x->kex);
	aead_free(x->sealing);
	aead_free(x->opening);
	free(x);
}

void ssh_handshake_earn(struct ssh *ssh)
{
	if (++ssh->kex_earned < KEX_EARN_PACKETS)
		return;
	ssh->kex_earned = 0;
	if (ssh->kex_left < SSH_KEX_LEFT_MAX)
		ssh->kex_left++;
}

enum err ssh_handshake_start(struct ssh *ssh)
{
	struct ssh_exchange *x = mem_new(x);
	struct buf *ours;
	enum err rc;

	if (x == NULL)
		return ssh_fail(ssh, ERR_NOMEM);
	ssh->exchange = x;
	buf_init(&x->kexinit[SSH_CLIENT], SSH_KEXINIT_MAX);
	buf_init(&x->kexinit[SSH_SERVER], SSH_KEXINIT_MAX);
	ours = &x->kexinit[ssh->role];
	rc = ssh_kexinit_put(ssh->role,
		ssh->role == SSH_SERVER ? hostkey_algorithms(ssh->options.key) : NULL,
		!ssh->has_session, ours);
	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	ssh->kex_out = SSH_OUT_HELD;

	/* The payload begins with its number, which ssh_begin() has already put. */
	(void)buf_put(ssh_begin(ssh, SSH_MSG_KEXINIT), ours->p + 1, ours->n - 1);
	return ssh_send(ssh);
}

/* True if new keys are due. */
static bool is_worn(const struct ssh *ssh, const struct ssh_cipher *c)
{
	uint64_t bytes = c->rekey_bytes;

	if (ssh->options.rekey_bytes > 0 && ssh->options.rekey_bytes < bytes)
		bytes = ssh->options.rekey_bytes;
	return c->packets >= REKEY_PACKETS || c->bytes >= bytes;
}

enum err ssh_handshake_start_if_due(struct ssh *ssh)
{
	if (ssh->phase != SSH_AT_UP || ssh->exchange != NULL)
		return ERR_OK;
	if (!is_worn(ssh, &ssh->in) && !is_worn(ssh, &ssh->out))
		return ERR_OK;
	return ssh_handshake_start(ssh);
}

enum err ssh_on_kexinit(struct ssh *ssh, struct ssh_message *m)
{
	struct ssh_kexinit offers[2];
	struct ssh_exchange *x;
	enum err rc;

	if (ssh->kex_in != SSH_IN_FREE)
		return err_set(m->why, ERR_PROTO, "a KEXINIT during a key exchange");
	if (ssh->exchange == NULL) { /* the peer begins */
		if (ssh->kex_left == 0)
			return err_set(m->why, ERR_LIMIT, "too many key exchanges");
		ssh->kex_left--;
		rc = ssh_handshake_start(ssh);
		if (rc != ERR_OK)
			return rc;
	}
	x = ssh->exchange;
	/* With its number. */
	rc = buf_put(&x->kexinit[ssh->peer], m->in.p - 1, m->in.n + 1);
	if (rc != ERR_OK)
		return err_set(m->why, rc, "KEXINIT is too long");
	for (enum ssh_role i = SSH_CLIENT; i <= SSH_SERVER; i++)
		if (ssh_kexinit_read(buf_span(&x->kexinit[i]), &offers[i]) != ERR_OK)
			return err_set(m->why, ERR_SYNTAX, "malformed KEXINIT");
	rc = ssh_kexinit_choose(offers, &x->choice, m->why);
	if (rc != ERR_OK)
		return rc;
	x->skips_guess = offers[ssh->peer].is_followed && x->choice.guess_is_wrong;
	if (!ssh->has_session)
		ssh->is_strict = ssh_kexinit_is_strict(offers);
	if (ssh->is_strict && !ssh->has_session && ssh->in.packets != 1)
		return err_set(m->why, ERR_PROTO, "a packet before KEXINIT");
	rc = kex_init(&x->kex, x->choice.kex, NULL);
	if (rc != ERR_OK)
		return rc;
	ssh->kex_in = SSH_IN_METHOD;
	if (ssh->role == SSH_SERVER)
		return ERR_OK;
	ssh_put_string(ssh_begin(ssh, SSH_MSG_ECDH_INIT), kex_public(&x->kex));
	return ssh_send(ssh);
}

/* The shared secret and the hash; the first hash names the session. */
static enum err make_secret(struct ssh *ssh, struct span host_key, struct span peer_q,
	struct ssh_secret *s)
{
	struct ssh_exchange *x = ssh->exchange;
	struct ssh_transcript t = {
		.kexinit = { buf_span(&x->kexinit[0]), buf_span(&x->kexinit[1]) },
		.host_key = host_key,
		.shared = span_of(s->shared, sizeof(s->shared)),
	};
	enum err rc = kex_derive(&x->kex, peer_q, s->shared);

	t.version[ssh->role] = span_str(ssh_version_line(ssh->role));
	t.version[ssh->peer] = span_of(ssh->version, ssh->version_n);
	t.q[ssh->role] = kex_public(&x->kex);
	t.q[ssh->peer] = peer_q;
	if (rc == ERR_OK)
		rc = ssh_kex_hash(&t, s->hash);
	if (rc != ERR_OK)
		return rc;
	memcpy(s->session, ssh->has_session ? ssh->session : s->hash, sizeof(s->session));
	return ERR_OK;
}

static enum err make_ciphers(struct ssh *ssh, const struct ssh_secret *s)
{
	struct ssh_exchange *x = ssh->exchange;
	enum err rc = ssh_kex_cipher(s, ssh->role, x->choice.ciphers[ssh->role], true,
		&x->sealing);

	if (rc == ERR_OK)
		rc = ssh_kex_cipher(s, ssh->peer, x->choice.ciphers[ssh->peer], false,
			&x->opening);
	if (rc == ERR_OK) {
		memcpy(ssh->session, s->session, sizeof(ssh->session));
		ssh->has_session = true;
	}
	return rc;
}

/* Our NEWKEYS, and all that was held, under the new keys. */
enum err ssh_handshake_finish(struct ssh *ssh)
{
	struct ssh_exchange *x = ssh->exchange;
	enum err rc;

	(void)ssh_begin(ssh, SSH_MSG_NEWKEYS);
	rc = ssh_send(ssh);
	if (rc != ERR_OK)
		return rc;
	ssh_cipher_switch(&ssh->out, x->sealing, ssh->is_strict);
	x->sealing = NULL;
	ssh->kex_out = SSH_OUT_FREE;
	ssh->kex_in = SSH_IN_NEWKEYS;
	return ssh_send_held(ssh);
}

/* After a later exchange the owner may send again at once. */
static enum err finish_and_report(struct ssh *ssh, struct ssh_event *out)
{
	if (ssh->phase == SSH_AT_UP)
		*out = (struct ssh_event){ .kind = SSH_REKEYED };
	return ssh_handshake_finish(ssh);
}

static enum err send_ecdh_reply(struct ssh *ssh, const struct ssh_secret *s)
{
	struct ssh_exchange *x = ssh->exchange;
	struct span hash = span_of(s->hash, sizeof(s->hash));
	struct buf signature;
	struct buf *b;
	enum err rc;

	buf_init(&signature, HOSTKEY_SIGNATURE_MAX);
	rc = hostkey_sign(ssh->options.key, x->choice.host_key, hash, &signature);
	if (rc == ERR_OK) {
		b = ssh_begin(ssh, SSH_MSG_ECDH_REPLY);
		ssh_put_string(b, hostkey_blob(ssh->options.key));
		ssh_put_string(b, kex_public(&x->kex));
		ssh_put_string(b, buf_span(&signature));
		rc = ssh_send(ssh);
	}
	buf_fini(&signature);
	return rc;
}

enum err ssh_on_ecdh_init(struct ssh *ssh, struct ssh_message *m)
{
	struct ssh_secret s;
	struct span q;
	enum err rc;

	if (ssh->role != SSH_SERVER || ssh->kex_in != SSH_IN_METHOD)
		return err_set(m->why, ERR_PROTO, "unexpected ECDH_INIT");
	if (!ssh_get_string(&m->in, &q))
		return err_set(m->why, ERR_SYNTAX, "malformed ECDH_INIT");
	rc = make_secret(ssh, hostkey_blob(ssh->options.key), q, &s);
	if (rc == ERR_OK)
		rc = send_ecdh_reply(ssh, &s);
	if (rc == ERR_OK)
		rc = make_ciphers(ssh, &s);
	mem_wipe(&s, sizeof(s));
	if (rc != ERR_OK)
		return err_set(m->why, rc, "key exchange failed: %s", err_name(rc));
	return finish_and_report(ssh, &m->event);
}

/* The owner decides on the first key; later ones must be the same. */
enum err ssh_on_ecdh_reply(struct ssh *ssh, struct ssh_message *m)
{
	uint8_t key_hash[HASH_SHA256_BYTES];
	struct ssh_secret s;
	struct span key, q, signature;
	enum err rc;

	if (ssh->role != SSH_CLIENT || ssh->kex_in != SSH_IN_METHOD)
		return err_set(m->why, ERR_PROTO, "unexpected ECDH_REPLY");
	if (!ssh_get_string(&m->in, &key) || !ssh_get_string(&m->in, &q) ||
		!ssh_get_string(&m->in, &signature) || key.n > HOSTKEY_BLOB_MAX)
		return err_set(m->why, ERR_SYNTAX, "malformed ECDH_REPLY");
	rc = make_secret(ssh, key, q, &s);
	if (rc == ERR_OK)
		rc = hostkey_verify(key, ssh->exchange->choice.host_key,
			span_of(s.hash, sizeof(s.hash)), signature);
	if (rc == ERR_OK)
		rc = make_ciphers(ssh, &s);
	mem_wipe(&s, sizeof(s));
	if (rc == ERR_OK)
		rc = hash_sha256(key, key_hash);
	if (rc != ERR_OK)
		return err_set(m->why, rc, "key exchange failed: %s", err_name(rc));
	if (ssh->phase != SSH_AT_UP) {
		memcpy(ssh->host_key, key_hash, sizeof(key_hash));
		ssh->kex_in = SSH_IN_TRUST;
		m->event = (struct ssh_event){ .kind = SSH_HOST_KEY, .data = key };
		return ERR_OK;
	}
	if (memcmp(key_hash, ssh->host_key, sizeof(key_hash)) != 0)
		return err_set(m->why, ERR_CRYPTO, "the server's key has changed");
	return finish_and_report(ssh, &m->event);
}

enum err ssh_on_newkeys(struct ssh *ssh, struct ssh_message *m)
{
	struct ssh_exchange *x = ssh->exchange;

	if (ssh->kex_in != SSH_IN_NEWKEYS)
		return err_set(m->why, ERR_PROTO, "unexpected NEWKEYS");
	ssh_cipher_switch(&ssh->in, x->opening, ssh->is_strict);
	x->opening = NULL;
	ssh->kex_in = SSH_IN_FREE;
	ssh_exchange_free(x);
	ssh->exchange = NULL;
	if (ssh->phase == SSH_AT_UP)
		return ERR_OK;
	ssh->phase = SSH_AT_AUTH;
	return ssh->role == SSH_CLIENT ? ssh_auth_start(ssh) : ERR_OK;
}
