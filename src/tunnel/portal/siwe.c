/* SIWE texts and their signatures. */
#include "tunnel/portal/siwe.h"

#include <stdio.h>

#include "base/rand.h"
#include "crypto/keccak.h"
#include "text/hex.h"
#include "text/names.h"

#define GREETING " wants you to sign in with your Ethereum account:"
#define NONCE_CHARS_MIN 8
#define V_BASE 27 /* what signatures of messages add to the recovery number */

void siwe_make_nonce(char out[SIWE_NONCE_CHARS + 1])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < SIWE_NONCE_CHARS; i++)
		out[i] = alphabet[rand_below(sizeof(alphabet) - 1)];
	out[SIWE_NONCE_CHARS] = '\0';
}

/* ---- what a part may be ---- */

/* Nothing but visible ASCII, and spaces if @from is one. */
static bool is_visible(struct span part, uint8_t from)
{
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] < from || part.p[i] > '~')
			return false;
	return true;
}

static bool is_nonce(struct span part)
{
	for (size_t i = 0; i < part.n; i++) {
		uint8_t c = part.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
			!(c >= '0' && c <= '9'))
			return false;
	}
	return part.n >= NONCE_CHARS_MIN;
}

/* The name of the part that is wrong, or NULL. */
static const char *find_fault(const struct siwe *m)
{
	if (m->domain.n == 0 || !is_visible(m->domain, '!'))
		return "domain";
	if (!is_visible(m->statement, ' '))
		return "statement";
	if (m->uri.n == 0 || !is_visible(m->uri, '!'))
		return "URI";
	if (!is_nonce(m->nonce))
		return "nonce";
	if (!is_visible(m->request_id, '!'))
		return "request ID";
	return NULL;
}

/* ---- print ---- */

static void put_line(struct buf *out, const char *key, struct span value)
{
	buf_put_str(out, key);
	buf_put_span(out, value);
}

static void put_time(struct buf *out, const char *key, struct timestamp t)
{
	char text[TIMEFMT_TEXT_MAX];

	put_line(out, key, span_str(timefmt_print(t, text)));
}

/* The failures of the puts stick in @out. */
enum err siwe_print(const struct siwe *m, struct buf *out)
{
	if (find_fault(m) != NULL)
		return ERR_SYNTAX;
	put_line(out, "", m->domain);
	put_line(out, GREETING "\n", span_str(m->address));
	put_line(out, "\n\n", m->statement);
	put_line(out, m->statement.n > 0 ? "\n\nURI: " : "\nURI: ", m->uri);
	put_line(out, "\nVersion: 1\nChain ID: 1\nNonce: ", m->nonce);
	put_time(out, "\nIssued At: ", m->issued_at);
	if (m->has_expiry)
		put_time(out, "\nExpiration Time: ", m->expires_at);
	if (m->has_not_before)
		put_time(out, "\nNot Before: ", m->not_before);
	if (m->request_id.n > 0)
		put_line(out, "\nRequest ID: ", m->request_id);
	return out->failed;
}

/* ---- parse ---- */

/* Takes a line and its end; the last line has none. False: there is no line left. */
static bool cut_line(struct span *in, struct span *line)
{
	if (in->n == 0)
		return false;
	(void)span_split(in, '\n', line);
	return true;
}

/* Takes a line that begins with @key; what follows is the value. */
static bool cut_value(struct span *in, const char *key, struct span *value)
{
	struct span rest = *in, line, front;

	if (!cut_line(&rest, &line) || !span_cut(&line, strlen(key), &front) ||
		!span_is(front, key))
		return false;
	*value = line;
	*in = rest;
	return true;
}

static bool cut_exactly(struct span *in, const char *text)
{
	struct span rest = *in, value;

	if (!cut_value(&rest, text, &value) || value.n != 0)
		return false;
	*in = rest;
	return true;
}

static bool cut_time(struct span *in, const char *key, struct timestamp *t)
{
	struct span value;

	return cut_value(in, key, &value) && timefmt_parse(value, t) == ERR_OK;
}

/* A line may be missing, but not malformed. */
static bool cut_time_if_any(struct span *in, const char *key, struct timestamp *t,
	bool *has)
{
	struct span value, probe = *in;

	*has = cut_value(&probe, key, &value);
	return !*has || cut_time(in, key, t);
}

static bool cut_greeting(struct span *in, struct siwe *m)
{
	struct span line, tail = span_str(GREETING);

	if (!cut_line(in, &line) || line.n < tail.n)
		return false;
	m->domain = span_of(line.p, line.n - tail.n);
	return span_eq(span_of(line.p + m->domain.n, tail.n), tail);
}

/* Only an address with its checksum is accepted. */
static bool cut_address(struct span *in, char out[ADDRESS_TEXT_SIZE])
{
	struct span line;

	return cut_line(in, &line) && address_parse(line, out) == ERR_OK &&
		span_is(line, out);
}

/* A blank line, the statement if there is one, and a blank line. */
static bool cut_statement(struct span *in, struct span *statement)
{
	*statement = span_of(NULL, 0);
	if (!cut_exactly(in, ""))
		return false;
	if (cut_exactly(in, ""))
		return true;
	return cut_line(in, statement) && cut_exactly(in, "");
}

