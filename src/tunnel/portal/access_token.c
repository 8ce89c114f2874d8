/* Access tokens. */
#include "tunnel/portal/access_token.h"

#include <openssl/crypto.h>

#include "base/mem.h"
#include "base/str.h"
#include "crypto/hash.h"
#include "text/base64.h"
#include "text/field_json.h"
#include "tunnel/portal/identity.h"

#define AUDIENCE "portal-sdk"
#define ALGORITHM "ES256K"
#define JSON_MAX BASE64_BYTES_MAX(ACCESS_TOKEN_MAX)
#define AUDIENCES_MAX 8

/* ---- tables ---- */

struct header {
	char alg[16], typ[16];
};

struct claims {
	struct field_list aud;
	int64_t nbf, tcp_port;
	char sub[IDENTITY_KEY_SIZE];
	struct access_token t; /* without @tcp_port */
};

static const struct field header_rows[] = {
	{ "alg", FIELD_CHARS, FIELD_AT(struct header, alg) },
	{ "typ", FIELD_CHARS, FIELD_AT(struct header, typ) },
};
static const struct field_table header_fields = FIELD_TABLE_OF(struct header,
	header_rows);

static const struct field identity_rows[] = {
	{ "name", FIELD_CHARS, FIELD_AT(struct access_token, name) },
	{ "address", FIELD_CHARS, FIELD_AT(struct access_token, address) },
};
static const struct field_table identity_fields = FIELD_TABLE_OF(struct access_token,
	identity_rows);

/* The optional claims are adit's own. */
static const struct field claims_rows[] = {
	/* RFC 7519, 4.1.3; stock relays write one text */
	{ "aud", FIELD_LIST_OR_ONE, FIELD_AT(struct claims, aud), .text_max = 64,
		.max = AUDIENCES_MAX },
	{ "exp", FIELD_NUMBER, FIELD_AT(struct claims, t.expires_at_s) },
	{ "iat", FIELD_NUMBER, FIELD_AT(struct claims, t.issued_at_s) },
	{ "identity", FIELD_TABLE, FIELD_AT(struct claims, t), .of = &identity_fields },
	{ "iss", FIELD_CHARS, FIELD_AT(struct claims, t.issuer) },
	{ "jti", FIELD_CHARS, FIELD_AT(struct claims, t.id) },
	{ "nbf", FIELD_NUMBER, FIELD_AT(struct claims, nbf) },
	{ "registration", FIELD_NUMBER, true, FIELD_AT(struct claims, t.registration) },
	{ "route", FIELD_CHARS, true, FIELD_AT(struct claims, t.route_host) },
	{ "sub", FIELD_CHARS, FIELD_AT(struct claims, sub) },
	{ "tcp_port", FIELD_NUMBER, true, FIELD_AT(struct claims, tcp_port) },
};
static const struct field_table claims_fields = FIELD_TABLE_OF(struct claims,
	claims_rows);

/* ---- print ---- */

/* Failures of the puts stick in @out. */
static void put_base64(struct buf *out, struct span bytes)
{
	uint8_t *to;

	if (buf_reserve(out, BASE64_TEXT_SIZE(bytes.n), &to) != ERR_OK)
		return;
	buf_commit(out, base64_encode(BASE64_URL, bytes, (char *)to));
}

static void put_part(struct buf *out, const struct field_table *fields,
	const void *object)
{
	struct json_writer w;
	struct buf json;

	buf_init(&json, JSON_MAX);
	json_writer_init(&w, &json);
	field_put_json(fields, object, &w);
	if (json.failed != ERR_OK)
		out->failed = json.failed;
	put_base64(out, buf_span(&json));
	buf_fini(&json);
}

enum err access_token_print(const struct access_token *token,
	const uint8_t secret[K1_SECRET_BYTES], struct buf *out)
{
	static const struct header header = { .alg = ALGORITHM, .typ = "JWT" };
	char audience[] = AUDIENCE, *audiences = audience;
	struct claims claims = {
		.aud = { .v = &audiences, .n = 1 },
		.nbf = token->issued_at_s,
		.tcp_port = token->tcp_port,
		.t = *token,
	};
	uint8_t digest[HASH_SHA256_BYTES];
	struct k1_signature sig;
	struct buf text;
	enum err rc;

	buf_init(&text, ACCESS_TOKEN_MAX);
	put_part(&text, &header_fields, &header);
	buf_put_str(&text, ".");
	identity_key_print(token->name, token->address, claims.sub);
	put_part(&text, &claims_fields, &claims);
	rc = text.failed;
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&text), digest);
	if (rc == ERR_OK)
		rc = k1_sign(secret, digest, &sig);
	if (rc == ERR_OK) {
		buf_put_str(&text, ".");
		put_base64(&text, span_of(sig.rs, sizeof(sig.rs)));
		rc = text.failed;
	}
	if (rc == ERR_OK)
		rc = buf_put_span(out, buf_span(&text));
	buf_fini(&text);
	return rc;
}

/* ---- verify ---- */

/* The three parts between two dots, as they are, and what has been signed. */
struct parts {
	struct span header, claims, signature, signed_text;
};

static bool split(struct span text, struct parts *out)
{
	struct span rest = text;
	const uint8_t *last = span_find_last(text, '.');

	if (text.n > ACCESS_TOKEN_MAX || !span_split(&rest, '.', &out->header) ||
		last < rest.p)
		return false;
	out->claims = span_of(rest.p, (size_t)(last - rest.p));
	out->signed_text = span_of(text.p, (size_t)(last - text.p));
	out->signature = span_of(last + 1, text.n - out->signed_text.n - 1);
	return true;
}

