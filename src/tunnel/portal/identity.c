/* Identities: their JSON and their files. */
#include "tunnel/portal/identity.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "store/file.h"
#include "text/field_json.h"
#include "text/hex.h"

#define TOKEN_SECRET_BYTES 32
#define ECH_SEED_BYTES 8
#define WIREGUARD_KEY_BYTES 32
#define HEX_KEY_SIZE 80 /* "0x", the digits of a key, and some room */

/* The text as it was read; longer texts than valid ones fit, to be refused. */
struct draft {
	char name[NAMES_INPUT_MAX + 1];
	char address[64];
	char public_key[HEX_KEY_SIZE], private_key[HEX_KEY_SIZE];
	char token_secret[IDENTITY_TOKEN_SECRET_MAX + 1];
	char ech_seed[32];
	char wireguard_public[64], wireguard_private[64];
};

#define TEXT(key, member) \
	{ \
		.name = (key), .kind = FIELD_CHARS, FIELD_AT(struct draft, member) \
	}

static const struct field draft_rows[] = {
	TEXT("name", name),
	TEXT("address", address),
	TEXT("public_key", public_key),
	TEXT("private_key", private_key),
	TEXT("token_secret", token_secret),
	TEXT("encrypted_client_hello_seed", ech_seed),
	TEXT("wireguard_public_key", wireguard_public),
	TEXT("wireguard_private_key", wireguard_private),
};
static const struct field_table draft_fields = FIELD_TABLE_OF(struct draft, draft_rows);

/* ---- parse ---- */

static const char *without_0x(const char *digits)
{
	bool has_0x = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');

	return has_0x ? digits + 2 : digits;
}

/* Public key and address come from the secret. */
static enum err derive(struct identity *id)
{
	if (k1_derive_public(id->secret, &id->key) != ERR_OK)
		return ERR_CRYPTO;
	address_of_key(&id->key, id->address);
	return ERR_OK;
}

static enum err read_secret(const struct draft *d, struct identity *id, struct why *why)
{
	size_t n = 0;

	if (*d->private_key == '\0')
		return err_set(why, ERR_SYNTAX, "the identity has no private_key");
	if (hex_decode(span_str(without_0x(d->private_key)), id->secret,
		    sizeof(id->secret), &n) != ERR_OK ||
		n != sizeof(id->secret) || derive(id) != ERR_OK)
		return err_set(why, ERR_SYNTAX,
			"the identity's private_key is not a valid key");
	return ERR_OK;
}

/* The public key and address in the text, if any, must match. */
static enum err compare(const struct draft *d, const struct identity *id, struct why *why)
{
	char hex[2 * K1_COMPRESSED_BYTES + 1];

	hex_encode(span_of(id->key.compressed, K1_COMPRESSED_BYTES), hex);
	if (*d->public_key != '\0' && strcasecmp(without_0x(d->public_key), hex) != 0)
		return err_set(why, ERR_SYNTAX,
			"the identity's public_key does not match its private_key");
	if (*d->address != '\0' && strcasecmp(d->address, id->address) != 0)
		return err_set(why, ERR_SYNTAX,
			"the identity's address does not match its private_key");
	return ERR_OK;
}

static bool is_wireguard_key(const char *text)
{
	uint8_t key[WIREGUARD_KEY_BYTES];
	size_t n = 0;
	bool is_key = base64_decode(BASE64_PADDED, span_str(text), key, sizeof(key),
			      &n) == ERR_OK &&
		n == sizeof(key);

	mem_wipe(key, sizeof(key));
	return is_key;
}

static bool is_ech_seed(const char *text)
{
	uint8_t seed[ECH_SEED_BYTES];
	size_t n = 0;

	return hex_decode(span_str(text), seed, sizeof(seed), &n) == ERR_OK &&
		n == sizeof(seed);
}

static enum err read_relay_parts(const struct draft *d, struct identity *id,
	struct why *why)
{
	bool has_wireguard = *d->wireguard_public != '\0' ||
		*d->wireguard_private != '\0';

	if (has_wireguard &&
		(!is_wireguard_key(d->wireguard_public) ||
			!is_wireguard_key(d->wireguard_private)))
		return err_set(why, ERR_SYNTAX,
			"the identity's WireGuard keys are not valid");
	if (*d->ech_seed != '\0' && !is_ech_seed(d->ech_seed))
		return err_set(why, ERR_SYNTAX,
			"the identity's encrypted_client_hello_seed is not 16 hex digits");
	str_copy(id->ech_seed, sizeof(id->ech_seed), d->ech_seed);
	str_copy(id->wireguard_public, sizeof(id->wireguard_public), d->wireguard_public);
	str_copy(id->wireguard_private, sizeof(id->wireguard_private),
		d->wireguard_private);
	return ERR_OK;
}

static enum err read_draft(const struct draft *d, struct identity *id, struct why *why)
{
	enum err rc;

