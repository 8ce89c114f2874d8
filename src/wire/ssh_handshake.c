/*
 * Who sends what, and when, in a key exchange; the first one and all later ones.
 *
 * Either side may begin one at any time. From our KEXINIT to our NEWKEYS everything else
 * that we send is held; what arrives is taken as always until the peer's KEXINIT.
 */
#include "base/mem.h"
#include "wire/ssh_engine.h"

#define REKEY_PACKETS (UINT64_C(1) << 31)

/*
 * A key exchange costs us some hundred microseconds, and a peer nothing. So it may begin
 * so many, and one more for each so many packets that it sends: a busy connection never
 * runs out, and neither does one that exchanges keys every hour for a month.
 */
#define KEX_LEFT_MAX 1000
#define KEX_EARN_PACKETS 64

void ssh_exchange_free(struct ssh_exchange *x)
{
	if (x == NULL)
		return;
	buf_fini(&x->ours);
	buf_fini(&x->theirs);
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
	if (ssh->kex_left < KEX_LEFT_MAX)
		ssh->kex_left++;
}

enum err ssh_handshake_start(struct ssh *ssh)
{
	const struct hostkey *key = ssh->options.key;
	struct ssh_exchange *x = mem_new(x);
	enum err rc;

	if (x == NULL)
		return ssh_fail(ssh, ERR_NOMEM);
	ssh->exchange = x;
	buf_init(&x->ours, SSH_KEXINIT_MAX);
	buf_init(&x->theirs, SSH_KEXINIT_MAX);
	rc = ssh_kexinit_put(ssh->options.role,
		ssh->options.role == SSH_SERVER ? hostkey_algorithms(key) : NULL,
		!ssh->has_session, &x->ours);
	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	ssh->kex_out = SSH_OUT_HELD;

	/* The payload begins with its number, which ssh_begin() has already put. */
	(void)buf_put(ssh_begin(ssh, SSH_MSG_KEXINIT), x->ours.p + 1, x->ours.n - 1);
	return ssh_send(ssh);
}

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

enum err ssh_rekey(struct ssh *ssh)
{
	if (ssh->failed != ERR_OK)
		return ssh->failed;
	if (ssh->phase != SSH_AT_UP)
		return ERR_USAGE;
	return ssh->exchange != NULL ? ERR_OK : ssh_handshake_start(ssh);
}

static enum err send_ecdh_init(struct ssh *ssh)
{
	ssh_put_string(ssh_begin(ssh, SSH_MSG_ECDH_INIT),
		kex_public(&ssh->exchange->kex));
	return ssh_send(ssh);
}

/* The peer begins, or answers ours. */
static enum err join_exchange(struct ssh *ssh, struct why *why)
{
	if (ssh->kex_in != SSH_IN_FREE)
		return err_set(why, ERR_PROTO, "a key exchange within a key exchange");
	if (ssh->exchange != NULL)
		return ERR_OK;
	if (ssh->kex_left == 0)
		return err_set(why, ERR_LIMIT, "too many key exchanges");
	ssh->kex_left--;
	return ssh_handshake_start(ssh);
}

static enum err agree(struct ssh *ssh, struct why *why)
{
	struct ssh_exchange *x = ssh->exchange;
	struct ssh_kexinit ours, theirs;
	struct ssh_kexinit *client = ssh->options.role == SSH_CLIENT ? &ours : &theirs;
	struct ssh_kexinit *server = ssh->options.role == SSH_CLIENT ? &theirs : &ours;
	enum err rc;

	if (ssh_kexinit_read(buf_span(&x->ours), &ours) != ERR_OK ||
		ssh_kexinit_read(buf_span(&x->theirs), &theirs) != ERR_OK)
		return err_set(why, ERR_SYNTAX, "bad KEXINIT");
	rc = ssh_kexinit_choose(client, server, &x->choice, why);
	if (rc != ERR_OK)
		return rc;
	x->skips_guess = theirs.is_followed && x->choice.guess_is_wrong;
	if (!ssh->has_session)
		ssh->is_strict = ssh_kexinit_is_strict(client, server);
	return ERR_OK;
}