static bool read_part(const struct field_table *fields, struct span part, void *out)
{
	uint8_t json[JSON_MAX];
	size_t n;

	return base64_decode(BASE64_URL, part, json, sizeof(json), &n) == ERR_OK &&
		field_read_json(fields, NULL, span_of(json, n), out, NULL) == ERR_OK;
}

/* No other algorithm, and above all not "none". */
static bool is_ours(struct span part)
{
	struct header header;

	return read_part(&header_fields, part, &header) &&
		strcmp(header.alg, ALGORITHM) == 0;
}

static bool is_signed(const struct parts *parts, const struct k1_public *key)
{
	uint8_t rs[K1_RS_BYTES], digest[HASH_SHA256_BYTES];
	size_t n = 0;

	return base64_decode(BASE64_URL, parts->signature, rs, sizeof(rs), &n) ==
		ERR_OK &&
		n == sizeof(rs) && hash_sha256(parts->signed_text, digest) == ERR_OK &&
		k1_verify(key, rs, digest) == ERR_OK;
}

static bool has_audience(const struct claims *c)
{
	for (size_t i = 0; i < c->aud.n; i++)
		if (strcmp(c->aud.v[i], AUDIENCE) == 0)
			return true;
	return false;
}

static enum err check_claims(const struct claims *c, const struct access_check *check,
	struct access_token *out, struct why *why)
{
	struct access_token t = c->t;
	char key[IDENTITY_KEY_SIZE];

	if (strcmp(t.issuer, check->issuer) != 0 || !has_audience(c))
		return err_set(why, ERR_DENIED, "the access token is not for this relay");
	/* The subject is the canonical name and address. */
	if (names_parse_label(span_str(c->t.name), t.name, NULL) != ERR_OK ||
		address_parse(span_str(c->t.address), t.address) != ERR_OK ||
		strcmp(identity_key_print(t.name, t.address, key), c->sub) != 0)
		return err_set(why, ERR_DENIED,
			"the access token's subject is not its identity");
	if (check->now_s < c->nbf || check->now_s < t.issued_at_s)
		return err_set(why, ERR_DENIED, "the access token is not valid yet");
	if (check->now_s > t.expires_at_s)
		return err_set(why, ERR_DENIED, "the access token has expired");
	if (c->tcp_port > 0 && c->tcp_port <= UINT16_MAX)
		t.tcp_port = (uint16_t)c->tcp_port;
	*out = t;
	return ERR_OK;
}

/* Claims are parsed only after the signature was verified. */
enum err access_token_verify(struct span text, const struct access_check *check,
	struct access_token *out, struct why *why)
{
	struct claims claims;
	struct parts parts;
	enum err rc;

	if (!split(text, &parts) || !is_ours(parts.header))
		return err_set(why, ERR_DENIED, "this is not an access token");
	if (!is_signed(&parts, check->key))
		return err_set(why, ERR_DENIED, "the access token's signature is wrong");
	if (!read_part(&claims_fields, parts.claims, &claims))
		return err_set(why, ERR_DENIED,
			"the access token's claims are malformed");
	rc = check_claims(&claims, check, out, why);
	field_fini(&claims_fields, &claims);
	return rc;
}

/* ---- cache ---- */

struct access_entry {
	int64_t issued_at_s, expires_at_s;
	struct access_holder holder;
	size_t n;
	uint8_t text[]; /* secret */
};

static void entry_free(struct access_entry *e)
{
	if (e != NULL)
		mem_free_secret(e, sizeof(*e) + e->n);
}

void access_cache_fini(struct access_cache *cache)
{
	for (size_t i = 0; i < ACCESS_CACHE_SLOTS; i++)
		entry_free(cache->slots[i]);
	memset(cache, 0, sizeof(*cache));
}

/* Hashes the end, which is a signature: only our own tokens are stored here. */
static struct access_entry **cache_slot(struct access_cache *cache, struct span text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = text.n > 16 ? text.n - 16 : 0; i < text.n; i++)
		hash = (hash ^ text.p[i]) * 16777619u;
	return &cache->slots[hash & (ACCESS_CACHE_SLOTS - 1)];
}

static bool entry_is(const struct access_entry *e, struct span text)
{
	return e != NULL && e->n == text.n && CRYPTO_memcmp(e->text, text.p, text.n) == 0;
}

/* Without memory it is not stored, and verified again the next time. */
static void cache_keep(struct access_entry **slot, struct span text,
	const struct access_token *token, const struct access_holder *holder)
{
	struct access_entry *e = malloc(sizeof(*e) + text.n);

	if (e == NULL)
		return;
	e->issued_at_s = token->issued_at_s;
	e->expires_at_s = token->expires_at_s;
	e->holder = *holder;
	e->n = text.n;
	memcpy(e->text, text.p, text.n);
	entry_free(*slot);
	*slot = e;
}

enum err access_cache_verify(struct access_cache *cache, struct span text,
	const struct access_check *check, struct access_holder *holder, struct why *why)
{
	struct access_entry **slot = cache_slot(cache, text);
	struct access_token token;
	enum err rc;

	if (entry_is(*slot, text) && check->now_s >= (*slot)->issued_at_s &&
		check->now_s <= (*slot)->expires_at_s) {
		*holder = (*slot)->holder;
		return ERR_OK;
	}
	rc = access_token_verify(text, check, &token, why);
	if (rc != ERR_OK)
		return rc;
	memset(holder, 0, sizeof(*holder));
	identity_key_print(token.name, token.address, holder->identity_key);
	holder->registration = token.registration;
	cache_keep(slot, text, &token, holder);
	return ERR_OK;
}