	rc = read_secret(d, id, why);
	if (rc == ERR_OK)
		rc = compare(d, id, why);
	if (rc == ERR_OK && *d->name != '\0')
		rc = identity_set_name(id, span_str(d->name), why);
	if (rc == ERR_OK && id->kind == IDENTITY_RELAY)
		rc = read_relay_parts(d, id, why);
	str_copy(id->token_secret, sizeof(id->token_secret), d->token_secret);
	return rc;
}

enum err identity_parse(enum identity_kind kind, struct span text, struct identity *out,
	struct why *why)
{
	struct identity id = { .kind = kind };
	struct draft d;
	enum err rc;

	if (text.n > IDENTITY_FILE_MAX)
		return err_set(why, ERR_LIMIT, "the identity is too long");
	rc = field_read_json(&draft_fields, NULL, text, &d, why);
	if (rc == ERR_OK)
		rc = read_draft(&d, &id, why);
	if (rc == ERR_OK)
		*out = id;
	mem_wipe(&d, sizeof(d));
	identity_wipe(&id);
	return rc;
}

/* ---- make ---- */

#define WORDS 48

static const char *const moods[WORDS] = { "able", "airy", "apt", "bold", "brave", "brief",
	"bright", "brisk", "calm", "candid", "clear", "clever", "cosy", "crisp", "deft",
	"eager", "early", "easy", "fair", "fleet", "fond", "frank", "free", "fresh",
	"gentle", "glad", "grand", "hardy", "humble", "jolly", "keen", "kind", "light",
	"lively", "loyal", "lucky", "merry", "mild", "neat", "nimble", "noble", "plain",
	"proud", "quick", "quiet", "steady", "sunny", "warm" };
static const char *const hues[WORDS] = { "amber", "apricot", "ash", "azure", "beige",
	"birch", "blue", "bronze", "brown", "cedar", "chalk", "cherry", "cobalt",
	"copper", "coral", "cream", "ebony", "flint", "golden", "granite", "green",
	"grey", "hazel", "indigo", "ivory", "jade", "khaki", "lemon", "lilac", "lime",
	"maple", "mauve", "mint", "moss", "ochre", "olive", "opal", "pearl", "pine",
	"plum", "red", "rose", "ruby", "rust", "silver", "slate", "teal", "violet" };
static const char *const beings[WORDS] = { "badger", "beaver", "bison", "crane",
	"cricket", "curlew", "deer", "dolphin", "dove", "eagle", "egret", "falcon",
	"ferret", "finch", "fox", "gecko", "goose", "grouse", "hare", "hawk", "heron",
	"ibex", "ibis", "jay", "kestrel", "lark", "linnet", "lynx", "magpie", "marten",
	"mole", "moose", "newt", "otter", "owl", "panda", "pigeon", "plover", "puffin",
	"raven", "robin", "salmon", "seal", "stoat", "swan", "tern", "vole", "wren" };

/* Three words, one of about a hundred thousand valid labels: "calm-amber-heron". */
static void make_name(char out[NAMES_LABEL_MAX + 1])
{
	snprintf(out, NAMES_LABEL_MAX + 1, "%s-%s-%s", moods[rand_below(WORDS)],
		hues[rand_below(WORDS)], beings[rand_below(WORDS)]);
}

void identity_generate(enum identity_kind kind, struct identity *out)
{
	*out = (struct identity){ .kind = kind };
	do {
		rand_bytes(out->secret, sizeof(out->secret));
	} while (derive(out) != ERR_OK); /* it fails once in 2^128 */
}

enum err identity_set_name(struct identity *id, struct span name, struct why *why)
{
	if (id->kind == IDENTITY_RELAY)
		return names_parse_host(name, id->name, why);
	return names_parse_label(name, id->name, why);
}

bool identity_complete(struct identity *id)
{
	bool needs_name = id->kind == IDENTITY_CLIENT && *id->name == '\0';
	bool needs_token = *id->token_secret == '\0';
	bool needs_seed = id->kind == IDENTITY_RELAY && *id->ech_seed == '\0';
	uint8_t secret[TOKEN_SECRET_BYTES];

	if (needs_name)
		make_name(id->name);
	rand_bytes(secret, sizeof(secret));
	if (needs_token)
		base64_encode(BASE64_URL, span_of(secret, sizeof(secret)),
			id->token_secret);
	if (needs_seed)
		hex_random(ECH_SEED_BYTES, id->ech_seed);
	mem_wipe(secret, sizeof(secret));
	return needs_name || needs_token || needs_seed;
}

void identity_wipe(struct identity *id)
{
	mem_wipe(id, sizeof(*id));
}

/* ---- print ---- */

/* Failures stick in @out. */
static void put_member(struct buf *out, const char *before, const char *key,
	const char *value)
{
	struct json_writer w;

	buf_printf(out, "%s\n  \"%s\": ", before, key);
	json_writer_init(&w, out);
	json_put_text(&w, span_str(value));
}

static void put_if_any(struct buf *out, const char *key, const char *value)
{
	if (*value != '\0')
		put_member(out, ",", key, value);
}