static bool cut_all(struct span *in, struct siwe *m)
{
	if (!cut_greeting(in, m) || !cut_address(in, m->address) ||
		!cut_statement(in, &m->statement) || !cut_value(in, "URI: ", &m->uri) ||
		!cut_exactly(in, "Version: 1") || !cut_exactly(in, "Chain ID: 1") ||
		!cut_value(in, "Nonce: ", &m->nonce) ||
		!cut_time(in, "Issued At: ", &m->issued_at) ||
		!cut_time_if_any(in, "Expiration Time: ", &m->expires_at,
			&m->has_expiry) ||
		!cut_time_if_any(in, "Not Before: ", &m->not_before, &m->has_not_before))
		return false;
	if (in->n > 0 &&
		(!cut_value(in, "Request ID: ", &m->request_id) || m->request_id.n == 0))
		return false;
	return in->n == 0;
}

enum err siwe_parse(struct span text, struct siwe *out, struct why *why)
{
	struct siwe m = { .has_expiry = false };
	const char *fault;

	if (text.n > SIWE_TEXT_MAX)
		return err_set(why, ERR_LIMIT, "the sign-in message is too long");
	if (text.n == 0 || text.p[text.n - 1] == '\n' || !cut_all(&text, &m))
		return err_set(why, ERR_SYNTAX, "the sign-in message is not EIP-4361");
	fault = find_fault(&m);
	if (fault != NULL)
		return err_set(why, ERR_SYNTAX, "the sign-in message's %s is wrong",
			fault);
	*out = m;
	return ERR_OK;
}

/* ---- signatures ---- */

void siwe_digest(struct span text, uint8_t out[K1_DIGEST_BYTES])
{
	struct keccak k;
	char head[64];
	int n = snprintf(head, sizeof(head),
		"\x19"
		"Ethereum Signed Message:\n%zu",
		text.n);

	keccak_init(&k);
	keccak_put(&k, span_of(head, (size_t)n));
	keccak_put(&k, text);
	keccak_finish(&k, out);
}

enum err siwe_sign(struct span text, const uint8_t secret[K1_SECRET_BYTES],
	char out[SIWE_SIGNATURE_SIZE])
{
	uint8_t digest[K1_DIGEST_BYTES], bytes[K1_RS_BYTES + 1];
	struct k1_signature sig;

	siwe_digest(text, digest);
	if (k1_sign(secret, digest, &sig) != ERR_OK)
		return ERR_CRYPTO;
	memcpy(bytes, sig.rs, sizeof(sig.rs));
	bytes[K1_RS_BYTES] = (uint8_t)(V_BASE + sig.recovery);
	out[0] = '0';
	out[1] = 'x';
	hex_encode(span_of(bytes, sizeof(bytes)), out + 2);
	return ERR_OK;
}

/* Some wallets do not add 27 to the recovery number. */
static bool parse_signature(struct span text, struct k1_signature *out)
{
	uint8_t bytes[K1_RS_BYTES + 1], v;
	size_t n;

	if (text.n != SIWE_SIGNATURE_SIZE - 1 || text.p[0] != '0' || text.p[1] != 'x' ||
		hex_decode(span_of(text.p + 2, text.n - 2), bytes, sizeof(bytes), &n) !=
			ERR_OK)
		return false;
	v = bytes[K1_RS_BYTES];
	memcpy(out->rs, bytes, sizeof(out->rs));
	out->recovery = v >= V_BASE ? (uint8_t)(v - V_BASE) : v;
	return out->recovery <= 1;
}

enum err siwe_recover(struct span text, struct span signature,
	char out[ADDRESS_TEXT_SIZE])
{
	uint8_t digest[K1_DIGEST_BYTES];
	struct k1_signature sig;
	struct k1_public key;

	siwe_digest(text, digest);
	if (!parse_signature(signature, &sig) || k1_recover(&sig, digest, &key) != ERR_OK)
		return ERR_CRYPTO;
	address_of_key(&key, out);
	return ERR_OK;
}

/* ---- verify ---- */

static bool is_before(struct timestamp a, struct timestamp b)
{
	return a.s != b.s ? a.s < b.s : a.ns < b.ns;
}

/* Domain and nonce need no check: the text equals the one that was sent. */
enum err siwe_verify(struct span asked, const struct siwe_response *response,
	struct timestamp now, char out[ADDRESS_TEXT_SIZE], struct why *why)
{
	struct siwe m = { .has_expiry = false };
	char signer[ADDRESS_TEXT_SIZE];
	enum err rc;

	if (!span_eq(names_trim(response->text), asked))
		return err_set(why, ERR_PROTO,
			"the sign-in message is not the one that was sent");
	rc = siwe_parse(asked, &m, why);
	if (rc != ERR_OK)
		return rc;
	if (m.has_expiry && is_before(m.expires_at, now))
		return err_set(why, ERR_TIMEOUT, "the sign-in message has expired");
	if (m.has_not_before && is_before(now, m.not_before))
		return err_set(why, ERR_TIMEOUT, "the sign-in message is not valid yet");
	if (siwe_recover(asked, response->signature, signer) != ERR_OK ||
		strcmp(signer, m.address) != 0)
		return err_set(why, ERR_DENIED, "the signature is not that of %s",
			m.address);
	if (out != NULL)
		memcpy(out, signer, sizeof(signer));
	return ERR_OK;
}
