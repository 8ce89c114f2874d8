/* The arithmetic of a key exchange. */
#include "wire/ssh_kex_priv.h"

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "crypto/ssh_data.h"

#define COOKIE_BYTES 16
#define SECRET_BYTES (KEX_SHARED_BYTES + 8)
#define TRANSCRIPT_MAX (2 * SSH_KEXINIT_MAX + HOSTKEY_BLOB_MAX + 1024)

#define KEX_NAMES "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256"
#define STRICT_CLIENT "kex-strict-c-v00@openssh.com"
#define STRICT_SERVER "kex-strict-s-v00@openssh.com"

/* What a client can verify; the keys that Chisel makes by itself come first. */
#define HOST_KEY_NAMES \
	"ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519," \
	"rsa-sha2-256,rsa-sha2-512"

/* AEAD ciphers have no use for it, but Chisel up to 1.8 insists on a name in common. */
#define MAC_NAMES "hmac-sha2-256"
#define COMPRESSION_NAMES "none"

#define AES_NAMES "aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#define CHACHA_NAME "chacha20-poly1305@openssh.com"

static const struct {
	const char *name;
	enum kex_kind kind;
} kex_methods[] = {
	{ "curve25519-sha256", KEX_X25519 },
	{ "curve25519-sha256@libssh.org", KEX_X25519 },
	{ "ecdh-sha2-nistp256", KEX_P256 },
};

enum err ssh_kexinit_put(enum ssh_role role, const char *host_keys, bool is_first,
	struct buf *out)
{
	const char *ciphers = aead_aes_is_fast() ? AES_NAMES "," CHACHA_NAME :
						   CHACHA_NAME "," AES_NAMES;
	const char *kex = !is_first ? KEX_NAMES :
		role == SSH_CLIENT  ? KEX_NAMES "," STRICT_CLIENT :
				      KEX_NAMES "," STRICT_SERVER;
	const char *const lists[] = { kex, host_keys == NULL ? HOST_KEY_NAMES : host_keys,
		ciphers, ciphers, MAC_NAMES, MAC_NAMES, COMPRESSION_NAMES,
		COMPRESSION_NAMES, "", "" };
	uint8_t cookie[COOKIE_BYTES];

	rand_bytes(cookie, sizeof(cookie));
	(void)buf_put_u8(out, SSH_MSG_KEXINIT);
	(void)buf_put(out, cookie, sizeof(cookie));
	for (size_t i = 0; i < mem_count(lists); i++)
		ssh_put_text(out, lists[i]);
	(void)buf_put_u8(out, 0); /* we never guess */
	(void)buf_put_u32(out, 0);
	return out->failed;
}

static bool get_pair(struct span *in, struct span out[2])
{
	return ssh_get_string(in, &out[SSH_CLIENT]) &&
		ssh_get_string(in, &out[SSH_SERVER]);
}

enum err ssh_kexinit_read(struct span payload, struct ssh_kexinit *out)
{
	struct ssh_kexinit k;
	struct span cookie, languages[2];
	uint32_t reserved;
	uint8_t number;

	if (!span_u8(&payload, &number) || number != SSH_MSG_KEXINIT ||
		!span_cut(&payload, COOKIE_BYTES, &cookie) ||
		!ssh_get_string(&payload, &k.kex) ||
		!ssh_get_string(&payload, &k.host_key) ||
		!get_pair(&payload, k.ciphers) || !get_pair(&payload, k.macs) ||
		!get_pair(&payload, k.compression) || !get_pair(&payload, languages) ||
		!ssh_get_bool(&payload, &k.is_followed) || !span_u32(&payload, &reserved))
		return ERR_SYNTAX;
	*out = k;
	return ERR_OK;
}

static bool choose_kex(struct span client, struct span server, enum kex_kind *out)
{
	struct span name;

	/* Private names may be in common that are no methods of ours. */
	while (ssh_list_next(&client, &name)) {
		for (size_t i = 0; i < mem_count(kex_methods); i++) {
			if (span_is(name, kex_methods[i].name) &&
				ssh_list_has(server, name)) {
				*out = kex_methods[i].kind;
				return true;
			}
		}
	}
	return false;
}

static bool choose_cipher(struct span client, struct span server, enum aead_kind *out)
{
	struct span name;

	if (!ssh_list_choose(client, server, &name))
		return false;
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++) {
		if (span_is(name, aead_spec(kind)->name)) {
			*out = kind;
			return true;
		}
	}
	return false;
}