enum err identity_print(const struct identity *id, struct buf *out)
{
	char hex[2 * K1_COMPRESSED_BYTES + 1];

	put_member(out, "{", "name", id->name);
	put_member(out, ",", "address", id->address);
	hex_encode(span_of(id->key.compressed, sizeof(id->key.compressed)), hex);
	put_member(out, ",", "public_key", hex);
	hex_encode(span_of(id->secret, sizeof(id->secret)), hex);
	put_member(out, ",", "private_key", hex);
	mem_wipe(hex, sizeof(hex));
	put_member(out, ",", "token_secret", id->token_secret);
	put_if_any(out, "wireguard_public_key", id->wireguard_public);
	put_if_any(out, "wireguard_private_key", id->wireguard_private);
	put_if_any(out, "encrypted_client_hello_seed", id->ech_seed);
	buf_put_str(out, "\n}\n");
	return out->failed;
}

const char *identity_key_print(const char *name, const char *address,
	char to[IDENTITY_KEY_SIZE])
{
	snprintf(to, IDENTITY_KEY_SIZE, "%s:%s", name, address);
	str_lower(to);
	return to;
}

/* ---- files ---- */

static bool is_given(const char *text)
{
	return text != NULL && *text != '\0';
}

/* ERR_NOENT: there is no file. */
static enum err load(const char *path, enum identity_kind kind, struct identity *out,
	struct why *why)
{
	struct why inner = { "" };
	struct buf text;
	enum err rc;

	if (!is_given(path))
		return ERR_NOENT;
	buf_init(&text, 2 * IDENTITY_FILE_MAX);
	rc = file_read(path, &text, why);
	if (rc == ERR_OK) {
		if (text.n == 0)
			rc = err_set(&inner, ERR_SYNTAX, "the file is empty");
		else
			rc = identity_parse(kind, buf_span(&text), out, &inner);
		if (rc == ERR_OK)
			file_close_to_others(path);
		else
			err_set(why, rc, "%.120s: %s", path, err_text(rc, &inner));
	}
	buf_wipe(&text);
	return rc;
}

static enum err save(const char *path, const struct identity *id, const char *name,
	struct why *why)
{
	struct identity named = *id;
	struct buf text;
	enum err rc;

	str_copy(named.name, sizeof(named.name), name);
	buf_init(&text, IDENTITY_FILE_MAX);
	rc = identity_print(&named, &text);
	if (rc == ERR_OK)
		rc = file_replace(path, 0600, buf_span(&text), why);
	else
		err_set(why, rc, "the identity cannot be written: %s", err_name(rc));
	buf_wipe(&text);
	identity_wipe(&named);
	return rc;
}

enum err identity_file_keep_name(const char *path, const struct identity *id,
	struct why *why)
{
	struct identity kept = { .kind = id->kind };
	enum err rc = load(path, id->kind, &kept, why);

	if (rc == ERR_OK && strcmp(kept.address, id->address) == 0 &&
		strcmp(kept.name, id->name) != 0)
		rc = save(path, &kept, id->name, why);
	identity_wipe(&kept);
	return rc == ERR_NOENT ? ERR_OK : rc;
}

/* The identity is that of @from->json; if it has no name, the file's name is used. */
static enum err take_json(const struct identity_source *from, struct identity *id,
	struct why *why)
{
	struct identity kept;
	enum err rc = identity_parse(from->kind, span_str(from->json), id, why);

	if (rc != ERR_OK || *id->name != '\0')
		return rc;
	rc = load(from->path, from->kind, &kept, why);
	if (rc == ERR_OK) {
		memcpy(id->name, kept.name, sizeof(kept.name));
		identity_wipe(&kept);
	}
	return rc == ERR_NOENT ? ERR_OK : rc;
}

enum err identity_obtain(const struct identity_source *from, struct identity *out,
	struct why *why)
{
	struct identity id = { .kind = from->kind };
	char stored_name[sizeof(id.name)];
	bool is_changed = is_given(from->json);
	enum err rc;

	rc = is_changed ? take_json(from, &id, why) :
			  load(from->path, from->kind, &id, why);
	if (rc == ERR_NOENT) {
		identity_generate(from->kind, &id);
		is_changed = true;
		rc = ERR_OK;
	}
	memcpy(stored_name, id.name, sizeof(stored_name));
	if (rc == ERR_OK && is_given(from->name))
		rc = identity_set_name(&id, span_str(from->name), why);
	if (rc == ERR_OK && identity_complete(&id))
		is_changed = true;
	if (rc == ERR_OK && *id.name == '\0')
		rc = err_set(why, ERR_USAGE, "a relay's identity needs a name");
	if (!from->is_name_provisional || !is_given(from->name)) {
		is_changed = is_changed || strcmp(stored_name, id.name) != 0;
		memcpy(stored_name, id.name, sizeof(stored_name));
	}
	if (rc == ERR_OK && is_changed && is_given(from->path))
		rc = save(from->path, &id, stored_name, why);
	if (rc == ERR_OK)
		*out = id;
	identity_wipe(&id);
	return rc;
}