enum err ssh_on_kexinit(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_exchange *x;
	enum err rc = join_exchange(ssh, why);

	(void)out;
	if (rc != ERR_OK)
		return rc;
	x = ssh->exchange;
	rc = buf_put(&x->theirs, in.p - 1, in.n + 1); /* with its number */
	if (rc != ERR_OK)
		return err_set(why, rc, "KEXINIT is too long");
	rc = agree(ssh, why);
	if (rc != ERR_OK)
		return rc;
	if (ssh->is_strict && !ssh->has_session && ssh->in.packets != 1)
		return err_set(why, ERR_PROTO, "a packet before KEXINIT");
	rc = kex_init(&x->kex, x->choice.kex, NULL);
	if (rc != ERR_OK)
		return rc;
	ssh->kex_in = SSH_IN_METHOD;
	if (ssh->options.role == SSH_CLIENT)
		rc = send_ecdh_init(ssh);
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

/* The shared secret and the hash; the first hash names the session. */
static enum err make_secret(struct ssh *ssh, struct span host_key, struct span peer_q,
	struct ssh_secret *s)
{
	struct ssh_exchange *x = ssh->exchange;
	bool is_client = ssh->options.role == SSH_CLIENT;
	struct span ours = span_str(ssh_version_line(ssh->options.role));
	struct span theirs = ssh_peer_version(ssh);
	struct ssh_transcript t = {
		.client_version = is_client ? ours : theirs,
		.server_version = is_client ? theirs : ours,
		.client_kexinit = buf_span(is_client ? &x->ours : &x->theirs),
		.server_kexinit = buf_span(is_client ? &x->theirs : &x->ours),
		.host_key = host_key,
		.client_q = is_client ? kex_public(&x->kex) : peer_q,
		.server_q = is_client ? peer_q : kex_public(&x->kex),
		.shared = span_of(s->shared, sizeof(s->shared)),
	};
	enum err rc = kex_derive(&x->kex, peer_q, s->shared);

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
	bool is_client = ssh->options.role == SSH_CLIENT;
	enum ssh_direction out = is_client ? SSH_TO_SERVER : SSH_TO_CLIENT;
	enum ssh_direction in = is_client ? SSH_TO_CLIENT : SSH_TO_SERVER;
	enum err rc = ssh_kex_cipher(s, out, x->choice.ciphers[out], true, &x->sealing);

	if (rc == ERR_OK)
		rc = ssh_kex_cipher(s, in, x->choice.ciphers[in], false, &x->opening);
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
	bool is_client = ssh->options.role == SSH_CLIENT;
	enum aead_kind kind =
		x->choice.ciphers[is_client ? SSH_TO_SERVER : SSH_TO_CLIENT];
	enum err rc;

	(void)ssh_begin(ssh, SSH_MSG_NEWKEYS);
	rc = ssh_send(ssh);
	if (rc != ERR_OK)
		return rc;
	ssh_cipher_switch(&ssh->out, x->sealing, aead_spec(kind)->rekey_bytes,
		ssh->is_strict);
	x->sealing = NULL;
	ssh->kex_out = SSH_OUT_FREE;
	ssh->kex_in = SSH_IN_NEWKEYS;
	return ssh_send_held(ssh);
}

/* After a later exchange the owner may send again at once. */
static enum err finish_and_report(struct ssh *ssh, struct ssh_event *out)
{
	enum err rc = ssh_handshake_finish(ssh);

	if (rc != ERR_OK)
		return rc;
	if (ssh->phase != SSH_AT_UP)
		return ERR_AGAIN;
	*out = (struct ssh_event){ .kind = SSH_REKEYED };
	return ERR_OK;
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

enum err ssh_on_ecdh_init(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_secret s;
	struct span q;
	enum err rc;

	if (ssh->options.role != SSH_SERVER || ssh->kex_in != SSH_IN_METHOD)
		return err_set(why, ERR_PROTO, "a key exchange out of turn");
	if (!ssh_get_string(&in, &q))
		return err_set(why, ERR_SYNTAX, "bad key exchange");
	rc = make_secret(ssh, hostkey_blob(ssh->options.key), q, &s);
	if (rc == ERR_OK)
		rc = send_ecdh_reply(ssh, &s);
	if (rc == ERR_OK)
		rc = make_ciphers(ssh, &s);
	mem_wipe(&s, sizeof(s));
	if (rc != ERR_OK)
		return err_set(why, rc, "key exchange failed: %s", err_name(rc));
	return finish_and_report(ssh, out);
}

/* The first key is the owner's to judge; later ones must be the same. */
static enum err check_host_key(struct ssh *ssh, struct span key, struct ssh_event *out,
	struct why *why)
{
	uint8_t hash[HASH_SHA256_BYTES];
	enum err rc = hash_sha256(key, hash);

	if (rc != ERR_OK)
		return rc;
	if (ssh->phase == SSH_AT_UP) {
		if (memcmp(hash, ssh->host_key, sizeof(hash)) != 0)
			return err_set(why, ERR_CRYPTO, "the server's key has changed");
		return finish_and_report(ssh, out);
	}
	memcpy(ssh->host_key, hash, sizeof(hash));
	ssh->kex_in = SSH_IN_TRUST;
	*out = (struct ssh_event){ .kind = SSH_HOST_KEY, .data = key };
	return ERR_OK;
}

enum err ssh_on_ecdh_reply(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_secret s;
	struct span key, q, signature;
	enum err rc;

	if (ssh->options.role != SSH_CLIENT || ssh->kex_in != SSH_IN_METHOD)
		return err_set(why, ERR_PROTO, "a key exchange out of turn");
	if (!ssh_get_string(&in, &key) || !ssh_get_string(&in, &q) ||
		!ssh_get_string(&in, &signature) || key.n > HOSTKEY_BLOB_MAX)
		return err_set(why, ERR_SYNTAX, "bad key exchange");
	rc = make_secret(ssh, key, q, &s);
	if (rc == ERR_OK)
		rc = hostkey_verify(key, ssh->exchange->choice.host_key,
			span_of(s.hash, sizeof(s.hash)), signature);
	if (rc == ERR_OK)
		rc = make_ciphers(ssh, &s);
	mem_wipe(&s, sizeof(s));
	if (rc != ERR_OK)
		return err_set(why, rc, "key exchange failed: %s", err_name(rc));
	return check_host_key(ssh, key, out, why);
}

enum err ssh_on_newkeys(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_exchange *x = ssh->exchange;
	bool is_client = ssh->options.role == SSH_CLIENT;
	enum aead_kind kind;

	(void)in;
	(void)out;
	if (ssh->kex_in != SSH_IN_NEWKEYS)
		return err_set(why, ERR_PROTO, "NEWKEYS out of turn");
	kind = x->choice.ciphers[is_client ? SSH_TO_CLIENT : SSH_TO_SERVER];
	ssh_cipher_switch(&ssh->in, x->opening, aead_spec(kind)->rekey_bytes,
		ssh->is_strict);
	x->opening = NULL;
	ssh->kex_in = SSH_IN_FREE;
	ssh_exchange_free(x);
	ssh->exchange = NULL;
	if (ssh->phase == SSH_AT_UP)
		return ERR_AGAIN;

	ssh->phase = SSH_AT_AUTH;
	if (is_client) {
		enum err rc = ssh_auth_start(ssh);

		return rc == ERR_OK ? ERR_AGAIN : rc;
	}
	return ERR_AGAIN;
}