/* RFC 4253 7: a guess holds if both lists begin alike. */
static bool begin_alike(struct span a, struct span b)
{
	struct span first_a, first_b;

	return ssh_list_next(&a, &first_a) && ssh_list_next(&b, &first_b) &&
		span_eq(first_a, first_b);
}

enum err ssh_kexinit_choose(const struct ssh_kexinit offers[2], struct ssh_choice *out,
	struct why *why)
{
	const struct ssh_kexinit *client = &offers[SSH_CLIENT];
	const struct ssh_kexinit *server = &offers[SSH_SERVER];
	struct ssh_choice c = { 0 };
	struct span name;

	if (!choose_kex(client->kex, server->kex, &c.kex))
		return err_set(why, ERR_PROTO, "no key exchange method in common");
	if (!ssh_list_choose(client->host_key, server->host_key, &name) ||
		name.n >= SSH_ALGORITHM_MAX)
		return err_set(why, ERR_PROTO, "no host key algorithm in common");
	memcpy(c.host_key, name.p, name.n);
	for (enum ssh_role i = SSH_CLIENT; i <= SSH_SERVER; i++) {
		if (!choose_cipher(client->ciphers[i], server->ciphers[i], &c.ciphers[i]))
			return err_set(why, ERR_PROTO, "no cipher in common");
		if (!ssh_list_choose(client->compression[i], server->compression[i],
			    &name))
			return err_set(why, ERR_PROTO, "no compression in common");
	}
	c.guess_is_wrong = !begin_alike(client->kex, server->kex) ||
		!begin_alike(client->host_key, server->host_key);
	*out = c;
	return ERR_OK;
}

bool ssh_kexinit_is_strict(const struct ssh_kexinit offers[2])
{
	return ssh_list_has(offers[SSH_CLIENT].kex, span_str(STRICT_CLIENT)) &&
		ssh_list_has(offers[SSH_SERVER].kex, span_str(STRICT_SERVER));
}

enum err ssh_kex_hash(const struct ssh_transcript *t, uint8_t out[HASH_SHA256_BYTES])
{
	const struct span parts[] = { t->version[SSH_CLIENT], t->version[SSH_SERVER],
		t->kexinit[SSH_CLIENT], t->kexinit[SSH_SERVER], t->host_key,
		t->q[SSH_CLIENT], t->q[SSH_SERVER] };
	struct buf b;
	enum err rc;

	buf_init(&b, TRANSCRIPT_MAX);
	for (size_t i = 0; i < mem_count(parts); i++)
		ssh_put_string(&b, parts[i]);
	ssh_put_mpint(&b, t->shared);
	rc = b.failed;
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&b), out);
	buf_wipe(&b);
	return rc;
}

/* RFC 4253 7.2: K1 = HASH(K, H, letter, session), K2 = HASH(K, H, K1). */
enum err ssh_kex_stream(const struct ssh_secret *s, char letter,
	uint8_t out[SSH_KEY_STREAM_BYTES])
{
	struct buf b;
	size_t common;
	enum err rc;

	buf_init(&b, SECRET_BYTES + 2 * HASH_SHA256_BYTES + 1);
	ssh_put_mpint(&b, span_of(s->shared, sizeof(s->shared)));
	(void)buf_put(&b, s->hash, sizeof(s->hash));
	common = b.n;
	(void)buf_put_u8(&b, (uint8_t)letter);
	(void)buf_put(&b, s->session, sizeof(s->session));
	rc = b.failed;
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&b), out);
	if (rc == ERR_OK) {
		b.n = common;
		rc = buf_put(&b, out, HASH_SHA256_BYTES);
	}
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&b), out + HASH_SHA256_BYTES);
	buf_wipe(&b);
	return rc;
}

enum err ssh_kex_cipher(const struct ssh_secret *s, enum ssh_role sender,
	enum aead_kind kind, bool is_sealing, struct aead **out)
{
	uint8_t iv[SSH_KEY_STREAM_BYTES], key[SSH_KEY_STREAM_BYTES];
	enum err rc = ssh_kex_stream(s, sender == SSH_CLIENT ? 'A' : 'B', iv);

	if (rc == ERR_OK)
		rc = ssh_kex_stream(s, sender == SSH_CLIENT ? 'C' : 'D', key);
	if (rc == ERR_OK)
		rc = aead_new(kind, key, iv, is_sealing, out);
	mem_wipe(iv, sizeof(iv));
	mem_wipe(key, sizeof(key));
	return rc;
}
